import os
import signal
import threading
import time
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
from typer.testing import CliRunner

from kdc.cli.main import build
from kdc.compress.errors import KdcError
from kdc.export.devices import adb
from kdc.export.devices.adb_folder import HOME
from kdc.export.jobs import Asked, Job
from tests.adb.phone import SERIAL, FakePhone, Make, make_job, plugged_phone
from tests.onnx_model import FACTS, make_model


@pytest.fixture
def make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Make:
    return partial(plugged_phone, tmp_path, monkeypatch)


def _refused(job: Job, phone: FakePhone, left: list[str]) -> str:
    """Return the sentence of a measurement that fails, which leaves only so much."""
    with pytest.raises(KdcError) as caught:
        adb.measure(job, "")
    assert phone.left() == left
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_another_abi_is_refused_before_anything_is_pushed(make: Make, tmp_path: Path) -> None:
    phone = make(bare=True, machine="x86_64")
    told = _refused(make_job(tmp_path), phone, [])
    assert told.startswith(f"{SERIAL} is no arm64 device (it says x86_64)")
    assert phone.pushed() == []


def test_more_threads_than_the_phone_has_are_refused(make: Make, tmp_path: Path) -> None:
    phone = make()
    phone.tool("nproc", "echo 8")
    told = _refused(replace(make_job(tmp_path), threads=9), phone, [])
    assert told == f"--threads 9: give at most 8, the cores of {SERIAL}"
    assert adb.measure(replace(make_job(tmp_path), threads=8), "").wall_ms


def test_a_phone_that_gets_full_keeps_nothing_half_pushed(make: Make, tmp_path: Path) -> None:
    """It tells more room than it has: the push of the runner fails, and later that of a model."""
    phone = make(room=6_000, says_room=1 << 30)
    told = f"{SERIAL} is full: free some storage on it and measure again"
    assert _refused(make_job(tmp_path), phone, []) == told
    phone.set(room=12_000)
    with pytest.raises(KdcError, match=f"^{told}$"):
        adb.measure(make_job(tmp_path), "")
    assert phone.left() == ["kdc", f"kdc/{phone.runner().name}"]
    phone.set(room=30_000)
    assert adb.measure(make_job(tmp_path), "").wall_ms


def test_room_is_looked_at_before_the_push(make: Make, tmp_path: Path) -> None:
    phone = make(room=12_000_000)
    told = _refused(make_job(tmp_path), phone, [])
    assert told == f"{SERIAL} is full: {HOME} has room for 12 MB and 17 MB are needed"
    assert phone.pushed() == []


def _give_up_waiting(phone: FakePhone) -> None:
    """Let the time be over after which a phone that nobody reaches removes a run's folder."""
    for alarm in phone.tmp.glob("kdc/run-*/alarm"):
        os.kill(int(alarm.read_text()), signal.SIGTERM)
    until = time.monotonic() + 20
    while list(phone.tmp.glob("kdc/run-*")) and time.monotonic() < until:
        time.sleep(0.01)


def test_a_phone_that_vanishes_at_any_moment_is_told_and_cleans_up_itself(
    make: Make, tmp_path: Path
) -> None:
    """The cable is pulled at every single step, in the middle of a push too."""
    phone = make()
    job = make_job(tmp_path)
    adb.measure(job, "")
    calls = phone.calls()
    assert len(calls) > 10
    for step in range(1, len(calls) + 1):
        (phone.folder / "calls").unlink()
        (phone.folder / "gone").unlink(missing_ok=True)
        for bundle in phone.tmp.glob("kdc/runner-*/*"):
            bundle.unlink()  # so that it has to be pushed again
        phone.set(vanishes_at=step)
        with pytest.raises(KdcError, match=f"^{SERIAL} vanished: plug it in again") as caught:
            adb.measure(job, "")
        here = [path.name for path in phone.tmp.glob("kdc/run-*")]
        assert all(name in str(caught.value) for name in here)
        _give_up_waiting(phone)
        assert [path for path in phone.left() if "run-" in path] == []


