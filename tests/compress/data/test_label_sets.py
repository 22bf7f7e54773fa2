"""Rows with several labels, as files write them: with a separator, as lists, as columns."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from kdc.compress.data.dataset import Dataset
from kdc.compress.data.load import load_data
from kdc.compress.errors import KdcError
from tests.tables import write_sets

TEXTS = [f"text {i}" for i in range(6)]
SETS = [("joy", "love"), (), ("joy",), ("anger",), ("love", "anger"), ()]
CLASSES = ("anger", "joy", "love")
HOLDS = [[0, 1, 1], [0, 0, 0], [0, 1, 0], [1, 0, 0], [1, 0, 1], [0, 0, 0]]


def csv_of(folder: Path, cells: list[str], name: str = "data.csv") -> Path:
    path = folder / name
    rows = zip(TEXTS, cells, strict=False)
    path.write_text("text,label\n" + "".join(f'{text},"{cell}"\n' for text, cell in rows))
    return path


def load(path: Path, **options: Any) -> Dataset:  # noqa: ANN401
    return load_data(str(path), dev=path, **options)


def by_separator(folder: Path, separator: str) -> Dataset:
    return load(csv_of(folder, [separator.join(one) for one in SETS]), multi_label=separator)


def by_lists(folder: Path) -> Dataset:
    path = folder / "data.jsonl"
    rows = zip(TEXTS, SETS, strict=True)
    path.write_text("\n".join(json.dumps({"text": t, "labels": list(s)}) for t, s in rows))
    return load(path)


def by_parquet(folder: Path) -> Dataset:
    path = folder / "data.parquet"
    pq.write_table(pa.table({"text": TEXTS, "labels": [list(one) for one in SETS]}), path)
    return load(path)


def by_columns(folder: Path) -> Dataset:
    path = folder / "data.csv"
    write_sets(path, TEXTS, np.array(HOLDS), CLASSES)
    return load(path, label="love,Anger, joy")


FORMS = {
    "|": lambda folder: by_separator(folder, "|"),
    ";": lambda folder: by_separator(folder, ";"),
    ",": lambda folder: by_separator(folder, ","),
    "lists": by_lists,
    "parquet": by_parquet,
    "columns": by_columns,
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_holds_the_same_rows(form: str, tmp_path: Path) -> None:
    """Bug: a form that loses the rows without a label, or puts labels into others' columns."""
    data = FORMS[form](tmp_path)
    assert (data.task.kind, data.task.metric) == ("multi-label", "micro_f1")
    assert data.task.labels == CLASSES and data.task.outputs == 3
    assert data.train.labels.dtype == np.float32
    assert data.train.labels.tolist() == data.dev.labels.tolist() == HOLDS
    said = " ".join(data.notes)
    assert "a train row has 1.00 of 3 labels on average, and 2 of 6 have none" in said
    assert "6 of 6 dev texts also stand in train" in said and "another label" not in said


def test_without_the_option_a_separator_is_a_letter(tmp_path: Path) -> None:
    """Bug: a file of one label a row turns into another task because a name holds a bar."""
    path = csv_of(tmp_path, ["a|b", "c", "a|b", "c", "a|b", "c"])
    assert load(path).task.labels == ("a|b", "c")
    assert load(path).task.kind == "classification"


def test_blanks_and_repeated_names_make_no_further_labels(tmp_path: Path) -> None:
    path = csv_of(tmp_path, ["a | b", " b|a|b ", "  ", "a", "b", "a"])
    assert load(path, multi_label="|").train.labels.tolist()[:3] == [[1, 1], [1, 1], [0, 0]]


def test_whole_numbers_are_the_same_however_written(tmp_path: Path) -> None:
    """Bug: 10 before 9, or 1.0 beside 1, in sets but not in single labels."""
    path = csv_of(tmp_path, ["9;10", "1;1.0", "", "1", "9", "10"])
    data = load(path, multi_label=";")
    assert data.task.labels == ("1", "9", "10")
    assert data.train.labels.tolist()[:2] == [[0, 1, 1], [1, 0, 0]]


@pytest.mark.parametrize(
    ("cells", "words"),
    [
        (["a", "b", "a", "b", "", "a"], "no row has more than one label, such as 'a'"),
        (["a;b", "c", "a;b", "c", "c", "c"], "no row has more than one label, such as 'a;b'"),
        ([""] * 6, "no row has a label"),
        (["a|b", "a||b", "", "", "", ""], r"data.csv, line 3: one of the labels is empty"),
        (["a|b", "a|", "", "", "", ""], r"data.csv, line 3: one of the labels is empty"),
    ],
    ids=["single", "another separator", "none", "gap", "end"],
)
def test_cells_that_hold_no_sets_are_refused(tmp_path: Path, cells: list[str], words: str) -> None:
    """Bug: a file of single labels trains with a sigmoid a class, which nobody asked for."""
    with pytest.raises(KdcError, match=words):
        load(csv_of(tmp_path, cells), multi_label="|")


@pytest.mark.parametrize("separator", ["", "x", "||", "\t", " "])
def test_an_unknown_separator_is_refused(tmp_path: Path, separator: str) -> None:
    with pytest.raises(KdcError, match=r"--multi-label must be .* one of '\|', ';', ','"):
        load(csv_of(tmp_path, ["a|b"] * 6), multi_label=separator)


