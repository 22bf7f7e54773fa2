from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from kdc.compress import loop
from kdc.compress.compact import expand
from kdc.compress.encode import Batches, epoch_order
from kdc.compress.errors import KdcError
from kdc.compress.evaluate import predict
from kdc.compress.learner import Learner
from kdc.compress.loop import train
from kdc.compress.low_rank import LowRankEmbedding, check_rank, hold
from kdc.compress.metrics import score
from kdc.compress.progress import Silent
from kdc.compress.run import Run
from tests.families import FAMILIES, family_model, some_ids
from tests.tiny import Recorder, Stopped, dev_of, rows_of, tiny_model, tiny_run

RANK = 6
USED = torch.tensor([0, 2, 3, 5, 8, 13, 21, 34, 55, 89])
NEVER = torch.zeros(128, dtype=torch.long)
WHAT = "distilling"


def table_of(model: Any) -> Tensor:  # noqa: ANN401
    weight: Tensor = model.get_input_embeddings().weight.detach()
    return weight.clone()


def nearest(table: Tensor, rank: int) -> Tensor:
    u, s, v = np.linalg.svd(table.double().numpy(), full_matrices=False)
    return torch.from_numpy((u[:, :rank] * s[:rank]) @ v[:rank]).float()


def occurring(run: Run) -> tuple[Tensor, Tensor]:
    """Return the rows that a run trains, and how often each of all 128 occurs."""
    counts = np.bincount(rows_of(run.legs[0]).tokens, minlength=128)
    used = sorted({*rows_of(run.legs[0]).tokens.tolist(), run.padding})
    return torch.tensor(used), torch.from_numpy(counts)


def rank_of(table: Tensor) -> int:
    values = np.linalg.svd(table.double().numpy(), compute_uv=False)
    return int((values > 1e-5 * values[0]).sum())


def low_rank_run(state: Path, rank: int = RANK) -> Run:
    run = tiny_run(state, learning_rate=2e-3)
    identity = {**run.identity, "embedding_rank": rank}
    return replace(run, embedding_rank=rank, identity=identity)


def test_it_starts_at_the_nearest_table_of_its_rank() -> None:
    """Bug: the student starts from random words, or from directions that say little."""
    full = nn.Embedding(128, 32, padding_idx=0)
    table = full.weight.detach().clone()
    held = LowRankEmbedding(full, USED, RANK, NEVER)
    ids = torch.tensor([[2, 89], [55, 13]])
    torch.testing.assert_close(held(ids), nearest(table, RANK)[ids])
    torch.testing.assert_close(held.expand().weight, nearest(table, RANK))
    numbers = {name: tuple(value.shape) for name, value in held.named_parameters()}
    assert numbers == {"narrow.weight": (len(USED), RANK), "widen": (RANK, 32)}


def test_frequent_words_count_more_at_the_start() -> None:
    """Bug: the directions are chosen for 30,000 words that the training text does not have."""
    full = nn.Embedding(128, 32)
    table, counts = full.weight.detach().clone(), torch.zeros(128, dtype=torch.long)
    counts[[2, 13, 89]] = 1000
    started = LowRankEmbedding(full, USED, RANK, counts).expand().weight.detach()
    root = (counts + 1.0).sqrt()[:, None]
    torch.testing.assert_close(started, nearest(root * table, RANK) / root, rtol=1e-3, atol=1e-4)
    lost = [(found - table)[[2, 13, 89]].norm() for found in (started, nearest(table, RANK))]
    assert lost[0] < 0.2 * lost[1]


def test_padding_never_learns_and_other_ids_are_refused() -> None:
    held = LowRankEmbedding(nn.Embedding(128, 32, padding_idx=0), USED, RANK, NEVER)
    held(torch.tensor([0, 2])).sum().backward()
    grad = held.narrow.weight.grad
    assert grad is not None
    assert [bool(row.any()) for row in grad] == [False, True] + [False] * 8
    with pytest.raises(IndexError):
        held(torch.tensor([4]))


