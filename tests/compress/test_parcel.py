from pathlib import Path

import numpy as np
import pytest
import torch

from kdc.compress.encode import Batch
from kdc.compress.low_rank import hold
from kdc.compress.parcel import pack, unpack
from kdc.compress.signals import HIDDEN, OnlineTeacher, observe
from tests.faults import exit_code_of
from tests.student import FAMILIES, tiny_model

IDS = torch.tensor([[2, 10, 11, 12, 13, 3]])


def logits_of(model: torch.nn.Module) -> torch.Tensor:
    with torch.no_grad():
        found: torch.Tensor = model(IDS).logits
    return found


@pytest.mark.parametrize("family", FAMILIES)
def test_a_model_that_has_been_asked_arrives_as_it_was(family: str) -> None:
    """Bug: what transformers hangs on a model that was run cannot be pickled."""
    model = tiny_model(family, 3)
    model(IDS, output_hidden_states=True)
    arrived = unpack(pack(model), {})
    assert torch.equal(logits_of(arrived), logits_of(model))
    assert not arrived.training
    assert all(each.requires_grad for each in arrived.parameters())
    ours, theirs = dict(model.named_buffers()), dict(arrived.named_buffers())
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)


@pytest.mark.parametrize("rank", [None, 8])
@pytest.mark.parametrize("family", ["Bert", "DistilBert", "Albert"])
def test_the_rows_of_the_embedding_that_are_trained_travel_too(
    family: str, rank: int | None
) -> None:
    """Bug: the others train the whole table, or that of another rank."""
    model = tiny_model(family, 3).train()
    used = torch.unique(torch.cat([torch.tensor([0]), IDS.flatten()]))
    hold(model, used, rank if family != "Albert" else None, IDS.flatten())
    arrived = unpack(pack(model), {})
    ours, theirs = dict(model.named_parameters()), dict(arrived.named_parameters())
    assert list(ours) == list(theirs)
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)
    assert arrived.training
    assert torch.equal(logits_of(arrived.eval()), logits_of(model.eval()))


def ask(packed: str) -> None:
    """Ask models that arrived in a process that has never built one of their kind."""
    for teacher, batch, states in unpack(torch.from_numpy(np.load(packed)), {}):
        assert not any(each.requires_grad for each in teacher.model.parameters())
        found = teacher(batch).hidden
        assert len(found) == len(states) > 1
        assert all(torch.equal(one, other) for one, other in zip(found, states, strict=True))


def test_teachers_answer_in_a_process_that_did_not_build_them(tmp_path: Path) -> None:
    """Bug: transformers notes how to get hidden states where a model is built, and only there."""
    mask, wants, sent = torch.ones_like(IDS), frozenset({HIDDEN}), []
    batch = Batch(IDS, mask, 0 * mask, mask[:, 0], mask[:, 0])
    for family in FAMILIES:
        model = tiny_model(family, 3)
        states = observe(model, batch, wants=wants).hidden
        sent.append((OnlineTeacher(model, wants=wants), batch, states))
    np.save(tmp_path / "packed.npy", pack(sent).numpy())
    assert exit_code_of(ask, str(tmp_path / "packed.npy")) == 0
