from dataclasses import replace
from pathlib import Path

import pytest
import torch

from kdc.compress.class_heads import class_places
from kdc.compress.models import Source, load_classifier
from kdc.compress.task import Task
from tests.families import FAMILIES, family_model, some_ids
from tests.tiny import save_model

NAMES = ("no", "maybe", "yes")
TASK = Task("t", "classification", NAMES, False, "accuracy")


def test_a_place_is_exact_or_beyond_doubt() -> None:
    """Bug: the first of two names that differ in case is taken."""
    assert class_places(["a", "B"], ["b", "a"]) == [1, 0]
    assert class_places(["Ab"], ["AB", "ab", "x"]) == [None]
    assert class_places(["AB"], ["ab", "AB"]) == [1]
    assert class_places(["c"], ["a"]) == [None]


@pytest.mark.parametrize("family", FAMILIES)
def test_a_head_of_other_classes_is_drawn_anew(family: str, tmp_path: Path) -> None:
    """Bug: a new task of as many classes went on from the old one's head, under new names."""
    model, ids = family_model(family, 3), some_ids(2, 6)
    model.config.id2label = dict(enumerate(("alarm", "music", "room")))
    source = Source(family, save_model(tmp_path / "model", model), "")
    same, new = (
        load_classifier(source, replace(TASK, labels=names))
        for names in (("alarm", "music", "room"), NAMES)
    )
    turned = load_classifier(source, replace(TASK, labels=("room", "alarm", "music")))
    with torch.no_grad():
        logits = same(input_ids=ids).logits
        assert torch.equal(turned(input_ids=ids).logits, logits[:, [2, 0, 1]])
        assert not torch.allclose(new(input_ids=ids).logits, logits, atol=1e-3)
    base = same.base_model_prefix + "."
    old, drawn = same.state_dict(), new.state_dict()
    assert all(torch.equal(drawn[key], old[key]) for key in old if key.startswith(base))
    assert list(new.config.id2label.values()) == list(NAMES)
