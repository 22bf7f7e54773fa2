"""adb: found, told apart by device, run with a time limit, and understood when it fails."""

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from kdc.compress.errors import KdcError

INSTALL = "apt-get install adb"
MOMENT = 30.0
"""Seconds for what takes a phone a moment; the slowest is adb starting its own server."""
_SLOWEST = 1e6  # bytes a second, over the worst cable
_MOST = 1 << 28  # bytes kept of what adb prints: a run of hours has millions of samples
_MARK = "kdc-exit:"
_LINE = re.compile(r"(\S+(?: \(\d+\)\S*)?)\s+(no permissions|\S+)(.*)")
_SDKS = ("~/Android/Sdk", "~/Library/Android/sdk")
_MENDS = {
    "unauthorized": "unlock the phone and allow USB debugging when it asks",
    "authorizing": "unlock the phone and allow USB debugging when it asks",
    "connecting": "wait a few seconds and run the same command again",
    "offline": "unplug it and plug it in again, and leave its screen unlocked",
    "no permissions": "this user may not open its USB port: run "
    "`apt-get install android-sdk-platform-tools-common`, then plug it in again",
    "recovery": "start Android on it with `adb reboot`",
    "rescue": "start Android on it with `adb reboot`",
    "sideload": "start Android on it with `adb reboot`",
    "bootloader": "start Android on it with `fastboot reboot`",
    "fastboot": "start Android on it with `fastboot reboot`",
}


class Vanished(KdcError):
    """The device went away, or stopped answering, in the midst of something."""


@dataclass(frozen=True)
class Attached:
    """A device that adb sees."""

    serial: str
    state: str
    """`device` where it can be worked with."""
    model: str
    """The phone's name, where adb knows it."""

    def __str__(self) -> str:
        about = [part for part in (self.model, self.state) if part not in ("", "device")]
        return f"{self.serial} ({', '.join(about)})" if about else self.serial


@dataclass(frozen=True)
class Said:
    """How a command ended."""

    code: int
    out: str
    err: str = ""


@dataclass(frozen=True)
class Bridge:
    """One device, through adb."""

    adb: str
    serial: str

    def shell(self, command: str, seconds: float = MOMENT) -> Said:
        """Run a command line in the device's shell.

        Its exit code is what it prints last: the adb of older phones always ends with 0, and one
        whose device went away may end with anything.

        Raises:
            Vanished: the device went away, or did not answer within `seconds`.
        """
        done = self._adb(["shell", f"({command}\n); echo {_MARK}$?"], seconds)
        out, mark, code = done.out.replace("\r", "").rpartition(_MARK)
        if not mark or not code.strip().isdecimal():
            raise self._why("answer", done)
        return Said(int(code), out, done.err)

    def push(self, local: Path, remote: str) -> None:
        """Copy a file to the device.

        Raises:
            KdcError: the device has no room for it or refuses it.
            Vanished: the device went away, or took too long.
        """
        seconds = MOMENT + local.stat().st_size / _SLOWEST
        done = self._adb(["push", str(local.absolute()), remote], seconds)
        if done.code:
            raise self._why("take a file", done)

    def full(self) -> KdcError:
        """Return the error of a device that has no room left."""
        return KdcError(f"{self.serial} is full: free some storage on it and measure again")

    def state(self) -> str:
        """Return the state that adb names for it; an empty one where it is not attached."""
        states = {device.serial: device.state for device in attached(self.adb)}
        return states.get(self.serial, "")

    def _adb(self, arguments: Sequence[str], seconds: float) -> Said:
        return run_adb([self.adb, "-s", self.serial, *arguments], seconds)

    def _why(self, what: str, done: Said) -> KdcError:
        """Return why the device did not do `what`, from what adb printed and from its state."""
        said = " ".join(f"{done.err} {done.out}".split())
        if "No space left" in said:
            return self.full()
        state = self.state()
        if not state:
            return Vanished(f"{self.serial} vanished: plug it in again and leave it there")
        if state != "device":
            return Vanished(f"{self.serial} became {state}: {_mend(state)}")
        if re.search(r"not found|closed|offline|protocol fault|EOF", said) or not said:
            return Vanished(f"{self.serial} lost its connection: check the cable and measure again")
        return KdcError(f"{self.serial} did not {what}: {said[-200:]}")


