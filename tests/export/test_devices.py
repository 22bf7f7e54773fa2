import sys
from pathlib import Path

import pytest

from kdc.compress.errors import KdcError
from kdc.export.devices import DEVICES, find_device, host
from kdc.export.jobs import Job
from kdc.export.machine import cores
from tests.onnx_model import make_model


def _job(model: Path, threads: int = 1) -> Job:
    return Job(str(model), [8], (5, 100), threads, seconds=0.2, runs=5)


def test_an_unknown_device_is_told_with_the_nearest() -> None:
    with pytest.raises(KdcError, match="unknown device 'hots': did you mean host"):
        find_device("hots")


@pytest.mark.parametrize("name", ["host"])
def test_every_device_measures(tmp_path: Path, name: str) -> None:
    reading = DEVICES[name].measure(_job(make_model(tmp_path / "m.onnx")), "")
    assert len(reading.wall_ms) == 5 and reading.private_bytes > 0


def test_two_threads_are_one_job_too(tmp_path: Path) -> None:
    threads = min(2, cores())
    assert host.measure(_job(make_model(tmp_path / "m.onnx"), threads)).wall_ms


def test_more_threads_than_cores_are_refused(tmp_path: Path) -> None:
    """They would only wait for each other, and the figure would pass for the model's."""
    with pytest.raises(KdcError, match=f"--threads {cores() + 1}: give at most {cores()}"):
        host.measure(_job(make_model(tmp_path / "m.onnx"), cores() + 1))


def test_what_the_child_refuses_is_told_in_its_own_sentence(tmp_path: Path) -> None:
    with pytest.raises(KdcError, match=r"^.*m\.onnx fails on texts of 8 tokens \(indices"):
        host.measure(Job(str(make_model(tmp_path / "m.onnx")), [8], (900, 999), 1, 0.2))


@pytest.mark.parametrize(
    ("code", "told"),
    [
        ("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)", r"crashed \(SIGSEGV\)"),
        ("import os; os.abort()", r"crashed \(SIGABRT\)"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", r"was killed \(SIGKILL\).*mem"),
        ("raise ValueError('lost')", r"exit code 1 \(ValueError: lost\)"),
        ("pass", r"exit code 0 \(it said nothing\)"),
        ("import time; time.sleep(60)", r"gave no answer in time \(1 s\) and was stopped"),
    ],
)
def test_a_child_that_dies_takes_only_itself(
    monkeypatch: pytest.MonkeyPatch, code: str, told: str
) -> None:
    """A model can bring ONNX Runtime down; the user reads one sentence that names the signal."""
    monkeypatch.setattr(host, "RUNNER", [sys.executable, "-c", code])
    monkeypatch.setattr(host, "TIME_LIMIT", 1.0)
    with pytest.raises(KdcError, match=f"^m.onnx .*{told}") as caught:
        host.measure(_job(Path("m.onnx")))
    assert "\n" not in str(caught.value)


def test_modules_in_the_users_folder_are_not_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`python -m` looks in the current folder first: a numpy.py there would be imported."""
    monkeypatch.chdir(tmp_path)
    Path("numpy.py").write_text("raise SystemExit('the wrong numpy')\n")
    assert host.measure(_job(make_model(Path("m.onnx")))).wall_ms
