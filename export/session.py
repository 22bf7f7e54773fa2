"""The only place that opens ONNX Runtime: a classifier that answers one text or a batch."""

import re
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
import numpy.typing as npt

from kdc.compress.errors import KdcError
from kdc.compress.examples import Examples
from kdc.compress.progress import Progress
from kdc.export.model_file import ORT, read_model_file
from kdc.export.options import DEFAULT, SessionOptions

Array = npt.NDArray[Any]
INPUTS = ("input_ids", "attention_mask", "token_type_ids")
OUTPUT = "logits"
PADDING = "kdc.padding"
"""Property of a model: the id of the token that fills a text up to a fixed length."""
_NOISE = re.compile(  # error codes, what failed on which file, and the line of C++ it happened in
    r"^\[ONNXRuntimeError\] : \d+ : \w+ : |.*Status Message: |Load model from .*? failed: ?"
    r"|This is an invalid model\. |\S*/onnxruntime_src/\S+:\d+ .*?\) |\w+\.cc:\d+ \S+ ",
    re.DOTALL,
)


@dataclass(frozen=True)
class Session:
    """An open model."""

    path: Path
    inputs: tuple[str, ...]
    """Those of `INPUTS` that its graph takes, `input_ids` always among them."""
    metadata: dict[str, str]
    """The file's own properties (ONNX `metadata_props`)."""
    _session: Any
    load_ms: float = 0.0
    """Wall time that the runtime took to open it."""
    fixed_length: int | None = None
    """Tokens of every text, padding included, for a model of one length; None for any length."""
    padding: int = 0
    """The id of the token that fills a text up to the fixed length."""

    def run(self, tokens: Array, types: Array) -> Array:
        """Answer one text alone, without padding but for a model of one length.

        Args:
            tokens: (T,) token ids.
            types: (T,) token types; ignored by a model that takes none.

        Returns:
            (C,) float32 logits.

        Raises:
            KdcError: the model cannot run it.
        """
        return np.asarray(self.run_batch(tokens[None], np.ones_like(tokens)[None], types[None])[0])

    def run_batch(self, tokens: Array, mask: Array, types: Array) -> Array:
        """Answer a padded batch.

        Args:
            tokens: (B, T) token ids.
            mask: (B, T) 1 at tokens, 0 at padding.
            types: (B, T) token types; ignored by a model that takes none.

        Returns:
            (B, C) float32 logits.

        Raises:
            KdcError: the model cannot run it, or its logits are not (B, C).
        """
        given = (tokens, mask, types)
        if self.fixed_length is None:
            return self._run(*given)
        tokens, mask, types = (self._filled(*pair) for pair in zip(given, self._fills, strict=True))
        if INPUTS[1] not in self.inputs and not mask.all():
            raise KdcError(
                f"{self.path} reads texts of exactly {self.fixed_length} tokens and no "
                f"attention_mask, so not shorter ones: export it again"
            )
        rows = zip(tokens, mask, types, strict=True)
        return np.concatenate([self._run(*(part[None] for part in row)) for row in rows])

    @property
    def _fills(self) -> tuple[int, int, int]:
        return self.padding, 0, 0

    def _filled(self, array: Array, fill: int) -> Array:
        """Return (B, T) as (B, fixed length)."""
        missing = (self.fixed_length or 0) - array.shape[1]
        if missing < 0:
            raise KdcError(
                f"{self.path} reads texts of at most {self.fixed_length} tokens, not "
                f"{array.shape[1]}: cut them, or export it with another length"
            )
        return np.pad(array, ((0, 0), (0, missing)), constant_values=fill)

    def _run(self, tokens: Array, mask: Array, types: Array) -> Array:
        rows, length = tokens.shape
        given = zip(INPUTS, (tokens, mask, types), strict=True)
        feeds = {
            name: array.astype(np.int64, copy=False) for name, array in given if name in self.inputs
        }
        try:
            (logits,) = self._session.run([OUTPUT], feeds)
        except Exception as error:  # the runtime's errors have no base class of their own
            raise KdcError(
                f"{self.path} fails on texts of {length} tokens ({_reason(error)}): "
                "give it fewer if it reads fewer"
            ) from error
        if logits.ndim != 2 or len(logits) != rows:
            raise KdcError(
                f"{self.path} is no text classifier: its {OUTPUT} for {rows} texts have the shape "
                f"{logits.shape}, wanted ({rows}, classes)"
            )
        return np.asarray(logits, dtype=np.float32)


