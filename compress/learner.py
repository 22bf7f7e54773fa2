"""What a step changes: the model, the objectives' parameters, the optimizer, the generators."""

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel as Model

from kdc.compress.checkpoint import Tensors
from kdc.compress.compact import CompactEmbedding
from kdc.compress.ema import Average
from kdc.compress.encode import Batch
from kdc.compress.examples import Examples
from kdc.compress.fake_quantize import FakeQuantization
from kdc.compress.losses.objective import Objective
from kdc.compress.low_rank import LowRankEmbedding
from kdc.compress.parallel import ALONE, Crew
from kdc.compress.runtime import autocast
from kdc.compress.score_scale import ScoreScale
from kdc.compress.signals import Teacher, observe
from kdc.compress.stages import Training

Objectives = dict[str, tuple[float, Objective]]
_RNG = "rng."  # then the kind of the device whose random numbers they are
_AVERAGE = "average."
_ROUNDING = "rounding."


class Learner:
    """A model with its objectives and its optimizer, on one device."""

    def __init__(
        self,
        model: Model,
        objectives: Objectives,
        training: Training,
        device: torch.device,
        crew: Crew = ALONE,
        scale: ScoreScale | None = None,
    ) -> None:
        """Put everything on the device; losses see scores by `scale`, where one is given."""
        self.model = model.to(device)
        self.objectives = {name: loss.to(device) for name, (_, loss) in objectives.items()}
        self.weights = torch.tensor([weight for weight, _ in objectives.values()], device=device)
        self.device = device
        self.crew = crew
        self._scale = scale
        self._units = [loss.unit for loss in self.objectives.values()]
        self._all = nn.ModuleDict({"model": model, "objectives": nn.ModuleDict(self.objectives)})
        self._all.train()  # once: a walk over all modules takes as long as a small step
        self._clip = training.clip
        self._average = Average(self.model.parameters(), training.ema) if training.ema else None
        self._method = training.quantize
        self._rounding: FakeQuantization | None = None
        self.norm = torch.zeros((), device=device)
        """Of all gradients of the last step, before they were clipped; it stays on the device."""
        self._wants = frozenset[str]().union(*(loss.needs for loss in self.objectives.values()))
        self.optimizer = torch.optim.AdamW(
            self._groups(training.weight_decay),
            lr=training.learning_rate,
            fused=device.type in ("cpu", "cuda"),
        )

    def _groups(self, decay: float) -> list[dict[str, Any]]:
        """Decay matrices only: neither vectors (biases, norms) nor tables of embeddings."""
        every = list(self._all.parameters())
        tables = {id(parameter) for parameter in every if parameter.dim() < 2}
        for module in self._all.modules():
            if isinstance(module, nn.Embedding | CompactEmbedding | LowRankEmbedding):
                tables |= {id(parameter) for parameter in module.parameters()}
        return [
            {"params": [p for p in every if id(p) not in tables], "weight_decay": decay},
            {"params": [p for p in every if id(p) in tables], "weight_decay": 0.0},
        ]

    def step(self, batch: Batch | Sequence[Batch], teacher: Teacher, rate: float) -> Tensor:
        """Learn from one batch at a learning rate.

        Args:
            batch: a whole batch, or slices of one; several processes each bring their own.
            teacher: answers it.
            rate: the learning rate.

        Returns:
            (K,) the unweighted losses of the whole batch, one an objective, still on the device.
        """
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        slices = [batch] if isinstance(batch, Batch) else batch
        losses = torch.stack([self._learn(each, teacher) for each in slices]).sum(0)
        if self.crew.size > 1:
            every = self._all.parameters()
            self.crew.all_reduce([*(p.grad for p in every if p.grad is not None), losses])
        self.norm = nn.utils.clip_grad_norm_(self._all.parameters(), self._clip)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        if self._average:
            self._average.update()
        return losses

    def _learn(self, batch: Batch, teacher: Teacher) -> Tensor:
        """Add a slice's gradients; return its (K,) shares of the losses."""
        with autocast(self.device):
            theirs = teacher(batch)
            ours = observe(self.model, batch, wants=self._wants)
        labels = batch.labels
        if self._scale:
            ours, theirs = self._scale.of_signals(ours), self._scale.of_signals(theirs)
            labels = self._scale.inner(labels)
        losses = torch.stack([f(ours, theirs, labels) for f in self.objectives.values()])
        if batch.shares is not None:  # the means over slices add up to the mean over the batch
            parts = zip(losses, self._units, strict=True)
            losses = torch.stack([loss * batch.shares[unit] for loss, unit in parts])
        (losses * self.weights).sum().backward()
        return losses.detach()

    def averaged(self) -> AbstractContextManager[None]:
        """Return a block in which the model has its averaged weights, where they are averaged."""
        return self._average.in_place() if self._average else nullcontext()

    def begin_rounding(self, rows: Examples | None, padding: int, *, pair: bool) -> None:
        """Train from here on with weights and activations as the exporter will round them.

        Args:
            rows: the rows that the exporter will look at; None where `restore` gives
                the weights back next.
            padding: the padding token's id.
            pair: whether the model is asked about two texts.
        """
        self._rounding = FakeQuantization(
            self.model, self._method, pair=pair, rows=rows, padding=padding
        )
        if self._average:
            self._average.start_over()

    def settle(self, best: Tensors | None) -> None:
        """Leave the model with the best weights, or else with the last, averaged if they were.

        Weights that were trained rounded stay at the values that they were rounded to.
        """
        if best is not None:
            self.model.load_state_dict(best)
        elif self._average:
            self._average.keep()
        if self._rounding:
            self._rounding.settle()

    def model_tensors(self) -> Tensors:
        """Return copies of the model's parameters and buffers."""
        return {key: value.detach().clone() for key, value in self.model.state_dict().items()}

    def tensors(self) -> Tensors:
        """Return everything that a resumed run needs to go on bit by bit."""
        tensors = {f"all.{key}": value for key, value in self._own().items()}
        for index, key, value in self._moments():
            tensors[f"optimizer.{index}.{key}"] = value
        if self._average:
            found = self._average.tensors()
            tensors |= {f"{_AVERAGE}{key}": value for key, value in found.items()}
        if self._rounding:
            found = self._rounding.tensors()
            tensors |= {f"{_ROUNDING}{key}": value for key, value in found.items()}
        for kind, mine in self._rng_states():
            for rank, rng in enumerate(self.crew.all_gather(mine)):
                tensors[_of(rank, f"{_RNG}{kind}")] = rng
        return tensors

    def _rng_states(self) -> Iterator[tuple[str, Tensor]]:
        """Yield the state of every generator that a step may draw from."""
        yield "cpu", torch.get_rng_state()
        if self.device.type == "cuda":
            yield "cuda", torch.cuda.get_rng_state(self.device)
        elif self.device.type == "mps":
            yield "mps", torch.mps.get_rng_state()

    def _own(self) -> Tensors:
        """Return what is learnt, each tensor once: a masked-LM head may be the embedding."""
        every = self._all.state_dict(keep_vars=True)  # the same parameter is the same object
        first = {id(value): key for key, value in reversed(every.items())}
        return {key: value.detach() for key, value in every.items() if first[id(value)] == key}

    def _moments(self) -> Iterator[tuple[int, str, Tensor]]:
        for index, moments in self.optimizer.state_dict()["state"].items():
            for key, value in moments.items():
                yield index, key, value

    def restore(self, tensors: Tensors) -> int:
        """Take back what `tensors` gave; the generators' states only for as many processes.

        Returns:
            How many processes that were.
        """
        self._all.load_state_dict(_under("all.", tensors), strict=False)  # each tied tensor is once
        moments: dict[int, dict[str, Tensor]] = {}
        for name, value in _under("optimizer.", tensors).items():
            index, key = name.split(".", 1)
            moments.setdefault(int(index), {})[key] = value
        groups = self.optimizer.state_dict()["param_groups"]
        self.optimizer.load_state_dict({"state": moments, "param_groups": groups})
        if self._average:
            self._average.restore(_under(_AVERAGE, tensors))
        if self._rounding:
            self._rounding.restore(_under(_ROUNDING, tensors))
        count = sum(name.startswith(f"{_RNG}cpu") for name in tensors)
        if count == self.crew.size:
            torch.set_rng_state(tensors[_of(self.crew.rank, f"{_RNG}cpu")])
            own = tensors.get(_of(self.crew.rank, f"{_RNG}{self.device.type}"))
            if own is not None and self.device.type == "cuda":
                torch.cuda.set_rng_state(own, self.device)
            elif own is not None and self.device.type == "mps":
                torch.mps.set_rng_state(own)
        return count


def _of(rank: int, name: str) -> str:
    """Name a process's own tensor; that of a lone one has no number."""
    return f"{name}.{rank}" if rank else name


def _under(prefix: str, tensors: Tensors) -> Tensors:
    return {key[len(prefix) :]: value for key, value in tensors.items() if key.startswith(prefix)}
