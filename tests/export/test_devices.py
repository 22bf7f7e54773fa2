import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from kdc.compress.errors import KdcError
from kdc.export.devices import DEVICES, find_device, host
from kdc.export.jobs import Asked, Job
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
    assert reading.private_bytes is not None
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
        (
            "import time; time.sleep(60)",
            r"gave no answer in time \(2 s\) and was stopped: measure shorter texts with --length",
        ),
    ],
)
def test_a_child_that_dies_takes_only_itself(
    monkeypatch: pytest.MonkeyPatch, code: str, told: str
) -> None:
    """A model can bring ONNX Runtime down; the user reads one sentence that names the signal."""
    monkeypatch.setattr(host, "RUNNER", [sys.executable, "-c", code])
    monkeypatch.setattr(host, "TIME_LIMIT", 1.6)  # and twice the job's seconds
    with pytest.raises(KdcError, match=f"^m.onnx .*{told}") as caught:
        host.measure(_job(Path("m.onnx")))
    assert "\n" not in str(caught.value)


def test_a_child_that_answers_too_slowly_is_told_with_its_own_limit(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Bug: "300 s" were told after 812, and --length, which shortens no text of --data."""
    monkeypatch.setattr(host, "ANSWERING", [sys.executable, "-c", "import time; time.sleep(60)"])
    monkeypatch.setattr(host, "TIME_LIMIT", 0.0)
    told = r"^m\.onnx gave no answer in time \(1 s\) and was stopped: judge fewer rows with --rows"
    with pytest.raises(KdcError, match=told):
        host.answer(Asked("m.onnx", [[5]], [[0]]))


def test_modules_in_the_users_folder_are_not_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`python -m` looks in the current folder first: a numpy.py there would be imported."""
    monkeypatch.chdir(tmp_path)
    Path("numpy.py").write_text("raise SystemExit('the wrong numpy')\n")
    assert host.measure(_job(make_model(Path("m.onnx")))).wall_ms


def test_models_take_turns_in_processes_of_their_own(tmp_path: Path) -> None:
    """From the files to the samples, with nothing replaced."""
    one, other = (_job(make_model(tmp_path / name)) for name in ("1.onnx", "2.onnx"))
    first, second, control = host.turns([one, other, one])
    assert len(first.cpu_ms) == len(second.cpu_ms) == len(control.cpu_ms) == 5
    for reading in (first, second, control):
        assert min(reading.cpu_ms) > 0 and min(reading.wall_ms) > 0
        assert reading.load_ms and reading.first_ms and reading.peak_rss_bytes


@pytest.mark.parametrize(
    ("code", "told"),
    [
        ("import os; os.abort()", r"crashed \(SIGABRT\)"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", r"was killed \(SIGKILL\)"),
        ("import time; time.sleep(60)", "gave no answer in time"),
        ("print('what?')", "ended with exit code 0"),
    ],
)
def test_one_that_dies_in_its_turn_ends_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: str, told: str
) -> None:
    """The others wait in their pipes for ever, each with its model in memory."""
    wrong = tmp_path / "wrong.onnx"
    switch = (
        "import sys, json\nline = sys.stdin.readline()\n"
        f"if {str(wrong)!r} in line:\n    {code}\n"
        "else:\n    print('{\"load_ms\": 1}', flush=True)\n    import time; time.sleep(60)"
    )
    monkeypatch.setattr(host, "TURNING", [sys.executable, "-c", switch])
    monkeypatch.setattr(host, "TIME_LIMIT", 1.0)
    started: list[subprocess.Popen[bytes]] = []
    real = subprocess.Popen

    def popen(*args: Any, **kwargs: Any) -> "subprocess.Popen[bytes]":  # noqa: ANN401
        started.append(real(*args, **kwargs))
        return started[-1]

    monkeypatch.setattr(subprocess, "Popen", popen)
    with pytest.raises(KdcError, match=rf"wrong\.onnx .*{told}") as caught:
        host.turns([_job(tmp_path / "right.onnx"), _job(wrong)])
    assert "\n" not in str(caught.value)
    assert len(started) == 2 and all(process.returncode is not None for process in started)


def test_the_host_says_what_it_needs() -> None:
    (need,) = host.needs()
    assert need.what == "onnxruntime" and need.there and need.found
