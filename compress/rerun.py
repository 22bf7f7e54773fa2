"""What `recipe.toml` says of the run that wrote it, as the options that repeat the run."""

import tomllib
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from kdc.compress.checkpoint import holds_state
from kdc.compress.errors import Finished, KdcError
from kdc.compress.files import MANIFEST, read_manifest
from kdc.compress.progress import Progress
from kdc.compress.recipe import Recipe
from kdc.compress.toml import to_toml
from kdc.compress.workspace import Workspace

_COLUMNS = ("dev", "text", "pair", "label", "multi_label", "metric")
_TYPES: dict[str, type | tuple[type, ...]] = {
    "teacher": str,
    "teachers": list,
    "teacher_weights": list,
    "data": str,
    **dict.fromkeys(_COLUMNS, str),
    "unlabelled": str,
    "student": str,
    "shape": dict,
    "seed": int,
    "setup_seed": int,
    "max_length": int,
    "vocab": str,
    "embedding_rank": int,
    "controls": bool,
}
_SHAPE = {"heads": int, "ffn": int, "activation": str}
_PROOFS = {
    "teacher_sha256": "the teacher",
    "teachers_sha256": "a teacher",
    "data_sha256": "the data",
    "unlabelled_sha256": "the unlabelled texts",
    "corpus_sha256": "the corpus",
    "labels_sha256": "the labels",
    "student_sha256": "the encoder that the student goes on from",
    "precision": "the precision",
}
_PATHS = {"teacher", "teachers", "model", "data", "dev", "unlabelled", "corpus", "labels"}
_FOUND = "start_layers"
"""What a run finds out by itself, and nobody knows before."""
_DATA, _STUDENT = ("data", "unlabelled", *_COLUMNS), ("student", *_SHAPE)


def rerun_options(run: Mapping[str, Any], given: set[str], where: str) -> dict[str, Any]:
    """Return the options of `kdc distill`, by their names, with which a run is repeated.

    Args:
        run: the `[run]` of a recipe, empty where it has none.
        given: options that the user gave; these stay, and with other data its columns, with
            another student its sizes, and with other teachers their weights are not the run's.
        where: how to call the recipe to the user.

    Raises:
        KdcError: a value is of another type.
    """
    for name, kind in _TYPES.items():
        value = run.get(name)
        if value is not None and (not isinstance(value, kind) or _is_bool_for_int(value, kind)):
            raise KdcError(f"[run] of {where}: {name} has a value of the wrong type: {value!r}")
    found = {name: run[name] for name in _TYPES if name in run}
    shape = found.pop("shape", {})
    sizes = {name: shape.get(name) for name in _SHAPE}
    if any(value is not None and type(value) is not _SHAPE[name] for name, value in sizes.items()):
        raise KdcError(f"[run] of {where}: shape has a value of the wrong type: {shape!r}")
    found |= {name: value for name, value in sizes.items() if value is not None}
    names = found.pop("teachers", None)
    found["teacher"] = [str(name) for name in names or [found.get("teacher")] if name]
    weights = found.pop("teacher_weights", [])
    if not all(isinstance(weight, int | float) for weight in weights):
        raise KdcError(f"[run] of {where}: teacher_weights are no numbers: {weights!r}")
    found["teacher_weights"] = ",".join(map(repr, weights)) or None
    left = set(given)
    for first, group in (("data", _DATA), ("student", _STUDENT)):
        left |= set(group) if first in given else set()
    left |= {"teacher_weights"} if "teacher" in given else set()
    left |= {"setup_seed"} if "seed" in given else set()
    empty: tuple[object, ...] = (None, [], "")
    return {k: value for k, value in found.items() if k not in left and value not in empty}


def _is_bool_for_int(value: object, kind: object) -> bool:
    return isinstance(value, bool) and kind is int


def differences(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    """Name what a repeated run did not share with the run before it."""
    known = {key: what for key, what in _PROOFS.items() if key in before}
    return [what for key, what in known.items() if before[key] != after.get(key)]


def stop_if_finished(
    place: Workspace, form: str, called: str, recipe: Recipe, identity: Mapping[str, Any]
) -> None:
    """End a run that is to go on, where it has ended before: a job may be queued once more.

    Raises:
        Finished: the folder is whole, and no state of another run is kept.
    """
    if not holds_state(place.state) and made_by(place.out, form, called, recipe, identity):
        raise Finished(place.out)


def begin(
    place: Workspace, called: str, progress: Progress, *, resume: bool, new: bool = False
) -> None:
    """Say what a run replaces, and where nothing is kept to go on from; else forget what is kept.

    Args:
        place: whose lock is held.
        called: what to call that which the run makes.
        progress: hears it.
        resume: whether to go on from the kept state.
        new: whether it may never have run yet, though the command that it is part of goes on.
    """
    if resume and not new and not holds_state(place.state):
        ready = "the teacher is ready, but " if called == "student" else ""  # made before it
        progress.say(
            f"--resume: {ready}nothing is kept of the {called}'s training to {place.out}, so that "
            "starts anew"
        )
    if (place.out / MANIFEST).is_file():
        progress.say(f"replacing the {called} in {place.out} once the new one is finished")
    if resume:
        return
    if holds_state(place.state):
        progress.say(
            f"a run to {place.out} that was stopped is given up; --resume would have gone on"
        )
    place.forget_state()


def made_by(out: Path, form: str, called: str, recipe: Recipe, identity: Mapping[str, Any]) -> bool:
    """Whether a folder is whole and was made by this very recipe from this very ground.

    Args:
        out: the folder.
        form: its manifest's format.
        called: what to call it.
        recipe: the recipe.
        identity: the `[run]`.
    """
    with suppress(KdcError, OSError, ValueError):
        read_manifest(out, form, called)
        found = tomllib.loads((out / "recipe.toml").read_text(encoding="utf-8"))
        run = found.pop("run", {})
        run.pop(_FOUND, None)
        mine = tomllib.loads(to_toml({**recipe.as_dict(), "run": without_paths(identity)}))
        return {**found, "run": without_paths(run)} == mine
    return False


def without_paths(run: Mapping[str, Any]) -> dict[str, Any]:
    """Leave out how files are called, whose digests stand beside: a path can be written anyhow."""
    return {key: value for key, value in run.items() if key not in _PATHS}
