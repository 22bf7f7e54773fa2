"""The ways to lay a model's bytes on the disk: one table of names.

A layout changes no answer, only how fast and in how much memory a device opens the same model,
and how many bytes it has. `single` and `mmap` keep every weight and operator. `ort` folds the graph
as it is converted, which expands weights that are stored in 4 bits or in fp16: such a file grows.
"""

import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from kdc.compress.errors import GateFailed, KdcError, unknown
from kdc.compress.files import whole_file
from kdc.export.model_file import ORT
from kdc.export.onnx_file import save_model
from kdc.export.options import SessionOptions
from kdc.export.quiet import quiet

if TYPE_CHECKING:
    from onnx import TensorProto

SUFFIX = "_data"
"""What follows the model's name in the name of its weights' file; transformers.js's way."""
CONFIG = "required_operators.config"
INSIDE = 16_384
"""Bytes; smaller tensors stay in the graph. Shapes are inferred from some of them, and for every
tensor outside ONNX Runtime walks its path: with all biases outside, load took an eighth longer."""
_PAGE = 4096  # bytes; what a runtime maps begins at a page
_LINE = 64  # bytes; what only has to be aligned for arithmetic begins at a cache line
_MAPPED = 16 * _PAGE  # bytes; from here on the gap before a tensor costs next to nothing
_SAME = 1e-4  # largest difference of a logit between two layouts; other fusions, other rounding


@dataclass(frozen=True)
class Layout:
    """A row of the table of layouts."""

    about: str
    write: Callable[[Path, Path, list[list[int]]], Path]
    """Reads an `.onnx`, writes it as the second path (`.onnx`; the suffix may change) with
    whatever lies beside it, and returns the model's path. The token rows are run to prove it."""
    folded: bool = False
    """Whether it keeps the graph as `basic` leaves it, which no session then rewrites further."""


def write_single(source: Path, out: Path, rows: list[list[int]]) -> Path:
    """Copy the model: one `.onnx` with everything inside."""
    with whole_file(out) as temporary:
        shutil.copyfile(source, temporary)
    return out


