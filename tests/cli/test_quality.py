"""`kdc bench --data` on the tiny walk: the phone's own student and teacher are found beside it."""

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kdc.cli.relatives import find_student, find_teacher
from kdc.compress.progress import Silent
from kdc.export.devices import DEVICES, host
from kdc.export.jobs import Answers, Asked, Job, Reading
from kdc.export.phone_model import read_phone
from tests.commands import kdc
from tests.tables import write_split
from tests.tiny import tiny_data, tiny_teacher


@pytest.fixture(scope="module")
def walk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A teacher, the student distilled from it and the phone folder exported from that."""
    folder, data = tmp_path_factory.mktemp("walk"), tiny_data()
    (folder / "table").mkdir()
    for name, split in (("train", data.train), ("dev", data.dev)):
        write_split(folder / "table" / f"{name}.csv", split, data.task.labels)
    tiny_teacher(folder / "teacher", data)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        options = ["--teacher", "teacher", "--data", "table", "--student", "1x32", "--epochs", "2"]
        for words in (
            ["distill", *options, "--learning-rate", "0.003"],
            ["export", "--quantize", "--max-drop", "30"],
            ["eval", "--model", "phone", "--data", "table", "--json", "phone.json"],
            ["eval", "--model", "student", "--data", "table", "--json", "student.json"],
            ["eval", "--model", "teacher", "--data", "table", "--json", "teacher.json"],
        ):
            done = kdc(*words)
            assert done.exit_code == 0, (words, done.output)
    return folder


@pytest.fixture
def bench(walk: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., Any]:
    """Runs `kdc bench --data table` beside the walk and returns the document."""
    monkeypatch.chdir(walk)

    def run(*words: str) -> Any:  # noqa: ANN401
        out = tmp_path / "bench.json"
        usual = ["--seconds", "0.05", "--length", "8", "--json", str(out)]
        done = kdc("bench", *words, *usual)
        assert done.exit_code == 0, done.output
        return json.loads(out.read_text())

    return run


def _score(walk: Path, name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((walk / f"{name}.json").read_text())
    return {key: found[key] for key in ("metric", "value", "n", "interval")}


def test_bench_scores_what_eval_scores(walk: Path, bench: Callable[..., Any]) -> None:
    """Two ways to read rows and labels would give two accuracies for one file."""
    (entry,) = bench("phone", "--data", "table")["quality"]
    assert {key: entry[key] for key in ("metric", "value", "n", "interval")} == _score(
        walk, "phone"
    )
    assert entry["student"] == _score(walk, "student")
    assert entry["teacher"] == _score(walk, "teacher")
    assert entry["device"] == "host" and set(entry["against"]) == {"student", "teacher"}


def test_several_models_are_scored_and_rows_can_be_fewer(bench: Callable[..., Any]) -> None:
    document = bench("phone", "student.onnx", "--data", "table", "--rows", "10")
    first, second = document["quality"]
    assert first["n"] == second["n"] == 10
    assert (first["model"], second["model"]) == ("phone", "student.onnx")
    assert first["value"] == second["value"]  # the same bytes


def test_the_page_shows_the_accuracy_of_the_device(
    bench: Callable[..., Any], tmp_path: Path
) -> None:
    bench("phone", "--data", "table", "--html", str(tmp_path / "report.html"))
    text = (tmp_path / "report.html").read_text()
    assert "Accuracy where it runs" in text and "same as student" in text


def test_student_and_teacher_are_those_of_the_digests(walk: Path, tmp_path: Path) -> None:
    """Another student that happens to lie there would blame quantization for its own answers."""
    for name in ("phone", "student", "teacher"):
        shutil.copytree(walk / name, tmp_path / name)
    phone = read_phone(tmp_path / "phone")
    student = find_student(phone)
    assert student is not None and student.name == "student"
    assert find_teacher(student, Silent()) == student.parent / "teacher"
    (tmp_path / "teacher").rename(tmp_path / "elsewhere")
    assert find_teacher(student, Silent()) is None
    kept = tmp_path / ".kdc" / "teachers"
    kept.mkdir(parents=True)
    (tmp_path / "elsewhere").rename(kept / "tiny-demo")
    assert find_teacher(student, Silent()) == kept / "tiny-demo"
    config = kept / "tiny-demo" / "config.json"
    config.write_text(config.read_text() + " ")
    assert find_teacher(student, Silent()) is None
    (student / "manifest.json").write_text((student / "manifest.json").read_text() + " ")
    assert find_student(phone) is None


def test_a_named_student_is_compared_only_with_its_own_files(
    walk: Path, bench: Callable[..., Any], tmp_path: Path
) -> None:
    """`--student a --vs b.onnx` would compare b with a model that it never came from."""
    shutil.copytree(walk / "phone", tmp_path / "far" / "phone")
    far = str(tmp_path / "far" / "phone")
    alone = bench(far, "--data", "table", "--rows", "9", "--student", "teacher")["quality"]
    assert set(alone[0]["against"]) == {"student"}
    words = ("--data", "table", "--rows", "9", "--student")
    several = bench("phone", far, *words, "student")["quality"]
    assert [set(one["against"]) for one in several] == [{"student", "teacher"}] * 2
    for nobodys in ("teacher", "none"):  # bug: it was ignored without a word
        done = kdc("bench", "phone", far, *words, nobodys)
        assert done.exit_code == 1
        assert f"--student {nobodys}: none of these models was exported from it" in done.stderr


@pytest.mark.parametrize("text", ["", "[run", "[run]\nteacher = 3\n", "run = 5\n"])
def test_a_recipe_that_names_no_teacher_finds_none(text: str, tmp_path: Path) -> None:
    (tmp_path / "recipe.toml").write_text(text)
    assert find_teacher(tmp_path, Silent()) is None
    assert find_teacher(tmp_path / "missing", Silent()) is None


def test_a_foreign_model_is_scored_with_the_tokenizer_beside_it(
    walk: Path, bench: Callable[..., Any], tmp_path: Path
) -> None:
    """Peers' files are compared on the same rows; their classes may stand in another order."""
    peer = tmp_path / "peer"
    (peer / "onnx").mkdir(parents=True)
    shutil.copy(walk / "phone" / "tokenizer.json", peer)
    import onnx

    model = onnx.load(walk / "student.onnx")
    model.metadata_props.append(onnx.StringStringEntryProto(key="by", value="somebody"))
    onnx.save(model, peer / "onnx" / "model.onnx")
    shutil.copy(walk / "phone" / "config.json", peer)
    document = bench("phone", str(peer / "onnx" / "model.onnx"), "--data", "table")
    ours, theirs = document["quality"]
    assert theirs["value"] == ours["value"] and theirs["student"] is None
    fields = json.loads((peer / "config.json").read_text())
    names = list(fields["id2label"].values())
    turned = {str(index): name for index, name in enumerate(np.roll(names, 1).tolist())}
    (peer / "config.json").write_text(json.dumps({**fields, "id2label": turned}))
    document = bench("phone", str(peer / "onnx" / "model.onnx"), "--data", "table")
    assert document["quality"][1]["value"] != ours["value"]


