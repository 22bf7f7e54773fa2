"""Several processes for one run, as torchrun starts them: `torchrun --nproc-per-node 2 -m ...`.

The first process runs the command as if it were alone: it alone reads, says, locks and writes. The
others wait (`together.follow`) until it calls them to work along: to train a model, or to ask one
about many rows. Without torchrun there is only the crew of one below, and nothing here is loaded
that a lone run would not load.
"""

import os
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType
from typing import TYPE_CHECKING

from kdc.compress.errors import KdcError

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from kdc.compress.together import Leader


@dataclass(frozen=True)
class World:
    """This process's place among those that torchrun started."""

    rank: int
    """From 0; 0 is the first, which leads."""
    size: int
    """Processes in all."""
    local_rank: int
    """From 0, on this machine: the number of its GPU."""
    local_size: int
    """Processes on this machine."""


def world() -> World | None:
    """Read torchrun's environment; None where it did not start this process, or started only one.

    `WORLD_SIZE` alone says nothing: some clusters set it everywhere.
    """
    if "TORCHELASTIC_RUN_ID" not in os.environ:
        return None
    names = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE")
    here = World(*(int(os.environ[name]) for name in names))
    return here if here.size > 1 else None


class Crew:
    """The processes that work on one thing. This is the crew of one, who has nobody to ask."""

    rank = 0
    size = 1

    def call(self, function: Callable[..., object], *arguments: object) -> None:
        """Have every other process call a module's function: with its crew, then `arguments`."""

    def all_reduce(self, tensors: Sequence["Tensor"]) -> None:
        """Replace every tensor by its sum over all processes, in place."""

    def any_rank(self, *flags: bool) -> tuple[bool, ...]:
        """Return, for each flag, whether a process says so; all get the same answer."""
        return flags

    def all_gather(self, tensor: "Tensor") -> list["Tensor"]:
        """Return every process's tensor, in the order of their ranks; all are of one shape."""
        return [tensor]


ALONE = Crew()
_leader: "Leader | None" = None
_ending = False


@contextmanager
def crew(device: "torch.device") -> Iterator[Crew]:
    """Call the other processes to work along inside the block, in the process that leads them.

    Raises:
        KdcError: the device cannot be used by several processes.
        Lost: another process has ended.
    """
    if _leader is None:
        yield ALONE
        return
    check_device(device)
    with _leader.crew(device) as found:
        yield found


@contextmanager
def leading(here: World) -> Iterator[None]:
    """Lead the processes that torchrun started for as long as a command runs.

    torchrun sends a terminal's Ctrl-C on, so that it comes twice: the second is not obeyed. Nor is
    its SIGTERM once the run has a sentence to end with.
    """
    global _leader, _ending
    from kdc.compress.together import Leader

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _interrupt_once)
    _leader, _ending = Leader(here), False
    try:
        yield
    finally:
        end_quietly()
        _leader.dismiss()
        _leader = None


def end_quietly() -> None:
    """Obey no signal from here on: this process is about to end, and knows what to say."""
    global _ending
    _ending = True


def _interrupt_once(number: int, frame: FrameType | None) -> None:
    if not _ending:
        end_quietly()
        raise KeyboardInterrupt


def check_device(device: "torch.device") -> None:
    """Refuse a device that the processes of a machine cannot each have one of.

    Raises:
        KdcError: fewer GPUs than processes, one named GPU, or MPS.
    """
    here = world()
    if here is None or device.type == "cpu":
        return
    import torch

    if device.type != "cuda" or device.index is not None:
        raise KdcError(
            f"--device {device} is one device and torchrun started {here.local_size} processes: "
            "use --device cuda or cpu, or leave torchrun out"
        )
    if here.local_size > torch.cuda.device_count():
        raise KdcError(
            f"torchrun started {here.local_size} processes on a machine with "
            f"{torch.cuda.device_count()} GPUs: lower --nproc-per-node, or use --device cpu"
        )


def processes() -> int:
    """Return how many processes this one leads, itself included."""
    here = world()
    return here.size if here and _leader is not None else 1
