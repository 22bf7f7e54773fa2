from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from kdc.compress import judging
from kdc.compress.evaluate import predict
from kdc.compress.learner import Learner
from kdc.compress.loop import train
from kdc.compress.metrics import score
from kdc.compress.progress import Silent
from kdc.compress.run import Run
from tests.tiny import dev_of, tiny_run

WHAT = "distilling"


class TestSchedule:
    def rates(self, run: Run, monkeypatch: pytest.MonkeyPatch) -> list[float]:
        seen: list[float] = []
        step = Learner.step

        def spy(self: Learner, batch: Any, teacher: Any, rate: float) -> Tensor:  # noqa: ANN401
            seen.append(rate)
            return step(self, batch, teacher, rate)

        monkeypatch.setattr(Learner, "step", spy)
        train(run, Silent(), WHAT, resume=False)
        return seen

    def test_the_rate_rises_and_falls_linearly(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        run = tiny_run(tmp_path, warmup=0.25, learning_rate=9e-4)
        by_hand = [3e-4, 6e-4, 9e-4] + [1e-4 * left for left in (9, 8, 7, 6, 5, 4, 3, 2, 1)]
        assert self.rates(run, monkeypatch) == pytest.approx(by_hand)

    @pytest.mark.parametrize(
        ("warmup", "first", "last"),
        [(0.0, 12e-4, 1e-4), (1.0, 1e-4, 12e-4), (0.01, 12e-4, 12e-4 / 11)],
    )
    def test_its_ends(
        self,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
        warmup: float,
        first: float,
        last: float,
    ) -> None:
        """Bug: no warm-up divides by zero, or a step is taken at the rate 0."""
        rates = self.rates(tiny_run(tmp_path, warmup=warmup, learning_rate=12e-4), monkeypatch)
        assert len(rates) == 12
        assert (rates[0], rates[-1]) == pytest.approx((first, last))

    @pytest.mark.parametrize(
        ("options", "total"),
        [
            ({"epochs": 2, "batch": 16}, 12),
            ({"epochs": 1.5, "batch": 16}, 9),
            ({"epochs": 0.01, "batch": 96}, 1),
            ({"epochs": 2, "batch": 50}, 4),
            ({"epochs": 1, "batch": 96, "min_steps": 7}, 7),
        ],
    )
    def test_the_number_of_steps(self, tmp_path: Path, options: dict[str, Any], total: int) -> None:
        assert tiny_run(tmp_path, **options).total == total

    def test_every_row_is_seen_once_an_epoch(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        seen: list[int] = []
        step = Learner.step

        def spy(self: Learner, batch: Any, *rest: Any) -> Tensor:  # noqa: ANN401
            seen.extend(row for part in batch for row in part.index.tolist())
            return step(self, batch, *rest)

        monkeypatch.setattr(Learner, "step", spy)
        train(tiny_run(tmp_path), Silent(), WHAT, resume=False)
        assert sorted(seen[:96]) == sorted(seen[96:]) == list(range(96))
        assert seen[:96] != seen[96:]


class TestBest:
    def test_the_model_that_did_best_on_dev_is_what_remains(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Bug: the last weights are shipped under the best score (of equals, the first counts)."""
        values, snapshots = iter([0.5, 0.9, 0.9, 0.1]), []

        def spy(model: Any, *rest: Any, **how: Any) -> Any:  # noqa: ANN401
            snapshots.append(model.classifier.weight.detach().clone())
            return predict(model, *rest, **how)

        monkeypatch.setattr(judging, "predict", spy)
        monkeypatch.setattr(judging, "value", lambda *_: next(values))
        run = tiny_run(tmp_path, evaluations=4)
        history = train(run, Silent(), WHAT, resume=False)
        assert [row["dev"] for row in history] == [0.5, 0.9, 0.9, 0.1]
        assert torch.equal(run.model.classifier.weight, snapshots[1])
        assert not torch.equal(run.model.classifier.weight, snapshots[2])

    def test_the_history_holds_mean_losses_and_real_dev_scores(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        seen: list[list[float]] = []
        step = Learner.step

        def spy(self: Learner, *rest: Any) -> Tensor:  # noqa: ANN401
            losses = step(self, *rest)
            seen.append(losses.tolist())
            return losses

        monkeypatch.setattr(Learner, "step", spy)
        run = tiny_run(tmp_path, learning_rate=2e-3)
        history = train(run, Silent(), WHAT, resume=False)
        assert [row["step"] for row in history] == [4, 8, 12]
        assert {row["stage"] for row in history} == {1}
        for index, row in enumerate(history):
            own = torch.tensor(seen[4 * index : 4 * index + 4]).mean(0).tolist()
            assert [row["soft_labels"], row["hard_labels"]] == pytest.approx(own, rel=1e-5)
        logits = predict(run.model, dev_of(run), run.padding)
        best = max(row["dev"] for row in history)
        assert score("accuracy", logits, dev_of(run).labels).value == best

    def test_the_model_is_left_whole_in_evaluation_mode(self, tmp_path: Path) -> None:
        """Bug: a model with only the rows that occur is saved, and loads nowhere."""
        run = tiny_run(tmp_path)
        train(run, Silent(), WHAT, resume=False)
        assert run.model.get_input_embeddings().weight.shape == (128, 32)
        assert not run.model.training
