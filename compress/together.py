"""The processes of one run at work: how the first calls the others, and how they wait for it.

What is rare goes through torchrun's own store: that there is a job, that a process failed and why,
that the run has ended. A job has a process group of its own, gloo for what lies on the CPU and
NCCL for what lies on GPUs, so that leaving a job, by whatever error, never leaves a stale one.
"""

import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import timedelta

import torch
import torch.distributed as dist
from torch import Tensor
from torch.distributed.distributed_c10d import PrefixStore, Store
from torch.distributed.rendezvous import rendezvous

from kdc.compress.errors import Stopped
from kdc.compress.interrupts import Interrupts
from kdc.compress.parallel import Crew, World, end_quietly
from kdc.compress.parcel import pack, unpack

_LONGEST = timedelta(days=7)  # of a wait: a process that is gone is noticed by its connection
_LOOK = 0.05  # seconds between two looks at the store
_PATIENCE = 5.0  # seconds that the first process has to end the run after a signal
_FAREWELL = 1.0  # seconds that it waits for the others, who are then gone before it
_END, _ENDED, _SPOKEN = "kdc/end", "kdc/ended", "kdc/spoken"


class Lost(Stopped):
    """Another process of the run has ended, and so this one does."""


class Together(Crew):
    """A crew of several processes for one job."""

    def __init__(self, here: World, store: Store, job: int, kind: str) -> None:
        """Meet the other processes.

        Args:
            here: this process's place.
            store: torchrun's.
            job: number of the job.
            kind: of the device that it works on: `cpu` or `cuda`.
        """
        self.rank, self.size = here.rank, here.size
        self._here, self._store, self._job, self._kind = here, store, job, kind
        if kind == "cuda":
            torch.cuda.set_device(here.local_rank)
        dist.init_process_group(
            backend="cpu:gloo,cuda:nccl" if kind == "cuda" else "gloo",
            store=PrefixStore(f"kdc/group/{job}", store),
            rank=here.rank,
            world_size=here.size,
            timeout=_LONGEST,
        )

    def call(self, function: Callable[..., object], *arguments: object) -> None:
        """Have every other process call a module's function: with its crew, then `arguments`."""
        content = pack((function, arguments))
        with self._noticing():
            dist.broadcast(torch.tensor([len(content)]), src=0)
            dist.broadcast(content, src=0)

    def obey(self) -> None:
        """Do what `call` in the first process says."""
        size = torch.zeros(1, dtype=torch.int64)
        with self._noticing():
            dist.broadcast(size, src=0)
            content = torch.empty(int(size), dtype=torch.uint8)
            dist.broadcast(content, src=0)
        mine = {"cuda:0": f"cuda:{self._here.local_rank}"}  # the first has the first GPU
        function, arguments = unpack(content, mine)
        function(self, *arguments)

    def all_reduce(self, tensors: Sequence[Tensor]) -> None:
        """Replace every tensor by its sum over all processes, in place.

        They travel as one flat tensor, in this order. DistributedDataParallel would overlap its
        buckets with the backward pass, but it cuts them anew after the first step of a process, so
        that sums over three or more are rounded in another order after a resume than before; and
        it wraps one module, where here objectives learn beside the model, and a stage may leave
        parts of both without a gradient.
        """
        flat = torch.cat([tensor.reshape(-1) for tensor in tensors])
        with self._noticing():
            dist.all_reduce(flat)
        parts = torch.split(flat, [tensor.numel() for tensor in tensors])
        for tensor, part in zip(tensors, parts, strict=True):
            tensor.copy_(part.view_as(tensor))

    def any_rank(self, *flags: bool) -> tuple[bool, ...]:
        """Return, for each flag, whether a process says so; the device is not waited for."""
        said = torch.tensor(flags, dtype=torch.uint8)
        with self._noticing():
            dist.all_reduce(said, op=dist.ReduceOp.MAX)
        return tuple(map(bool, said.tolist()))

    def all_gather(self, tensor: Tensor) -> list[Tensor]:
        """Return every process's tensor on the CPU, in the order of their ranks."""
        found = [torch.empty_like(tensor, device="cpu") for _ in range(self.size)]
        with self._noticing():
            dist.all_gather(found, tensor.cpu())
        return found

    def leave(self, *, broken: bool) -> None:
        """Let go of the other processes; whoever still waits for this one is told by that."""
        if broken and self._kind == "cuda":  # an unfinished sum would be waited for
            with suppress(RuntimeError):
                dist.distributed_c10d._abort_process_group()
        if dist.is_initialized():
            with suppress(RuntimeError):
                dist.destroy_process_group()

    def complain(self, why: str) -> None:
        """Leave a word for the first process, which speaks for all."""
        self._store.set(f"kdc/word/{self._job}", f"process {self.rank}: {why}")

    @contextmanager
    def _noticing(self) -> Iterator[None]:
        """Turn the loss of a connection into one sentence, the other process's where it left one.

        Raises:
            Lost: another process has ended.
        """
        try:
            yield
        except RuntimeError as error:
            end_quietly()
            why = f"one of the {self.size} processes that torchrun started has ended"
            with suppress(RuntimeError):
                if self._store.check([f"kdc/word/{self._job}"]):
                    why = self._store.get(f"kdc/word/{self._job}").decode()
            raise Lost(
                f"{why}: run the same command again, a training with --resume, to go on from "
                "the last kept state"
            ) from error


