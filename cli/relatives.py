"""The models that a phone folder comes from, found by their digests: its student and teacher."""

import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from kdc.compress.errors import KdcError
from kdc.compress.files import MANIFEST, sha256
from kdc.compress.models import find_model
from kdc.compress.progress import Progress, Silent
from kdc.compress.workspace import Workspace
from kdc.export.phone_model import Phone

_MOST = 200  # folders that are looked at


def find_student(phone: Phone) -> Path | None:
    """Find the folder beside a phone folder that it was exported from; None where there is none."""
    beside = phone.folder.resolve().parent
    folders = (manifest.parent for manifest in sorted(beside.glob(f"*/{MANIFEST}"))[:_MOST])
    return next((folder for folder in folders if is_student(folder, phone)), None)


def is_student(folder: Path, phone: Phone) -> bool:
    """Whether a phone folder was exported from a student folder, by the digest that it names."""
    parent, manifest = phone.manifest.get("parent"), folder / MANIFEST
    wanted = parent.get("student") if isinstance(parent, dict) else None
    return manifest.is_file() and sha256(manifest) == wanted


def find_teacher(student: Path, progress: Progress) -> Path | None:
    """Find the teacher that a student's `recipe.toml` names, where it still lies ready.

    It lies where the recipe says, beside the student, or in the workspace that they share, and its
    digest is the recipe's: another model of the same name is none.

    Returns:
        Its folder, or None.
    """
    run = _run(student)
    wanted, name = run.get("teacher_sha256"), run.get("teacher")
    if not isinstance(wanted, str) or not isinstance(name, str):
        return None
    for folder in _candidates(student, name):
        if _digest(folder) == wanted:
            progress.say(f"teacher: {folder}")
            return folder
    return None


def _candidates(student: Path, name: str) -> Iterator[Path]:
    named = student.resolve().parent / name  # an absolute name stays as it is
    kept = Workspace(student.resolve()).teachers
    folders = sorted(kept.iterdir())[:_MOST] if kept.is_dir() else []
    return (folder for folder in (named, *folders) if (folder / "config.json").is_file())


def _digest(folder: Path) -> str | None:
    try:
        return find_model(str(folder), Silent()).digest
    except KdcError:  # damaged, or no model at all
        return None


def _run(student: Path) -> dict[str, Any]:
    try:
        values = tomllib.loads((student / "recipe.toml").read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    run = values.get("run")
    return run if isinstance(run, dict) else {}