def test_a_label_that_only_dev_has_is_refused(tmp_path: Path) -> None:
    """Bug: a column too many, or a KeyError."""
    train = csv_of(tmp_path, ["a|b", "a", "b", "", "a", "b"])
    dev = csv_of(tmp_path, ["a", "a|c", "d"], "dev.csv")
    words = r"dev.csv, line 3: the label 'c' does not occur .* \(nor does 1 other label\)"
    with pytest.raises(KdcError, match=words):
        load_data(str(train), dev=dev, multi_label="|")


@pytest.mark.parametrize(
    ("cells", "words"),
    [
        ([["a", "b"], "a"], "data.jsonl, line 2: 'label' is no list, as it is in other rows"),
        ([["a", "b"], None], "data.jsonl, line 2: 'label' is no list"),
        ([["a", "b"], ["a", None]], "data.jsonl, line 2: 'label' is missing"),
        ([["a", "b"], [["a"]]], "data.jsonl, line 2: 'label' is a list, not a text"),
        ([["a", "b"], ["a", " "]], "data.jsonl, line 2: one of the labels is empty"),
        ([["a"], ["b"]], "no row has more than one label, such as 'a'.* write no lists"),
        ([["a", "a"], ["a"]], "no row has more than one label"),
    ],
    ids=str,
)
def test_lists_that_hold_something_else_are_refused(
    tmp_path: Path, cells: list[object], words: str
) -> None:
    path = tmp_path / "data.jsonl"
    path.write_text("\n".join(json.dumps({"text": "t", "label": cell}) for cell in cells))
    with pytest.raises(KdcError, match=words):
        load(path)


def test_lists_need_no_separator(tmp_path: Path) -> None:
    path = tmp_path / "data.jsonl"
    path.write_text('{"text": "t", "label": ["a", "b"]}\n{"text": "u", "label": []}\n')
    with pytest.raises(KdcError, match="holds lists already: leave out --multi-label"):
        load(path, multi_label="|")


@pytest.mark.parametrize(
    ("label", "separator", "words"),
    [
        ("a,b,text", None, "must name different columns"),
        ("a,a", None, "must name different columns"),
        ("a,b,nobody", None, r"no column 'nobody' \(--label\)"),
        ("a,b,", None, r"no column '' \(--label\)"),
        ("a,share", None, r"data.csv, line 2: 'share' is '0.5', .* has to hold 0 or 1"),
        ("a,never", None, "the label 'never' holds in no row"),
        ("a,b", "|", "--multi-label is for one column of labels, and --label names 2"),
    ],
    ids=str,
)
def test_columns_that_are_no_labels_are_refused(
    tmp_path: Path, label: str, separator: str | None, words: str
) -> None:
    path = tmp_path / "data.csv"
    path.write_text("text,a,b,share,never\nt,1,0,0.5,0\nu,true,FALSE,1,0\nv,0.0,1.0,1,0\n")
    with pytest.raises(KdcError, match=words):
        load(path, text="text", label=label, multi_label=separator)


def test_a_column_whose_name_holds_a_comma_is_one_column(tmp_path: Path) -> None:
    """Bug: a header that could be named before can no longer be."""
    path = tmp_path / "data.csv"
    path.write_text('text,"a,b"\nt,x\nu,y\nv,x\n')
    assert load(path, label="a,b").task.labels == ("x", "y")


def test_sets_beside_single_labels_are_refused(tmp_path: Path) -> None:
    train, dev = tmp_path / "train.jsonl", tmp_path / "dev.jsonl"
    train.write_text('{"text": "t", "label": ["a", "b"]}\n{"text": "u", "label": []}\n')
    dev.write_text('{"text": "t", "label": "a"}\n')
    words = "train.jsonl holds several labels a row, but .*dev.jsonl one"
    with pytest.raises(KdcError, match=words):
        load_data(str(train), dev=dev)


def test_built_in_data_takes_no_separator() -> None:
    with pytest.raises(KdcError, match="--multi-label is for tables"):
        load_data("phone-commands", multi_label="|")


def test_the_dev_rows_that_are_set_aside_have_every_label(tmp_path: Path) -> None:
    """Bug: a rare label is all in train or, worse, all in dev."""
    rng = np.random.default_rng(0)
    holds = (rng.random((400, 4)) < [0.5, 0.3, 0.1, 0.05]).astype(int)
    path = tmp_path / "data.csv"
    write_sets(path, [f"text {i}" for i in range(400)], holds, tuple("abcd"))
    data = load_data(str(path), label="a,b,c,d")
    assert len(data.dev) == 40 and len(data.train) == 360
    rare = int(holds[:, 3].sum())
    assert data.dev.labels[:, 3].sum() == pytest.approx(rare / 10, abs=1)
    assert data.dev.labels.sum(axis=0).min() > 0


def test_the_columns_of_an_unlabelled_test_file_are_missed(tmp_path: Path) -> None:
    """Bug: a test file with some of the columns stops the run, or none of them is noticed."""
    for name in ("train", "dev"):
        write_sets(tmp_path / f"{name}.csv", TEXTS, np.array(HOLDS), CLASSES)
    (tmp_path / "test.csv").write_text("text,joy\nt,1\n")
    data = load_data(str(tmp_path), label="anger,joy,love")
    assert data.test is None
    assert any("has no column of labels" in note for note in data.notes)
