from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from kdc.compress import judging, loop
from kdc.compress.encode import Batches
from kdc.compress.errors import KdcError
from kdc.compress.evaluate import predict
from kdc.compress.fake_quantize import FakeQuantization
from kdc.compress.learner import Learner
from kdc.compress.loop import train
from kdc.compress.low_rank import hold
from kdc.compress.progress import Silent
from kdc.compress.recipe import read_recipe
from kdc.compress.run import Run
from kdc.compress.signals import HEADS, HIDDEN, observe
from kdc.compress.stages import Training
from tests.families import FAMILIES, family_model, some_ids
from tests.student import with_a_far_channel
from tests.tiny import Recorder, Stopped, dev_of, rows_of, tiny_model, tiny_recipe, tiny_run

METHODS = ["int8-dynamic", "int8-embeddings4", "int4"]
WHAT = "distilling"


@pytest.fixture(autouse=True)
def small_tables(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the words of tiny models be many enough for 4 bits."""
    monkeypatch.setattr("kdc.compress.rounding.FEW_ROWS", 100)


@pytest.mark.parametrize("method", METHODS)
def test_every_matrix_and_table_is_rounded_and_all_learn(method: str) -> None:
    """Bug: a layer is left out, or cut off from the gradient."""
    model = tiny_model().eval()
    parameters = dict(model.named_parameters())
    rounding = FakeQuantization(model, method, pair=False)
    ids = torch.arange(128).reshape(8, 16)
    model(input_ids=ids, attention_mask=torch.ones_like(ids)).logits.square().sum().backward()
    assert [name for name, value in parameters.items() if value.grad is None] == []
    assert {id(p) for p in model.parameters()} == {id(p) for p in parameters.values()}
    exact = {name: value.detach().clone() for name, value in parameters.items()}
    rounding.settle()
    settled = dict(model.named_parameters())
    assert settled.keys() == exact.keys()
    for name, value in settled.items():
        matrix = value.dim() == 2 and "token_type" not in name
        assert torch.equal(value, exact[name]) != matrix, name
        if matrix and ("word" in name or "position" not in name):
            few = method == "int4" or (method == "int8-embeddings4" and "word" in name)
            largest = 16 if few else 255
            group = value.detach().reshape(-1, 32)  # no wider than a block
            assert max(len(set(row.tolist())) for row in group) <= largest


@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_can_be_trained_so(family: str) -> None:
    """Bug: a family's modules are of kinds that nobody thought of, and training stops at 80 %."""
    model = family_model(family)
    names = set(model.state_dict())
    exact = model(input_ids=some_ids(2, 7)).logits.detach()
    rounding = FakeQuantization(model, "int4", pair=False)
    ids = some_ids(2, 7)
    logits = model(input_ids=ids, attention_mask=torch.ones_like(ids)).logits
    logits.sum().backward()
    assert logits.isfinite().all()
    assert not torch.equal(logits, exact)
    rounding.settle()
    assert set(model.state_dict()) == names
    assert model(input_ids=ids).logits.isfinite().all()


def test_other_signals_are_still_heard(tmp_path: Path) -> None:
    """Bug: hidden states and heads are caught by hooks of their own, which rounding replaces."""
    run = tiny_run(tmp_path)
    batch = Batches(rows_of(run.legs[0]), 0, run.device).make(np.arange(4))
    FakeQuantization(run.model, "int4", pair=False)
    found = observe(run.model, batch, wants=frozenset({HIDDEN, HEADS}))
    assert (len(found.hidden), len(found.queries), len(found.values)) == (3, 2, 2)


def test_factors_of_an_embedding_are_left_as_they_are(tmp_path: Path) -> None:
    """Bug: rounded in directions that the exporter does not keep, they learn the wrong thing."""
    run = tiny_run(tmp_path)
    hold(run.model, torch.arange(128), 6, torch.arange(128))
    before = {n: v.clone() for n, v in run.model.named_parameters() if "word_embeddings" in n}
    rounding = FakeQuantization(run.model, "int8-embeddings4", pair=False)
    assert len(before) == 2
    ids = some_ids(2, 5)
    exact = run.model.get_input_embeddings()(ids)
    assert torch.equal(
        exact,
        before["bert.embeddings.word_embeddings.narrow.weight"][ids]
        @ before["bert.embeddings.word_embeddings.widen"],
    )
    rounding.settle()
    after = dict(run.model.named_parameters())
    assert all(torch.equal(after[name], value) for name, value in before.items())


# -- in the loop -----------------------------------------------------------------------------------


def rounded_run(state: Path, **options: Any) -> Run:  # noqa: ANN401
    train = {"learning_rate": 2e-3, "quantize": "int4", "quantize_share": 0.5, **options}
    return tiny_run(state, recipe=tiny_recipe(**train))


def test_only_what_was_rounded_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Bug: the best model is one of before, which the exporter's rounding then makes worse."""
    rounds: list[bool] = []

    def spy(model: nn.Module, *rest: Any, **more: Any) -> Any:  # noqa: ANN401
        rounds.append(hasattr(model.classifier, "parametrizations"))
        return predict(model, *rest, **more)

    monkeypatch.setattr(judging, "predict", spy)
    run = rounded_run(tmp_path, quantize_share=0.3, evaluations=6)
    kept: list[Tensor] = []
    history = train(run, Silent(), WHAT, resume=False)
    kept.append(run.model.classifier.weight.detach())
    assert rounds == [False, False, False, False, True, True]
    assert [row["step"] for row in history] == [2, 4, 6, 8, 10, 12]
    assert len(set(kept[0][0].tolist())) <= 16
    again = FakeQuantization(run.model, "int4", pair=False)
    logits = predict(run.model, dev_of(run), 0)
    again.settle()
    right = float((logits.argmax(1) == dev_of(run).labels).mean())
    assert right == pytest.approx(max(row["dev"] for row in history[4:]))


@pytest.mark.parametrize("ema", [0.0, 0.9])
@pytest.mark.parametrize("step", [3, 6, 7, 8, 10, 12])
def test_stopped_and_resumed_the_weights_are_the_same(
    tmp_path: Path, step: int, ema: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Bug: resumed in the rounded stretch, the grid is fitted anew, or the stretch forgotten."""
    monkeypatch.setattr(loop, "_SAVE_SECONDS", -1.0)
    whole = rounded_run(tmp_path / "whole", ema=ema)
    history = train(whole, Silent(), WHAT, resume=False)
    with pytest.raises(Stopped):
        train(rounded_run(tmp_path / "parts", ema=ema), Recorder(WHAT, step), WHAT, resume=False)
    parts = rounded_run(tmp_path / "parts", ema=ema)
    assert train(parts, Silent(), WHAT, resume=True) == history
    ours, theirs = parts.model.state_dict(), whole.model.state_dict()
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(ours[key], theirs[key]) for key in theirs)


def test_resumed_the_same_channels_are_set_apart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Bug: outliers are looked for anew, or forgotten, and the resumed run learns otherwise."""
    monkeypatch.setattr(loop, "_SAVE_SECONDS", -1.0)
    whole, parts, again = (rounded_run(tmp_path / name) for name in ("whole", "parts", "parts"))
    for run in (whole, parts, again):
        with_a_far_channel(run.model)
    history = train(whole, Silent(), WHAT, resume=False)
    with pytest.raises(Stopped):
        train(parts, Recorder(WHAT, 9), WHAT, resume=False)
    found: list[int] = []
    restore = FakeQuantization.restore

    def noted(self: FakeQuantization, tensors: dict[str, Tensor]) -> None:
        found.append(len(tensors))
        restore(self, tensors)

    monkeypatch.setattr(FakeQuantization, "restore", noted)
    assert train(again, Silent(), WHAT, resume=True) == history
    assert found[0] > 0
    ours, theirs = again.model.state_dict(), whole.model.state_dict()
    assert all(torch.equal(ours[key], theirs[key]) for key in theirs)


def test_the_first_steps_are_those_of_a_run_that_never_rounds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Bug: rounding begins at once, or the schedule of the rate starts anew with it."""
    seen: dict[str, list[Tensor]] = {"plain": [], "rounded": []}
    rates: dict[str, list[float]] = {"plain": [], "rounded": []}
    for name, method in (("plain", "none"), ("rounded", "int8-dynamic")):
        step = Learner.step

        def spy(
            self: Learner,
            batch: Any,  # noqa: ANN401
            teacher: Any,  # noqa: ANN401
            rate: float,
            name: str = name,
            step: Callable[..., Tensor] = step,
        ) -> Tensor:
            losses = step(self, batch, teacher, rate)
            seen[name].append(losses)
            rates[name].append(rate)
            return losses

        with monkeypatch.context() as patch:
            patch.setattr(Learner, "step", spy)
            run = rounded_run(tmp_path / name, quantize=method)
            train(run, Silent(), WHAT, resume=False)
    same = [torch.equal(a, b) for a, b in zip(seen["plain"], seen["rounded"], strict=True)]
    assert same == [True] * 6 + [False] * 6
    assert rates["plain"] == rates["rounded"]


def test_a_method_that_cannot_be_trained_for_is_refused() -> None:
    """Bug: a typing error is found when 80 % of the steps are done."""
    with pytest.raises(KdcError, match="int8-dynamic"):
        Training(quantize="int8")
    with pytest.raises(KdcError, match="quantize_share must be from"):
        Training(quantize_share=0.0)


def test_only_the_last_stage_can_be_rounded() -> None:
    """Bug: a stage is trained in 4 bits, and the next one moves its weights off the grid."""
    stage: dict[str, Any] = {"losses": {"soft_labels": {}}}
    stages = [{"name": "begin", **stage}, {"name": "end", **stage}]
    values = {"name": "two", "stages": stages}
    with pytest.raises(KdcError, match=r"begin in few bits.*give quantize to end alone"):
        read_recipe({**values, "train": {"quantize": "int4"}}, "two", "two")
    stages[1]["train"] = {"quantize": "int4"}
    recipe = read_recipe(values, "two", "two")
    assert [stage.train.quantize for stage in recipe.stages] == ["none", "int4"]
    assert replace(recipe, name="other").stages == recipe.stages


def test_four_bits_begin_where_gptq_would_round(tmp_path: Path) -> None:
    """Bug: the stretch begins at the nearest values, and spends its steps on getting to GPTQ's."""
    run = tiny_run(tmp_path)
    exact = predict(run.model, dev_of(run), 0)
    errors = []
    trained = replace(rows_of(run.legs[0]), texts=[])  # as the second of several processes has them
    for rows in (None, trained):
        model = tiny_model()
        before = model.classifier.weight.detach().clone()
        rounding = FakeQuantization(model, "int4", pair=False, rows=rows)
        assert torch.equal(model.classifier.parametrizations.weight.original, before) == (
            rows is None
        )
        errors.append(np.abs(predict(model, dev_of(run), 0) - exact).mean())
        rounding.settle()
    assert errors[1] < 0.9 * errors[0]
