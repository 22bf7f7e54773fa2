"""`kdc eval` on data that are not what the model was made for."""

import json
from pathlib import Path

import pytest

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
