"""The walk as a user takes it: one command after the other, each folder feeding the next."""

import json
from pathlib import Path

import numpy as np
import pytest

from tests.commands import kdc
from tests.phones import take_some_runtime
from tests.tables import write_split
from tests.tiny import tiny_data, tiny_teacher


@pytest.fixture(scope="module")
def walk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which the whole walk was taken, with a tiny teacher on a table of its own."""
    folder, data = tmp_path_factory.mktemp("walk"), tiny_data()
    (folder / "table").mkdir()
    for name, split in (("train", data.train), ("dev", data.dev), ("test", data.test)):
        assert split is not None
        write_split(folder / "table" / f"{name}.csv", split, data.task.labels)
    tiny_teacher(folder / "teacher", data)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        take_some_runtime(tmp_path_factory.mktemp("runtime"), patch)
        options = ["--teacher", "teacher", "--data", "table", "--student", "1x32", "--epochs", "4"]
        for words in (
            ["distill", *options, "--learning-rate", "0.003", "--json", "distill.json"],
            ["export", "--quantize", "--max-drop", "20", "--json", "export.json"],
            ["bench", "--model", "student.onnx", "--length", "natural,16", "--json", "bench.json"],
            ["bundle", "--app", "web"],
            ["eval", "--model", "student", "--data", "table", "--json", "torch.json"],
            ["eval", "--model", "student.onnx", "--data", "table", "--json", "onnx.json"],
            ["eval", "--model", "phone", "--data", "table", "--split", "all", "--json", "all.json"],
        ):
            done = kdc(*words)
            assert done.exit_code == 0, (words, done.output)
    return folder


def read(path: Path) -> dict[str, object]:
    value: dict[str, object] = json.loads(path.read_text())
    return value


def test_eval_of_the_student_repeats_what_distill_measured(walk: Path) -> None:
    """Two ways to tokenise, cut or order the classes would give two scores for one model."""
    metrics, found = read(walk / "student/metrics.json"), read(walk / "torch.json")
    assert isinstance(metrics["student"], dict)
    assert {key: found[key] for key in metrics["student"]} == metrics["student"]
    assert metrics == read(walk / "distill.json")


def test_eval_of_the_file_that_ships_repeats_what_export_measured(walk: Path) -> None:
    """The score in the manifest must be that of the file, not of the model it came from."""
    manifest, found = read(walk / "phone/manifest.json"), read(walk / "onnx.json")
    assert isinstance(manifest["metrics"], dict)
    shipped = manifest["metrics"]["shipped"]
    assert {key: found[key] for key in shipped} == shipped


def test_predict_repeats_the_answers_that_distill_kept(walk: Path) -> None:
    """Bug: a folder's classes in another order, or texts cut elsewhere, than when it was judged."""
    from kdc.compress.artifact import read_student

    dev, student = tiny_data().dev, read_student(walk / "student")
    kept, labels = np.asarray(student.dev().logits), student.task.labels
    done = kdc("predict", "--model", walk / "student", "--json", "-", "--quiet", *dev.texts[:20])
    found = json.loads(done.stdout)["answers"]
    assert [row["answer"] for row in found] == [labels[i] for i in kept[:20].argmax(axis=1)]
    shares = [np.exp(row - row.max()) / np.exp(row - row.max()).sum() for row in kept[:20]]
    sure = [row["probabilities"][0]["probability"] for row in found]
    assert sure == pytest.approx([share.max() for share in shares], abs=1e-4)


def test_eval_of_all_rows_counts_every_split(walk: Path) -> None:
    """A held-out table is scored whole, not on the dev rows that a seed would choose."""
    data = tiny_data()
    assert data.test is not None
    assert read(walk / "all.json")["n"] == len(data.train) + len(data.dev) + len(data.test)


def test_every_folder_names_its_parent(walk: Path) -> None:
    """A phone folder that cannot be traced to its student cannot be trusted."""
    from kdc.compress.artifact import read_student

    parent = read(walk / "phone/manifest.json")["parent"]
    assert isinstance(parent, dict)
    assert parent["student"] == read_student(walk / "student").digest
    assert read(walk / "app/assets/manifest.json") == read(walk / "phone/manifest.json")


