"""`kdc eval` on data that are not what the model was made for."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from kdc.compress.data.load import load_data
from kdc.compress.files import write_json
from tests.commands import kdc
from tests.shipping import export
from tests.student import LABELS, make_student, make_task

SINGLE = "text,label\n" + "".join(f"play {name},{name}\n" for name in LABELS)
PAIRS = "text1,text2,label\n" + "".join(f"play,stop {name},{name}\n" for name in LABELS)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Students and phone folders of single texts and of pairs, and a table for each."""
    folder = tmp_path_factory.mktemp("eval")
    for name, pair in (("single", False), ("pairs", True)):
        student = make_student(folder / f"{name}-student", task=make_task(pair=pair))
        export(student, folder / f"{name}-phone")
    (folder / "single.csv").write_text(SINGLE)
    (folder / "pairs.csv").write_text(PAIRS)
    return folder


@pytest.mark.parametrize("kind", ["student", "phone"])
@pytest.mark.parametrize(
    ("made_for", "data", "told"),
    [
        ("single", "pairs", "made for single texts, and pairs.csv holds pairs of texts: name the"),
        ("pairs", "single", "made for pairs of texts, and single.csv holds single texts: name the"),
    ],
)
def test_single_texts_and_pairs_are_not_judged_by_each_other(
    folder: Path, monkeypatch: pytest.MonkeyPatch, kind: str, made_for: str, data: str, told: str
) -> None:
    """Bug: a score of answers to half of what was asked."""
    monkeypatch.chdir(folder)
    model = f"{made_for}-{kind}"
    done = kdc("eval", "--model", model, "--data", f"{data}.csv", "--split", "all")
    assert done.exit_code == 1
    assert f"kdc: {model} was {told}" in done.stderr
    same = kdc("eval", "--model", model, "--data", f"{made_for}.csv", "--split", "all")
    assert same.exit_code == 0, same.output
    if made_for == "single":  # as the sentence says
        one = ["--data", "pairs.csv", "--text", "text1", "--split", "all"]
        assert kdc("eval", "--model", model, *one).exit_code == 0


def test_bench_does_not_judge_them_by_each_other_either(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    data = ["--data", "pairs.csv", "--split", "all"]
    done = kdc("bench", "single-phone", "--runs", "2", "--length", "8", *data)
    assert done.exit_code == 1
    assert "was made for single texts, and pairs.csv holds pairs of texts" in done.stderr


@pytest.mark.parametrize("task", ["text-classification", None, ["a"], {"kind": "x"}], ids=str)
def test_a_foreign_manifest_says_nothing_of_the_task(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, task: object
) -> None:
    """Bug: a model from elsewhere with a file of that name is refused as damaged."""
    monkeypatch.chdir(tmp_path)
    model = make_student(tmp_path / "model")
    config = json.loads((model / "config.json").read_text())
    config["id2label"] = dict(enumerate(LABELS))
    write_json(model / "config.json", config)
    write_json(model / "manifest.json", {"task": task})
    done = kdc("eval", "--model", "model", "--data", folder / "single.csv", "--split", "all")
    assert done.exit_code == 0, done.output


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A student, and the phone folder made of it, whose manifests name `old.csv` as their data."""
    folder = tmp_path_factory.mktemp("trained")
    for name, count in (("old", 60), ("new", 60), ("few", 3)):
        rows = [f"{name} {row} {LABELS[row % 3]},{LABELS[row % 3]}" for row in range(count)]
        (folder / f"{name}.csv").write_text("\n".join(["text,label", *rows]))
    student = make_student(folder / "student")
    manifest = json.loads((student / "manifest.json").read_text())
    data = load_data(str(folder / "old.csv"))
    digest = replace(data, task=make_task()).digest()
    write_json(student / "manifest.json", {**manifest, "parent": {"teacher": "a", "data": digest}})
    export(student, folder / "phone")
    return folder


@pytest.mark.parametrize("model", ["student", "phone", "phone/onnx/model.onnx"])
@pytest.mark.parametrize(
    ("words", "split", "rows", "told"),
    [
        (["new.csv"], "all", 60, "all 60 rows of new.csv are scored, of which the model may"),
        (["few.csv"], "all", 3, "all 3 rows of few.csv are scored, of which the model may have"),
        (["new.csv", "--split", "all"], "all", 60, ""),
        (
            ["new.csv", "--split", "dev"],
            "dev",
            6,
            "set aside as dev rows; --split all takes all 60",
        ),
        (["new.csv", "--dev", "old.csv"], "dev", 60, ""),
        (["old.csv"], "dev", 6, "6 of 60 rows were set aside as dev rows"),
        (
            ["old.csv", "--split", "all"],
            "all",
            60,
            "was trained on most of these rows: --split dev",
        ),
    ],
    ids=str,
)
def test_which_rows_are_scored_is_told(
    trained: Path,
    monkeypatch: pytest.MonkeyPatch,
    model: str,
    words: list[str],
    split: str,
    rows: int,
    told: str,
) -> None:
    """Bug: a tenth of a new file, or all of the training's rows, without a word of it."""
    monkeypatch.chdir(trained)
    done = kdc("eval", "--model", model, "--data", *words, "--json", "-")
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)
    assert (found["split"], found["n"]) == (split, rows)
    notes = [line for line in done.stderr.splitlines() if "set aside" in line or "of these" in line]
    notes += [line for line in done.stderr.splitlines() if "are scored" in line]
    assert len(notes) == bool(told) and told in "".join(notes)


def test_a_forgotten_data_is_told(trained: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Bug: "the data's class 'alarm_cancel' is none of the model's", of data that nobody named."""
    monkeypatch.chdir(trained)
    done = kdc("eval", "--model", "phone")
    assert done.exit_code == 1
    assert "without --data it is phone-commands that is read: name your table" in done.stderr
    named = kdc("eval", "--model", "phone", "--data", "phone-commands")
    assert "class 'alarm_cancel' is none of the model's: another task?" in named.stderr


def test_classes_are_told_each_by_itself(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Bug: names in the model's order beside figures in the data's, which lack one."""
    monkeypatch.chdir(folder)
    kept = LABELS[::-1][:2]
    Path("two.csv").write_text("text,label\n" + "".join(f"play {name},{name}\n" for name in kept))
    words = ["--model", "single-phone", "--data", "two.csv", "--split", "all"]
    done = kdc("eval", *words, "--json", "two.json")
    assert done.exit_code == 0, done.output
    found = json.loads(Path("two.json").read_text())
    told = {row["class"]: row for row in found["classes"]}
    assert {name for name, row in told.items() if row["n"]} == set(kept)
    right = 0.0
    for name in kept:
        said = json.loads(
            kdc("predict", f"play {name}", "--model", "single-phone", "--json", "-").stdout
        )
        answer = said["answers"][0]["answer"]
        assert told[name]["recall"] == (answer == name)
        assert told[name]["taken_for"] == (None if answer == name else answer)
        right += answer == name
        assert name in done.stdout
    assert found["value"] == right / 2
