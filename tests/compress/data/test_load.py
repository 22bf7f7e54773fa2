import csv
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from kdc.compress.data.builtin import TASKS, BuiltinTask
from kdc.compress.data.dataset import Dataset, Split
from kdc.compress.data.load import load_data
from kdc.compress.errors import KdcError
from kdc.compress.task import Task

_OFFICIAL = [
    ("glue/SST-2", "accuracy", 2, 67_349, 872, None),
    ("glue/CoLA", "matthews", 2, 8_551, 1_043, None),
    ("glue/MRPC", "f1", 2, 3_668, 408, 1_725),
    ("glue/STS-B", "pearson_spearman", 0, 5_749, 1_500, None),
    ("glue/RTE", "accuracy", 2, 2_490, 277, None),
    ("clinc150", "accuracy", 151, 15_100, 3_100, 5_500),
]


@pytest.mark.parametrize(("name", "metric", "classes", "train", "dev", "test"), _OFFICIAL)
def test_real_sets_have_their_official_rows(
    shared_data: Path,
    name: str,
    metric: str,
    classes: int,
    train: int,
    dev: int,
    test: int | None,
) -> None:
    """A quotation mark read as CSV's silently swallows rows of GLUE."""
    data = load_data(str(shared_data / name))
    sizes = (len(data.train), len(data.dev), None if data.test is None else len(data.test))
    assert sizes == (train, dev, test)
    assert (data.task.metric, len(data.task.labels)) == (metric, classes)


def test_real_rows_are_where_they_belong(shared_data: Path) -> None:
    """Columns that are one off still count the same rows."""
    mrpc = load_data(str(shared_data / "glue" / "MRPC"))
    assert mrpc.train.pairs is not None
    assert mrpc.train.texts[0].startswith("Amrozi accused his brother , whom he called")
    assert mrpc.train.pairs[0].startswith('Referring to him as only " the witness "')
    assert mrpc.task.labels[int(mrpc.train.labels[0])] == "1"
    # the share of paraphrases that Dolan and Brockett (2005) report for the training set
    assert np.mean(mrpc.train.labels) == pytest.approx(0.675, abs=0.002)
    scores = load_data(str(shared_data / "glue" / "STS-B")).train.labels
    assert (scores.min(), scores.max()) == (0.0, 5.0)
    cola = load_data(str(shared_data / "glue" / "CoLA"))
    assert cola.train.texts[0].startswith("Our friends won't buy this analysis")


def test_missing_train_file_of_a_real_folder_is_named(shared_data: Path) -> None:
    with pytest.raises(KdcError, match=r"QNLI has no train\.\*"):
        load_data(str(shared_data / "glue" / "QNLI"))


def test_clinc_file_and_folder_are_the_same(tmp_path: Path) -> None:
    path = tmp_path / "data_full.json"
    path.write_text('{"train": [["a", "x"], ["b", "y"]], "val": [["c", "x"]]}')
    assert load_data(str(path)).digest() == load_data(str(tmp_path)).digest()


def test_file_with_its_dev_file(tmp_path: Path) -> None:
    train, dev = tmp_path / "a.csv", tmp_path / "b.tsv"
    train.write_text("Review,Mood,label\ngreat,good,1\nawful,bad,2\n")
    dev.write_text("mood\treview\nbad\tdire\n")
    data = load_data(str(train), dev=dev, text="review", label="mood", metric="macro_f1")
    assert data.task == Task("a", "classification", ("bad", "good"), False, "macro_f1")
    assert (data.train.labels.tolist(), data.dev.labels.tolist()) == ([1, 0], [0])
    assert data.dev.texts == ["dire"]


def _builtin() -> Dataset:
    split = Split(["a", "b"], None, np.array([0, 1]))
    task = Task("mine", "classification", ("x", "y"), False, "accuracy")
    return Dataset(task, split, split, None)