class Leader:
    """What the first process holds for the length of a command."""

    def __init__(self, here: World) -> None:
        self._here = here
        self._jobs = 0
        self._store: Store | None = None

    @contextmanager
    def crew(self, device: torch.device) -> Iterator[Together]:
        """Call the others for a job on a kind of device."""
        store = self._connected()
        store.set(_job(self._jobs), device.type)
        found = Together(self._here, store, self._jobs, device.type)
        self._jobs += 1
        try:
            yield found
        except BaseException:
            found.leave(broken=True)
            raise
        found.leave(broken=False)

    def dismiss(self) -> None:
        """Tell the others that the run has ended, and see them off."""
        with suppress(RuntimeError):  # the store goes with torchrun
            store, deadline = self._connected(), time.monotonic() + _FAREWELL
            store.set(_END, "")
            while store.add(_ENDED, 0) < self._here.size - 1 and time.monotonic() < deadline:
                time.sleep(_LOOK)

    def _connected(self) -> Store:
        if self._store is None:
            self._store = _connect()
        return self._store


def follow(here: World, explain: Callable[[BaseException], str]) -> None:
    """Wait for the first process and do what it calls for, until it ends the run.

    Args:
        here: this process's place.
        explain: says in a sentence what went wrong.

    Raises:
        Lost: the first process was ended before it could say why, and no other has said so.
    """
    for number in (signal.SIGINT, signal.SIGTERM):  # behind the last job nobody wants to know
        signal.signal(number, signal.SIG_IGN)
    store, job, lost = _connect(), 0, False
    deadline: float | None = None
    with Interrupts(patient=True) as interrupts:
        while not _has(store, _END):
            if interrupts.asked and deadline is None:
                deadline = time.monotonic() + (_FAREWELL if lost else _PATIENCE)
            if deadline is not None and time.monotonic() > deadline:
                _speak(here, store)
                return
            if _has(store, _job(job)):
                lost = not _work(here, store, job, explain)
                job += 1
            else:
                time.sleep(_LOOK)
    with suppress(RuntimeError):
        store.add(_ENDED, 1)


def _work(here: World, store: Store, job: int, explain: Callable[[BaseException], str]) -> bool:
    """Do a job; return whether it came to its own end."""
    crew = Together(here, store, job, store.get(_job(job)).decode())
    broken = True
    try:
        crew.obey()
        broken = False
    except Lost:
        pass
    except Exception as error:  # what all of them found, the first says; else it asks for a word
        crew.complain(explain(error))
    finally:
        crew.leave(broken=broken)
    return not broken


def _speak(here: World, store: Store) -> None:
    """Say for all others that the first process is gone; who comes first, speaks."""
    first = here.rank == 1
    with suppress(RuntimeError):
        first = store.add(_SPOKEN, 1) == 1
    if first:
        raise Lost(
            f"the first of the {here.size} processes was ended before it could say why: run the "
            "same command again, a training with --resume, to go on from the last kept state"
        )


def _connect() -> Store:
    store: Store = next(rendezvous("env://"))[0]
    return store


def _has(store: Store, key: str) -> bool:
    """Look for a key; a store that is gone with the first process counts as the end."""
    try:
        return bool(store.check([key]))
    except RuntimeError:
        return True


def _job(number: int) -> str:
    return f"kdc/job/{number}"