def test_student_onnx_is_the_model_in_the_phone_folder(walk: Path) -> None:
    """What is benched must be what ships."""
    inside = walk / "phone/onnx/model_quantized.onnx"
    assert (walk / "student.onnx").read_bytes() == inside.read_bytes()


def test_bench_measured_the_natural_lengths_of_the_task(walk: Path) -> None:
    """Without the lengths in the file, natural would be somebody else's texts."""
    runs = read(walk / "bench.json")["runs"]
    assert isinstance(runs, list)
    assert [one["length"] for one in runs] == ["natural", 16]
    assert all(one["latency_ms"]["p50"] > 0 for one in runs)


def test_golden_logits_come_back_from_a_fresh_session(walk: Path) -> None:
    """The vectors that apps replay must be those of the very file beside them."""
    import onnxruntime

    golden = read(walk / "phone/golden.json")
    session = onnxruntime.InferenceSession(str(walk / "student.onnx"))
    names = {node.name for node in session.get_inputs()}
    assert isinstance(golden["input_ids"], list) and isinstance(golden["logits"], list)
    for ids, wanted in zip(golden["input_ids"], golden["logits"], strict=True):
        row = np.array([ids], dtype=np.int64)
        feeds = {"input_ids": row, "attention_mask": row * 0 + 1, "token_type_ids": row * 0}
        (found,) = session.run(["logits"], {k: v for k, v in feeds.items() if k in names})
        assert np.abs(found[0] - np.array(wanted)).max() <= 1e-4


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["distill", "--student", "9x999"], "wider"),
        (["distill", "--student", "1x32", "--heads", "5"], "does not divide"),
        (["distill", "--student", "bert-tinny"], "bert-tiny"),
        (["distill", "--recipe", "hintn"], "hinton"),
        (["distill", "--data", "missing.csv"], "missing.csv"),
        (["distill", "--teacher", "./missing"], "./missing"),
        (["distill", "--out", "table"], "table already holds something else"),
        (["distill", "--device", "tpu"], "unknown device 'tpu'"),
        (["distill", "--epochs", "nan"], "epochs"),
        (["teacher", "--recipe", "hinton"], "asks a teacher"),
        (["export", "missing"], "missing"),
        (["eval", "--split", "tset"], "test"),
        (["eval", "--model", "missing.onnx"], "missing.onnx"),
    ],
)
def test_wrong_input_is_one_sentence_and_exit_code_1(
    walk: Path, words: list[str], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A traceback, or a teacher trained for minutes before the option is looked at."""
    monkeypatch.chdir(walk)
    rest = {"distill": ["--teacher", "teacher", "--data", "table", "--out", "other"]}
    rest["teacher"] = ["--model", "teacher", "--data", "table", "--out", "other"]
    rest["eval"] = ["--data", "table"]
    command, *options = words
    defaults = rest.get(command, [])
    pairs = zip(defaults[::2], defaults[1::2], strict=True)
    missing = [word for pair in pairs if pair[0] not in options for word in pair]
    done = kdc(command, *options, *missing)
    assert done.exit_code == 1, done.output
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith("kdc: ") and said in last
    assert not (walk / "other").exists()


def test_a_changed_student_folder_is_refused_with_the_files_name(
    walk: Path, tmp_path: Path
) -> None:
    """A flipped bit in the weights would become a model that is quietly worse."""
    import shutil

    copy = tmp_path / "student"
    shutil.copytree(walk / "student", copy)
    weights = bytearray((copy / "model.safetensors").read_bytes())
    weights[-5] ^= 4
    (copy / "model.safetensors").write_bytes(weights)
    done = kdc("export", str(copy), "--out", str(tmp_path / "phone"))
    assert done.exit_code == 1
    assert "model.safetensors" in done.stderr
    assert not (tmp_path / "phone").exists() and not (tmp_path / "student.onnx").exists()
