"""How each side opens its file: ours as kdc does, a peer's with ONNX Runtime's own defaults."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnxruntime

from kdc.export.install import READ
from kdc.export.session import open_session

Array = npt.NDArray[Any]
Answer = Callable[[Array, Array], Array]
"""From (T,) token ids and (T,) token types, int64, to (C,) float32 logits; the checks that a side
makes on the way are in its time."""


def open_ours(path: Path) -> Answer:
    """Open a model as kdc's own commands do."""
    return open_session(path).run


def open_installed(path: Path) -> Answer:
    """Open the copy that a device makes of a model once."""
    return open_session(path, options=READ).run


def open_plain(path: Path) -> Answer:
    """Open a model as the peers' documentation does, on one thread."""
    session = plain_session(str(path))
    names = [node.name for node in session.get_inputs()]

    def run(tokens: Array, types: Array) -> Array:
        feeds = {
            "input_ids": tokens[None],
            "attention_mask": np.ones_like(tokens)[None],
            "token_type_ids": types[None],
        }
        (logits,) = session.run(None, {name: feeds[name] for name in names})
        return np.asarray(logits[0])

    return run


def plain_session(model: str | bytes) -> Any:  # noqa: ANN401 - onnxruntime has no types
    """Open a path or a model's bytes on one thread, everything else as it comes."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 4
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


OPENERS = {"kdc": open_ours, "installed": open_installed, "plain": open_plain}
