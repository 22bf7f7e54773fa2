"""A phone for `fake_adb.py`: its folder, its tools, and a runner to push there."""

import json
import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from kdc.export.jobs import Job
from tests.onnx_model import make_model

SERIAL = "R58M12ABCDE"
HERE = Path(__file__).parent
# what Android's own toolbox has of what kdc asks for; cp and the like are left out on purpose
_TOOLS = ("cat", "chmod", "env", "find", "mkdir", "mv", "rm", "rmdir", "sh", "sha256sum", "sleep")
_MORE = ("tail", "touch", "wc")
_BATTERY = """Current Battery Service state:
  AC powered: false
  USB powered: true
  status: 2
  level: 83
  temperature: 312
"""
_PROPERTIES = {
    "ro.product.manufacturer": "Fake",
    "ro.product.model": "Fake 9",
    "ro.build.version.release": "14",
    "ro.soc.model": "F9000",
    "ro.product.cpu.abilist": "arm64-v8a,armeabi-v7a",
}


class FakePhone:
    """A phone that the adb in PATH sees."""

    def __init__(self, folder: Path, **options: Any) -> None:  # noqa: ANN401
        """Make it; the options are those of `phone.json`."""
        self.folder = folder
        self.root = folder / "root"
        self.tmp = self.root / "data/local/tmp"
        self.tmp.mkdir(parents=True)
        self.options = {"serial": SERIAL, "room": 1 << 30, **options}
        self.set()
        bin = folder / "bin"
        bin.mkdir()
        for tool in (*_TOOLS, *_MORE):
            (bin / tool).symlink_to(shutil.which(tool) or tool)
        self.tool("uname", f"echo {options.get('machine', 'aarch64')}")
        self.tool("df", f'exec {sys.executable} -IS {HERE / "fake_df.py"} "{folder}"')
        if not options.get("bare"):
            self._android()

    def _android(self) -> None:
        lines = "\n".join(f'{name}) echo "{value}" ;;' for name, value in _PROPERTIES.items())
        self.tool("getprop", f"case $1 in\n{lines}\nesac")
        self.tool("dumpsys", f"cat <<'END'\n{_BATTERY}END")
        for number, (kind, heat) in enumerate([("cpu-0-0", 41500), ("gone", -273000)]):
            zone = self.root / f"sys/class/thermal/thermal_zone{number}"
            zone.mkdir(parents=True)
            (zone / "type").write_text(f"{kind}\n")
            (zone / "temp").write_text(f"{heat}\n")

    def tool(self, name: str, body: str) -> None:
        """Give the phone a program."""
        path = self.folder / "bin" / name
        path.unlink(missing_ok=True)
        path.write_text(f"#!/bin/sh\n{body}\n")
        path.chmod(0o755)

    def set(self, **options: Any) -> None:  # noqa: ANN401
        """Change what the phone is or what fails."""
        self.options |= options
        (self.folder / "phone.json").write_text(json.dumps(self.options))

    def calls(self) -> list[list[str]]:
        """Return what adb was asked to do on the phone: `shell COMMAND` or `push FILE PATH`."""
        path = self.folder / "calls"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    def pushed(self) -> list[str]:
        """Return the names of the files that were pushed, in order."""
        return [call[2].rpartition("/")[2] for call in self.calls() if call[0] == "push"]

    def runner(self) -> Path:
        """Return the one folder of a runner that it keeps."""
        (folder,) = self.tmp.glob("kdc/runner-*")
        return folder

    def left(self) -> list[str]:
        """Return every file and folder that lies on the phone, but for what is in a runner."""
        paths = (path.relative_to(self.tmp) for path in self.tmp.rglob("*"))
        return sorted(str(p) for p in paths if not (len(p.parts) > 2 and "runner-" in p.parts[1]))


def plug_in(monkeypatch: pytest.MonkeyPatch, phone: FakePhone) -> None:
    """Put the fake adb first in PATH, and this phone behind it."""
    bin = phone.folder / "host"
    bin.mkdir()
    (bin / "adb").write_text(f"#!{sys.executable} -IS\n{(HERE / 'fake_adb.py').read_text()}")
    (bin / "adb").chmod(0o755)
    monkeypatch.setenv("PATH", f"{bin}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("KDC_FAKE_PHONE", str(phone.folder))
    for name in ("ANDROID_SERIAL", "ANDROID_HOME", "ANDROID_SDK_ROOT", "KDC_ADB_RUNNER"):
        monkeypatch.delenv(name, raising=False)


Make = Callable[..., FakePhone]


def plugged_phone(
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    **options: Any,  # noqa: ANN401
) -> FakePhone:
    """Plug in a phone, and name a runner of the user's own to push there."""
    phone = FakePhone(folder / "phone", **options)
    plug_in(monkeypatch, phone)
    runner = folder / "runner"
    runner.mkdir()
    program = (HERE / "fake_runner.py").read_text()
    (runner / "runner").write_text(f"#!{sys.executable} -IS\n{program}")
    (runner / "libonnxruntime.so").write_bytes(b"a library" * 1000)
    monkeypatch.setenv("KDC_ADB_RUNNER", str(runner))
    return phone


def make_job(folder: Path, name: str = "m.onnx") -> Job:
    """Five runs of a real model."""
    return Job(str(make_model(folder / name)), [4, 8], (5, 100), 1, seconds=0.2, runs=5)
