"""What an encoder is, whatever family it comes from: arrays and the few facts that join them.

B texts, T tokens, V words of width E, H the width of the hidden states, C outputs. Every matrix is
stored as it multiplies from the right: (inputs, outputs).
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Linear:
    """x @ weight + bias."""

    weight: Array
    """(K, N) float32."""
    bias: Array
    """(N,) float32."""

    @property
    def width(self) -> int:
        """N, the number of outputs."""
        return int(self.weight.shape[1])


@dataclass(frozen=True)
class Norm:
    """Layer normalization over the last axis (Ba et al. 2016, arXiv 1607.06450)."""

    scale: Array
    """(H,) float32."""
    shift: Array
    """(H,) float32."""
    epsilon: float
    """Added to the variance."""


@dataclass(frozen=True)
class Embeddings:
    """norm(words[id] + positions[place] + types[type]), projected to H where E differs."""

    words: Array
    """(V, E) float32."""
    positions: Array
    """(P, E) float32; row 0 belongs to a text's first token."""
    types: Array | None
    """(2 or more, E) float32; None where every token has the same type, which is then part of
    `positions`."""
    norm: Norm
    projection: Linear | None
    """(E, H)."""


@dataclass(frozen=True)
class Layer:
    """One transformer layer with normalization after each half (Vaswani et al. 2017)."""

    name: str
    """Under which its weights are stored; layers that share their weights share their name."""
    heads: int
    query: Linear
    """(H, heads * size of a head)."""
    key: Linear
    value: Linear
    mix: Linear
    """(heads * size of a head, H): what joins the heads again."""
    attention_norm: Norm
    up: Linear
    """(H, FFN width)."""
    down: Linear
    """(FFN width, H)."""
    ffn_norm: Norm


@dataclass(frozen=True)
class Step:
    """A matrix of the head and the activation behind it."""

    name: str
    linear: Linear
    activation: str | None = None


@dataclass(frozen=True)
class Encoder:
    """A text classifier or regressor that reads its answer off the first token."""

    embeddings: Embeddings
    layers: tuple[Layer, ...]
    activation: str
    """Of every feed-forward half: a key of `emit.ACTIVATIONS`."""
    head: tuple[Step, ...]
    """From the first token's (H,) state to (C,) logits."""

    @property
    def shared(self) -> bool:
        """Whether some layers share their weights (ALBERT)."""
        return len({layer.name for layer in self.layers}) < len(self.layers)


def joined(*parts: Linear) -> Linear:
    """Return one matrix that does the work of several with the same inputs."""
    return Linear(
        np.concatenate([part.weight for part in parts], axis=1),
        np.concatenate([part.bias for part in parts]),
    )
