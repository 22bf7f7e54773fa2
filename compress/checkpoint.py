"""The state of a run on disk: whole at every instant, so that a killed run goes on bit by bit."""

import json
import shutil
from dataclasses import dataclass, field
from hashlib import sha256 as digest_of
from pathlib import Path
from typing import Any

from safetensors.torch import load_file, save_file
from torch import Tensor

from kdc.compress.disk import disk_errors
from kdc.compress.errors import KdcError, Unusable
from kdc.compress.files import read_json, sha256, whole_file, write_json

_FORMAT = "kdc.state/2"
_STATE = "state.json"
Tensors = dict[str, Tensor]


@dataclass
class State:
    """How far a run is; the tensors lie beside it in safetensors files."""

    stage: int = 0
    """Which stage of the run, from 0."""
    step: int = 0
    """Steps done in that stage."""
    best_step: int = -1
    best_value: float = float("-inf")
    history: list[dict[str, float]] = field(default_factory=list)
    """A row an evaluation: stage (from 1), step, training losses, dev score where it counts."""

    def forget_best(self) -> None:
        """Compare no longer with the evaluations so far."""
        self.best_step, self.best_value = -1, float("-inf")

    @property
    def last_file(self) -> str:
        """Name of the file with the tensors of the run as it stands."""
        return f"stage-{self.stage}-step-{self.step}.safetensors"

    @property
    def best_file(self) -> str:
        """Name of the file with the stage's best model; of no file where there is none yet."""
        return f"stage-{self.stage}-best-{self.best_step}.safetensors"


@dataclass
class Kept:
    """A run as it stands: what a stage goes on from."""

    state: State = field(default_factory=State)
    tensors: Tensors = field(default_factory=dict)
    """The learner's, where a stage is resumed; none where it starts from the model as it is."""
    best: Tensors = field(default_factory=dict)
    """Those of the stage's best model so far."""

    def next_stage(self) -> None:
        """Count the stage as done."""
        self.state.stage, self.state.step = self.state.stage + 1, 0
        self.state.forget_best()
        self.best = {}


def holds_state(folder: Path) -> bool:
    """Whether the state of some run is kept in a folder; what a kill has left of one is none."""
    return (folder / _STATE).is_file()


def forget(folder: Path) -> None:
    """Remove a run's folder, first what makes it a state, so that half of one is never found.

    Raises:
        KdcError: it cannot be removed.
    """
    with disk_errors(folder):
        (folder / _STATE).unlink(missing_ok=True)
        if folder.exists():
            shutil.rmtree(folder)


class Checkpoints:
    """Saves and loads a run's state in a folder of its own.

    `state.json` names the files it belongs to with their sha256 and is written last; files that
    no state names any more are removed after that. Whatever the instant of a kill, the newest
    `state.json` and its files are whole.
    """

    def __init__(self, folder: Path, fingerprint: dict[str, Any]) -> None:
        """Use `folder`; `fingerprint` is everything that decides the run's numbers."""
        self.folder = folder
        self.fingerprint = _digest(fingerprint)
        self._files: dict[str, str] = {}

    def exists(self) -> bool:
        """Whether a state of some run is kept here."""
        return holds_state(self.folder)

    def clear(self) -> None:
        """Forget the run."""
        forget(self.folder)
        self._files = {}

    def save(self, state: State, tensors: Tensors, best: Tensors | None) -> None:
        """Keep the run's tensors, and its best model's where that is new (else the old one).

        Raises:
            KdcError: the disk is full or the folder cannot be written; the old state stays whole.
        """
        try:
            self._save(state, tensors, best)
        except KdcError as error:
            kept = "; the state before it is kept: add --resume" if self.exists() else ""
            raise KdcError(f"{error}{kept}") from error

    def _save(self, state: State, tensors: Tensors, best: Tensors | None) -> None:
        names = {state.last_file, state.best_file}
        if best is not None:
            self._write(state.best_file, best)
        self._write(state.last_file, tensors)
        self._files = {name: digest for name, digest in self._files.items() if name in names}
        value = state.best_value if state.best_step >= 0 else None
        note: dict[str, Any] = {"format": _FORMAT, "fingerprint": self.fingerprint}
        note |= {"files": self._files, "history": state.history}
        note |= {"stage": state.stage, "step": state.step}
        note |= {"best_step": state.best_step, "best_value": value}
        write_json(self.folder / _STATE, {**note, "sha256": _digest(note)})
        # the hidden ones are of saves that were killed: as large as the state, once for each kill
        for path in (*self.folder.glob("*.safetensors"), *self.folder.glob(".*.tmp")):
            if path.name not in self._files:
                path.unlink()

    def _write(self, name: str, tensors: Tensors) -> None:
        plain = {key: value.detach().cpu().contiguous() for key, value in tensors.items()}
        with whole_file(self.folder / name) as path:
            save_file(plain, path)
        self._files[name] = sha256(self.folder / name)

    def load(self) -> Kept:
        """Return the run as it was kept.

        Raises:
            Unusable: it is of another run, or a file is missing or corrupted (named).
        """
        try:
            note = read_json(self.folder / _STATE)
        except KdcError as error:
            raise Unusable(f"{error}: start over without --resume") from error
        if note.pop("sha256", None) != _digest(note):
            raise Unusable(f"{self.folder / _STATE} is corrupted: start over without --resume")
        if note.get("format") != _FORMAT:
            raise Unusable(
                f"the run in {self.folder} was kept by another version of kdc: start over without "
                "--resume"
            )
        if note.get("fingerprint") != self.fingerprint:
            raise Unusable(
                f"the run kept in {self.folder} had another teacher, data, recipe or option: give "
                "the same options to --resume it, or start over without --resume"
            )
        self._files = dict(note["files"])
        for name, digest in self._files.items():
            path = self.folder / name
            if not path.is_file() or sha256(path) != digest:
                raise Unusable(f"{path} is missing or corrupted: start over without --resume")
        value = note["best_value"]
        best = float("-inf") if value is None else float(value)
        state = State(
            stage=int(note["stage"]),
            step=int(note["step"]),
            best_step=int(note["best_step"]),
            best_value=best,
            history=list(note["history"]),
        )
        last = load_file(self.folder / state.last_file)
        best_file = self.folder / state.best_file
        return Kept(state, last, load_file(best_file) if state.best_step >= 0 else {})


def _digest(fingerprint: dict[str, Any]) -> str:
    return digest_of(json.dumps(fingerprint, sort_keys=True).encode()).hexdigest()