def write_mmap(source: Path, out: Path, rows: list[list[int]]) -> Path:
    """Write the weights to a file of their own, which a runtime maps instead of copying.

    Large tensors begin at a page. The same model gives the same bytes.

    Raises:
        KdcError: the model has no tensor that is worth it, or the disk refuses.
    """
    import onnx

    model, weights = onnx.load(source), out.with_name(out.name + SUFFIX)
    large = [tensor for tensor in model.graph.initializer if _bytes(tensor) >= INSIDE]
    if not large:
        raise KdcError(f"no weights of this model have {INSIDE:,} bytes: use --layout {SINGLE}")
    end = 0
    with whole_file(weights) as temporary, temporary.open("wb") as file:
        for tensor in large:
            raw = _raw(tensor)
            start = -(-end // _align(raw)) * _align(raw)
            file.write(bytes(start - end) + raw)
            end = start + len(raw)
            _point(tensor, weights.name, start, len(raw))
    with whole_file(out) as temporary:
        save_model(model, temporary)
    return out


def write_ort(source: Path, out: Path, rows: list[list[int]]) -> Path:
    """Write ONNX Runtime's own format, and the operators that a runtime built for it needs.

    The graph is only folded, so that the file also loads on other processors. It is opened and
    run once in a process of its own: some conversions end well and give what cannot be loaded.

    Raises:
        GateFailed: the file does not load, or answers something else.
        KdcError: ONNX Runtime cannot convert the model.
    """
    path = out.with_suffix(ORT)
    with TemporaryDirectory(dir=out.parent, prefix=f".{out.name}.", suffix=".tmp") as scratch:
        made = Path(scratch) / path.name
        _convert(source, made)
        _prove(source, made, rows)
        for file, target in ((made, path), (_operators(made), path.with_name(CONFIG))):
            with whole_file(target) as temporary:
                shutil.copyfile(file, temporary)
    return path


SINGLE = "single"
LAYOUTS = {
    SINGLE: Layout("one .onnx with everything inside", write_single),
    "mmap": Layout("an .onnx and a file of weights that devices map into memory", write_mmap),
    "ort": Layout("ONNX Runtime's own format, for its smaller builds", write_ort, folded=True),
}


def find_layout(name: str) -> Layout:
    """Return the layout of that name.

    Raises:
        KdcError: there is none.
    """
    if name not in LAYOUTS:
        raise unknown("layout", name, LAYOUTS)
    return LAYOUTS[name]


def check_layout(name: str, sessions: Mapping[str, SessionOptions]) -> None:
    """Refuse a layout that cannot be had, or only in a file that is slow for good.

    Args:
        name: the layout.
        sessions: how the files of each method that may ship are best opened.

    Raises:
        KdcError: there is no such layout, or it keeps pairs of quantize and dequantize apart that
            a method's files are only fast without: one was 9 times slower than its `.onnx`.
    """
    layout = find_layout(name)
    for method, session in sessions.items():
        if layout.folded and session.optimization != "basic":
            raise KdcError(
                f"--layout {name} keeps the graph as it is, and files of --method {method} are "
                f"fast only when they are rewritten as they are opened: use --layout {SINGLE}"
            )


def _bytes(tensor: "TensorProto") -> int:
    return len(tensor.raw_data) if tensor.HasField("raw_data") else len(_raw(tensor))


def _raw(tensor: "TensorProto") -> bytes:
    """Return a tensor's bytes as external files hold them: little-endian, 4 bits two to a byte."""
    if tensor.HasField("raw_data"):
        return tensor.raw_data
    from onnx import TensorProto, numpy_helper

    if tensor.data_type == TensorProto.STRING:
        return b""
    return numpy_helper.from_array(numpy_helper.to_array(tensor)).raw_data


def _align(raw: bytes) -> int:
    return _PAGE if len(raw) >= _MAPPED else _LINE


def _point(tensor: "TensorProto", location: str, offset: int, length: int) -> None:
    """Let a tensor's bytes lie in another file."""
    from onnx import TensorProto

    kept = TensorProto(name=tensor.name, data_type=tensor.data_type, dims=tensor.dims)
    kept.data_location = TensorProto.EXTERNAL
    for key, value in (("location", location), ("offset", offset), ("length", length)):
        kept.external_data.add(key=key, value=str(value))
    tensor.CopyFrom(kept)


def _convert(source: Path, made: Path) -> None:
    import onnxruntime

    options = SessionOptions(optimization="basic").build(1)
    options.optimized_model_filepath = str(made)
    options.add_session_config_entry("session.save_model_format", "ORT")
    try:
        onnxruntime.InferenceSession(str(source), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # the runtime's errors have no base class of their own
        raise KdcError(
            "ONNX Runtime cannot write this model in its own format: use another --layout"
        ) from error


def _prove(source: Path, made: Path, rows: list[list[int]]) -> None:
    import numpy as np

    from kdc.export.probe import probe

    try:
        found = np.array(probe(made, tokens=rows).logits)
    except KdcError as error:
        raise GateFailed(
            f"this model in ONNX Runtime's own format cannot be loaded ({error}): nothing was "
            "written; choose another layout or quantization method"
        ) from error
    wanted = np.array(probe(source, tokens=rows).logits)
    if found.shape != wanted.shape or not np.allclose(found, wanted, rtol=0, atol=_SAME):
        raise GateFailed(
            "this model in ONNX Runtime's own format answers other logits: nothing was written; "
            "choose another layout"
        )


def _operators(made: Path) -> Path:
    """Write which operators an `.ort` needs, for builds of ONNX Runtime that have no others."""
    from onnxruntime.tools.ort_format_model import create_config_from_models

    config = made.with_name(CONFIG)
    with quiet():
        create_config_from_models([made], config, enable_type_reduction=False)
    lines = config.read_text(encoding="utf-8").splitlines()
    kept = [line for line in lines if not line.startswith("#")]  # which name temporary paths
    config.write_text("\n".join(kept) + "\n", encoding="utf-8")
    return config
