"""From the description of an encoder to an fp32 ONNX model with nothing in it that is not needed.

Against an exporter's trace: queries, keys and values are one matrix; there is no chain that
computes shapes or expands masks; positions are one slice of a table; and the last layer works on
the first token alone, which is all that the head reads.
"""

from typing import TYPE_CHECKING

from kdc.export.graph.activations import ACTIVATIONS
from kdc.export.graph.attention import MASK, Attention, FastAttention, StandardAttention
from kdc.export.graph.builder import Builder
from kdc.export.graph.encoder import Embeddings, Encoder, Layer, joined

if TYPE_CHECKING:
    from onnx import ModelProto

IDS, TYPES = "input_ids", "token_type_ids"


def emit(encoder: Encoder, *, standard: bool) -> "ModelProto":
    """Write an encoder as ONNX, in fp32.

    Args:
        encoder: the description.
        standard: keep to the operators that every runtime has; else take the fastest ones.

    Returns:
        A model with int64 `input_ids` and `attention_mask` (and `token_type_ids` where types
        matter), each (batch, length), and float32 `logits` (batch, C).
    """
    graph = Builder()
    attention: Attention = StandardAttention() if standard else FastAttention()
    attention.prepare(graph)
    x = _embed(graph, encoder.embeddings)
    for index, layer in enumerate(encoder.layers):
        last = index == len(encoder.layers) - 1
        x = _layer(graph, encoder, layer, attention, x, f"step.{index}", last=last)
    for step in encoder.head:
        x = graph.linear(x, step.linear, step.name, f"{step.name}.sum")
        if step.activation is not None:
            x = _activate(graph, step.activation, x, step.name)
    graph.add("Squeeze", [x, graph.integers(1)], "logits")
    inputs = [IDS, MASK, *([TYPES] if encoder.embeddings.types is not None else [])]
    return graph.model(inputs, encoder.head[-1].linear.width, attention.opset)


def _embed(graph: Builder, embeddings: Embeddings) -> str:
    """Append the sum of the embeddings, its norm and projection: (B, T) -> (B, T, H)."""
    table = graph.constant("words.weight", embeddings.words)
    x = graph.add("Gather", [table, IDS], "words", axis=0)
    length = graph.add("Shape", [IDS], "length", start=1, end=2)
    table = graph.constant("positions.weight", embeddings.positions)
    zero = graph.integers(0)
    places = graph.add("Slice", [table, zero, length, zero], "positions")
    x = graph.add("Add", [x, places], "embeddings.placed")
    if embeddings.types is not None:
        table = graph.constant("types.weight", embeddings.types)
        kinds = graph.add("Gather", [table, TYPES], "types", axis=0)
        x = graph.add("Add", [x, kinds], "embeddings.typed")
    x = graph.norm(x, embeddings.norm, "embeddings.norm", "embeddings")
    if embeddings.projection is not None:
        x = graph.linear(x, embeddings.projection, "projection", "projection")
    return x


def _layer(
    graph: Builder,
    encoder: Encoder,
    layer: Layer,
    attention: Attention,
    x: str,
    name: str,
    *,
    last: bool,
) -> str:
    """Append a layer: (B, T, H) -> (B, T, H), the last one to (B, 1, H)."""
    own = x
    if last:
        one = graph.integers(1)
        own = graph.add("Slice", [x, graph.integers(0), one, one], "first")
    # what layers share is stored once only if every one of them asks for the same matrices
    fused = not last and not encoder.shared
    parts = _parts(graph, layer, attention, (own, x), name, fused=fused)
    context = attention.join(graph, layer, parts, name)
    mixed = graph.linear(context, layer.mix, f"{layer.name}.attention.out", f"{name}.mixed")
    middle = graph.add("Add", [own, mixed], f"{name}.middle.sum")
    norm = f"{layer.name}.attention.norm"
    middle = graph.norm(middle, layer.attention_norm, norm, f"{name}.middle")
    wide = graph.linear(middle, layer.up, f"{layer.name}.ffn.in", f"{name}.ffn.in")
    wide = _activate(graph, encoder.activation, wide, f"{name}.ffn.active")
    narrow = graph.linear(wide, layer.down, f"{layer.name}.ffn.out", f"{name}.ffn.out")
    out = graph.add("Add", [middle, narrow], f"{name}.sum")
    return graph.norm(out, layer.ffn_norm, f"{layer.name}.ffn.norm", name)


def _parts(
    graph: Builder,
    layer: Layer,
    attention: Attention,
    sources: tuple[str, str],
    name: str,
    *,
    fused: bool,
) -> tuple[str, str, str]:
    """Append queries of the first source, keys and values of the second.

    Where both are the same, one product makes all three: each product reads its input, and
    quantizes it, anew.
    """
    own, x = sources
    query, weights = attention.query(layer), f"{layer.name}.attention"
    widths = [query.width, layer.key.width, layer.value.width]
    q, k, v = f"{name}.q", f"{name}.k", f"{name}.v"
    if fused:
        whole = joined(query, layer.key, layer.value)
        out = graph.linear(x, whole, f"{weights}.qkv", f"{name}.qkv")
        graph.add("Split", [out, graph.integers(*widths)], [q, k, v], axis=2)
        return q, k, v
    graph.linear(own, query, f"{weights}.q", q)
    both = graph.linear(x, joined(layer.key, layer.value), f"{weights}.kv", f"{name}.kv")
    graph.add("Split", [both, graph.integers(*widths[1:])], [k, v], axis=2)
    return q, k, v


def _activate(graph: Builder, activation: str, x: str, output: str) -> str:
    operator, attributes = ACTIVATIONS[activation]
    return graph.add(operator, [x], output, **attributes)
