"""Where a run keeps what is not its result: the folder `.kdc` beside the output folder."""

import platform
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from kdc.compress.errors import KdcError

_LIBRARIES = ("kdc", "torch", "transformers", "tokenizers", "optimum", "numpy", "safetensors")


@dataclass(frozen=True)
class Workspace:
    """The places of one run."""

    out: Path

    @property
    def root(self) -> Path:
        """The folder shared by all runs whose results lie beside each other."""
        return self.out.absolute().parent / ".kdc"

    @property
    def state(self) -> Path:
        """The run's checkpoints; gone when it has ended well."""
        return self.root / "runs" / self.out.name

    @property
    def lock(self) -> Path:
        """Held while the run works."""
        return self.root / "runs" / f"{self.out.name}.lock"

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
        """Add to an error of what comes after training that nothing need be trained again."""
        try:
            yield
        except KdcError as error:
            raise KdcError(f"{error}; the training is kept: add --resume") from error

    def forget_state(self) -> None:
        """Remove the checkpoints of a run that has ended well."""
        shutil.rmtree(self.state, ignore_errors=True)


def made_with() -> dict[str, str]:
    """Return the versions that decide what a run computes."""
    return {"python": platform.python_version()} | {name: version(name) for name in _LIBRARIES}
