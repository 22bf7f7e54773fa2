"""The walk with rows of several labels, from a table to a page that checks the answers."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
import torch
from tokenizers import Tokenizer
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from kdc.compress.artifact import read_student
from tests.commands import kdc
from tests.phones import take_some_runtime
from tests.shipping import export
from tests.student import make_student
from tests.tables import write_sets
from tests.tiny import tiny_data, tiny_encoder

NAMES = ("alarm", "music", "room", "silence")  # in the order of a table's labels
TABLE = ["--data", "table", "--label", "alarm,music,room,silence"]


@pytest.fixture(scope="module")
def walk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which the whole walk was taken, from an encoder that knows nothing."""
    folder, data = tmp_path_factory.mktemp("walk"), tiny_data("multi-label", rows=120)
    (folder / "table").mkdir()
    for name, split in (("train", data.train), ("dev", data.dev), ("test", data.test)):
        assert split is not None
        path = folder / "table" / f"{name}.csv"
        write_sets(path, split.texts, split.labels, data.task.labels)
    tiny_encoder(folder / "encoder")
    fast = ["--learning-rate", "0.004", "--epochs"]
    student = ["--teacher", "teacher", "--student", "2x32", *fast, "20"]
    export = ["export", "--quantize", "--max-drop", "20", "--probabilities"]
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        take_some_runtime(tmp_path_factory.mktemp("runtime"), patch)
        for words in (
            ["teacher", "--model", "encoder", *TABLE, *fast, "20", "--json", "teacher.json"],
            ["distill", *student, *TABLE, "--json", "distill.json"],
            [*export, "--json", "export.json"],
            ["bundle", "--app", "web"],
            ["eval", "--model", "student", *TABLE, "--json", "torch.json"],
            ["eval", "--model", "student.onnx", *TABLE, "--json", "onnx.json"],
            ["bench", "phone", "--runs", "2", "--length", "8", *TABLE, "--json", "bench.json"],
        ):
            done = kdc(*words)
            assert done.exit_code == 0, (words, done.output)
            if words[0] == "teacher":  # with the columns that it was given
                assert f"next: kdc distill --teacher teacher {' '.join(TABLE)}\n" in done.stderr
    return folder


def read(path: Path) -> dict[str, Any]:
    value: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return value


def test_teacher_and_student_learn_what_no_constant_answer_knows(walk: Path) -> None:
    metrics, teacher = read(walk / "distill.json"), read(walk / "teacher.json")
    assert teacher["dev"]["metric"] == "micro_f1"
    assert teacher["dev"]["value"] == metrics["teacher"]["value"] > 0.9
    floor = metrics["baselines"]["majority"]["value"]
    assert 0.4 < floor < 0.7 < metrics["student"]["value"]
    assert {"scratch", "bag_of_words", "static_embeddings"} <= set(metrics["baselines"])
    assert metrics["calibration"]["student"]["nll"] < np.log(2)
    assert all(isinstance(flip["label"], list) for flip in metrics["flips"]["shown"])


def test_the_student_is_a_multi_label_classifier_to_transformers(walk: Path) -> None:
    """Bug: without `problem_type`, its loss, its pipelines and transformers.js take a softmax."""
    model = AutoModelForSequenceClassification.from_pretrained(walk / "student").eval()
    tokenizer = AutoTokenizer.from_pretrained(walk / "student")
    assert model.config.problem_type == "multi_label_classification"
    assert read(walk / "phone/config.json")["problem_type"] == "multi_label_classification"
    assert tuple(model.config.id2label.values()) == NAMES
    student = read_student(walk / "student")
    dev = student.dev()
    assert (student.task.kind, student.task.labels) == ("multi-label", NAMES)
    assert dev.labels.shape == (60, 4) and dev.labels.dtype == np.float32
    assert dev.logits is not None
    with torch.no_grad():
        logits = model(**tokenizer(dev.texts[3], return_tensors="pt")).logits[0].numpy()
    np.testing.assert_allclose(logits, dev.logits[3], atol=1e-5)


