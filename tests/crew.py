"""Several processes for one run: forked ones with torchrun's environment, and torchrun itself."""

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from multiprocessing.process import BaseProcess
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any

from torch.distributed import TCPStore  # type: ignore[attr-defined] # torch only imports it there

from kdc.compress.families import set_dropout
from kdc.compress.learner import Objectives
from kdc.compress.losses import LOSSES
from kdc.compress.losses.objective import Widths
from kdc.compress.parallel import leading, world
from kdc.compress.run import Run
from kdc.compress.signals import HEADS, HIDDEN, LOGITS, SCORES, OnlineTeacher
from kdc.compress.together import Lost, follow
from tests.faults import start
from tests.tiny import own_rng, rows_of, tiny_model, tiny_run

SEPARABLE = [name for name, loss in LOSSES.items() if loss.unit not in ("batch", "masked")]


class Processes:
    """Some processes, of which the first runs a function and the others follow it.

    The test stands in for torchrun: its store outlives them all.
    """

    def __init__(self, size: int, target: Callable[..., None], *arguments: object) -> None:
        wait = timedelta(seconds=60)
        self._store = TCPStore("127.0.0.1", 0, is_master=True, timeout=wait)
        with NamedTemporaryFile(delete=False) as errors:
            self._errors = Path(errors.name)
        place = (size, self._store.port, errors.name)
        self.members: list[BaseProcess] = [
            start(_member, rank, *place, target, arguments) for rank in range(size)
        ]

    def exit_codes(self, patience: float = 120) -> list[int | None]:
        """Wait for all to end; None for one that does not."""
        for member in self.members:
            member.join(patience)
        codes = [member.exitcode for member in self.members]
        for member in self.members:
            member.kill()
        return codes

    def said(self) -> list[str]:
        """Return the lines that all of them have written on standard error, and forget them."""
        text = self._errors.read_text()
        self._errors.unlink()
        return text.splitlines()


def _member(
    rank: int,
    size: int,
    port: int,
    errors: str,
    target: Callable[..., None],
    arguments: tuple[Any, ...],
) -> None:
    os.dup2(os.open(errors, os.O_WRONLY | os.O_APPEND), 2)
    os.environ |= {
        "TORCHELASTIC_RUN_ID": "test",
        "TORCHELASTIC_USE_AGENT_STORE": "True",
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port),
        "RANK": str(rank),
        "WORLD_SIZE": str(size),
        "LOCAL_RANK": str(rank),
        "LOCAL_WORLD_SIZE": str(size),
    }
    here = world()
    assert here is not None
    try:
        if rank:
            follow(here, str)
        else:
            with leading(here):
                target(*arguments)
    except Lost as error:
        sys.exit(f"kdc: {error}")


def torchrun(processes: int, *arguments: str, folder: Path) -> "subprocess.Popen[str]":
    """Start `kdc` under torchrun in a folder; it leads a process group of its own."""
    launcher = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", str(processes)]
    return subprocess.Popen(
        [*launcher, "-m", "kdc.cli.main", *arguments],
        cwd=folder,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def run_of(state: Path, name: str) -> Run:
    """20 steps of one objective, without dropout; the teacher is deeper and wider."""
    run = tiny_run(state, epochs=0.01, min_steps=20, batch=14, evaluations=1, learning_rate=1e-3)
    set_dropout(run.model.config, 0.0)
    with own_rng():
        student = type(run.model)(run.model.config)
    rows = rows_of(run.legs[0])
    rows.labels[::3] = -100
    teacher = OnlineTeacher(
        tiny_model(layers=4, hidden=48, seed=1), wants=frozenset({LOGITS, HIDDEN, HEADS, SCORES})
    )
    leg = replace(run.legs[0], objectives=objective(name, run), teacher=teacher)
    return replace(run, model=student, legs=(leg,))


def objective(name: str, run: Run) -> Objectives:
    loss = LOSSES[name]()
    with own_rng():
        loss.fit(Widths(run.task, 2, 32, 4, 48, student_heads=2, teacher_heads=2))
    return {name: (1.0, loss)}
