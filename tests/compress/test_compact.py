from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from kdc.compress.compact import CompactEmbedding, compact, expand
from kdc.compress.encode import Batches, epoch_order
from kdc.compress.learner import Learner
from tests.tiny import rows_of, tiny_model, tiny_run

USED = torch.tensor([0, 2, 3, 5, 8, 13, 21, 34, 55, 89])


def trained(tmp_path: Path, *, small: bool, clip: float) -> dict[str, Tensor]:
    run = tiny_run(tmp_path, clip=clip, weight_decay=0.1)
    if small:
        occurring = [*rows_of(run.legs[0]).tokens.tolist(), run.padding]
        compact(run.model, torch.tensor(sorted(set(occurring))))
    learner = Learner(run.model, run.legs[0].objectives, run.legs[0].training, run.device)
    batches = Batches(rows_of(run.legs[0]), run.padding, run.device)
    torch.manual_seed(1)
    for index in epoch_order(rows_of(run.legs[0]).lengths, 16, 0, 0):
        learner.step(batches.make(index), run.legs[0].teacher, 1e-3)
    expand(run.model)
    return dict(run.model.state_dict())


def test_training_the_rows_that_occur_trains_the_same_model_bit_by_bit(tmp_path: Path) -> None:
    """Bug: rows that do not occur drift by decay, or those that do learn something else."""
    dense, small = (trained(tmp_path, small=small, clip=1e6) for small in (False, True))
    assert list(dense) == list(small)
    for name, value in dense.items():
        assert torch.equal(value, small[name]), name


def test_a_clipped_gradient_agrees_to_rounding(tmp_path: Path) -> None:
    """Bug: the norm of the gradient leaves the embedding out. (Its sum is in another order.)"""
    dense, small = (trained(tmp_path, small=small, clip=0.01) for small in (False, True))
    for name, value in dense.items():
        torch.testing.assert_close(small[name], value, rtol=0, atol=1e-6, msg=name)


def test_a_lookup_is_the_full_tables_and_other_ids_are_refused() -> None:
    """Bug: an id that was not announced silently reads some other token's row."""
    full = nn.Embedding(128, 8, padding_idx=0)
    held = CompactEmbedding(full, USED)
    ids = torch.tensor([[2, 89], [0, 13]])
    assert torch.equal(held(ids), full(ids))
    with pytest.raises(IndexError):
        held(torch.tensor([4]))


def test_padding_never_learns() -> None:
    """Bug: the padding's row gets a gradient that the full table would not give it."""
    held = CompactEmbedding(nn.Embedding(128, 8, padding_idx=0), USED)
    held(torch.tensor([0, 2])).sum().backward()
    assert held.weight.grad is not None
    assert held.weight.grad.sum(1).tolist() == [0.0, 8.0] + [0.0] * 8


def test_the_whole_table_comes_back_with_the_learnt_rows_in_their_places() -> None:
    encoder = tiny_model()
    before = encoder.get_input_embeddings().weight.detach().clone()
    compact(encoder, USED)
    assert encoder.get_input_embeddings().weight.shape == (len(USED), 32)
    with torch.no_grad():
        encoder.get_input_embeddings().weight += 1
    expand(encoder)
    after = encoder.get_input_embeddings().weight.detach()
    expected = before.clone()
    expected[USED] += 1
    assert torch.equal(after, expected)
    assert type(encoder.get_input_embeddings()) is nn.Embedding


def test_an_embedding_of_a_special_kind_is_left_alone() -> None:
    """Bug: a scaled embedding is replaced by one that does not scale."""

    class Scaled(nn.Embedding):
        def forward(self, input: Tensor) -> Tensor:
            return 2 * super().forward(input)

    encoder = tiny_model()
    special = Scaled(128, 32)
    encoder.set_input_embeddings(special)
    compact(encoder, USED)
    assert encoder.get_input_embeddings() is special
    expand(encoder)
    assert encoder.get_input_embeddings() is special
