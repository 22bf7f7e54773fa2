"""Where a run keeps what is not its result: the folder `.kdc` beside the output folder."""

import platform
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from kdc.compress.checkpoint import forget
from kdc.compress.errors import KdcError, Stopped
from kdc.compress.parallel import processes

_LIBRARIES = ("kdc", "torch", "transformers", "tokenizers", "optimum", "numpy", "safetensors")


@dataclass(frozen=True)
class Workspace:
    """The places of one run."""

    out: Path
    sweep: Path | None = None
    """The folder of the sweep that `out` lies in; None for a run of its own."""

    @property
    def root(self) -> Path:
        """The folder shared by all runs whose results lie beside each other, sweeps included."""
        return (self.sweep or self.out).absolute().parent / ".kdc"

    def _of_run(self, kind: str) -> Path:
        """Return what a run keeps of a kind, in a folder of its own: any name may be a run's."""
        home = self.root if self.sweep is None else self.root / "sweeps" / self.sweep.name
        return home / kind / self.out.name

    @property
    def state(self) -> Path:
        """The run's checkpoints; gone when it has ended well."""
        return self._of_run("runs")

    @property
    def control_state(self) -> Path:
        """The checkpoints of the control that is trained after the student."""
        return self._of_run("controls")

    @property
    def logs(self) -> Path:
        """What the engine notes that runs its processes on other machines."""
        return self._of_run("logs")

    @property
    def lock(self) -> Path:
        """Held while the run works."""
        return self._of_run("locks")

    @property
    def kept(self) -> Path:
        """Teachers' answers, for this run and later ones."""
        return self.root / "kept"

    @property
    def teachers(self) -> Path:
        """Teachers that were fine-tuned on the way."""
        return self.root / "teachers"

    @contextmanager
    def state_kept(self) -> Iterator[None]:
        """Add to an error of what comes after training that nothing need be trained again.

        Raises:
            Stopped: Ctrl-C.
        """
        try:
            yield
        except KeyboardInterrupt as error:
            raise Stopped("interrupted; the training is kept: add --resume") from error
        except KdcError as error:
            if isinstance(error, Stopped) or "--resume" in str(error):
                raise
            raise KdcError(f"{error}; the training is kept: add --resume") from error

    def forget_state(self) -> None:
        """Remove the checkpoints of a run that has ended well."""
        for state in (self.state, self.control_state):
            forget(state)


def made_with() -> dict[str, str]:
    """Return the versions that decide what a run computes, and how many processes, if several."""
    several = {"processes": str(processes())} if processes() > 1 else {}
    versions = {name: version(name) for name in _LIBRARIES}
    return {"python": platform.python_version()} | versions | several
