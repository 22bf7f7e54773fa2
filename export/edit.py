"""Surgery on an ONNX graph: find its weights, put other nodes where some were."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from kdc.compress.arrays import Array
from kdc.compress.errors import KdcError
from kdc.compress.rounding import LEAST_ROWS
from kdc.export.graph.builder import MICROSOFT
from kdc.export.onnx_file import save_model
from kdc.export.read_whole import FOUND, show_tables

if TYPE_CHECKING:
    from onnx import GraphProto, ModelProto, NodeProto


@dataclass(frozen=True)
class Linear:
    """x @ weight + bias: a MatMul with the Add after it, or a Gemm."""

    outputs: tuple[str, ...]
    """First outputs of the nodes that compute it."""
    name: str
    """What its weight is called in the file."""
    input: str
    weight: Array
    """(K, N) float32."""
    bias: Array | None
    """(N,) float32."""
    output: str


@dataclass(frozen=True)
class Table:
    """Rows of a constant table: a Gather by ids, a Slice from the first row, or all of them."""

    outputs: tuple[str, ...]
    name: str
    operator: str
    """`Gather`, `Slice` or `Identity`."""
    index: tuple[str, ...]
    """The operator's other inputs: the ids, or the bounds of the slice; of an Identity none."""
    rows: Array
    """(V, H) float32."""
    output: str


