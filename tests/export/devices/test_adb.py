import json
import os
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import onnx
import pytest
from typer.testing import CliRunner

from kdc.cli.main import build
from kdc.export.devices import adb, find_device
from kdc.export.jobs import Asked
from tests.adb.phone import SERIAL, Make, make_job, plugged_phone
from tests.onnx_model import FACTS, make_model


@pytest.fixture
def make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Make:
    return partial(plugged_phone, tmp_path, monkeypatch)


@pytest.mark.parametrize("options", [{}, {"old": True}, {"bare": True}])
def test_a_phone_measures_and_keeps_the_runner_alone(
    make: Make, tmp_path: Path, options: dict[str, object]
) -> None:
    """Old phones give no exit codes; other boards with adbd have no getprop and no dumpsys."""
    phone = make(**options)
    device, address = find_device(f"adb:{SERIAL}")
    job = make_job(tmp_path)
    reading = device.measure(job, address)
    assert reading.wall_ms == [float(os.path.getsize(job.model))] * 5
    assert (reading.load_ms, reading.first_ms, reading.onnxruntime) == (1.5, 2.5, "1.2.3")
    assert phone.pushed() == ["libonnxruntime.so", "runner", "m.onnx", "job"]
    device.measure(job, "")
    assert phone.pushed()[4:] == ["m.onnx", "job"]  # the runner is pushed once
    assert phone.left() == ["kdc", f"kdc/{phone.runner().name}"]


def test_what_a_phone_says_of_itself(make: Make, tmp_path: Path) -> None:
    make().tool("nproc", "echo 8")
    where = adb.measure(make_job(tmp_path), "").where
    warmth: dict[str, object] = {"battery_percent": 83, "plugged_in": True}
    warmth |= {"battery_celsius": 31.2, "hottest_celsius": 41.5, "hottest_zone": "cpu-0-0"}
    assert where.pop("before") == where.pop("after") == warmth
    assert where.pop("cores") == 8
    assert where == {"maker": "Fake", "model": "Fake 9", "android": "14", "soc": "F9000"}


def test_what_a_phone_does_not_say_is_left_out(make: Make, tmp_path: Path) -> None:
    make(bare=True)
    assert adb.measure(make_job(tmp_path), "").where == {"before": {}, "after": {}}


def test_models_take_turns_in_one_call_of_the_runner(make: Make, tmp_path: Path) -> None:
    """The control is the first model once more: it must not be pushed once more."""
    phone = make()
    jobs = [make_job(tmp_path, "a.onnx"), make_job(tmp_path, "b.onnx")]
    Path(jobs[1].model).write_bytes(Path(jobs[1].model).read_bytes() + b"\x72\x00")
    readings = adb.turns([*jobs, jobs[0]], "")
    sizes = [float(os.path.getsize(job.model)) for job in [*jobs, jobs[0]]]
    assert [reading.wall_ms[0] for reading in readings] == sizes
    assert phone.pushed()[2:] == ["a.onnx", "b.onnx", "job"]


def test_texts_are_answered(make: Make, tmp_path: Path) -> None:
    make()
    tokens = [[5, 6, 7], [9], [1, 2]]
    asked = Asked(make_job(tmp_path).model, tokens, [[0] * len(text) for text in tokens])
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
    assert adb.measure(replace(make_job(tmp_path), model=str(path)), "").wall_ms
    assert phone.pushed()[2:] == [path.name, weights, "job"]
    assert phone.left() == ["kdc", f"kdc/{phone.runner().name}"]


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
    job = make_job(tmp_path)
    adb.measure(job, "")
    damage(phone.runner())
    assert adb.measure(job, "").wall_ms
    assert phone.pushed()[4:] == ["libonnxruntime.so", "runner", "m.onnx", "job"]
    assert (phone.runner() / "libonnxruntime.so").read_bytes() == b"a library" * 1000


def test_another_runner_is_another_folder(make: Make, tmp_path: Path) -> None:
    phone = make()
    adb.measure(make_job(tmp_path), "")
    (tmp_path / "runner" / "libonnxruntime.so").write_bytes(b"newer")
    adb.measure(make_job(tmp_path), "")
    assert len(list(phone.tmp.glob("kdc/runner-*"))) == 2
    for bundle in phone.tmp.glob("kdc/runner-*"):  # nobody used them for a month
        os.utime(bundle, (0, 0))
    (phone.tmp / "kdc" / "run-of-a-restarted-phone").mkdir()
    os.utime(phone.tmp / "kdc" / "run-of-a-restarted-phone", (0, 0))
    adb.measure(make_job(tmp_path), "")
    assert phone.left() == ["kdc", f"kdc/{phone.runner().name}"]


def test_the_command_line_measures(make: Make, tmp_path: Path) -> None:
    make()
    model = make_model(tmp_path / "m.onnx", FACTS)
    words = ["bench", "--model", str(model), "--device", "adb", "--length", "8", "--json", "-"]
    done = CliRunner().invoke(build(), words)
    assert done.exit_code == 0, done.output
    (run,) = json.loads(done.stdout)["runs"]
    assert run["device"] == "adb" and run["latency_ms"]["p50"] == os.path.getsize(model)
    assert np.isclose(run["cpu_ms"]["p50"], 0.5)