def test_builtin_goes_before_a_folder_of_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(TASKS, "mine", BuiltinTask("a task", _builtin))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine").mkdir()
    assert load_data("mine").digest() == _builtin().digest()
    assert load_data("mine", metric="matthews").task.metric == "matthews"
    with pytest.raises(KdcError, match=r"mine has no train\.\*"):
        load_data("./mine")


@pytest.mark.parametrize("name", TASKS)
def test_every_builtin_task_loads(name: str) -> None:
    data = load_data(name)
    assert data.task.name == name
    assert len(data.train) > 0 and len(data.dev) > 0


def test_options_without_effect_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`--dev` beside a folder was ignored, and its rows never looked at."""
    monkeypatch.setitem(TASKS, "mine", BuiltinTask("a task", _builtin))
    for spec, option, values in (
        ("mine", "--label", {"label": "x"}),
        ("mine", "--dev", {"dev": tmp_path}),
        (str(tmp_path), "--dev", {"dev": tmp_path}),
        ("hf:imdb", "--dev", {"dev": tmp_path}),
    ):
        with pytest.raises(KdcError, match=f"{option} is for"):
            load_data(spec, **values)


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("phone-comands", "unknown task 'phone-comands': did you mean phone-commands"),
        ("SST-2", "no file or folder 'SST-2' here, and unknown task"),
        ("./nowhere", "there is no file or folder './nowhere'"),
        ("nowhere.csv", "there is no file or folder 'nowhere.csv'"),
        ("nowhere/at/all", "there is no file or folder"),
        ("", "there is no file or folder ''"),
        ("a\0b", "unknown task"),
        ("a" * 5000, "unknown task"),
    ],
)
def test_what_is_nowhere_is_one_sentence(spec: str, message: str) -> None:
    """A name of 5,000 letters is no path: the operating system's error was a traceback."""
    with pytest.raises(KdcError, match=message):
        load_data(spec)


def test_missing_dev_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("text,label\na,x\nb,y\n")
    with pytest.raises(KdcError, match=r"there is no file .*dev\.csv"):
        load_data(str(path), dev=tmp_path / "dev.csv")


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".jsonl", ".parquet", ".json"])
def test_damaged_files_are_data_or_one_sentence(tmp_path: Path, suffix: str) -> None:
    """Whatever a file holds, there is never a traceback."""
    path = tmp_path / f"a{suffix}"
    whole = _healthy(path)
    rng = np.random.default_rng(0)
    refused = 0
    for _ in range(200):
        data = bytearray(whole)
        for position in rng.integers(0, len(data), rng.integers(1, 5)):
            data[position] = int(rng.choice([9, 10, 13, 34, 44, 59, 0, 255, 92, 123, 49]))
        path.write_bytes(data)
        try:
            load_data(str(path))
        except KdcError as error:
            refused += 1
            assert "\n" not in str(error)
    assert refused > 20


def _healthy(path: Path) -> bytes:
    """Write a table in the format of the path's suffix; return the file."""
    rows = [[f'say "{i}", \u00e9', str(i % 2)] for i in range(20)]
    texts, labels = (list(column) for column in zip(*rows, strict=True))
    if path.suffix == ".parquet":
        pq.write_table(pa.table({"text": texts, "label": labels}), path)
    elif path.suffix == ".jsonl":
        path.write_text("\n".join(json.dumps({"text": t, "label": k}) for t, k in rows))
    elif path.suffix == ".json":
        path.write_text(json.dumps({"train": rows, "val": rows}))
    else:
        with path.open("w", newline="", encoding="utf-8") as file:
            delimiter = "," if path.suffix == ".csv" else "\t"
            csv.writer(file, delimiter=delimiter).writerows([["text", "label"], *rows])
    load_data(str(path))
    return path.read_bytes()


def test_heavy_libraries_wait_until_they_are_needed() -> None:
    """`kdc list tasks` waited seconds for torch, pyarrow and datasets."""
    code = "import sys, kdc.compress.data.load; print(*sys.modules)"
    command = [sys.executable, "-c", code]
    loaded = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    assert not {"torch", "transformers", "pyarrow", "datasets", "onnx"} & set(loaded)