class Editor:
    """A model that is being changed; `finish` puts the changes into it.

    Only the main graph is changed; what the branches of an `If` use stays.
    """

    def __init__(self, model: "ModelProto") -> None:
        from onnx import numpy_helper

        self.model = model
        self._nodes = list(model.graph.node)
        self._tensors = {tensor.name: tensor for tensor in model.graph.initializer}
        self._producers = {name: node for node in self._nodes for name in node.output}
        self._kept = {value.name for value in model.graph.output}
        self._consumers: dict[str, list[NodeProto]] = {}
        for node in self._nodes:
            self._kept |= _inner_names(node)
            for name in node.input:
                self._consumers.setdefault(name, []).append(node)
        self._to_array = numpy_helper.to_array
        self._replaced: dict[str, Sequence[NodeProto]] = {}
        self._first: list[NodeProto] = []
        self._stored: dict[object, str] = {}

    @classmethod
    def load(cls, path: Path) -> "Editor":
        """Read a model."""
        import onnx

        return cls(show_tables(onnx.load(path)))

    def constant(self, name: str) -> Array | None:
        """Return a constant's value, also behind Identity or Transpose; None where it is none."""
        if name in self._tensors:
            return np.asarray(self._to_array(self._tensors[name]))
        node = self._producers.get(name)
        if node is None:
            return None
        attributes = {entry.name: entry for entry in node.attribute}
        if node.op_type == "Constant" and "value" in attributes:
            return np.asarray(self._to_array(attributes["value"].t))
        if node.op_type in ("Identity", "Transpose"):
            value = self.constant(node.input[0])
            if value is None or node.op_type == "Identity":
                return value
            order = list(attributes["perm"].ints) if "perm" in attributes else None
            return value.transpose(order)
        return None

    def maker(self, name: str) -> str | None:
        """Return the operator that makes a value; None for inputs and constants."""
        node = self._producers.get(name)
        return None if node is None else str(node.op_type)

    def linears(self) -> Iterator[Linear]:
        """Yield every linear layer that has a constant weight, in the order they run."""
        for node in self._nodes:
            if node.op_type == "MatMul":
                weight = self._matrix(node.input[1])
                if weight is not None:
                    yield self._matmul(node, weight)
            elif node.op_type == "Gemm":
                weight, bias = self._matrix(node.input[1]), None
                factors = {entry.name: entry for entry in node.attribute}
                if weight is None or not _is_plain(node):
                    continue
                if "transB" in factors and factors["transB"].i:
                    weight = weight.T
                if len(node.input) > 2 and node.input[2]:
                    bias = self._vector(node.input[2], weight.shape[1])
                    if bias is None:
                        continue
                name = self._name(node.input[1], *node.input[2:])
                outputs = (node.output[0],)
                yield Linear(outputs, name, node.input[0], weight, bias, node.output[0])

    def tables(self, least: int = LEAST_ROWS) -> Iterator[Table]:
        """Yield every table of at least `least` rows that is read by row on axis 0, or whole."""
        for node in self._nodes:
            if node.op_type not in ("Gather", "Slice", "Identity"):
                continue
            rows = self._matrix(node.input[0])
            if rows is None or len(rows) < least or not self._on_rows(node):
                continue
            outputs, index = (node.output[0],), tuple(node.input[1:])
            yield Table(outputs, node.input[0], node.op_type, index, rows, node.output[0])

    def store(self, name: str, value: Array) -> str:
        """Store an array and return its name; the same bytes are stored once.

        Layers that share their weights (ALBERT) then share them after quantization too, also
        where the exporter wrote them twice.
        """
        from onnx import numpy_helper

        value = np.ascontiguousarray(value)
        had = self.constant(name) if name in self._tensors else None
        if had is not None and had.dtype == value.dtype and np.array_equal(had, value):
            return name
        key = (value.dtype.str, value.shape, sha256(value.data).digest())
        return self._store(name, key, lambda free: numpy_helper.from_array(value, free))

    def store_nibbles(self, name: str, value: Array, *, signed: bool) -> str:
        """Store whole numbers that fit 4 bits, two to a byte, the first in the lower half."""
        from onnx import TensorProto, helper

        flat = (value.reshape(-1).astype(np.int8).view(np.uint8) & 15).astype(np.uint8)
        flat = np.append(flat, np.zeros(len(flat) % 2, dtype=np.uint8))
        data = (flat[0::2] | (flat[1::2] << 4)).tobytes()
        kind = TensorProto.INT4 if signed else TensorProto.UINT4
        key = (kind, value.shape, sha256(data).digest())
        return self._store(
            name, key, lambda free: helper.make_tensor(free, kind, value.shape, data, raw=True)
        )

    def put_first(self, key: object, name: str, nodes: "Sequence[NodeProto]") -> str:
        """Add nodes before all others, once per `key`; the last of them makes `name`."""
        if key not in self._stored:
            self._first += nodes
            self._stored[key] = name
        return self._stored[key]

    def replace(self, outputs: Sequence[str], nodes: "Sequence[NodeProto]") -> None:
        """Put `nodes` where the first of the nodes was that make `outputs`; drop those."""
        for output in outputs:
            self._replaced[output] = []
        self._replaced[outputs[0]] = nodes

    def need(self, opset: int) -> None:
        """Raise the version of the standard operators to at least `opset`.

        Raises:
            KdcError: the graph is older than 20, from where on a larger number changes nothing
                that text classifiers use.
        """
        entry = next(e for e in self.model.opset_import if e.domain in ("", "ai.onnx"))
        if entry.version < min(opset, 20):
            raise KdcError(
                f"this graph is of opset {entry.version} and would have to be at least 20",
                "export it with another --exporter",
            )
        entry.version = max(entry.version, opset)
        self.model.ir_version = max(self.model.ir_version, 10)

    def finish(self, path: Path) -> None:
        """Apply all changes, drop what nothing uses any more, and write the model."""
        from onnx import helper

        graph = self.model.graph
        nodes = list(self._first)
        for node in self._nodes:
            nodes += self._replaced.get(node.output[0], [node])
        nodes = _used(nodes, self._kept)
        domains = {entry.domain for entry in self.model.opset_import}
        if MICROSOFT not in domains and any(node.domain == MICROSOFT for node in nodes):
            self.model.opset_import.append(helper.make_opsetid(MICROSOFT, 1))
        read = self._kept | {name for node in nodes for name in node.input}
        tensors = [tensor for name, tensor in self._tensors.items() if name in read]
        del graph.value_info[:]
        _refill(graph.node, nodes)
        _refill(graph.initializer, tensors)
        save_model(self.model, path)

    def _store(self, name: str, key: object, make: Any) -> str:  # noqa: ANN401
        if key not in self._stored:
            free, count = name, 1
            while free in self._tensors or free in self._producers:
                free, count = f"{name}.{count}", count + 1
            self._tensors[free] = make(free)
            self._stored[key] = free
        return self._stored[key]

    def _matmul(self, node: "NodeProto", weight: Array) -> Linear:
        """Return a MatMul with the bias that is added right after it, if one is."""
        made = node.output[0]
        users = self._consumers.get(made, [])
        if len(users) == 1 and users[0].op_type == "Add" and made not in self._kept:
            (other,) = [name for name in users[0].input if name != made] or [made]
            bias = self._vector(other, weight.shape[1])
            if bias is not None:
                outputs = (made, users[0].output[0])
                name = self._name(node.input[1], other)
                return Linear(outputs, name, node.input[0], weight, bias, outputs[1])
        return Linear((made,), node.input[1], node.input[0], weight, None, made)

    def _name(self, weight: str, bias: str = "") -> str:
        """Return a telling name: exporters that fold a transpose call a weight `val_87`."""
        telling = "." in weight or "." not in bias
        return weight if telling else f"{bias.removesuffix('.bias')}.weight"

    def _matrix(self, name: str) -> Array | None:
        value = self.constant(name)
        is_matrix = value is not None and value.ndim == 2 and value.dtype == np.float32
        return value if is_matrix else None

    def _vector(self, name: str, size: int) -> Array | None:
        value = self.constant(name)
        if value is None or value.dtype != np.float32 or value.size != size:
            return None
        return value.reshape(-1) if value.shape[-1:] == (size,) else None

    def _on_rows(self, node: "NodeProto") -> bool:
        if node.op_type == "Identity":
            return all(user.op_type not in FOUND for user in self._consumers[node.output[0]])
        if node.op_type == "Gather":
            return all(entry.i == 0 for entry in node.attribute if entry.name == "axis")
        if len(node.input) < 4:
            return False
        start, axes = self.constant(node.input[1]), self.constant(node.input[3])
        places = [None if value is None else value.tolist() for value in (start, axes)]
        steps = self.constant(node.input[4]) if len(node.input) > 4 else np.ones(1)
        return places == [[0], [0]] and steps is not None and steps.tolist() == [1]


