"""The commands of docs/many-machines.md, as they stand there, with processes of this machine."""

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from kdc.compress.files import read_json, read_manifest
from kdc.compress.general.folder import FORMAT
from tests.conftest import ROOT
from tests.shards import tiny_masked_lm
from tests.student import WORDS

pytestmark = pytest.mark.slow
_PATIENCE = 600  # seconds, on however busy a machine
_TOOLS = {
    "kdc": f'exec {sys.executable} -m kdc.cli.main "$@"',
    "torchrun": f'exec {sys.executable} -m torch.distributed.run "$@"',
    "scontrol": "echo 127.0.0.1; echo 127.0.0.1",
    # runs its command once a machine, as Slurm does
    "srun": 'for id in 0 1; do SLURM_NODEID=$id SLURM_NNODES=2 "$@" & pids="$pids $!"; done\n'
    "for pid in $pids; do wait $pid || code=1; done\nexit ${code:-0}",
}


def blocks(title: str) -> list[str]:
    """Return the commands under a heading of the page."""
    text = (ROOT / "docs" / "many-machines.md").read_text()
    section = text.split(f"\n## {title}\n")[1].split("\n## ")[0]
    return re.findall(r"```sh\n(.*?)```", section, re.DOTALL)


def on_this_machine(commands: str, port: int) -> str:
    """Replace what this machine does not have: GPUs, another host."""
    for line in ("kdc label", "kdc.cli.main label", "kdc.cli.main distill", "\n  distill"):
        commands = re.sub(rf"({re.escape(line)}.*?)(['\n])", r"\1 --device cpu\2", commands)
    commands = commands.replace("--nproc-per-node 8", "--nproc-per-node 1")
    return commands.replace("box0", "127.0.0.1").replace("29500", str(port))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    tiny_masked_lm(tmp_path / "teacher", hidden=128)
    rng = np.random.default_rng(0)
    texts = [" ".join(rng.choice(WORDS, 40)) for _ in range(90)]
    (tmp_path / "wiki.txt").write_text(".\n\n".join(texts))
    (tmp_path / "bin").mkdir()
    for name, script in _TOOLS.items():
        path = tmp_path / "bin" / name
        path.write_text(f"#!/bin/bash\n{script}\n")
        path.chmod(0o755)
    return tmp_path


def run(folder: Path, commands: str, **more: str) -> None:
    """Run the lines of a script one after the other."""
    path = f"{folder / 'bin'}:{os.environ['PATH']}"
    result = subprocess.run(
        ["bash", "-e", "-c", commands],
        cwd=folder,
        env={**os.environ, "PATH": path, "OMP_NUM_THREADS": "1", **more},
        capture_output=True,
        text=True,
        timeout=_PATIENCE,
        check=False,
    )
    assert result.returncode == 0, result.stderr


def written(folder: Path) -> str:
    """Check the student; return how many processes made it."""
    manifest = read_manifest(folder / "student", FORMAT, "encoder")
    assert read_json(folder / "student" / "metrics.json")["held_out"]["held_out_places"] > 0
    return str(manifest["made_with"]["processes"])


def test_every_command_of_the_page_runs(folder: Path) -> None:
    """Bug: an option that is gone, or a variable that Slurm calls otherwise."""
    (one,) = blocks("One machine")
    fitting = "--out shards --max-length 32 --shard-size 0.004"
    run(folder, on_this_machine(one.replace("--out shards", fitting), 0))
    assert written(folder) == "2"

    training, labelling = blocks("Several machines")
    run(folder, "rm -r student labels\n" + on_this_machine(labelling, 0))
    first, second = on_this_machine(training, 29_511).strip().split("\n")
    run(folder, f"{first} &\n{second}\nwait $!")
    assert written(folder) == "2"

    array, job = blocks("Slurm")
    for number in ("0", "1"):
        places = {"SLURM_ARRAY_TASK_ID": number, "SLURM_ARRAY_TASK_COUNT": "2"}
        run(folder, on_this_machine(array, 0), **places)
    places = {"SLURM_JOB_NODELIST": "box[0-1]", "SLURM_GPUS_ON_NODE": "1"}
    run(folder, "rm -r student\n" + on_this_machine(job, 29_512), **places)
    assert written(folder) == "2"
