"""The device adb against a real adbd, the arm64 runner running on it as it was pushed."""

import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from kdc.compress.errors import KdcError
from kdc.export.devices import adb
from kdc.export.devices.aarch64.bundle import runner_bundle
from kdc.export.jobs import Asked, Job
from tests.adb.real import SERIAL, RealPhone, fetch_adbd, real_phone
from tests.onnx_model import CLASSES, by_hand, make_model

pytestmark = pytest.mark.device


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    try:
        runner_bundle()
    except KdcError as error:
        pytest.skip(f"no arm64 runner: {error}")
    folder = tmp_path_factory.mktemp("adbd")
    fetch_adbd(folder)
    return folder


@pytest.fixture
def phone(unpacked: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[RealPhone]:
    for name in ("ANDROID_SERIAL", "KDC_ADB_RUNNER"):
        monkeypatch.delenv(name, raising=False)
    (unpacked / "bin").mkdir(exist_ok=True)
    getprop = unpacked / "bin/getprop"
    getprop.write_text('#!/bin/sh\n[ "$1" = ro.product.cpu.abilist ] && echo arm64-v8a\n')
    getprop.chmod(0o755)
    with real_phone(unpacked) as phone:
        monkeypatch.setenv("PATH", f"{unpacked / 'host'}{os.pathsep}{os.environ['PATH']}")
        yield phone


def _job(folder: Path, name: str = "m.onnx", seconds: float = 1.0, runs: int = 7) -> Job:
    return Job(str(make_model(folder / name)), [4, 8], (5, 100), 1, seconds=seconds, runs=runs)


def _runner_alone(phone: RealPhone) -> bool:
    """Whether the runner is all that lies there: ONNX Runtime leaves notes in TMPDIR."""
    left = phone.left()
    return len(left) == 2 and left[0] == "kdc" and left[1].startswith("kdc/runner-")


def test_models_take_turns(phone: RealPhone, tmp_path: Path) -> None:
    jobs = [_job(tmp_path, "a model's.onnx"), _job(tmp_path, "b.onnx")]
    readings = adb.turns([*jobs, jobs[0]], f"{SERIAL}")
    assert [len(reading.wall_ms) for reading in readings] == [7, 7, 7]
    for reading in readings:
        assert min(reading.wall_ms) > 0 and min(reading.cpu_ms) > 0
        assert reading.load_ms and reading.first_ms and reading.peak_rss_bytes
    assert _runner_alone(phone)


def test_texts_are_answered_as_by_hand(phone: RealPhone, tmp_path: Path) -> None:
    tokens = [[5, 6, 7], [9], list(range(20))]
    types = [[0, 1, 1], [0], [0] * 20]
    answers = adb.answer(Asked(_job(tmp_path).model, tokens, types), "")
    wanted = [by_hand(np.array(a), np.array(b)) for a, b in zip(tokens, types, strict=True)]
    assert np.shape(answers.logits) == (3, CLASSES)
    assert np.allclose(answers.logits, wanted, atol=1e-5)
    assert _runner_alone(phone)


def test_a_model_that_is_none(phone: RealPhone, tmp_path: Path) -> None:
    job = _job(tmp_path)
    content = bytearray(Path(job.model).read_bytes())
    at = content.index(b"ReduceSum")
    content[at : at + 9] = b"ReduceSun"
    Path(job.model).write_bytes(content)
    with pytest.raises(KdcError, match=r"m\.onnx could not be run on .*ReduceSun"):
        adb.measure(job, "")
    assert _runner_alone(phone)


def test_a_phone_that_is_no_arm64(phone: RealPhone, tmp_path: Path, unpacked: Path) -> None:
    """Debian has no getprop: `uname` tells that this machine is another."""
    if os.uname().machine == "aarch64":
        pytest.skip("this machine is arm64 itself")
    (unpacked / "bin/getprop").unlink()
    before = phone.left()
    with pytest.raises(KdcError, match=r"is no arm64 device \(it says x86_64\)"):
        adb.measure(_job(tmp_path), "")
    assert phone.left() == before


def test_a_phone_that_vanishes_in_the_middle_of_a_run(phone: RealPhone, tmp_path: Path) -> None:
    """adbd is killed while the runner measures; the phone then removes the folder itself."""
    begun: list[Path] = []

    def pull() -> None:
        while not begun:
            begun.extend(phone.root.glob("kdc/run-*/pid"))
            time.sleep(0.02)
        time.sleep(0.3)
        phone.vanish()

    threading.Thread(target=pull, daemon=True).start()
    with pytest.raises(KdcError, match=rf"^{SERIAL} (vanished|became|lost).*kdc/run-\w+ may be"):
        adb.measure(_job(tmp_path, seconds=30, runs=10_000_000), "")
    (folder,) = phone.root.glob("kdc/run-*")
    os.kill(int((folder / "pid").read_text()), signal.SIGKILL)  # or it goes on for its 30 seconds
    os.kill(int((folder / "alarm").read_text()), signal.SIGTERM)  # the time is over
    until = time.monotonic() + 20
    while folder.exists() and time.monotonic() < until:
        time.sleep(0.05)
    assert _runner_alone(phone)
