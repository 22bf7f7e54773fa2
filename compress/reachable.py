"""The files and folders that a run's `recipe.toml` names, as they are called from here."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kdc.compress.data.builtin import TASKS
from kdc.compress.data.hub import PREFIX
from kdc.compress.errors import KdcError
from kdc.compress.minilm import NAME
from kdc.compress.progress import Progress
from kdc.compress.students import is_shape

_AROUND = 4  # folders above a student's own in which its run may have been started
_FILES = ("data", "dev", "unlabelled", "corpus", "labels")
"""Options that name nothing else, `data` apart; a teacher may be a Hub id."""


def reachable(options: Mapping[str, Any], recipe: str, progress: Progress) -> dict[str, Any]:
    """Return a run's options with its files and folders as they are called from here.

    A path that leads nowhere from here is looked up from the folders around the student folder in
    which the recipe lies: the run was started in one of them, unless its `--out` led elsewhere.

    Args:
        options: what the run was asked for, by the options' names.
        recipe: the recipe's path.
        progress: is told what is no folder and may be a Hub id.

    Raises:
        KdcError: a file or folder is in none of these places.
    """
    student = Path(recipe).resolve().parent
    found = dict(options)
    for option in _FILES:
        name = options.get(option)
        if name is None or name in TASKS or str(name).startswith(PREFIX) or os.path.exists(name):
            continue
        found[option] = _around(student, name)
        if found[option] is None:
            raise KdcError(
                f"{recipe}: its run had --{option} {name}, which is neither here nor around its "
                f"folder: name it with --{option}"
            )
    teacher = options.get("teacher")
    if isinstance(teacher, list):
        found["teacher"] = [_model(name, student, recipe, progress) for name in teacher]
    elif teacher is not None:
        found["teacher"] = _model(teacher, student, recipe, progress)
    start = options.get("student")
    if start is not None and not is_shape(start) and not os.path.isdir(start):
        found["student"] = _around(student, start) or start  # where it is nowhere, it is no student
    return found


def _model(name: str, student: Path, recipe: str, progress: Progress) -> str:
    if name == NAME or os.path.isdir(name):
        return name
    there = _around(student, name)
    if there is None:
        progress.say(
            f"{recipe}: its run's teacher {name} is no folder here, nor around the recipe's: it is "
            "taken for a Hub id; else name it with --teacher"
        )
    return there or name


def _around(student: Path, name: str) -> str | None:
    """Find a name from the folders above a student's; the student itself is not what it was of."""
    paths = (folder / name for folder in student.parents[:_AROUND])
    # of os: a name may be too long for any file
    return next((str(path) for path in paths if os.path.exists(path) and path != student), None)
