"""Scaled dot-product attention (Vaswani et al. 2017), in fast operators or in common ones."""

import math
from typing import Protocol

import numpy as np

from kdc.export.graph.builder import MICROSOFT, Builder, branch, node
from kdc.export.graph.encoder import Layer, Linear

MASK = "attention_mask"
_FAR = 1e4  # subtracted from a score, it leaves nothing of it after softmax


class Attention(Protocol):
    """Joins the queries of some tokens with the keys and values of all."""

    opset: int

    def prepare(self, graph: Builder) -> None:
        """Append what all layers share, once."""

    def query(self, layer: Layer) -> Linear:
        """Return the matrix that makes a layer's queries."""

    def join(self, graph: Builder, layer: Layer, parts: tuple[str, str, str], name: str) -> str:
        """Append a layer's attention; returns its (B, Q, heads * head size) output.

        Args:
            graph: where the nodes go.
            layer: tells the heads.
            parts: (B, Q, heads * head size) queries, and keys and values of T tokens.
            name: start of the new values' names.
        """


class FastAttention:
    """One operator a layer, and no mask for texts without padding.

    ONNX's own `Attention` is the fastest on ONNX Runtime's CPU, but takes masks only in full size,
    (T, T) a text. A padded batch goes through `MultiHeadAttention`, which takes them as they come.
    The branches hold no weights, so nothing is stored twice.
    """

    opset = 23  # the first with Attention

    def prepare(self, graph: Builder) -> None:
        """Find out whether anything is padded: one number for the whole batch."""
        lowest = graph.add("ReduceMin", [MASK], "mask.lowest", keepdims=0)
        zero = graph.constant("int64.zero", np.array(0, dtype=np.int64))
        graph.add("Equal", [lowest, zero], "mask.padded")

    def query(self, layer: Layer) -> Linear:
        """Return the layer's own: the operators scale by themselves."""
        return layer.query

    def join(self, graph: Builder, layer: Layer, parts: tuple[str, str, str], name: str) -> str:
        """Append an `If` around the two operators."""
        from onnx import TensorProto

        count = layer.heads
        alone, padded, mask = (f"{name}.{kind}" for kind in ("alone", "padded", "mask"))
        masked = [
            node("Cast", [MASK], [mask], to=TensorProto.INT32),
            node(
                "MultiHeadAttention",
                [*parts, "", mask],
                [padded],
                MICROSOFT,
                num_heads=count,
            ),
        ]
        plain = node("Attention", parts, [alone], q_num_heads=count, kv_num_heads=count)
        return graph.add(
            "If",
            ["mask.padded"],
            f"{name}.context",
            then_branch=branch(masked, padded),
            else_branch=branch([plain], alone),
        )


class StandardAttention:
    """Reshape, MatMul, Softmax: what compilers for NPUs and older runtimes know."""

    opset = 20  # the first with a Gelu of one node

    def prepare(self, graph: Builder) -> None:
        """Turn the mask into what is added to the scores: (B, 1, 1, T), 0 or -10,000."""
        from onnx import TensorProto

        real = graph.add("Cast", [MASK], "mask.real", to=TensorProto.FLOAT)
        one = graph.constant("float.one", np.array(1, dtype=np.float32))
        far = graph.constant("float.far", np.array(_FAR, dtype=np.float32))
        lacking = graph.add("Sub", [real, one], "mask.lacking")
        penalty = graph.add("Mul", [lacking, far], "mask.penalty")
        graph.add("Unsqueeze", [penalty, graph.integers(1, 2)], "mask.added")

    def query(self, layer: Layer) -> Linear:
        """Return the layer's own with the scale of the scores in it."""
        scale = np.float32(math.sqrt(layer.heads / layer.query.width))
        return Linear(layer.query.weight * scale, layer.query.bias * scale)

    def join(self, graph: Builder, layer: Layer, parts: tuple[str, str, str], name: str) -> str:
        """Append the operators of the formula one by one."""
        size = layer.query.width // layer.heads
        split = graph.integers(0, 0, layer.heads, size)
        by_head = []
        orders = ([0, 2, 1, 3], [0, 2, 3, 1], [0, 2, 1, 3])
        for part, kind, order in zip(parts, ("q", "k", "v"), orders, strict=True):
            apart = graph.add("Reshape", [part, split], f"{name}.{kind}.apart")
            by_head.append(graph.add("Transpose", [apart], f"{name}.{kind}.heads", perm=order))
        query, key, value = by_head
        scores = graph.add("MatMul", [query, key], f"{name}.scores")
        masked = graph.add("Add", [scores, "mask.added"], f"{name}.masked")
        shares = graph.add("Softmax", [masked], f"{name}.shares", axis=-1)
        weighted = graph.add("MatMul", [shares, value], f"{name}.weighted")
        beside = graph.add("Transpose", [weighted], f"{name}.beside", perm=[0, 2, 1, 3])
        whole = graph.integers(0, 0, layer.query.width)
        return graph.add("Reshape", [beside, whole], f"{name}.context")