def open_session(path: Path, threads: int = 1, options: SessionOptions | None = None) -> Session:
    """Open an `.onnx` or `.ort` text classifier on the CPU, once its weights' files are checked.

    Args:
        path: the file; it takes int64 `input_ids` (B, T), may take `attention_mask` and
            `token_type_ids`, and answers `logits` (B, C).
        threads: threads that share the work of one run.
        options: how to open it; None for what an `.onnx` asks for, or ONNX Runtime's defaults.

    Raises:
        KdcError: no such file, no model, a truncated one, weights outside its folder, or other
            inputs or outputs.
    """
    import onnxruntime

    if path.suffix != ORT:  # which has all its weights inside and is checked by the runtime
        file = read_model_file(path)
        options = options or file.session
    elif not path.is_file():
        raise KdcError(f"there is no model at {path}: name an .onnx or .ort file")
    start = perf_counter()
    try:
        session = onnxruntime.InferenceSession(
            str(path), (options or DEFAULT).build(threads), providers=["CPUExecutionProvider"]
        )
    except Exception as error:  # the runtime's errors have no base class of their own
        raise KdcError(
            f"{path} is no ONNX model that onnxruntime {onnxruntime.__version__} can load "
            f"({_reason(error)}): it may be cut short or of another kind, so export it again"
        ) from error
    load_ms = (perf_counter() - start) * 1e3
    inputs = session.get_inputs()
    _check_inputs(path, {node.name: node.type for node in inputs})
    _check_batch(path, [node.shape for node in inputs])
    _check_outputs(path, {node.name: node.type for node in session.get_outputs()})
    metadata = dict(session.get_modelmeta().custom_metadata_map)
    return Session(
        path=path,
        inputs=tuple(node.name for node in inputs),
        metadata=metadata,
        load_ms=load_ms,
        fixed_length=_fixed_length([node.shape for node in inputs]),
        padding=_padding(path, metadata),
        _session=session,
    )


def answer(session: Session, examples: Examples, progress: Progress) -> Array:
    """Answer every row alone.

    Dynamic quantization takes one scale over a whole batch, so only batch 1 gives what a phone
    will see and what can be compared from run to run.

    Returns:
        (N, C) float32 logits.

    Raises:
        KdcError: the model cannot run a row.
    """
    logits = []
    with progress.bar(f"answer with {session.path.name}", len(examples)) as advance:
        for index in range(len(examples)):
            logits.append(session.run(*examples.row(index)))
            advance(1)
    return np.stack(logits)


def _check_inputs(path: Path, inputs: dict[str, str]) -> None:
    foreign = [name for name in inputs if name not in INPUTS]
    if foreign or INPUTS[0] not in inputs:
        raise KdcError(
            f"{path} is no text classifier: it takes {', '.join(inputs) or 'nothing'}, "
            f"wanted {INPUTS[0]} and at most {INPUTS[1]} and {INPUTS[2]} beside it"
        )
    for name, kind in inputs.items():
        if kind != "tensor(int64)":
            raise KdcError(f"{path} takes {name} as {kind}: export it again with int64 inputs")


def _check_batch(path: Path, shapes: list[list[int | str | None]]) -> None:
    sizes = [shape[0] for shape in shapes if shape]
    fixed = next((size for size in sizes if isinstance(size, int) and size != 1), None)
    if fixed is not None:
        raise KdcError(
            f"{path} reads {fixed} texts at once and no other number: export it again with a "
            "batch of any size, or of 1"
        )


def _check_outputs(path: Path, outputs: dict[str, str]) -> None:
    if outputs.get(OUTPUT) not in ("tensor(float)", "tensor(float16)"):
        found = ", ".join(f"{name} as {kind}" for name, kind in outputs.items())
        raise KdcError(
            f"{path} gives {found}: export it again as a classifier with {OUTPUT} as tensor(float)"
        )


def _fixed_length(shapes: list[list[int | str | None]]) -> int | None:
    """Return the one length that a model's inputs, each (batch, length), declare as a number."""
    lengths = {shape[1] for shape in shapes if len(shape) == 2}
    numbers = [length for length in lengths if isinstance(length, int)]
    return numbers[0] if len(numbers) == 1 == len(lengths) else None


def _padding(path: Path, metadata: dict[str, str]) -> int:
    text = metadata.get(PADDING, "0")
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise KdcError(f"{path} carries a damaged property {PADDING}: export it again")
    return int(text)


def _reason(error: Exception) -> str:
    """Return what an ONNX Runtime error says, without its codes and on one line."""
    return " ".join(_NOISE.sub("", str(error)).split())[:200].rstrip(".") or type(error).__name__
