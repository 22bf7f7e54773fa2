from pathlib import Path

import pytest

from kdc.compress.data.columns import Names
from kdc.compress.data.folders import read_file, read_folder
from kdc.compress.errors import KdcError

_ROWS = "text,label\na,x\nb,y\n"


def _folder(tmp_path: Path, *names: str) -> Path:
    for name in names:
        (tmp_path / name).write_text(_ROWS)
    return tmp_path


def test_splits_may_have_different_formats(tmp_path: Path) -> None:
    (tmp_path / "validation.jsonl").write_text('{"utterance": "c", "intent": "x"}\n')
    parts = read_folder(_folder(tmp_path, "train.csv"), Names())
    assert parts.name == tmp_path.name
    assert parts.dev is not None
    assert (parts.train.texts, parts.dev.texts, parts.test) == (["a", "b"], ["c"], None)


def test_unlabelled_test_file_is_left_out_with_a_note(tmp_path: Path) -> None:
    """GLUE's own test files stopped the run with a missing column."""
    (tmp_path / "test.tsv").write_text("index\tsentence\n0\tx\n")
    parts = read_folder(_folder(tmp_path, "train.csv", "dev.csv"), Names())
    assert parts.test is None
    assert parts.notes == (f"{tmp_path / 'test.tsv'} has no column of labels and is not used",)


def test_labelled_test_file_goes_before_the_other(tmp_path: Path) -> None:
    (tmp_path / "test.tsv").write_text("index\tsentence\n0\tx\n")
    parts = read_folder(_folder(tmp_path, "train.csv", "dev.csv", "test_labelled.csv"), Names())
    assert parts.test is not None
    assert (parts.test.texts, parts.notes) == (["a", "b"], ())


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ((), r"has no train\.\* .*: it is empty"),
        (("dev.csv",), r"has no train\.\* .*: it holds dev\.csv"),
        (("train.tsv.xz", "dev.csv"), r"has no train\.\* .*: it holds dev\.csv, train\.tsv\.xz"),
        (("train.csv",), r"has no dev\.\* .* or name .*train\.csv itself"),
        (("train.csv", "train.tsv", "dev.csv"), "holds both train.csv and train.tsv"),
        (("train.csv", "valid.csv", "dev.csv"), "holds both dev.csv and valid.csv"),
    ],
)
def test_missing_and_doubled_files_are_named(
    tmp_path: Path, files: tuple[str, ...], message: str
) -> None:
    with pytest.raises(KdcError, match=message):
        read_folder(_folder(tmp_path, *files), Names())


def test_task_is_not_called_train(tmp_path: Path) -> None:
    folder = _folder(tmp_path, "train.csv", "reviews.csv")
    assert read_file(folder / "train.csv", None, Names()).name == tmp_path.name
    assert read_file(folder / "reviews.csv", folder / "train.csv", Names()).name == "reviews"


@pytest.mark.parametrize(
    ("name", "header", "metric"),
    [
        ("CoLA", "sentence\tlabel", "matthews"),
        ("x", "Quality\t#1 String\t#2 String", "f1"),
        ("x", "question1\tquestion2\tis_duplicate", "f1"),
        ("SST-2", "sentence\tlabel", None),
    ],
)
def test_glue_brings_its_metric(tmp_path: Path, name: str, header: str, metric: str) -> None:
    path = tmp_path / f"{name}.tsv"
    path.write_text(f"{header}\n" + "\t".join("1" for _ in header.split("\t")) + "\n")
    assert read_file(path, None, Names()).metric == metric
