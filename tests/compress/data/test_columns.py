import pytest

from kdc.compress.data.columns import Columns, Names, find_columns, has_labels
from kdc.compress.data.table import Table
from kdc.compress.errors import KdcError


def _table(*header: str) -> Table:
    return Table("a.csv", header, [["x"]] * len(header), [2])


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (("Text", "LABEL"), Columns(0, None, 1)),
        (("id", "intent", "utterance"), Columns(2, None, 1)),
        (("index", "question", "sentence", "label"), Columns(1, 2, 3)),
        (("Quality", "#1 ID", "#2 ID", "#1 String", "#2 String"), Columns(3, 4, 0)),
        (("id", "qid1", "qid2", "question1", "question2", "is_duplicate"), Columns(3, 4, 5)),
        (("premise", "hypothesis", "gold_label"), Columns(0, 1, 2)),
        (("sentence2", "sentence1", "score"), Columns(1, 0, 2)),
    ],
)
def test_usual_names_are_found(header: tuple[str, ...], expected: Columns) -> None:
    assert find_columns(_table(*header), Names()) == expected


def test_names_of_the_user_go_before_usual_ones() -> None:
    """`--label title` left the title a candidate for the text as well."""
    table = _table("title", "body", "label", "kind")
    assert find_columns(table, Names(text="body", label="title")) == Columns(1, None, 0)
    assert find_columns(table, Names(label="Title")) == Columns(1, None, 0)
    assert find_columns(table, Names("kind", "body")) == Columns(3, 1, 2)


def test_text_without_pair_is_single() -> None:
    """With `--text question` the sentence still came along as the second text."""
    table = _table("question", "sentence", "label")
    assert find_columns(table, Names(text="question")) == Columns(0, None, 2)


@pytest.mark.parametrize(
    ("header", "names", "message"),
    [
        (("a", "label"), Names(), r"no column .* for the text: .*--text.*'a', 'label'"),
        (("text", "b"), Names(), r"no column .* for the label: .*--label.*'text', 'b'"),
        (("text", "title", "label"), Names(), "several columns of a usual name for the text"),
        (("text", "text", "label"), Names(), "several columns of a usual name for the text"),
        (("sentence1", "sentence2", "text", "label"), Names(), "several columns .* the text"),
        (("text", "label", "score"), Names(), "several columns of a usual name for the label"),
        (("text", "label"), Names(text="txt"), r"no column 'txt' \(--text\): .*'text', 'label'"),
        (("text", "a", "a"), Names(label="a"), r"several columns 'a' \(--label\)"),
        (("text", "label"), Names(text="label", label="label"), "must name different columns"),
    ],
)
def test_missing_and_ambiguous_columns_are_listed(
    header: tuple[str, ...], names: Names, message: str
) -> None:
    """The wrong column, silently chosen, trains a model of something else."""
    with pytest.raises(KdcError, match=message):
        find_columns(_table(*header), names)


def test_a_thousand_columns_are_not_all_listed() -> None:
    with pytest.raises(KdcError) as caught:
        find_columns(_table(*(f"{i}" * 100 for i in range(1000))), Names())
    assert len(str(caught.value)) < 1200


@pytest.mark.parametrize("names", [("sentence1", "sentence2"), ("label", "text"), ("a", "b")])
def test_a_hundred_thousand_columns_take_no_time(names: tuple[str, ...]) -> None:
    """Comparing every column with every other took hours on a file of commas."""
    with pytest.raises(KdcError):
        find_columns(_table(*(names * 50_000)), Names())


def test_pair_alone_is_refused() -> None:
    with pytest.raises(KdcError, match="name the first with --text"):
        Names(pair="b")


def test_unlabelled_table_is_recognised() -> None:
    assert not has_labels(_table("index", "sentence"), Names())
    assert has_labels(_table("sentence", "Label"), Names())
    assert has_labels(_table("sentence", "mood"), Names(label="Mood"))
    assert not has_labels(_table("sentence", "label"), Names(label="mood"))
