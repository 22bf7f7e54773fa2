from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from kdc.compress import loop
from kdc.compress.ema import Average
from kdc.compress.errors import KdcError
from kdc.compress.evaluate import predict
from kdc.compress.learner import Learner
from kdc.compress.loop import train
from kdc.compress.metrics import score
from kdc.compress.progress import Silent
from kdc.compress.recipe import Recipe, read_recipe
from kdc.compress.run import Run
from kdc.compress.stages import Training
from tests.tiny import Recorder, Stopped, dev_of, tiny_recipe, tiny_run

WHAT = "distilling"


def walk(values: list[float], decay: float, start: float = 0.0) -> list[float]:
    """Average single numbers by the formula."""
    found, average = [], start
    for step, value in enumerate(values, start=1):
        own = min(decay, (1 + step) / (10 + step))
        average = own * average + (1 - own) * value
        found.append(average)
    return found


@pytest.mark.parametrize("decay", [0.15, 0.5, 0.999])
def test_it_follows_the_formula_with_a_decay_that_warms_up(decay: float) -> None:
    """Bug: at a fixed decay of 0.999 the average of a short run is still its start."""
    weight = nn.Parameter(torch.zeros(2, 3))
    frozen = nn.Parameter(torch.ones(2), requires_grad=False)
    average, values = Average([weight, frozen], decay), [float(v) for v in range(1, 31)]
    found = []
    for value in values:
        with torch.no_grad():
            weight.fill_(value)
        average.update()
        with average.in_place():
            found.append(float(weight.detach()[1, 2]))
        assert float(weight.detach()[1, 2]) == value
    assert found == pytest.approx(walk(values, decay), rel=1e-5)


def recipe_of(*names: str, ema: float = 0.9) -> Recipe:
    recipe = tiny_recipe(*names, learning_rate=2e-3, ema=ema)
    assert all(stage.train.ema == ema for stage in recipe.stages)
    return recipe


def snapshots(monkeypatch: pytest.MonkeyPatch) -> list[Tensor]:
    """Collect one weight after every step."""
    seen: list[Tensor] = []
    step = Learner.step

    def spy(self: Learner, *rest: Any) -> Tensor:  # noqa: ANN401
        losses = step(self, *rest)
        seen.append(self.model.classifier.weight.detach().clone())
        return losses

    monkeypatch.setattr(Learner, "step", spy)
    return seen


def test_the_average_is_measured_and_kept_while_the_weights_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Bug: the average is put into the model and training goes on from it."""
    plain = tiny_run(tmp_path / "plain", recipe=recipe_of(ema=0.0))
    seen = snapshots(monkeypatch)
    train(plain, Silent(), WHAT, resume=False)
    bare, run = list(seen), tiny_run(tmp_path / "ema", recipe=recipe_of())
    before = run.model.classifier.weight.detach().clone()
    seen.clear()
    history = train(run, Silent(), WHAT, resume=False)
    assert len(bare) == 12
    assert all(torch.equal(one, other) for one, other in zip(bare, seen, strict=True))
    averages, average = [], before
    for index, weight in enumerate(bare, start=1):
        decay = min(0.9, (1 + index) / (10 + index))
        average = decay * average + (1 - decay) * weight
        averages.append(average)
    best = max(history, key=lambda row: row["dev"])
    kept = run.model.classifier.weight
    torch.testing.assert_close(kept, averages[int(best["step"]) - 1], rtol=1e-5, atol=1e-7)
    assert not torch.allclose(kept, bare[int(best["step"]) - 1], rtol=1e-3)
    logits = predict(run.model, dev_of(run), run.padding)
    assert score("accuracy", logits, dev_of(run).labels).value == best["dev"]


def test_a_stage_whose_last_weights_count_hands_on_their_average(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Bug: only stages that keep their best on dev are averaged."""
    run = tiny_run(tmp_path, recipe=recipe_of())
    run = replace(run, legs=(replace(run.legs[0], keep_best=False),))
    start = run.model.classifier.weight.detach().clone()
    seen = snapshots(monkeypatch)
    train(run, Silent(), WHAT, resume=False)
    average = start
    for index, weight in enumerate(seen, start=1):
        decay = min(0.9, (1 + index) / (10 + index))
        average = decay * average + (1 - decay) * weight
    torch.testing.assert_close(run.model.classifier.weight, average, rtol=1e-5, atol=1e-7)


def two_stages() -> Recipe:
    train = {"epochs": 1.0, "batch": 16, "learning_rate": 2e-3, "evaluations": 3, "ema": 0.9}
    stages = [
        {"name": "begin", "losses": {"soft_labels": {}}, "train": train},
        {"name": "end", "losses": {"soft_labels": {}, "hard_labels": {}}, "train": train},
    ]
    return read_recipe({"name": "two", "stages": stages}, "two", "two")


def plain_run(state: Path) -> Run:
    return tiny_run(state, recipe=two_stages())


def low_rank_run(state: Path) -> Run:
    return replace(tiny_run(state, recipe=two_stages()), embedding_rank=6)


@pytest.mark.parametrize("make", [plain_run, low_rank_run])
@pytest.mark.parametrize("bars", [("begin", 4), ("end", 1), ("end", 4)], ids=str)
def test_stopped_and_resumed_the_weights_are_the_same(
    tmp_path: Path,
    make: Callable[[Path], Run],
    bars: tuple[str, int],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Bug: the average, or how far its decay has warmed up, starts anew; or not with factors."""
    monkeypatch.setattr(loop, "_SAVE_SECONDS", -1.0)
    whole = make(tmp_path / "whole")
    history = train(whole, Silent(), WHAT, resume=False)
    with pytest.raises(Stopped):
        train(make(tmp_path / "parts"), Recorder(*bars), WHAT, resume=False)
    parts = make(tmp_path / "parts")
    assert train(parts, Silent(), WHAT, resume=True) == history
    ours, theirs = parts.model.state_dict(), whole.model.state_dict()
    assert all(torch.equal(ours[key], theirs[key]) for key in theirs)


def test_factors_are_averaged_and_widened_over_stages(tmp_path: Path) -> None:
    """Bug: the table is widened from the last factors, or no longer has their rank."""
    run = low_rank_run(tmp_path)
    train(run, Silent(), WHAT, resume=False)
    table = run.model.get_input_embeddings().weight.detach()
    values = torch.linalg.svdvals(table.double())
    assert table.shape == (128, 32)
    assert int((values > 1e-5 * values[0]).sum()) == 6


@pytest.mark.parametrize("decay", [1.0, -0.1, float("nan")])
def test_a_decay_that_averages_nothing_is_refused(decay: float) -> None:
    """Bug: at a decay of 1 the start is kept for ever."""
    with pytest.raises(KdcError, match="ema must be from 0"):
        Training(ema=decay)