def test_both_factors_learn_and_rows_that_never_occur_follow_the_matrix(tmp_path: Path) -> None:
    """Bug: a word that training has not seen stands in another space than all the others."""
    run = low_rank_run(tmp_path)
    before = table_of(run.model)
    used, counts = occurring(run)
    unseen = torch.tensor([row for row in range(128) if row not in used.tolist()])
    hold(run.model, used, RANK, torch.from_numpy(rows_of(run.legs[0]).tokens))
    held = run.model.get_input_embeddings()
    start, matrix = held.narrow.expand().weight.detach().clone(), held.widen.detach().clone()
    learner = Learner(run.model, run.legs[0].objectives, run.legs[0].training, run.device)
    batches = Batches(rows_of(run.legs[0]), run.padding, run.device)
    for index in epoch_order(rows_of(run.legs[0]).lengths, 16, 0, 0):
        learner.step(batches.make(index), run.legs[0].teacher, 1e-2)
    rows, widen = held.narrow.expand().weight.detach(), held.widen.detach()
    assert not torch.equal(widen, matrix)
    assert not torch.equal(rows[used], start[used])
    assert torch.equal(rows[unseen], start[unseen])
    expand(run.model)
    after = table_of(run.model)
    torch.testing.assert_close(after, rows @ widen)
    root = (counts + 1.0).sqrt()[:, None]
    begun = (nearest(root * before, RANK) / root)[unseen]
    torch.testing.assert_close(start[unseen] @ matrix, begun, rtol=1e-3, atol=1e-5)
    assert rank_of(after) == RANK


def test_the_embedding_does_not_decay(tmp_path: Path) -> None:
    """Bug: the matrix is taken for a linear layer's, and shrinks with every step."""
    run = low_rank_run(tmp_path)
    hold(run.model, USED, RANK, USED)
    learner = Learner(run.model, run.legs[0].objectives, run.legs[0].training, run.device)
    (decaying, steady) = learner.optimizer.param_groups
    held = run.model.get_input_embeddings()
    assert steady["weight_decay"] == 0.0
    for parameter in (held.widen, held.narrow.weight):
        assert any(parameter is other for other in steady["params"])
        assert all(parameter is not other for other in decaying["params"])


def test_what_remains_is_a_plain_model_that_scores_as_the_history_says(tmp_path: Path) -> None:
    """Bug: the table that is saved is not the product that was measured."""
    run = low_rank_run(tmp_path)
    history = train(run, Silent(), WHAT, resume=False)
    embedding = run.model.get_input_embeddings()
    assert type(embedding) is nn.Embedding
    assert rank_of(embedding.weight.detach()) == RANK
    logits = predict(run.model, dev_of(run), run.padding)
    assert score("accuracy", logits, dev_of(run).labels).value == max(row["dev"] for row in history)


@pytest.mark.parametrize("step", [2, 6, 7, 12])
def test_stopped_at_any_step_and_resumed_the_weights_are_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    """Bug: a resumed run starts again from the factors of the teacher's table."""
    monkeypatch.setattr(loop, "_SAVE_SECONDS", -1.0)
    whole, stopped = low_rank_run(tmp_path / "a"), low_rank_run(tmp_path / "b")
    train(whole, Silent(), WHAT, resume=False)
    with pytest.raises(Stopped):
        train(stopped, Recorder(WHAT, step), WHAT, resume=False)
    resumed = low_rank_run(tmp_path / "b")
    train(resumed, Silent(), WHAT, resume=True)
    wanted, found = whole.model.state_dict(), resumed.model.state_dict()
    assert list(wanted) == list(found)
    assert all(torch.equal(wanted[name], found[name]) for name in wanted)


@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_takes_it(family: str) -> None:
    """Bug: a family reads its embedding's weight, or scales what it looks up."""
    model, ids = family_model(family), some_ids(2, 7)
    table = table_of(model)
    with torch.no_grad():
        plain = model(input_ids=ids).logits
        model.get_input_embeddings().weight.copy_(nearest(table, RANK))
        wanted = model(input_ids=ids).logits
        model.get_input_embeddings().weight.copy_(table)
        hold(model, torch.arange(len(table)), RANK, torch.arange(len(table)))
        torch.testing.assert_close(model(input_ids=ids).logits, wanted, rtol=1e-3, atol=1e-3)
        expand(model)
        torch.testing.assert_close(model(input_ids=ids).logits, wanted, rtol=1e-3, atol=1e-3)
    assert not torch.allclose(plain, wanted, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("rank", [-1, 0, 32, 128])
def test_a_rank_that_saves_nothing_is_refused(rank: int) -> None:
    with pytest.raises(KdcError, match=f"--embedding-rank must be from 1 to 25.* not {rank}"):
        check_rank(tiny_model(), rank)


def test_an_embedding_of_a_special_kind_is_refused() -> None:
    """Bug: a scaled embedding is replaced by one that does not scale."""

    class Scaled(nn.Embedding):
        def forward(self, input: Tensor) -> Tensor:
            return 2 * super().forward(input)

    encoder = tiny_model()
    encoder.set_input_embeddings(Scaled(128, 32))
    with pytest.raises(KdcError, match="the family bert looks tokens up in a Scaled"):
        hold(encoder, USED, RANK, USED)
