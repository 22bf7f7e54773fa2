#!/usr/bin/env python3
"""An adb of the tests: one phone, which is a folder, and what can go wrong with it.

What is pushed lies in the folder, and commands really run in /bin/sh with only the phone's tools
in PATH; `/data` and `/sys` mean the folder's. `phone.json` beside it says what the phone is and
what fails; every call is a line of `calls`.
"""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

HOME = Path(os.environ["KDC_FAKE_PHONE"])
PHONE = json.loads((HOME / "phone.json").read_text())
ROOT = HOME / "root"
SERIAL = PHONE["serial"]


def main(words: list[str]) -> int:
    if words[0] == "version":
        say("Android Debug Bridge version 1.0.41\nVersion 99.0.0-fake")
        return 0
    if words[0] == "devices":
        if PHONE.get("hangs_at") == 0:
            time.sleep(600)
        return list_devices()
    assert words[0] == "-s" and words[2] in ("shell", "push"), words
    number = note(words)
    if words[1] != SERIAL or gone():
        return told(f"error: device '{words[1]}' not found")
    if number == PHONE.get("hangs_at"):
        time.sleep(600)
    if number == PHONE.get("vanishes_at"):
        (HOME / "gone").touch()
        if words[2] == "push":
            push(Path(words[3]), words[4], Path(words[3]).stat().st_size // 2)
            return told("adb: error: failed to read copy response: EOF")
        return told(f"error: device '{words[1]}' not found")
    return push(Path(words[3]), words[4]) if words[2] == "push" else shell(words[3])


def list_devices() -> int:
    say("* daemon not running; starting now at tcp:5037\nList of devices attached")
    rows = [] if gone() else [[SERIAL, PHONE.get("state", "device")]]
    for serial, state in rows + PHONE.get("others", []):
        say(f"{serial:<22} {state} usb:1-1 product:fake model:Fake_9 transport_id:1")
    say("")
    return 0


def say(text: str) -> None:
    sys.stdout.write(f"{text}\n")


def gone() -> bool:
    return (HOME / "gone").exists()


def note(words: list[str]) -> int:
    """Keep the call and return its number from 1."""
    with (HOME / "calls").open("a") as file:
        file.write(json.dumps(words[2:]) + "\n")
    return len((HOME / "calls").read_text().splitlines())


def told(sentence: str) -> int:
    sys.stderr.write(f"{sentence}\n")
    return 0 if PHONE.get("old") else 1


def push(local: Path, remote: str, most: int | None = None) -> int:
    """Copy up to the disk's end, or up to where the phone vanishes."""
    target = ROOT / remote.lstrip("/")
    if not target.parent.is_dir():
        return told(f"adb: error: failed to copy '{local}' to '{remote}': no such directory") or 1
    free = PHONE["room"] - sum(p.stat().st_size for p in (ROOT / "data").rglob("*") if p.is_file())
    content = local.read_bytes()
    target.write_bytes(content[: min(free, len(content) if most is None else most)])
    target.chmod(local.stat().st_mode & 0o777)
    if free < len(content):
        reason = "remote write failed: No space left on device"
        told(f"adb: error: failed to copy '{local}' to '{remote}': {reason}")
        return 1
    return 0


def shell(command: str) -> int:
    """Run a command as the phone's shell would, in the phone's folder instead of at the root."""
    for place in ("/data/local/tmp", "/sys/class/thermal"):
        command = command.replace(place, f"{ROOT}{place}")
    old = PHONE.get("old")  # one terminal for all that is printed, and a terminal's line ends
    done = subprocess.run(
        ["/bin/sh", "-c", command],
        env={"PATH": str(HOME / "bin"), "KDC_FAKE_PHONE": str(HOME)},
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT if old else subprocess.PIPE,
        check=False,
    )
    out = done.stdout.replace(str(ROOT).encode(), b"")
    if old:
        out = out.replace(b"\n", b"\r\n")
    else:
        sys.stderr.buffer.write(done.stderr)
    sys.stdout.buffer.write(out)
    sys.stdout.flush()
    return 0 if old else done.returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