def test_the_file_that_ships_answers_as_the_student(walk: Path) -> None:
    """The logits of ONNX Runtime on raw dev texts, with the files of the phone folder alone."""
    session = onnxruntime.InferenceSession(str(walk / "student.onnx"))
    tokenizer = Tokenizer.from_file(str(walk / "phone/tokenizer.json"))
    dev = read_student(walk / "student").dev()
    assert dev.logits is not None
    same = 0
    for text, wanted in zip(dev.texts, dev.logits, strict=True):
        row = np.array([tokenizer.encode(text).ids])
        feeds = {"input_ids": row, "attention_mask": row * 0 + 1, "token_type_ids": row * 0}
        taken = {node.name: feeds[node.name] for node in session.get_inputs()}
        logits, chances = session.run(["logits", "probabilities"], taken)
        np.testing.assert_allclose(logits[0], wanted, atol=0.25)
        np.testing.assert_allclose(chances[0], 1 / (1 + np.exp(-logits[0])), atol=1e-6)
        same += int(((logits[0] > 0) == (wanted > 0)).all())
    shipped = next(trial for trial in read(walk / "export.json")["tried"] if "fault" in trial)
    assert shipped["fault"] is None
    assert same / len(dev) == pytest.approx(shipped["parity"]["agreement"])


def test_eval_repeats_what_distill_and_export_measured(walk: Path) -> None:
    metrics, manifest = read(walk / "student/metrics.json"), read(walk / "phone/manifest.json")
    for found, wanted in (
        (read(walk / "torch.json"), metrics["student"]),
        (read(walk / "onnx.json"), manifest["metrics"]["shipped"]),
    ):
        assert {key: found[key] for key in wanted} == wanted


def test_bench_scores_them_and_compares_the_answers(walk: Path) -> None:
    (found,) = read(walk / "bench.json")["quality"]
    shipped = read(walk / "phone/manifest.json")["metrics"]["shipped"]
    assert {key: found[key] for key in shipped} == shipped
    assert 0.5 < found["against"]["student"]["agree"] <= 1


