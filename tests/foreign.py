"""Folders with somebody else's model in them, to be spoilt and loaded."""

import json
from pathlib import Path
from typing import Any

import pytest

from kdc.compress.errors import KdcError
from kdc.compress.models import find_model, load_classifier, load_tokenizer
from kdc.compress.progress import Silent
from kdc.compress.task import Task

WEIGHTS = "model.safetensors"


def edit(path: Path, **fields: object) -> None:
    """Set fields of a JSON file."""
    path.write_text(json.dumps({**json.loads(path.read_text()), **fields}))


def load(folder: Path, task: Task | None = None) -> Any:  # noqa: ANN401
    """Do everything that the commands do with a foreign folder."""
    source = find_model(str(folder), Silent())
    model = load_classifier(source, task)
    load_tokenizer(source)
    return model


def refused(folder: Path, task: Task | None = None) -> str:
    """Load a folder, which must end in one KdcError; return its sentence."""
    with pytest.raises(KdcError) as caught:
        load(folder, task)
    sentence = str(caught.value)
    assert "\n" not in sentence
    assert folder.name in sentence or str(folder) in sentence
    return sentence
