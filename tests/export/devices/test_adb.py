import json
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from typer.testing import CliRunner

from kdc.cli.main import build
from kdc.compress.errors import KdcError
from kdc.export.devices import adb, find_device
from kdc.export.devices.adb_folder import HOME
from kdc.export.jobs import Asked, Job
from tests.adb.phone import HERE, SERIAL, FakePhone, plug_in
from tests.onnx_model import FACTS, make_model

Make = Callable[..., FakePhone]


@pytest.fixture
def make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Make:
    """A phone, and a runner of the user's own to push there."""

    def plugged(**options: object) -> FakePhone:
        phone = FakePhone(tmp_path / "phone", **options)
        plug_in(monkeypatch, phone)
        runner = tmp_path / "runner"
        runner.mkdir()
        program = (HERE / "fake_runner.py").read_text()
        (runner / "runner").write_text(f"#!{sys.executable} -IS\n{program}")
        (runner / "libonnxruntime.so").write_bytes(b"a library" * 1000)
        monkeypatch.setenv("KDC_ADB_RUNNER", str(runner))
        return phone

    return plugged


def _job(folder: Path, name: str = "m.onnx") -> Job:
    return Job(str(make_model(folder / name)), [4, 8], (5, 100), 1, seconds=0.2, runs=5)


def _pushed(phone: FakePhone) -> list[str]:
    return [call[2].rpartition("/")[2] for call in phone.calls() if call[0] == "push"]


def _bundle(phone: FakePhone) -> Path:
    (bundle,) = phone.tmp.glob("kdc/runner-*")
    return bundle


@pytest.mark.parametrize("options", [{}, {"old": True}, {"bare": True}])
def test_a_phone_measures_and_keeps_the_runner_alone(
    make: Make, tmp_path: Path, options: dict[str, object]
) -> None:
    """Old phones give no exit codes; other boards with adbd have no getprop and no dumpsys."""
    phone = make(**options)
    device, address = find_device(f"adb:{SERIAL}")
    job = _job(tmp_path)
    reading = device.measure(job, address)
    assert reading.wall_ms == [float(os.path.getsize(job.model))] * 5
    assert (reading.load_ms, reading.first_ms, reading.onnxruntime) == (1.5, 2.5, "1.2.3")
    assert _pushed(phone) == ["libonnxruntime.so", "runner", "m.onnx", "job"]
    device.measure(job, "")
    assert _pushed(phone)[4:] == ["m.onnx", "job"]  # the runner is pushed once
    assert phone.left() == ["kdc", f"kdc/{_bundle(phone).name}"]


def test_what_a_phone_says_of_itself(make: Make, tmp_path: Path) -> None:
    make().tool("nproc", "echo 8")
    where = adb.measure(_job(tmp_path), "").where
    warmth = {"battery_percent": 83, "battery_celsius": 31.2, "plugged_in": True}
    warmth |= {"hottest_celsius": 41.5, "hottest_zone": "cpu-0-0"}
    assert where.pop("before") == where.pop("after") == warmth
    assert where.pop("cores") == 8
    assert where == {"maker": "Fake", "model": "Fake 9", "android": "14", "soc": "F9000"}


def test_what_a_phone_does_not_say_is_left_out(make: Make, tmp_path: Path) -> None:
    make(bare=True)
    assert adb.measure(_job(tmp_path), "").where == {"before": {}, "after": {}}


def test_models_take_turns_in_one_call_of_the_runner(make: Make, tmp_path: Path) -> None:
    """The control is the first model once more: it must not be pushed once more."""
    phone = make()
    jobs = [_job(tmp_path, "a.onnx"), _job(tmp_path, "b.onnx")]
    Path(jobs[1].model).write_bytes(Path(jobs[1].model).read_bytes() + b"\x72\x00")
    readings = adb.turns([*jobs, jobs[0]], "")
    sizes = [float(os.path.getsize(job.model)) for job in [*jobs, jobs[0]]]
    assert [reading.wall_ms[0] for reading in readings] == sizes
    assert _pushed(phone)[2:] == ["a.onnx", "b.onnx", "job"]


