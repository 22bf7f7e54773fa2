"""What a model says about a batch, apart from how it is scored."""

from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from inspect import signature
from typing import Any, Protocol
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn
from transformers import PretrainedConfig as Config
from transformers import PreTrainedModel as Model

from kdc.compress.encode import Batch, bring
from kdc.compress.errors import KdcError
from kdc.compress.families import Sizes
from kdc.compress.first_token import first_token_alone
from kdc.compress.layer_parts import PARTS, part_of
from kdc.compress.padding import attention_mask

LOGITS = "logits"
HIDDEN = "hidden states"
HEADS = "queries, keys and values"
SCORES = "attention scores"
MASKED = "masked words"

_HEADS = ("query", "key", "value")
_BIASED = ("mpnet",)  # scores that also hold a term of relative positions
Heads = tuple[Tensor, ...]
_FOUND: WeakKeyDictionary[Model, list[tuple[str, nn.Module]]] = WeakKeyDictionary()


@dataclass(frozen=True)
class Sparse:
    """What a teacher said at M masked places, cut to the k tokens it gave most to, or drew."""

    ids: Tensor
    """(M, k) int64: the tokens of a place, none of them twice."""
    shares: Tensor
    """(M, k) float32: their probabilities, or how often each was drawn of all draws. An entry of
    0 is filler of a place with fewer than k tokens, and its id means nothing."""
    tail: Tensor
    """(M,) float32: the probability of all other tokens together; 0 of draws."""
    temperature: float = 1.0
    """Of the softmax that the probabilities are of."""

    def to(self, device: torch.device) -> "Sparse":
        """Bring it from the CPU to a device."""
        ids, shares, tail = (bring(part, device) for part in (self.ids, self.shares, self.tail))
        return Sparse(ids, shares, tail, self.temperature)


@dataclass(frozen=True)
class Signals:
    """A model's answers to one batch."""

    logits: Tensor
    """(B, C) float32; (B, 0) of a model that classifies nothing, (0, 0) of no teacher."""
    hidden: tuple[Tensor, ...]
    """L + 1 tensors (B, T, H): the embeddings, then every layer; empty unless asked for. Of states
    that were written down before, a layer that was not is (0,)."""
    mask: Tensor
    """(B, T) int64, 1 where there is a token."""
    queries: Heads = ()
    """L tensors (B, T, A, d), before the scaling by sqrt(d); empty unless asked for."""
    keys: Heads = ()
    """L tensors (B, T, A, d); empty unless asked for."""
    values: Heads = ()
    """L tensors (B, T, A, d); empty unless asked for."""
    masked: Tensor | None = None
    """(M, V): the logits of every token at the batch's masked places; None unless asked for."""
    targets: Tensor | None = None
    """(M,) int64: the tokens that stood at the masked places; None unless asked for."""
    sparse: Sparse | None = None
    """In place of `masked` from a teacher whose answers were written down before."""
    pooled: Tensor | None = None
    """(B, H): means of the last states over each row's tokens, written down before; else None."""


def gives(config: Config, *, masked_lm: bool = False) -> frozenset[str]:
    """Return what a model of this configuration can be asked for.

    Args:
        config: the encoder's configuration.
        masked_lm: whether it has a head for masked words, and none for classification.
    """
    known = {HIDDEN, MASKED if masked_lm else LOGITS}
    if config.model_type not in PARTS:
        return frozenset(known)
    absolute = getattr(config, "position_embedding_type", None) in (None, "absolute")
    plain = absolute and config.model_type not in _BIASED
    return frozenset({*known, HEADS} | ({SCORES} if plain else set()))


def check_wants(config: Config, wants: frozenset[str], *, masked_lm: bool = False) -> None:
    """Refuse, before anything is trained, what a model cannot be asked for.

    Raises:
        KdcError: the family's attention is not known here, or the head is another one.
    """
    lacking = wants - gives(config, masked_lm=masked_lm)
    if lacking:
        raise KdcError(refusal(config.model_type, lacking))


def refusal(family: str, lacking: frozenset[str]) -> str:
    """Say in a sentence what a model of a family cannot be asked for, and why."""
    if MASKED in lacking:
        return (
            "only a masked-LM head can be asked for masked words, and these models are "
            "classifiers: it belongs to distillation on a corpus"
        )
    if LOGITS in lacking:
        return "a model with a masked-LM head has no classes to be asked for"
    known = [name for name in PARTS if SCORES not in lacking or name not in _BIASED]
    return f"{min(lacking)} cannot be had of the family {family}, only of {', '.join(known)}"