def _is_plain(node: "NodeProto") -> bool:
    """Tell whether a Gemm is x @ weight + bias with nothing scaled and x as it is."""
    usual = {"alpha": 1.0, "beta": 1.0, "transA": 0}
    given = {entry.name: entry.i if entry.name == "transA" else entry.f for entry in node.attribute}
    return all(given.get(name, value) == value for name, value in usual.items())


def _inner_names(node: "NodeProto") -> set[str]:
    """Return every name that the branches of a node mention."""
    names: set[str] = set()
    graphs: list[GraphProto] = [entry.g for entry in node.attribute if entry.HasField("g")]
    for graph in graphs:
        names |= {value.name for value in graph.output}
        for inner in graph.node:
            names |= set(inner.input) | _inner_names(inner)
    return names


def _used(nodes: "list[NodeProto]", kept: set[str]) -> "list[NodeProto]":
    """Drop nodes whose outputs nothing reads, from the last to the first."""
    read, left = set(kept), []
    for node in reversed(nodes):
        if any(name in read for name in node.output):
            read |= set(node.input) | _inner_names(node)
            left.append(node)
    return left[::-1]


def _refill(field: Any, values: Sequence[Any]) -> None:  # noqa: ANN401 - a protobuf list
    fresh = [type(value).FromString(value.SerializeToString()) for value in values]
    del field[:]
    field.extend(fresh)
