import json
import re
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from kdc.compress.artifact import read_student
from kdc.compress.errors import KdcError
from kdc.export.card import card
from kdc.export.ship import Shipped
from kdc.export.snippets import javascript, python
from tests.student import make_task, remake


def test_the_python_in_the_card_runs_and_answers_as_golden_says(
    shipped: Shipped, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody runs the code of a card until a user copies it."""
    text = (shipped.folder / "README.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    golden = json.loads((shipped.folder / "golden.json").read_text(encoding="utf-8"))
    monkeypatch.chdir(shipped.folder)
    for asked, label in list(zip(golden["texts"], golden["labels"], strict=True))[:4]:
        names: dict[str, Any] = {}
        exec(code.replace('"some text"', repr(asked)), names)
        assert names["answer"] == label


def test_the_figures_in_the_card_are_those_of_the_manifest(shipped: Shipped) -> None:
    text = (shipped.folder / "README.md").read_text(encoding="utf-8")
    manifest = json.loads((shipped.folder / "manifest.json").read_text())
    for name, score in manifest["metrics"].items():
        low, high = (100 * end for end in score["interval"])
        assert f"| {name} | {100 * score['value']:.2f} | {low:.1f} to {high:.1f} |" in text
    kept = manifest["metrics"]["shipped"]["value"] / manifest["metrics"]["teacher"]["value"]
    assert f"| {100 * kept:.1f} % |" in text
    assert f"({manifest['files']['onnx/model_quantized.onnx']['bytes']} bytes)" in text
    assert manifest["parent"]["student"] in text
    assert "a" * 64 in text  # the teacher's digest


def test_no_path_of_this_machine_is_in_the_card(shipped: Shipped) -> None:
    """A teacher named by its folder would publish whose computer it was on."""
    text = (shipped.folder / "README.md").read_text(encoding="utf-8")
    assert "* teacher: big\n" in text
    assert "/far/away" not in text


def test_whose_teacher_and_data_they_were_is_in_the_card(
    shipped: Shipped, student_folder: Path, tmp_path: Path
) -> None:
    """Bug: of owner/model and hf:owner/data only the last part was left, which is anybody's; and of
    several teachers only the last."""
    folder = shutil.copytree(student_folder, tmp_path / "student")
    run = 'teacher = "someone/bert + big"\nteachers = ["someone/bert", "/far/away/big"]\n'
    run += 'data = "hf:nyu-mll/glue/sst2"\nstudent = "3x384"\nseed = 0\n'
    (folder / "recipe.toml").write_text(f'name = "hinton"\n[run]\n{run}')
    remake(folder)
    text = card(read_student(folder), shipped.outcome.shipped, "onnx/model.onnx", {})
    assert "* recipe: hinton\n* teacher: someone/bert + big\n" in text
    assert "* data: hf:nyu-mll/glue/sst2\n* student: 3x384\n* seed: 0\n" in text


def test_regression_and_pairs_are_told_as_such(shipped: Shipped) -> None:
    task = make_task("regression", pair=True)
    trial = shipped.outcome.shipped
    scores = replace(trial, parity=replace(trial.parity, agreement=None))
    text = card(replace(shipped.prepared.student, task=task), scores, "onnx/model.onnx", {})
    assert "Gives two texts a score." in text
    assert "same label" not in text
    assert "answer = float(logits[0])" in python(task, "onnx/model.onnx")
    assert 'text_pair: "second text"' in javascript(task)
    assert "pipeline" not in javascript(task)


def test_a_damaged_recipe_is_one_sentence(
    shipped: Shipped, student_folder: Path, tmp_path: Path
) -> None:
    folder = shutil.copytree(student_folder, tmp_path / "student")
    (folder / "recipe.toml").write_text("name = ")
    remake(folder)
    with pytest.raises(KdcError, match=r"recipe.toml is missing or no TOML"):
        card(read_student(folder), shipped.outcome.shipped, "onnx/model.onnx", {})