def test_a_model_without_a_tokenizer_is_left_out_and_told(
    walk: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import onnx

    model = onnx.load(walk / "student.onnx")
    model.metadata_props.append(onnx.StringStringEntryProto(key="by", value="somebody"))
    onnx.save(model, tmp_path / "bare.onnx")
    monkeypatch.chdir(walk)
    words = ["--data", "table", "--seconds", "0.05", "--length", "8", "--json", "-"]
    done = kdc("bench", str(tmp_path / "bare.onnx"), *words)
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["quality"] == []
    assert "bare.onnx has no tokenizer.json beside it" in done.stderr


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("phone", "--data", "missing.csv"), "missing.csv"),
        (("phone", "--data", "table", "--rows", "0"), "--rows 0: give a whole number from 1"),
        (("phone", "--data", "table", "--split", "tset"), "unknown split 'tset'"),
        (("phone", "--data", "table", "--teacher", "./nobody"), "./nobody"),
        (("phone", "--data", "table", "--student", "table"), "table is no model folder"),
        (("phone", "--data", "other"), "none of the model's classes: another task?"),
        (("missing.onnx", "--data", "table"), "there is no model at missing.onnx"),
    ],
)
def test_wrong_input_is_one_sentence(
    words: tuple[str, ...], told: str, walk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(walk)
    (walk / "other").mkdir(exist_ok=True)
    data = tiny_data()
    for name in ("train", "dev"):
        write_split(
            walk / "other" / f"{name}.csv",
            data.dev,
            tuple(f"x{label}" for label in data.task.labels),
        )
    done = kdc("bench", *words, "--seconds", "0.05", "--length", "8")
    assert done.exit_code == 1, done.output
    told_lines = [line for line in done.stderr.splitlines() if line.startswith("kdc: ")]
    assert len(told_lines) == 1 and told in told_lines[0]


def test_the_cpu_profile_is_for_answers_too(
    bench: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Latency without matrix units beside the accuracy with them would be of two machines."""
    asked: list[str] = []
    usual = host.DEVICE.answer

    def answer(question: Asked, address: str) -> Answers:
        asked.append(question.cpu_profile)
        return usual(question, address)

    monkeypatch.setitem(DEVICES, "host", replace(host.DEVICE, answer=answer))
    words = ("phone", "--data", "table", "--rows", "4")
    bench(*words)
    bench(*words, "--cpu-profile", "phone")
    assert asked == ["native", "phone"]


def test_a_phone_may_use_more_threads_than_this_machine_has(
    bench: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Bug: the phone answered every row, then the reference asked this machine for its threads."""

    def answer(question: Asked, address: str) -> Answers:
        assert question.threads == 999
        return host.answer(replace(question, threads=1), address)

    def measure(job: Job, address: str) -> Reading:
        return host.measure(replace(job, threads=1), address)

    phone = replace(host.DEVICE, answer=answer, measure=measure)
    monkeypatch.setitem(DEVICES, "phone", phone)
    words = ("phone", "--data", "table", "--rows", "4", "--device", "phone", "--threads", "999")
    (entry,) = bench(*words)["quality"]
    assert entry["against"]["host"]["flips"] == 0
