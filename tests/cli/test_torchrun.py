"""`kdc distill` as torchrun starts it: real processes, real signals."""

import csv
import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from kdc.compress.artifact import read_student
from tests.crew import torchrun
from tests.tiny import tiny_data, tiny_teacher

pytestmark = pytest.mark.slow
_PATIENCE = 300  # seconds, on however busy a machine


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("inputs")
    data = tiny_data(rows=640)
    tiny_teacher(folder / "teacher")
    (folder / "data").mkdir()
    for name, split in (("train", data.train), ("dev", data.dev)):
        with (folder / "data" / f"{name}.csv").open("w", newline="") as file:
            names = [data.task.labels[label] for label in split.labels]
            csv.writer(file).writerows([("text", "label"), *zip(split.texts, names, strict=True)])
    return folder


def command(inputs: Path, out: Path, *more: str) -> list[str]:
    options = ["--teacher", str(inputs / "teacher"), "--data", str(inputs / "data")]
    options += ["--student", "1x32", "--recipe", "hinton", "--epochs", "20", "--device", "cpu"]
    return ["distill", *options, "--no-controls", "--out", str(out), *more]


def wait_for_state(running: "subprocess.Popen[str]", out: Path) -> None:
    deadline = time.monotonic() + _PATIENCE
    while not (out.parent / ".kdc" / "runs" / out.name / "state.json").is_file():
        assert running.poll() is None and time.monotonic() < deadline
        time.sleep(0.02)


def processes(launcher: int) -> dict[int, int]:
    """Return rank -> process of what torchrun has started."""
    found = {}
    children = Path(f"/proc/{launcher}/task/{launcher}/children").read_text().split()
    for child in children:
        told = Path(f"/proc/{child}/environ").read_bytes().decode().split("\0")
        ranks = [line.removeprefix("RANK=") for line in told if line.startswith("RANK=")]
        found.update({int(rank): int(child) for rank in ranks})
    return found


def ours(errors: str) -> list[str]:
    """Return what kdc has to say about a failure; the rest of it is torchrun's."""
    return [line for line in errors.splitlines() if line.startswith("kdc: ")]


def test_a_student_is_written_by_one_and_trained_by_two(inputs: Path, tmp_path: Path) -> None:
    """Bug: two processes write one folder, or print everything twice."""
    out = tmp_path / "student"
    running = torchrun(2, *command(inputs, out), folder=tmp_path)
    printed, errors = running.communicate(timeout=_PATIENCE)
    assert running.returncode == 0, errors
    assert printed.count("student") == 1
    assert errors.count("next: kdc export") == 1
    student = read_student(out)
    assert student.student.value > 0.5
    assert student.manifest["made_with"]["processes"] == "2"
    assert sorted(path.name for path in tmp_path.iterdir()) == [".kdc", "student"]


@pytest.mark.parametrize("rank", [0, 1])
def test_a_killed_process_ends_all_with_one_sentence_and_two_go_on(
    inputs: Path, tmp_path: Path, rank: int
) -> None:
    """Bug: the others wait for the dead one, or each ends with a traceback."""
    out = tmp_path / "student"
    running = torchrun(2, *command(inputs, out), folder=tmp_path)
    wait_for_state(running, out)
    os.kill(processes(running.pid)[rank], signal.SIGKILL)
    _, errors = running.communicate(timeout=60)
    assert running.returncode == 1
    assert len(ours(errors)) == 1, errors
    assert "ended" in ours(errors)[0]
    assert "a training with --resume, to go on from the last kept state" in ours(errors)[0]
    assert errors.count("Traceback") == 1  # torchrun's own
    again = torchrun(2, *command(inputs, out, "--resume"), folder=tmp_path)
    _, errors = again.communicate(timeout=_PATIENCE)
    assert again.returncode == 0, errors
    assert "going on at step" in errors
    assert read_student(out).student.value > 0.5


def test_ctrl_c_stops_all_at_one_step_and_one_process_goes_on(inputs: Path, tmp_path: Path) -> None:
    """Bug: Ctrl-C, which torchrun sends on once more, ends in the middle of saving."""
    out = tmp_path / "student"
    running = torchrun(2, *command(inputs, out), folder=tmp_path)
    wait_for_state(running, out)
    os.killpg(running.pid, signal.SIGINT)
    _, errors = running.communicate(timeout=60)
    assert running.returncode == 1
    assert len(ours(errors)) == 1, errors
    assert "the state is kept: run the same command with --resume" in ours(errors)[0]
    again = torchrun(1, *command(inputs, out, "--resume"), folder=tmp_path)
    _, errors = again.communicate(timeout=_PATIENCE)
    assert again.returncode == 0, errors
    assert "kept by 2 and is resumed by 1 processes: dropout is drawn anew" in errors
    assert "processes" not in read_student(out).manifest["made_with"]


def test_a_wrong_option_is_said_once(inputs: Path, tmp_path: Path) -> None:
    """Bug: every process prints the same sentence, or those that follow wait for ever."""
    running = torchrun(2, *command(inputs, tmp_path / "student", "--heads", "7"), folder=tmp_path)
    _, errors = running.communicate(timeout=_PATIENCE)
    assert running.returncode == 1
    assert len(ours(errors)) == 1, errors
    assert "heads" in ours(errors)[0]
