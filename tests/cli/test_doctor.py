import json
import sys
from collections.abc import Iterator
from dataclasses import replace
from importlib.metadata import metadata
from pathlib import Path
from threading import Event
from typing import Any

import numpy as np
import onnxruntime
import pytest
from typer.testing import CliRunner

from kdc.cli import doctor as module
from kdc.cli.main import build
from kdc.export.devices import DEVICES
from kdc.export.devices.device import Device, Need


def test_doctor_reports_what_is_installed() -> None:
    done = CliRunner().invoke(build(), ["doctor", "--json", "-"])
    checks = {check["what"]: check for check in json.loads(done.stdout)["checks"]}
    assert checks["numpy"]["found"] == np.__version__
    assert checks["onnxruntime"]["found"] == onnxruntime.__version__
    assert done.exit_code == int(any(check["state"] == "missing" for check in checks.values()))
    assert all(check["mend"] for check in checks.values() if check["state"] == "missing")


@pytest.mark.parametrize("requirement", ["no-such-package>=2", "numpy>=999"])
def test_what_is_missing_or_too_old_is_named_with_its_command(
    requirement: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "requires", lambda name: [requirement])
    done = CliRunner().invoke(build(), ["doctor"])
    assert done.exit_code == 1
    assert f"pip install '{requirement}'" in done.stdout
    assert done.stderr.count("\n") == 1
    assert f"pip install '{requirement}'" in done.stderr


def test_a_missing_extra_is_no_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine without `datasets` can still distil."""
    lines = ["no-such-package>=2; extra == 'datasets'", "other>=1; extra == 'dev'"]
    lines += [f"numpy=={np.__version__}; extra == 'ray'", "numpy>=999; extra == 'ray'"]
    monkeypatch.setattr(module, "requires", lambda name: lines)
    done = CliRunner().invoke(build(), ["doctor", "--json", "-"])
    assert done.exit_code == 0, done.output
    checks = json.loads(done.stdout)["checks"]
    rows = {check["what"]: check for check in checks if check["what"].startswith("extra")}
    assert sorted(rows) == ["extra datasets", "extra ray"]
    assert {check["state"] for check in rows.values()} == {"optional"}
    assert rows["extra datasets"]["found"] == "no-such-package not installed (reads hf:DATASET)"
    assert rows["extra datasets"]["mend"] == "pip install 'kdc[datasets]'"
    assert f"numpy {np.__version__}, but numpy>=999 is wanted" in rows["extra ray"]["found"]


def test_every_extra_but_those_of_developers_and_devices_is_listed() -> None:
    """Bug: `kdc doctor` was silent about signing, Slurm, Ray and optimum."""
    offered = set(metadata("kdc").get_all("Provides-Extra") or ())
    assert set(module._EXTRAS) == offered - {"dev", "web"}  # what is there of web, its device says


def test_one_thread_is_counted_as_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.get_num_threads", lambda: 1)
    (found,) = [check.found for check in module._compute() if check.what == "compute"]
    assert found.endswith(", 1 thread")


def test_a_torch_that_does_not_load_is_a_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    """The doctor is what a user runs when torch is broken: it must not break with it."""
    monkeypatch.setitem(sys.modules, "torch", None)
    done = CliRunner().invoke(build(), ["doctor"])
    assert done.exit_code == 1
    assert "torch does not load" in done.stdout


def _device_rows(devices: dict[str, Device], patch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Return the rows that begin with `device`, by what they are about."""
    for name in list(DEVICES):
        patch.delitem(DEVICES, name)
    for name, device in devices.items():
        patch.setitem(DEVICES, name, device)
    done = CliRunner().invoke(build(), ["doctor", "--json", "-"])
    assert done.exit_code == 0, done.output
    checks = {check["what"]: check for check in json.loads(done.stdout)["checks"]}
    return {what: check for what, check in checks.items() if what.startswith("device ")}


def test_every_device_is_looked_at() -> None:
    done = CliRunner().invoke(build(), ["doctor", "--json", "-"])
    rows = [check["what"] for check in json.loads(done.stdout)["checks"]]
    for name in DEVICES:
        assert any(row.startswith(f"device {name}: ") for row in rows), name


def test_what_a_device_needs_is_a_row_with_its_command(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine without a browser or a phone can still do all the rest: nothing is an error."""

    def needs() -> Iterator[Need]:
        yield Need("emulator", True, "QEMU 9", "apt-get install qemu-user")
        yield Need("compiler", False, "none", "apt-get install gcc")

    rows = _device_rows({"moon": replace(DEVICES["host"], needs=needs)}, monkeypatch)
    there, missing = rows["device moon: emulator"], rows["device moon: compiler"]
    assert (there["state"], there["found"], there["mend"]) == ("ok", "QEMU 9", "")
    assert (missing["state"], missing["mend"]) == ("optional", "apt-get install gcc")


def test_a_device_that_cannot_be_looked_at_takes_no_other_along(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What is broken is what the doctor is for: it neither fails nor waits for it."""
    over = Event()

    def hangs() -> Iterator[Need]:
        yield Need("first", True, "there")
        over.wait(60)

    def breaks() -> Iterator[Need]:
        yield Need("first", True, "there")
        raise RuntimeError("half installed")

    host = DEVICES["host"]
    devices = {"late": replace(host, needs=hangs), "odd": replace(host, needs=breaks), "host": host}
    monkeypatch.setattr(module, "_PATIENCE", 0.5)
    rows = _device_rows(devices, monkeypatch)
    over.set()
    assert rows["device late: first"]["state"] == rows["device odd: first"]["state"] == "ok"
    assert rows["device late"]["found"].startswith("did not answer in")
    assert rows["device odd"]["found"] == "cannot be looked at: RuntimeError: half installed"
    assert rows["device host: onnxruntime"]["state"] == "ok"


def test_a_machine_with_nothing_is_told_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("ANDROID_HOME", "ANDROID_SDK_ROOT", "XDG_CACHE_HOME", "CHROME"):
        monkeypatch.delenv(name, raising=False)
    done = CliRunner().invoke(build(), ["doctor", "--json", "-"])
    checks = {check["what"]: check for check in json.loads(done.stdout)["checks"]}
    mends = {
        "device adb: adb": "apt-get install adb",
        "device arm64: emulator": "apt-get install qemu-user",
        "device web: browser": "apt-get install chromium",
    }
    for what, mend in mends.items():
        assert (checks[what]["state"], checks[what]["mend"]) == ("optional", mend)
