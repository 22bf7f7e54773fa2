"""Answers that took long: computed once, kept, and checked before use."""

from collections.abc import Callable
from hashlib import sha256 as digest_of
from pathlib import Path

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file
from transformers import PreTrainedModel as Model

from kdc.compress.arrays import Logits
from kdc.compress.errors import KdcError
from kdc.compress.evaluate import predict
from kdc.compress.examples import Examples
from kdc.compress.files import read_json, sha256, whole_file, write_json
from kdc.compress.parallel import Crew, crew
from kdc.compress.progress import Progress, plural
from kdc.compress.runtime import lowered
from kdc.compress.slices import without_texts

Answers = dict[str, Logits]


def kept_logits(
    folder: Path, identity: str, model: Model, rows: Examples, padding: int, progress: Progress
) -> Logits:
    """Return a teacher's (N, C) logits on `rows`, from `folder` where they are kept already.

    Args:
        folder: where logits are kept, shared by every run beside it.
        identity: names teacher, classes and precision; with the rows' tokens it is the key.
        model: the teacher.
        rows: the rows in its own tokens.
        padding: the padding token's id.
        progress: shows how far it is.

    Raises:
        KdcError: the teacher answers NaN or infinity.
    """

    def ask() -> Answers:
        what = "asking the teacher"
        with lowered(model, model.device), crew(model.device) as team:
            team.call(_answer_along, model, without_texts(rows), padding)
            logits = predict(
                model, rows, padding, fast=True, progress=progress, what=what, crew=team
            )
        if not np.isfinite(logits).all():
            raise KdcError("the teacher answers NaN or infinity on the training rows: it is broken")
        return {"logits": logits}

    identity = f"{identity} {tokens_digest(rows)}"
    return kept_answers(folder, identity, "teacher", len(rows), ask, progress)["logits"]


def _answer_along(team: Crew, model: Model, rows: Examples, padding: int) -> None:
    """Take this process's turns at asking a model."""
    predict(model, rows, padding, fast=True, crew=team)


def kept_answers(
    folder: Path,
    identity: str,
    who: str,
    rows: int,
    ask: Callable[[], Answers],
    progress: Progress,
) -> Answers:
    """Return what `ask` answers, from `folder` where it was asked before.

    Args:
        folder: where answers are kept.
        identity: everything that decides the answers; another identity is another file.
        who: whose answers they are, to the user.
        rows: how many rows they have, all names together.
        ask: computes the (N, C) answers by name.
        progress: is told where they come from.
    """
    key = digest_of(identity.encode()).hexdigest()[:16]
    weights, note = folder / f"{key}.safetensors", folder / f"{key}.json"
    if note.is_file():
        kept = _read(weights, note, identity, rows)
        if kept is not None:
            progress.say(f"{who}'s answers: kept from before ({plural(rows, 'row')})")
            return kept
        progress.say(f"{who}'s answers: {weights} does not match its sha256; asking again")
    answers = ask()
    with whole_file(weights) as path:
        save_file(answers, path)
    write_json(note, {"identity": identity, "rows": rows, "sha256": sha256(weights)})
    return answers


def tokens_digest(rows: Examples) -> str:
    """Return a sha256 over the tokens of some rows: what a model's answers depend on."""
    digest = digest_of()
    for array in (rows.lengths, rows.tokens, rows.types):
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()


def _read(weights: Path, note: Path, identity: str, rows: int) -> Answers | None:
    """Return kept answers, or None where they are damaged or of something else."""
    try:
        fields = read_json(note)
        if fields.get("identity") != identity or fields.get("sha256") != sha256(weights):
            return None
        answers: Answers = load_file(weights)
    except (KdcError, OSError, SafetensorError):
        return None
    return answers if sum(map(len, answers.values())) == rows else None
