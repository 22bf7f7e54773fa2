import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from kdc.compress.data.hub import readings
from kdc.compress.data.load import load_data
from kdc.compress.errors import KdcError

datasets: Any = pytest.importorskip("datasets")


@pytest.fixture(autouse=True)
def _no_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ("hf:imdb", [("imdb", None)]),
        ("hf:nyu-mll/glue", [("nyu-mll/glue", None), ("nyu-mll", "glue")]),
        ("hf:nyu-mll/glue/sst2", [("nyu-mll/glue", "sst2")]),
        ("hf:./data/mine", [("./data/mine", None)]),
        ("hf:/data/a/b/c", [("/data/a/b/c", None)]),
    ],
)
def test_a_spec_has_its_readings(spec: str, expected: list[tuple[str, str | None]]) -> None:
    assert readings(spec) == expected


@pytest.mark.parametrize("spec", ["hf:", "hf:a/", "hf:a//b", "hf:a/b/c/d"])
def test_what_names_no_dataset_is_refused(spec: str) -> None:
    with pytest.raises(KdcError, match="names no dataset: write hf:NAME"):
        readings(spec)


def test_local_folder_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "train.csv").write_text("text,label\na,x\nb,y\nc,x\n")
    (folder / "validation.csv").write_text("text,label\nd,y\n")
    (folder / "test.csv").write_text("text,label\ne,x\n")
    monkeypatch.chdir(tmp_path)
    data = load_data("hf:./mine")
    assert data.task.name == "mine"
    assert data.task.labels == ("x", "y")
    assert (data.train.texts, data.train.labels.tolist()) == (["a", "b", "c"], [0, 1, 0])
    assert data.test is not None
    assert (data.dev.texts, data.test.texts) == (["d"], ["e"])


def _load(monkeypatch: pytest.MonkeyPatch, answer: Callable[..., object]) -> None:
    monkeypatch.setattr(datasets, "load_dataset", answer)


def test_classes_get_their_names_and_unlabelled_test_rows_are_left_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The Hub's GLUE marks the test rows with class -1, which was the last class to an index."""
    names = datasets.ClassLabel(names=["neg", "pos"])
    features = datasets.Features(
        sentence=datasets.Value("string"), label=names, parts=datasets.List(datasets.Value("int64"))
    )

    def split(labels: list[int]) -> object:
        rows = {"sentence": [f"t{i}" for i in range(len(labels))], "label": labels}
        return datasets.Dataset.from_dict({**rows, "parts": [[1]] * len(labels)}, features)

    asked = []

    def answer(name: str, config: str | None) -> object:
        asked.append((name, config))
        if config is None:
            raise datasets.exceptions.DatasetNotFoundError("no such dataset")
        splits = {"train": split([1, 0] * 10), "test": split([-1, -1])}
        return datasets.DatasetDict(splits)

    _load(monkeypatch, answer)
    data = load_data("hf:glue/cola")
    assert asked == [("glue/cola", None), ("glue", "cola")]
    assert (data.task.name, data.task.labels, data.task.metric) == (
        "cola",
        ("neg", "pos"),
        "matthews",
    )
    assert (len(data.train), len(data.dev), data.test) == (18, 2, None)
    assert data.notes[0] == "hf:glue/cola (test) has no labels and is not used"


@pytest.mark.parametrize("named", [True, False])
def test_lists_of_classes_are_rows_of_several_labels(
    named: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Bug: a column of lists is left out, so that its dataset has no labels at all."""
    held = [["joy", "love"], [], ["joy"], ["love"]]
    names = ["anger", "joy", "love"]
    cells = [[names.index(label) for label in row] for row in held] if named else held
    inner = datasets.ClassLabel(names=names) if named else datasets.Value("string")
    features = datasets.Features(text=datasets.Value("string"), labels=datasets.List(inner))
    rows = datasets.Dataset.from_dict({"text": list("abcd"), "labels": cells}, features)
    splits = datasets.DatasetDict({"train": rows, "validation": rows})
    _load(monkeypatch, lambda *_: splits)
    data = load_data("hf:emotions")
    assert (data.task.kind, data.task.labels) == ("multi-label", ("joy", "love"))
    assert data.dev.labels.tolist() == [[1, 1], [0, 0], [1, 0], [0, 1]]


def test_missing_train_split_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = datasets.Dataset.from_dict({"text": ["a"], "label": ["x"]})
    _load(monkeypatch, lambda *_: datasets.DatasetDict({"validation": rows, "test": rows}))
    with pytest.raises(KdcError, match=r"hf:x has no train split: it has validation, test"):
        load_data("hf:x")


def test_without_network_it_is_one_sentence() -> None:
    with pytest.raises(KdcError, match=r"hf:glue/sst2 cannot be loaded: .*check the name and the"):
        load_data("hf:glue/sst2")


def test_missing_local_folder_is_one_sentence() -> None:
    with pytest.raises(KdcError, match=r"hf:\./nowhere cannot be loaded"):
        load_data("hf:./nowhere")


def test_no_code_of_a_dataset_runs(tmp_path: Path) -> None:
    """A dataset's loading script could do anything to the machine."""
    folder, trace = tmp_path / "evil", tmp_path / "trace"
    folder.mkdir()
    (folder / "evil.py").write_text(f"open({str(trace)!r}, 'w')\n")
    with pytest.raises(KdcError, match="cannot be loaded"):
        load_data(f"hf:{folder}")
    assert not trace.exists()


def test_older_datasets_that_runs_scripts_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(datasets, "__version__", "3.6.0")
    with pytest.raises(KdcError, match=r"datasets 3\.6\.0 may run code"):
        load_data("hf:imdb")


def test_missing_library_names_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(KdcError, match="pip install datasets"):
        load_data("hf:imdb")