def find_adb() -> str | None:
    """Return adb from PATH or an Android SDK at its usual places, or None."""
    named = [os.environ.get(name) for name in ("ANDROID_HOME", "ANDROID_SDK_ROOT")]
    sdks = [*filter(None, named), *map(os.path.expanduser, _SDKS)]
    places = [os.environ.get("PATH", os.defpath), *(f"{sdk}/platform-tools" for sdk in sdks)]
    return shutil.which("adb", path=os.pathsep.join(places))


def attach(address: str) -> Bridge:
    """Return the device of that serial, or with an empty one the only device that is attached.

    Raises:
        KdcError: there is no adb, no such device, more than one, or one that is not ready.
    """
    adb = find_adb()
    if adb is None:
        raise KdcError(f"--device adb needs adb: {INSTALL}, or Google's platform-tools")
    devices = attached(adb)
    wanted = address or os.environ.get("ANDROID_SERIAL", "")
    chosen = [device for device in devices if device.serial == wanted] if wanted else devices
    if not chosen:
        raise KdcError(_nothing(wanted, devices))
    if len(chosen) > 1:
        raise KdcError(f"several devices are attached: give one of {_names(chosen)}")
    (device,) = chosen
    if device.state != "device":
        raise KdcError(f"{device.serial} is {device.state}: {_mend(device.state)}")
    return Bridge(adb, device.serial)


def attached(adb: str, seconds: float = MOMENT) -> list[Attached]:
    """Return what adb sees, in any state; its server is started where none runs.

    Raises:
        KdcError: adb fails or does not answer.
    """
    done = run_adb([adb, "devices", "-l"], seconds)
    _, heading, table = done.out.partition("List of devices attached")
    if not heading:
        said = f"{done.out}\n{done.err}".strip().splitlines() or [f"exit code {done.code}"]
        raise KdcError(f"{adb} does not list devices ({said[-1][:200]}): run `adb kill-server`")
    return list(_read(table))


def run_adb(command: Sequence[str], seconds: float) -> Said:
    """Run adb, and end it after `seconds`.

    What it prints goes to files: the server that it may start inherits a pipe, which then never
    ends. It is out of reach of the terminal's Ctrl-C, so that the cleaning up can still use it.

    Raises:
        Vanished: it did not end in time.
        KdcError: it cannot be started.
    """
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        try:
            process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=out, stderr=err, start_new_session=True
            )
        except OSError as error:
            reason = error.strerror or type(error).__name__
            raise KdcError(f"{command[0]} cannot be started ({reason}): {INSTALL}") from error
        try:
            code = process.wait(seconds)
        except subprocess.TimeoutExpired as error:
            raise Vanished(
                f"adb gave no answer in {seconds:.0f} s: run `adb kill-server`, unplug the device "
                "and plug it in again"
            ) from error
        finally:
            process.kill()
            process.wait()
        return Said(code, _text(out), _text(err))


def _read(table: str) -> Iterator[Attached]:
    for line in table.splitlines():
        found = _LINE.fullmatch(line.strip())
        if found and not line.startswith("*"):  # what adb says of its server
            model = re.search(r"\bmodel:(\S+)", found[3])
            yield Attached(found[1], found[2], model[1] if model else "")


def _nothing(wanted: str, devices: list[Attached]) -> str:
    which = f"no device {wanted!r}" if wanted else "no device"
    if devices:
        return f"{which} is attached: did you mean {_names(devices)}?"
    return f"{which} is attached: plug a phone in with USB debugging on, or run `adb connect`"


def _names(devices: list[Attached]) -> str:
    return ", ".join(f"adb:{device}" for device in devices)


def _mend(state: str) -> str:
    return _MENDS.get(state, "make `adb devices` call it `device` first")


def _text(file: IO[bytes]) -> str:
    file.seek(0)
    return file.read(_MOST).decode("utf-8", "replace")
