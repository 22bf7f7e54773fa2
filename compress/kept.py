"""The teacher's logits on the training rows: computed once, kept, and checked before use."""

from hashlib import sha256 as digest_of
from pathlib import Path

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file
from transformers import PreTrainedModel as Model

from kdc.compress.errors import KdcError
from kdc.compress.evaluate import predict
from kdc.compress.examples import Examples
from kdc.compress.files import read_json, sha256, whole_file, write_json
from kdc.compress.progress import Progress

Logits = npt.NDArray[np.float32]


def kept_logits(
    folder: Path, identity: str, model: Model, rows: Examples, padding: int, progress: Progress
) -> Logits:
    """Return the teacher's (N, C) logits on `rows`, from `folder` where they are kept already.

    Args:
        folder: where logits are kept, shared by every run beside it.
        identity: names teacher, rows, length and precision; another identity is another file.
        model: the teacher.
        rows: the training rows.
        padding: the padding token's id.
        progress: shows how far it is.
    """
    key = digest_of(identity.encode()).hexdigest()[:16]
    weights, note = folder / f"{key}.safetensors", folder / f"{key}.json"
    if note.is_file():
        logits = _read(weights, note, identity, len(rows))
        if logits is not None:
            progress.say(f"teacher's answers: kept from before ({len(rows):,} rows)")
            return logits
        progress.say(f"teacher's answers: {weights} does not match its sha256; asking again")
    logits = predict(model, rows, padding, fast=True, progress=progress, what="asking the teacher")
    if not np.isfinite(logits).all():
        raise KdcError("the teacher answers NaN or infinity on the training rows: it is broken")
    with whole_file(weights) as path:
        save_file({"logits": logits}, path)
    write_json(note, {"identity": identity, "rows": len(rows), "sha256": sha256(weights)})
    return logits


def _read(weights: Path, note: Path, identity: str, rows: int) -> Logits | None:
    """Return kept logits, or None where they are damaged or of something else."""
    try:
        fields = read_json(note)
        if fields.get("identity") != identity or fields.get("sha256") != sha256(weights):
            return None
        logits: Logits = load_file(weights)["logits"]
    except (KdcError, OSError, KeyError, SafetensorError):
        return None
    return logits if logits.shape[0] == rows else None