def _process_ended(number: int) -> bool:
    try:
        state = Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return True
    return state == "Z"


def test_a_runner_that_hangs_is_ended_on_the_phone(
    make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ending adb does not end what it started there: it went on and disturbed the next."""
    phone = make(runner="hangs")
    monkeypatch.setattr(adb, "TIME_LIMIT", 1.0)
    monkeypatch.setattr(adb, "_GRACE", 1.0)
    with pytest.raises(KdcError, match=r"^adb gave no answer in 2 s: run `adb kill-server`"):
        adb.measure(make_job(tmp_path), "")
    assert phone.left() == ["kdc", f"kdc/{phone.runner().name}"]
    assert _process_ended(int((phone.folder / "ran").read_text()))


def test_ctrl_c_leaves_nothing_behind(make: Make, tmp_path: Path) -> None:
    phone = make(runner="hangs")

    def press() -> None:
        while not (phone.folder / "ran").exists():
            time.sleep(0.05)
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=press, daemon=True).start()
    with pytest.raises(KeyboardInterrupt):
        adb.measure(make_job(tmp_path), "")
    assert phone.left() == ["kdc", f"kdc/{phone.runner().name}"]
    assert _process_ended(int((phone.folder / "ran").read_text()))


@pytest.mark.parametrize(
    ("how", "told"),
    [
        ("killed", r"its process was killed \(SIGKILL\), most often because memory ran out$"),
        ("crashed", r"its process crashed \(SIGSEGV\)$"),
        ("late", "it gave no answer in time and was stopped; measure shorter texts$"),
        ("silent", r"the runner ended with exit code 9 \(the last word\)$"),
        ("garbage", "what the runner answered is damaged$"),
        ("refuses", "no protobuf$"),
    ],
)
def test_a_model_that_fails_takes_only_the_runner_along(
    make: Make, tmp_path: Path, how: str, told: str
) -> None:
    phone = make(runner=how)
    job = make_job(tmp_path)
    with pytest.raises(KdcError, match=f"^{job.model} could not be run on {SERIAL}: {told}"):
        adb.measure(job, "")
    assert phone.left() == ["kdc", f"kdc/{phone.runner().name}"]


def test_the_model_at_fault_is_named(make: Make, tmp_path: Path) -> None:
    make(runner="refuses")
    jobs = [make_job(tmp_path, "good.onnx"), make_job(tmp_path, "bad.onnx")]
    with pytest.raises(KdcError, match=r"^\S+/bad\.onnx could not be run"):
        adb.turns(jobs, "")


def test_an_answer_that_is_no_number_is_refused(make: Make, tmp_path: Path) -> None:
    make(runner="not a number")
    asked = Asked(make_job(tmp_path).model, [[1], [2]], [[0], [0]])
    with pytest.raises(KdcError, match=r"m\.onnx answers text 1 with no number: export it again"):
        adb.answer(asked, "")


def test_a_runner_that_the_phone_cannot_start(make: Make, tmp_path: Path) -> None:
    make()
    (tmp_path / "runner" / "runner").write_bytes(b"\x7fELF of another machine")
    with pytest.raises(KdcError, match=r"does not start the runner \(.*KDC_ADB_RUNNER$"):
        adb.measure(make_job(tmp_path), "")


def test_a_runner_of_the_users_own_is_looked_at_first(
    make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    phone = make()
    (tmp_path / "runner" / "runner").unlink()
    with pytest.raises(KdcError, match=r"^KDC_ADB_RUNNER=\S+ holds no runner: put them there$"):
        adb.measure(make_job(tmp_path), "")
    assert phone.left() == []


def test_the_command_line_says_it_in_one_sentence(make: Make, tmp_path: Path) -> None:
    make(state="unauthorized")
    model = str(make_model(tmp_path / "m.onnx", FACTS))
    done = CliRunner().invoke(build(), ["bench", "--model", model, "--device", "adb"])
    assert (done.exit_code, done.stdout) == (1, "")
    assert done.stderr.startswith(f"kdc: {SERIAL} is unauthorized: unlock the phone")
    assert done.stderr.count("\n") == 1
