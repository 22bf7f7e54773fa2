import numpy as np
import pytest
import torch

from kdc.compress.encode import Batch, Batches
from kdc.compress.signals import HIDDEN, KeptTeacher, NoTeacher, OnlineTeacher, observe
from tests.families import FAMILIES, family_model
from tests.tiny import tiny_data, tiny_model, tiny_rows


@pytest.fixture
def batch() -> Batch:
    examples = tiny_rows(tiny_data(pair=True).train)
    return Batches(examples, padding=0, device=torch.device("cpu")).make(np.arange(5))


@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_gives_logits_and_the_states_of_all_layers(family: str, batch: Batch) -> None:
    """Bug: a family that takes no token types, or has one type only, fails on pairs of texts."""
    model = family_model(family)
    said = observe(model, batch, wants=frozenset({HIDDEN}))
    assert said.logits.shape == (5, 3)
    assert said.logits.dtype == torch.float32
    assert [state.shape for state in said.hidden] == [(5, *batch.mask.shape[1:], 32)] * 5
    assert observe(model, batch).hidden == ()


def test_the_second_text_is_told_from_the_first(batch: Batch) -> None:
    """Bug: token types are not handed over, so a pair reads as one text."""
    model = tiny_model().eval()
    direct = model(
        input_ids=batch.input_ids, attention_mask=batch.mask, token_type_ids=batch.types
    ).logits
    assert torch.equal(observe(model, batch).logits, direct)
    without = model(input_ids=batch.input_ids, attention_mask=batch.mask).logits
    assert not torch.allclose(direct, without, atol=1e-4)


def test_an_online_teacher_is_frozen_and_has_no_dropout(batch: Batch) -> None:
    """Bug: the teacher learns along, or answers at random."""
    model = tiny_model()
    model.config.hidden_dropout_prob = 0.5
    teacher = OnlineTeacher(model.train(), wants=frozenset({HIDDEN}))
    first, second = teacher(batch), teacher(batch)
    assert torch.equal(first.logits, second.logits)
    assert not first.logits.requires_grad
    assert len(first.hidden) == 3
    assert not any(parameter.requires_grad for parameter in model.parameters())
    assert OnlineTeacher(model)(batch).hidden == ()


def test_kept_answers_are_those_of_the_batchs_rows() -> None:
    """Bug: logits in the order of the batch instead of the order of the table."""
    examples = tiny_rows(tiny_data().train)
    batch = Batches(examples, padding=0, device=torch.device("cpu")).make(np.array([7, 2, 30]))
    logits = torch.arange(len(examples) * 4, dtype=torch.float32).reshape(-1, 4)
    assert KeptTeacher(logits)(batch).logits.tolist() == logits[[7, 2, 30]].tolist()


@pytest.mark.parametrize("kind", [torch.int64, torch.float32])
def test_no_teacher_says_nothing(batch: Batch, kind: torch.dtype) -> None:
    """Bug: an objective that needs a teacher trains on made-up answers."""
    labels = batch.labels.to(kind)
    said = NoTeacher()(Batch(batch.input_ids, batch.mask, batch.types, labels, batch.index))
    assert said.logits.numel() == 0
    assert said.hidden == ()
    assert said.mask is batch.mask
