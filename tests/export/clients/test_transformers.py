"""transformers' own pipeline on the student folder, which is what a phone folder was made from."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.student import LABELS

pytestmark = pytest.mark.slow


def test_the_pipeline_answers_from_the_student_folder_as_the_phone_does(
    student_folder: Path, plain: Path
) -> None:
    """A student that only kdc can open is no model to anybody else."""
    from transformers import pipeline

    golden: dict[str, Any] = json.loads((plain / "golden.json").read_text())
    classify = pipeline("text-classification", model=str(student_folder), device="cpu")
    settings: dict[str, Any] = {"top_k": None, "function_to_apply": "none", "truncation": True}
    for text, ids, logits, label in zip(
        golden["texts"], golden["input_ids"], golden["logits"], golden["labels"], strict=True
    ):
        assert classify.tokenizer(text, truncation=True)["input_ids"] == ids
        found = {entry["label"]: entry["score"] for entry in classify(text, **settings)}
        names = [classify.model.config.id2label[place] for place in range(len(logits))]
        assert [found[name] for name in names] == pytest.approx(logits, abs=golden["tolerance"])
        assert LABELS[names.index(max(found, key=found.__getitem__))] == label