def test_texts_are_answered(make: Make, tmp_path: Path) -> None:
    make()
    tokens = [[5, 6, 7], [9], [1, 2]]
    asked = Asked(_job(tmp_path).model, tokens, [[0] * len(text) for text in tokens])
    answers = adb.answer(asked, "")
    assert answers.logits == [[18.0, 3.0], [9.0, 1.0], [3.0, 2.0]]
    assert answers.onnxruntime == "1.2.3" and "before" in answers.where


def test_names_are_nothing_that_a_shell_obeys(make: Make, tmp_path: Path) -> None:
    """A model in a folder of the user's own naming, and weights beside it."""
    phone = make()
    folder = tmp_path / "it's $(touch x)"
    folder.mkdir()
    model = onnx.load(make_model(folder / "plain.onnx"))
    weights = "w; touch 'y' \"z\".bin"
    path = folder / "a model's `name`.onnx"
    onnx.save(model, path, save_as_external_data=True, location=weights, size_threshold=0)
    (folder / "plain.onnx").unlink()
    assert adb.measure(replace(_job(tmp_path), model=str(path)), "").wall_ms
    assert _pushed(phone)[2:] == [path.name, weights, "job"]
    assert phone.left() == ["kdc", f"kdc/{_bundle(phone).name}"]


def _cut(bundle: Path) -> None:
    os.truncate(bundle / "libonnxruntime.so", 100)


def _change(bundle: Path) -> None:
    path = bundle / "libonnxruntime.so"
    path.write_bytes(path.read_bytes().replace(b"library", b"LIBRARY"))


@pytest.mark.parametrize(
    ("damage", "told"),
    [(_cut, True), (_cut, False), (_change, True), (lambda path: (path / "runner").unlink(), True)],
)
def test_a_damaged_runner_is_pushed_again(
    make: Make, tmp_path: Path, damage: Callable[[Path], None], told: bool
) -> None:
    """Sizes stand in for digests on a phone without sha256sum."""
    phone = make()
    if not told:
        (phone.folder / "bin" / "sha256sum").unlink()
    job = _job(tmp_path)
    adb.measure(job, "")
    damage(_bundle(phone))
    assert adb.measure(job, "").wall_ms
    assert _pushed(phone)[4:] == ["libonnxruntime.so", "runner", "m.onnx", "job"]
    assert (_bundle(phone) / "libonnxruntime.so").read_bytes() == b"a library" * 1000


def test_another_runner_is_another_folder(make: Make, tmp_path: Path) -> None:
    phone = make()
    adb.measure(_job(tmp_path), "")
    (tmp_path / "runner" / "libonnxruntime.so").write_bytes(b"newer")
    adb.measure(_job(tmp_path), "")
    assert len(list(phone.tmp.glob("kdc/runner-*"))) == 2
    for bundle in phone.tmp.glob("kdc/runner-*"):  # nobody used them for a month
        os.utime(bundle, (0, 0))
    (phone.tmp / "kdc" / "run-of-a-restarted-phone").mkdir()
    os.utime(phone.tmp / "kdc" / "run-of-a-restarted-phone", (0, 0))
    adb.measure(_job(tmp_path), "")
    assert phone.left() == ["kdc", f"kdc/{_bundle(phone).name}"]


def _refused(job: Job, phone: FakePhone, left: list[str]) -> str:
    """Return the sentence of a measurement that fails, which leaves only so much."""
    with pytest.raises(KdcError) as caught:
        adb.measure(job, "")
    assert phone.left() == left
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_another_abi_is_refused_before_anything_is_pushed(make: Make, tmp_path: Path) -> None:
    phone = make(bare=True, machine="x86_64")
    told = _refused(_job(tmp_path), phone, [])
    assert told.startswith(f"{SERIAL} is no arm64 device (it says x86_64)")
    assert _pushed(phone) == []


def test_more_threads_than_the_phone_has_are_refused(make: Make, tmp_path: Path) -> None:
    phone = make()
    phone.tool("nproc", "echo 8")
    told = _refused(replace(_job(tmp_path), threads=9), phone, [])
    assert told == f"--threads 9: give at most 8, the cores of {SERIAL}"
    assert adb.measure(replace(_job(tmp_path), threads=8), "").wall_ms


