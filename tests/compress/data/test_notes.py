import numpy as np

from kdc.compress.data.dataset import Split
from kdc.compress.data.notes import notes_on


def _split(*rows: tuple[str, int]) -> Split:
    return Split([text for text, _ in rows], None, np.array([label for _, label in rows]))


def test_shared_texts_are_counted_with_those_of_another_label() -> None:
    """Scores on texts that were trained on say nothing, and nobody noticed."""
    train = _split(("Hello  you ", 0), ("bye", 1), ("bye", 0), ("x", 1))
    dev = _split(("hello you", 0), ("BYE", 1), (" x", 0), ("new", 0))
    notes = notes_on((), {"train": train, "dev": dev, "test": _split(("other", 1))})
    assert notes == [
        "2 of 4 train texts stand there with another label too",
        "3 of 4 dev texts also stand in train, 1 of them with another label",
    ]


def test_pairs_are_the_same_only_as_a_whole() -> None:
    labels = np.array([0])
    train = Split(["a"], ["b"], labels)
    others = {"dev": Split(["a"], ["c"], labels), "test": Split(["A"], [" b"], labels)}
    notes = notes_on((), {"train": train, **others})
    assert notes == ["1 of 1 test texts also stand in train"]


def test_empty_texts_are_counted() -> None:
    train = Split(["a", "b", " "], ["x", "", ""], np.array([0, 1, 0]))
    assert notes_on((), {"train": train}) == ["2 of 3 train texts are empty"]


def test_texts_from_the_wrong_encoding_are_counted() -> None:
    """Bug: read as Latin-1, Excel's euro and quotes are control characters."""
    excel = "costs 5 \u20ac, \u201cok\u201d".encode("cp1252")
    train = _split((excel.decode("latin-1"), 0), (excel.decode("cp1252"), 1), ("a\x85b", 0))
    (note,) = notes_on((), {"train": train})
    assert note.startswith("1 of 3 train texts hold control characters where Windows-1252 has")
    stray = _split((excel.decode("latin-1"), 0), *((str(row), 0) for row in range(100)))
    assert not notes_on((), {"train": stray})


def test_scores_may_differ_on_one_text() -> None:
    scores = Split(["a", "a"], None, np.array([0.5, 0.7], dtype=np.float32))
    assert not notes_on((), {"train": scores})


def test_classes_are_told_with_their_rows() -> None:
    """A label `nan`, or one of two rows, was a class that nobody had seen before the training."""
    train = _split(*((str(i), int(i % 10 == 0)) for i in range(2000)))
    assert notes_on(("bad", "nan"), {"train": train}) == ["train rows by class: bad 1,800, nan 200"]
    many = tuple("abcdefg")
    assert notes_on(many, {"train": _split(("x", 1), ("y", 1), ("z", 6))})[0] == (
        "train rows by 7 classes: from a 0 to b 2"
    )
    even = _split(*((str(number), number) for number in range(7)))
    assert notes_on(many, {"train": even})[0] == "train rows by 7 classes: 1 of each"


def test_odd_classes_are_named() -> None:
    """`Yes` beside `yes` is one class to every reader but the program."""
    train = _split(*((str(i), i % 4) for i in range(20)))
    classes = ("No", "Yes", "no way", "yes")
    assert notes_on(classes, {"train": train})[1:] == [
        "'Yes' and 'yes' differ only in case, but are two classes"
    ]
    texts = tuple(f"a whole sentence {i}" for i in range(51))
    assert notes_on(texts[:50], {"train": train})[1:] == []
    assert notes_on(texts, {"train": train})[1:] == [
        "51 classes in 20 rows: is that the column of labels?"
    ]


def test_a_class_that_dev_lacks_is_named() -> None:
    """Bug: all of dev is one class, and everything scores 100 %."""
    train = _split(("a", 0), ("b", 1), ("c", 2))
    notes = notes_on(("common", "rare", "once"), {"train": train, "dev": _split(("d", 0))})
    assert "dev holds no row of rare, once: give a --dev file that does" in notes


def test_whole_numbers_are_said_to_be_classes() -> None:
    """Bug: ages are learned as sixty classes, and nothing says how to have them as scores."""
    ages = tuple(str(age) for age in range(20, 40))
    rows = {"train": _split(*((f"x {age}", age - 20) for age in range(20, 40)))}
    assert any(
        "20 whole numbers are taken for classes: --metric" in x for x in notes_on(ages, rows)
    )
    grades = {"train": _split(("a", 0), ("b", 1), ("c", 2))}
    told = "3 whole numbers are taken for classes: --metric pearson_spearman takes them for scores"
    assert told in notes_on(("0", "1", "2"), grades)
    assert told not in notes_on(("0", "1", "2"), grades, asked=True)
    assert not any("whole numbers" in x for x in notes_on(("0", "1"), {"train": _split(("a", 0))}))


def test_rows_that_judge_are_not_said_to_train() -> None:
    """Bug: `kdc eval` tells how many train rows each class has, and nothing is trained."""
    assert notes_on(("a", "b"), {"train": _split(("x", 0), ("y", 1))}, teach=False) == []
