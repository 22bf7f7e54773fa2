"""The only place that opens ONNX Runtime: a classifier that answers one text or a batch."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from kdc.compress.errors import KdcError
from kdc.compress.examples import Examples
from kdc.compress.progress import Progress

Array = npt.NDArray[Any]
INPUTS = ("input_ids", "attention_mask", "token_type_ids")
OUTPUT = "logits"
_FATAL = 4  # what goes wrong below that arrives as an exception, which is told once
_NOISE = re.compile(  # error codes, the node that failed, and the line of C++ it happened in
    r"^\[ONNXRuntimeError\] : \d+ : \w+ : |.*Status Message: |\S*/onnxruntime_src/\S+:\d+ .*?\) ",
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

    def run(self, tokens: Array, types: Array) -> Array:
        """Answer one text alone, without padding.

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
        rows, length = tokens.shape
        given = zip(INPUTS, (tokens, mask, types), strict=True)
        feeds = {name: array.astype(np.int64) for name, array in given if name in self.inputs}
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


def open_session(path: Path, threads: int = 1) -> Session:
    """Open an `.onnx` text classifier on the CPU.

    Args:
        path: the file; it takes int64 `input_ids` (B, T), may take `attention_mask` and
            `token_type_ids`, and answers `logits` (B, C).
        threads: threads that share the work of one run.

    Raises:
        KdcError: no such file, no ONNX model, a truncated one, or other inputs or outputs.
    """
    import onnxruntime

    if not path.is_file():
        raise KdcError(f"there is no model at {path}: name an .onnx file")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = _FATAL
    try:
        session = onnxruntime.InferenceSession(
            str(path), options, providers=["CPUExecutionProvider"]
        )
    except Exception as error:  # the runtime's errors have no base class of their own
        raise KdcError(
            f"{path} is no ONNX model that onnxruntime {onnxruntime.__version__} can load "
            f"({_reason(error)}): it may be cut short or of another kind, so export it again"
        ) from error
    inputs = tuple(node.name for node in session.get_inputs())
    _check_inputs(path, {node.name: node.type for node in session.get_inputs()})
    _check_outputs(path, {node.name: node.type for node in session.get_outputs()})
    return Session(path, inputs, dict(session.get_modelmeta().custom_metadata_map), session)


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


def _check_outputs(path: Path, outputs: dict[str, str]) -> None:
    if outputs.get(OUTPUT) not in ("tensor(float)", "tensor(float16)"):
        found = ", ".join(f"{name} as {kind}" for name, kind in outputs.items())
        raise KdcError(
            f"{path} gives {found}: export it again as a classifier with {OUTPUT} as tensor(float)"
        )


def _reason(error: Exception) -> str:
    """Return what an ONNX Runtime error says, without its codes and on one line."""
    return " ".join(_NOISE.sub("", str(error)).split())[:200].rstrip(".") or type(error).__name__
