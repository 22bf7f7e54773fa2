"""The errors a user is meant to see: one sentence that says what, where and what to do."""

import re
from collections.abc import Iterable
from difflib import get_close_matches
from pathlib import Path


class KdcError(Exception):
    """An expected error; the command line prints it as one sentence and exits with `exit_code`."""

    exit_code = 1

    def __init__(self, fact: str, mend: str = "") -> None:
        """Keep the fact for whoever catches the error and goes on: the mend is then none.

        Args:
            fact: what is wrong and where; of most errors the whole sentence, mend included.
            mend: what to do about it, of an error that does not end every command.
        """
        super().__init__(f"{fact}: {mend}" if mend else fact)
        self.fact = fact


class GateFailed(KdcError):
    """A gate (accuracy, parity, budget) was missed, so nothing shippable was written."""

    exit_code = 3


class Stopped(KdcError):
    """Ctrl-C at a good moment: the state is kept, and the sentence says how to go on."""


class Unusable(KdcError):
    """A kept state that no run can go on from."""


class Finished(KdcError):
    """Nothing is left to do: the sentence says what is there already."""

    exit_code = 0

    def __init__(self, out: Path) -> None:
        """Keep the finished folder, whose `metrics.json` says what came of the run."""
        super().__init__(f"{out} is finished: leave --resume out to train it again")
        self.out = out


# what torch on the CPU, on CUDA and on MPS, ONNX Runtime, numpy, Linux, Python and C++ say
_NO_MEMORY = re.compile(
    r"out of memory|not enough memory|allocate memory|(cannot|failed to|unable to) allocate"
    r"|bad[_ ]alloc|MemoryError",
    re.IGNORECASE,
)


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error is for want of memory, of the machine or of its GPU."""
    return isinstance(error, MemoryError) or tells_no_memory(str(error))


def tells_no_memory(said: str) -> bool:
    """Whether these words of a library, or of a process that ended, are for want of memory."""
    return _NO_MEMORY.search(said) is not None


_FEW = 12  # names; a sentence of more is not read
_SOME = 8  # of those


def unknown(kind: str, name: str, known: Iterable[str], listed: str = "") -> KdcError:
    """Build the error for a name that a table does not have, with the nearest names it has.

    Args:
        kind: what it should be the name of.
        name: what was given.
        known: the table's names.
        listed: the command that lists them.
    """
    names = sorted(known)
    near = get_close_matches(name, names, n=3, cutoff=0.5)
    if near or len(names) <= _FEW:
        return KdcError(f"unknown {kind} '{name}': did you mean {_either(near or names)}?")
    if listed:
        return KdcError(f"unknown {kind} '{name}': `{listed}` lists all {len(names):,}")
    some = ", ".join(get_close_matches(name, names, n=_SOME, cutoff=0.0))
    return KdcError(f"unknown {kind} '{name}': there are {len(names):,}, the nearest are {some}")


def _either(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} or {names[-1]}"