def test_a_phone_that_gets_full_keeps_nothing_half_pushed(make: Make, tmp_path: Path) -> None:
    """It tells more room than it has: the push of the runner fails, and later that of a model."""
    phone = make(room=6_000, says_room=1 << 30)
    told = f"{SERIAL} is full: free some storage on it and measure again"
    assert _refused(_job(tmp_path), phone, []) == told
    phone.set(room=12_000)
    with pytest.raises(KdcError, match=f"^{told}$"):
        adb.measure(_job(tmp_path), "")
    assert phone.left() == ["kdc", f"kdc/{_bundle(phone).name}"]
    phone.set(room=30_000)
    assert adb.measure(_job(tmp_path), "").wall_ms


def test_room_is_looked_at_before_the_push(make: Make, tmp_path: Path) -> None:
    phone = make(room=12_000_000)
    told = _refused(_job(tmp_path), phone, [])
    assert told == f"{SERIAL} is full: {HOME} has room for 12 MB and 17 MB are needed"
    assert _pushed(phone) == []


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
    job = _job(tmp_path)
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
        adb.measure(_job(tmp_path), "")
    assert phone.left() == ["kdc", f"kdc/{_bundle(phone).name}"]
    assert _process_ended(int((phone.folder / "ran").read_text()))


def test_ctrl_c_leaves_nothing_behind(make: Make, tmp_path: Path) -> None:
    phone = make(runner="hangs")

    def press() -> None:
        while not (phone.folder / "ran").exists():
            time.sleep(0.05)
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=press, daemon=True).start()
    with pytest.raises(KeyboardInterrupt):
        adb.measure(_job(tmp_path), "")
    assert phone.left() == ["kdc", f"kdc/{_bundle(phone).name}"]
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
    job = _job(tmp_path)
    with pytest.raises(KdcError, match=f"^{job.model} could not be run on {SERIAL}: {told}"):
        adb.measure(job, "")
    assert phone.left() == ["kdc", f"kdc/{_bundle(phone).name}"]


def test_the_model_at_fault_is_named(make: Make, tmp_path: Path) -> None:
    make(runner="refuses")
    jobs = [_job(tmp_path, "good.onnx"), _job(tmp_path, "bad.onnx")]
    with pytest.raises(KdcError, match=r"^\S+/bad\.onnx could not be run"):
        adb.turns(jobs, "")


def test_an_answer_that_is_no_number_is_refused(make: Make, tmp_path: Path) -> None:
    make(runner="not a number")
    asked = Asked(_job(tmp_path).model, [[1], [2]], [[0], [0]])
    with pytest.raises(KdcError, match=r"m\.onnx answers text 1 with no number: export it again"):
        adb.answer(asked, "")


def test_a_runner_that_the_phone_cannot_start(make: Make, tmp_path: Path) -> None:
    make()
    (tmp_path / "runner" / "runner").write_bytes(b"\x7fELF of another machine")
    with pytest.raises(KdcError, match=r"does not start the runner \(.*KDC_ADB_RUNNER$"):
        adb.measure(_job(tmp_path), "")


def test_a_runner_of_the_users_own_is_looked_at_first(
    make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    phone = make()
    (tmp_path / "runner" / "runner").unlink()
    with pytest.raises(KdcError, match=r"^KDC_ADB_RUNNER=\S+ holds no runner: put them there$"):
        adb.measure(_job(tmp_path), "")
    assert phone.left() == []


def test_the_command_line_says_it_in_one_sentence(make: Make, tmp_path: Path) -> None:
    make(state="unauthorized")
    model = str(make_model(tmp_path / "m.onnx", FACTS))
    done = CliRunner().invoke(build(), ["bench", "--model", model, "--device", "adb"])
    assert (done.exit_code, done.stdout) == (1, "")
    assert done.stderr.startswith(f"kdc: {SERIAL} is unauthorized: unlock the phone")
    assert done.stderr.count("\n") == 1


def test_the_command_line_measures(make: Make, tmp_path: Path) -> None:
    make()
    model = make_model(tmp_path / "m.onnx", FACTS)
    words = ["bench", "--model", str(model), "--device", "adb", "--length", "8", "--json", "-"]
    done = CliRunner().invoke(build(), words)
    assert done.exit_code == 0, done.output
    (run,) = json.loads(done.stdout)["runs"]
    assert run["device"] == "adb" and run["latency_ms"]["p50"] == os.path.getsize(model)
    assert np.isclose(run["cpu_ms"]["p50"], 0.5)