def test_only_the_labels_that_have_a_column_are_judged(
    walk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Bug: every label without a column counts as absent, and the score is silently too low."""
    monkeypatch.chdir(walk)
    some = ["--data", "table", "--label", "music,Alarm"]
    done = kdc("eval", *some, "--json", "some.json")
    assert done.exit_code == 0, done.output
    told = (
        "the data tell nothing of 2 of the model's 4 classes, which are not judged: room, silence"
    )
    assert told in done.stderr
    dev = read_student(walk / "student").dev()
    assert dev.logits is not None
    said, right = dev.logits[:, :2] > 0, dev.labels[:, :2] > 0  # alarm and music
    hits = int((said & right).sum())
    f1 = 2 * hits / int(said.sum() + right.sum())
    assert read(walk / "some.json")["value"] == pytest.approx(f1)
    done = kdc("bench", "phone", "--runs", "2", "--length", "8", *some)
    assert done.exit_code == 1
    assert "the data tell nothing of the model's room, silence: give --label a" in done.stderr


def test_labels_may_be_the_numbers_of_the_outputs(
    walk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Bug: bench takes 0, 1, ... for the classes, and then says that it has none of them."""
    monkeypatch.chdir(walk)
    rows = "text,label\n" + "wake,0|2\nplay,1\nplay,3\n" * 3
    Path("numbers.csv").write_text(rows)
    data = ["--data", "numbers.csv", "--multi-label", "|", "--split", "all"]
    for words in (["eval"], ["bench", "phone", "--runs", "2", "--length", "8"]):
        done = kdc(*words, *data)
        assert done.exit_code == 0, done.output
    Path("columns.csv").write_text("text,0,1\nwake,1,0\nplay,0,1\n")
    done = kdc("eval", "--data", "columns.csv", "--label", "0,1", "--split", "all")
    assert done.exit_code == 1
    told = "the columns 0, 1 are fewer than the model's classes: call them by the names"
    assert told in done.stderr  # those without a column would count as absent


def test_columns_of_another_task_are_refused(walk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Bug: columns that hold nowhere are no labels of the model's, and it is scored on them."""
    monkeypatch.chdir(walk)
    Path("other.csv").write_text("text,up,down\nwake,0,0\nplay,0,0\n")
    done = kdc("eval", "--data", "other.csv", "--label", "up,down", "--split", "all")
    assert done.exit_code == 1
    assert "none of the columns of labels (up, down) is one of the model's classes" in done.stderr


def test_golden_texts_have_the_names_of_the_labels_that_hold(walk: Path) -> None:
    golden = read(walk / "phone/golden.json")
    for logits, labels in zip(golden["logits"], golden["labels"], strict=True):
        assert labels == [name for name, z in zip(NAMES, logits, strict=True) if z > 0]
    assert {len(labels) for labels in golden["labels"][:16]} > {0, 1}


def test_the_card_tells_of_several_labels_and_its_python_gives_them(
    walk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = (walk / "phone/README.md").read_text(encoding="utf-8")
    assert "any of 4 labels, or none: `alarm`, `music`, `room`, `silence`" in text
    assert "the same labels for" in text and "top_k: null" in text
    code = text.partition("```python\n")[2].partition("```")[0]
    golden = read(walk / "phone/golden.json")
    monkeypatch.chdir(walk / "phone")
    for asked, labels in list(zip(golden["texts"], golden["labels"], strict=True))[:16]:
        names: dict[str, Any] = {}
        exec(code.replace('"some text"', repr(asked)), names)
        assert names["answer"] == labels


def test_the_run_is_repeated_from_its_recipe(walk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Bug: the columns of labels are forgotten, so that the recipe cannot read its data."""
    monkeypatch.chdir(walk)
    done = kdc("distill", "--recipe", "student/recipe.toml", "--out", "again")
    assert done.exit_code == 0, done.output
    assert read(walk / "again/metrics.json") == read(walk / "student/metrics.json")


def test_a_separator_is_repeated_too(walk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = tiny_data("multi-label", rows=120)
    monkeypatch.chdir(walk)
    shutil.rmtree("sets", ignore_errors=True)
    Path("sets").mkdir()
    for name, split in (("train", data.train), ("dev", data.dev)):
        held = [
            ";".join(label for label, one in zip(data.task.labels, row, strict=True) if one)
            for row in split.labels
        ]
        rows = zip(split.texts, held, strict=True)
        Path(f"sets/{name}.tsv").write_text("text\tlabel\n" + "\n".join(map("\t".join, rows)))
    quick = ["--student", "1x32", "--epochs", "1", "--no-controls", "--teacher", "teacher"]
    first = kdc("distill", *quick, "--data", "sets", "--multi-label", ";", "--out", "one")
    assert first.exit_code == 0, first.output
    assert 'multi_label = ";"' in Path("one/recipe.toml").read_text()
    second = kdc("distill", "--recipe", "one/recipe.toml", "--out", "two")
    assert second.exit_code == 0, second.output
    assert read(walk / "one/metrics.json") == read(walk / "two/metrics.json")


def test_a_model_of_one_label_a_text_is_not_scored_on_several(
    walk: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Bug: a low score of a model that was never asked this question."""
    student = make_student(tmp_path / "student")
    phone = export(student, tmp_path / "phone").folder
    monkeypatch.chdir(walk)
    for model in (student, phone):
        done = kdc("eval", "--model", str(model), *TABLE)
        assert done.exit_code == 1
        assert "gives a text one label, and the data's rows may have several" in done.output


def test_single_labels_with_the_option_are_one_sentence(
    walk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(walk)
    Path("single.csv").write_text("text,label\n" + "wake,a\nplay,b\n" * 20)
    done = kdc("distill", "--data", "single.csv", "--multi-label", "|", "--teacher", "teacher")
    assert done.exit_code == 1
    assert "no row has more than one label" in done.output
    assert "Traceback" not in done.output
