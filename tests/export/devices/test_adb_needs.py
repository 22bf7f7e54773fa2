import time
from pathlib import Path

import pytest

from kdc.export.devices import adb_needs
from kdc.export.devices.adb_bridge import find_adb
from kdc.export.devices.adb_needs import needs
from kdc.export.devices.device import Need
from tests.adb.phone import SERIAL, FakePhone, plug_in


def _needs() -> dict[str, Need]:
    return {need.what: need for need in needs()}


def test_a_phone_that_is_ready(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    phone = FakePhone(tmp_path / "phone", others=[["X1", "offline"]])
    plug_in(monkeypatch, phone)
    found = _needs()
    assert found["adb"] == Need("adb", True, "99.0.0-fake")
    assert found["phone"] == Need("phone", True, f"{SERIAL} (Fake_9), X1 (Fake_9, offline)")
    assert phone.calls() == []  # a look must not touch the phone


def test_a_phone_that_is_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    phone = FakePhone(tmp_path / "phone", state="unauthorized")
    plug_in(monkeypatch, phone)
    assert not _needs()["phone"].there
    assert _needs()["phone"].found == f"{SERIAL} (Fake_9, unauthorized)"
    (phone.folder / "gone").touch()
    assert _needs()["phone"].found == "none attached"


def test_an_adb_that_hangs_or_is_broken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plug_in(monkeypatch, FakePhone(tmp_path / "phone"))
    adb = Path(find_adb() or "")
    monkeypatch.setattr(adb_needs, "_PATIENCE", 0.3)
    adb.write_text("#!/bin/sh\nexec sleep 60\n")
    start = time.monotonic()
    assert "gave no answer" in _needs()["phone"].found
    assert time.monotonic() - start < 10
    adb.write_bytes(b"\x7fELF nothing that runs")
    assert "cannot be started" in _needs()["phone"].found


def test_a_runner_of_the_users_own_needs_no_compiler(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("KDC_ADB_RUNNER", raising=False)
    assert not _needs()["adb"].there and "phone" not in _needs()
    assert "compiler" in _needs()
    monkeypatch.setenv("KDC_ADB_RUNNER", "/my/runner")
    assert _needs()["runner"] == Need("runner", True, "KDC_ADB_RUNNER=/my/runner")
    assert "compiler" not in _needs()
