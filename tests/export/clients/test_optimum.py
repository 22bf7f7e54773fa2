"""optimum's ONNX Runtime classes, which live in an environment of their own (`make test-457`)."""

import json
from pathlib import Path
from typing import Any

import pytest

optimum = pytest.importorskip(
    "optimum.onnxruntime",
    reason="optimum-onnx is not installed: make test-457",
    exc_type=ImportError,
)


@pytest.mark.parametrize(
    ("folder", "name"), [("plain", "model.onnx"), ("quantized", "model_quantized.onnx")]
)
def test_it_loads_the_folder_as_it_is(
    folder: str, name: str, request: pytest.FixtureRequest
) -> None:
    """Its users give the folder and a file's name; config and tokenizer must be where it looks."""
    from transformers import AutoTokenizer

    phone: Path = request.getfixturevalue(folder)
    golden: dict[str, Any] = json.loads((phone / "golden.json").read_text())
    model = optimum.ORTModelForSequenceClassification.from_pretrained(
        phone, subfolder="onnx", file_name=name
    )
    tokenizer = AutoTokenizer.from_pretrained(phone)
    for text, ids, logits, label in zip(
        golden["texts"], golden["input_ids"], golden["logits"], golden["labels"], strict=True
    ):
        inputs = tokenizer(text, truncation=True, return_tensors="pt")
        assert inputs["input_ids"][0].tolist() == ids
        found = model(**inputs).logits[0].tolist()
        assert found == pytest.approx(logits, abs=golden["tolerance"])
        assert model.config.id2label[found.index(max(found))] == label