def observe(model: Model, batch: Batch, *, wants: frozenset[str] = frozenset()) -> Signals:
    """Run a model over a batch and keep what it says.

    Args:
        model: an encoder with a head for classification, or, for `MASKED`, for masked words.
        batch: the batch; for `MASKED` one whose `masked` says where.
        wants: what to keep beyond the logits: `HIDDEN`, `HEADS`, `SCORES`, `MASKED`.

    Raises:
        KdcError: masked words are asked of a model or a batch that has none.
    """
    inputs = {"input_ids": batch.input_ids}
    if batch.padded:
        inputs["attention_mask"] = attention_mask(model, batch.mask)
    types = getattr(model.config, "type_vocab_size", 0)  # with one type there is nothing to tell
    if types > 1 and "token_type_ids" in signature(model.forward).parameters:
        inputs["token_type_ids"] = batch.types
    hidden, masked = HIDDEN in wants, MASKED in wants
    # a head over the vocabulary that nobody asks would take most of the time
    asked = model if masked or model.get_output_embeddings() is None else model.base_model
    spared = nullcontext() if hidden or masked else first_token_alone(model)
    with _heads(model, wants) as heads, _at_masked_places(model, batch, wants), spared:
        out = asked(**inputs, output_hidden_states=hidden, return_dict=True)
    classes = None if masked else getattr(out, "logits", None)
    return Signals(
        logits=batch.mask.new_empty((len(batch.mask), 0)).float()
        if classes is None
        else classes.float(),
        hidden=tuple(out.hidden_states) if hidden else (),
        mask=batch.mask,
        queries=tuple(heads[0]),
        keys=tuple(heads[1]),
        values=tuple(heads[2]),
        # squeezed, not indexed: that gradient would be written into as many zeros once more
        masked=out.logits.squeeze(0) if masked else None,
        targets=batch.masked.targets if masked and batch.masked else None,
    )


@contextmanager
def _heads(model: Model, wants: frozenset[str]) -> Iterator[dict[int, list[Tensor]]]:
    """Catch what the projections of every layer give, whatever computes the attention from it.

    ALBERT's one layer runs L times and so gives L tensors, as the layers of the others do.
    """
    caught: dict[int, list[Tensor]] = defaultdict(list)
    which = _HEADS if HEADS in wants else _HEADS[:2] if SCORES in wants else ()
    if not which:
        yield caught
        return
    check_wants(model.config, wants & {HEADS, SCORES})
    count = Sizes(model.config).heads

    def keep(index: int) -> Any:  # noqa: ANN401 - a hook
        def hook(module: Any, args: Any, out: Tensor) -> None:  # noqa: ANN401
            caught[index].append(out.view(*out.shape[:-1], count, -1))

        return hook

    hooks = [
        module.register_forward_hook(keep(which.index(part)))
        for part, module in _projections(model)
        if part in which
    ]
    try:
        yield caught
    finally:
        for hook in hooks:
            hook.remove()


def _projections(model: Model) -> list[tuple[str, nn.Module]]:
    """Return the projections to queries, keys and values, in the order of the layers.

    They are looked up once a model: by name it takes as long as a small student's layer.
    """
    found = _FOUND.get(model)
    if found is None:
        parts = (
            (part_of(model.config.model_type, name), module)
            for name, module in model.base_model.named_modules()
        )
        found = [(part[0], module) for part, module in parts if part and part[0] in _HEADS]
        _FOUND[model] = found
    return found


@contextmanager
def _at_masked_places(model: Model, batch: Batch, wants: frozenset[str]) -> Iterator[None]:
    """Hand only the masked places to the head, whose matrix over the vocabulary is the widest.

    The encoder's last states (B, T, H) become (1, M, H) on their way into the head, whatever the
    family's head is made of.
    """
    if MASKED not in wants:
        yield
        return
    if batch.masked is None:
        raise KdcError("masked words were asked for, but the batch has no masked tokens")
    if model.get_output_embeddings() is None:
        raise KdcError(refusal(model.config.model_type, frozenset({MASKED})))
    places = batch.masked.places

    def gather(module: Any, args: Any, out: Any) -> Any:  # noqa: ANN401
        out.last_hidden_state = out.last_hidden_state.flatten(0, 1)[places].unsqueeze(0)
        return out

    hook = model.base_model.register_forward_hook(gather)
    try:
        yield
    finally:
        hook.remove()


class Teacher(Protocol):
    """Where the teacher's signals for a batch come from."""

    def __call__(self, batch: Batch) -> Signals:
        """Answer a batch."""


class OnlineTeacher:
    """Runs the teacher for every batch: needed when an objective asks for more than logits."""

    def __init__(self, model: Model, *, wants: frozenset[str] = frozenset()) -> None:
        self.model = model.eval().requires_grad_(False)
        self.wants = wants

    @torch.no_grad()
    def __call__(self, batch: Batch) -> Signals:
        """Run the teacher."""
        return observe(self.model, batch, wants=self.wants)


class KeptTeacher:
    """Looks the teacher's logits up: it ran once over the training rows."""

    def __init__(self, logits: Tensor) -> None:
        self.logits = logits
        """(N, C) float32, on the device that trains."""

    def __call__(self, batch: Batch) -> Signals:
        """Pick the rows of the batch."""
        return Signals(self.logits[batch.index], (), batch.mask)


class NoTeacher:
    """For objectives that ask the teacher nothing."""

    def __call__(self, batch: Batch) -> Signals:
        """Answer with an empty signal."""
        return Signals(batch.labels.new_empty((0, 0), dtype=torch.float32), (), batch.mask)
