from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from kdc.compress.encode import Batch, Batches
from kdc.compress.learner import Learner
from kdc.compress.losses.embeddings import Embeddings
from kdc.compress.losses.hidden_states import HiddenStates
from kdc.compress.losses.objective import Widths
from kdc.compress.run import Run
from kdc.compress.signals import HIDDEN, OnlineTeacher, observe
from tests.tiny import rows_of, tiny_model, tiny_run


def learner_of(run: Run) -> Learner:
    leg = run.legs[0]
    return Learner(run.model, leg.objectives, leg.training, run.device)


def batch_of(run: Run, first: int = 0) -> Batch:
    index = torch.arange(first, first + 16).numpy()
    return Batches(rows_of(run.legs[0]), run.padding, run.device).make(index)


def snapshot(model: Any) -> dict[str, Tensor]:  # noqa: ANN401
    return {name: value.detach().clone() for name, value in model.named_parameters()}


def test_decay_touches_matrices_only(tmp_path: Path) -> None:
    """Bug: decayed norms and biases train worse, and decayed embeddings forget rare words."""
    run = tiny_run(tmp_path, weight_decay=0.5)
    objectives = run.legs[0].objectives
    objectives["soft_labels"] = (0.0, objectives["soft_labels"][1])
    objectives["hard_labels"] = (0.0, objectives["hard_labels"][1])
    before = snapshot(run.model)
    learner_of(run).step(batch_of(run), run.legs[0].teacher, rate=0.1)
    decayed = set()
    for name, value in snapshot(run.model).items():
        if torch.equal(value, before[name]):
            continue
        decayed.add(name)
        torch.testing.assert_close(value, before[name] * (1 - 0.1 * 0.5), rtol=1e-6, atol=1e-8)
    linear = {"query", "key", "value", "dense", "classifier"}
    expected = {n for n in before if n.split(".")[-2] in linear and n.endswith("weight")}
    assert decayed == expected
    assert len(decayed) == 2 * 6 + 2


def test_a_matrix_is_decayed_whatever_its_name(tmp_path: Path) -> None:
    """Bug: the projection of the objective `embeddings` is taken for a table of embeddings."""
    run = tiny_run(tmp_path)
    loss = Embeddings()
    loss.projection = nn.Linear(32, 48, bias=False)
    learner = Learner(run.model, {"embeddings": (1.0, loss)}, run.legs[0].training, run.device)
    decayed, held = (group["params"] for group in learner.optimizer.param_groups)
    assert any(parameter is loss.projection.weight for parameter in decayed)
    table = run.model.get_input_embeddings().weight
    assert any(parameter is table for parameter in held)


def test_a_step_follows_the_clipped_gradient_of_the_weighted_sum(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Bug: the weights of the losses, or the clipping, never reach the optimizer."""
    monkeypatch.setattr("kdc.compress.learner.autocast", lambda device: nullcontext())
    run = tiny_run(tmp_path, clip=0.01)
    for module in run.model.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0
        elif hasattr(module, "dropout_prob"):  # transformers 4.57's attention has a number instead
            module.dropout_prob = 0.0
    batch = batch_of(run)
    theirs, ours = run.legs[0].teacher(batch).logits, observe(run.model, batch).logits
    p = F.softmax(theirs / 2, -1)
    soft = 4 * (p * (p.log() - F.log_softmax(ours / 2, -1))).sum(1).mean()
    hard = -F.log_softmax(ours, -1)[torch.arange(16), batch.labels].mean()
    parameters = list(run.model.parameters())
    grads = torch.autograd.grad(0.9 * soft + 0.1 * hard, parameters)
    norm = torch.cat([grad.flatten() for grad in grads]).norm()

    learner, seen = learner_of(run), list[Tensor]()
    monkeypatch.setattr(
        learner.optimizer, "step", lambda: seen.extend(p.grad.clone() for p in parameters)
    )
    losses = learner.step(batch, run.legs[0].teacher, rate=1e-3)
    torch.testing.assert_close(losses, torch.stack([soft, hard]).detach())
    assert norm > 0.1
    for found, grad in zip(seen, grads, strict=True):
        torch.testing.assert_close(found, grad * 0.01 / norm, rtol=1e-4, atol=1e-8)
    assert all(group["lr"] == 1e-3 for group in learner.optimizer.param_groups)


def test_restored_it_goes_on_bit_by_bit(tmp_path: Path) -> None:
    """Bug: the optimizer's moments or the generator of dropout start over on --resume."""
    run = tiny_run(tmp_path)
    torch.manual_seed(5)
    learner = learner_of(run)
    for start in (0, 16, 32):
        learner.step(batch_of(run, start), run.legs[0].teacher, 1e-3)
    kept = {name: value.clone() for name, value in learner.tensors().items()}
    learner.step(batch_of(run, 48), run.legs[0].teacher, 1e-3)

    other = tiny_run(tmp_path)
    torch.manual_seed(99)
    restored = learner_of(other)
    restored.restore(kept)
    restored.step(batch_of(other, 48), other.legs[0].teacher, 1e-3)
    for name, value in learner.tensors().items():
        assert torch.equal(restored.tensors()[name], value), name


def test_the_parameters_of_an_objective_learn_and_are_kept(tmp_path: Path) -> None:
    """Bug: a projection that is not in the optimizer stays random, and the loss floors."""
    run = tiny_run(tmp_path)
    loss = HiddenStates()
    loss.fit(Widths(run.task, 2, 32, 4, 48))
    assert isinstance(loss.projection, nn.Linear)
    before = loss.projection.weight.detach().clone()
    learner = Learner(run.model, {"hidden_states": (1.0, loss)}, run.legs[0].training, run.device)
    teacher = OnlineTeacher(tiny_model(layers=4, hidden=48), wants=frozenset({HIDDEN}))
    values = [float(learner.step(batch_of(run), teacher, 1e-2)) for _ in range(8)]
    assert values[-1] < values[0]
    assert not torch.equal(loss.projection.weight, before)
    assert "all.objectives.hidden_states.projection.weight" in learner.tensors()


@pytest.mark.parametrize("name", ["hinton", "scratch"])
def test_copies_of_the_model_do_not_change_with_it(tmp_path: Path, name: str) -> None:
    """Bug: the best model is a view of the weights, and ends as the last one."""
    run = tiny_run(tmp_path, recipe=name)
    learner = learner_of(run)
    kept = learner.model_tensors()
    frozen = {key: value.clone() for key, value in kept.items()}
    learner.step(batch_of(run), run.legs[0].teacher, 1e-2)
    assert all(torch.equal(kept[key], frozen[key]) for key in kept)
    assert not torch.equal(kept["classifier.weight"], run.model.classifier.weight)
