import os
import time
from pathlib import Path

import pytest

from kdc.compress.errors import KdcError
from kdc.export.devices.adb_bridge import Vanished, attach, attached, find_adb
from tests.adb.phone import SERIAL, FakePhone, plug_in


@pytest.fixture
def phone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakePhone:
    phone = FakePhone(tmp_path / "phone")
    plug_in(monkeypatch, phone)
    return phone


@pytest.mark.parametrize("address", ["", SERIAL])
def test_the_only_phone_needs_no_serial(phone: FakePhone, address: str) -> None:
    bridge = attach(address)
    assert bridge.serial == SERIAL
    done = bridge.shell("echo one; echo two; exit 7")
    assert (done.code, done.out) == (7, "one\ntwo\n")


def test_an_exit_code_is_told_where_adb_always_ends_with_0(phone: FakePhone) -> None:
    """adb before Android 7 does, on a terminal's line ends: every failure passed for a success."""
    phone.set(old=True)
    done = attach("").shell("printf 'no newline'; exit 3")
    assert (done.code, done.out) == (3, "no newline")


def test_what_a_command_prints_cannot_pass_for_its_exit_code(phone: FakePhone) -> None:
    done = attach("").shell("echo kdc-exit:0; false")
    assert (done.code, done.out) == (1, "kdc-exit:0\n")


@pytest.mark.parametrize(
    ("state", "told"),
    [
        ("unauthorized", "unlock the phone and allow USB debugging"),
        ("offline", "unplug it and plug it in again"),
        (
            "no permissions (user in plugdev group; are your udev rules wrong?); see "
            "[http://developer.android.com/tools/device.html]",
            "is no permissions: this user may not open its USB port",
        ),
        ("recovery", "start Android on it with `adb reboot`"),
        ("bootloader", "`fastboot reboot`"),
        ("dreaming", "make `adb devices` call it `device` first"),
    ],
)
def test_a_phone_that_is_not_ready_is_told_with_what_to_do(
    phone: FakePhone, state: str, told: str
) -> None:
    phone.set(state=state)
    with pytest.raises(KdcError, match=f"^{SERIAL} is .*") as caught:
        attach(SERIAL)
    assert told in str(caught.value) and "\n" not in str(caught.value)


def test_several_phones_are_listed(phone: FakePhone, monkeypatch: pytest.MonkeyPatch) -> None:
    phone.set(others=[["192.168.1.5:5555", "offline"], ["adb-X1 (2)._adb-tls._tcp", "device"]])
    with pytest.raises(KdcError, match=r"^several devices are attached") as caught:
        attach("")
    assert f"adb:{SERIAL} (Fake_9)" in str(caught.value)
    assert "adb:192.168.1.5:5555 (Fake_9, offline)" in str(caught.value)
    assert "adb:adb-X1 (2)._adb-tls._tcp (Fake_9)" in str(caught.value)
    monkeypatch.setenv("ANDROID_SERIAL", SERIAL)  # as adb itself takes it
    assert attach("").serial == SERIAL


@pytest.mark.parametrize("address", ["-s", "$(reboot)", "R58M12ABCD\nE", "R58M12ABCD"])
def test_a_serial_is_one_that_adb_lists(phone: FakePhone, address: str) -> None:
    with pytest.raises(KdcError, match=f"is attached: did you mean adb:{SERIAL}"):
        attach(address)
    assert phone.calls() == []


def test_no_phone(phone: FakePhone) -> None:
    (phone.folder / "gone").touch()
    with pytest.raises(KdcError, match=r"^no device is attached: plug a phone in"):
        attach("")
    with pytest.raises(KdcError, match=r"^no device 'X' is attached: plug a phone in"):
        attach("X")


def test_no_adb(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("ANDROID_HOME", str(tmp_path / "sdk"))
    with pytest.raises(KdcError, match="needs adb: apt-get install adb"):
        attach("")
    tools = tmp_path / "sdk" / "platform-tools"
    tools.mkdir(parents=True)
    (tools / "adb").write_text("#!/bin/sh\necho broken >&2; exit 1\n")
    (tools / "adb").chmod(0o755)
    assert find_adb() == str(tools / "adb")  # a developer's SDK is seldom in PATH
    with pytest.raises(KdcError, match=r"does not list devices \(broken\)"):
        attach("")
    (tools / "adb").write_bytes(b"\x7fELF nothing that runs")
    with pytest.raises(KdcError, match=r"cannot be started \(Exec format error\)"):
        attach("")


def test_an_adb_that_hangs_is_ended(phone: FakePhone, monkeypatch: pytest.MonkeyPatch) -> None:
    phone.set(hangs_at=1)
    bridge = attach("")
    with pytest.raises(Vanished, match=r"^adb gave no answer in 1 s: run `adb kill-server`"):
        bridge.shell("true", seconds=1)
    phone.set(hangs_at=0)
    with pytest.raises(KdcError, match="gave no answer in 1 s"):
        attached(bridge.adb, seconds=1)


def test_a_server_that_adb_leaves_running_is_not_waited_for(
    phone: FakePhone, monkeypatch: pytest.MonkeyPatch
) -> None:
    """adb's server inherits adb's output: reading a pipe to its end then takes for ever."""
    adb = Path(find_adb() or "")
    adb.write_text("#!/bin/sh\nsleep 25 &\necho List of devices attached\n")
    start = time.monotonic()
    assert attached(str(adb)) == []
    assert time.monotonic() - start < 20


def test_a_phone_that_goes_away_is_told_from_one_that_refuses(phone: FakePhone) -> None:
    bridge = attach("")
    with pytest.raises(KdcError, match=r"did not take a file: adb: error: failed to copy") as no:
        bridge.push(Path(__file__), "/data/local/tmp/nowhere/file")
    assert not isinstance(no.value, Vanished)
    phone.set(vanishes_at=2)
    with pytest.raises(Vanished, match=f"^{SERIAL} vanished: plug it in again"):
        bridge.shell("true")


def test_the_disk_being_full_is_told(phone: FakePhone) -> None:
    phone.set(room=100)
    with pytest.raises(KdcError, match=f"^{SERIAL} is full: free some storage"):
        attach("").push(Path(__file__), "/data/local/tmp/file")
    assert os.path.getsize(phone.tmp / "file") == 100
