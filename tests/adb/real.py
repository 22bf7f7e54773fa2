"""A real adbd: Debian's, unpacked and started in a sandbox that looks like a phone.

The sandbox is a user namespace with its own network, so that nobody but the test reaches a shell
without a password, its own root, where `/data/local/tmp` is, and its own `binfmt_misc`, by which
arm64 programs run through QEMU as they are pushed.
"""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from kdc.export.devices.aarch64.cores import write_system

SERIAL = "127.0.0.1:5599"  # adb takes lower ports for emulators
_SUITE = "trixie"  # the first of Debian's with an adbd that runs on anything but Android
_PACKAGES = (
    *("adbd", "android-libbase", "android-libboringssl", "android-libcutils", "android-liblog"),
    *("libbrotli1", "libc6", "libgcc-s1", "liblz4-1", "libprotobuf32t64", "libstdc++6"),
    *("libsystemd0", "libzstd1", "libcap2"),
)
_KEYS = "/usr/share/keyrings/debian-archive-keyring.gpg"
_NEEDED = ("adb", "apt-get", "dpkg-deb", "nsenter", "unshare", "qemu-aarch64")


@dataclass
class RealPhone:
    """The sandbox."""

    folder: Path

    @property
    def root(self) -> Path:
        """Its `/data/local/tmp`."""
        return self.folder / "tmp"

    def vanish(self) -> None:
        """End adbd, as when the cable is pulled."""
        with suppress(FileNotFoundError, ProcessLookupError):
            os.kill(int((self.folder / "adbd.pid").read_text()), signal.SIGKILL)

    def left(self) -> list[str]:
        """Return what lies on it, but for the files of a runner."""
        paths = (path.relative_to(self.root) for path in self.root.rglob("*"))
        return sorted(str(p) for p in paths if not (len(p.parts) > 2 and "runner-" in p.parts[1]))


def fetch_adbd(folder: Path) -> None:
    """Unpack adbd and its libraries into a folder; nothing is installed. Skips where it cannot."""
    missing = [name for name in _NEEDED if not shutil.which(name)]
    if missing or not Path(_KEYS).is_file():
        pytest.skip(f"a real adbd needs {', '.join(missing) or _KEYS}")
    for name in ("lists/partial", "cache/archives/partial", "state", "debs"):
        (folder / name).mkdir(parents=True)
    (folder / "state/status").touch()
    source = f"deb [signed-by={_KEYS}] http://deb.debian.org/debian {_SUITE} main\n"
    (folder / "sources.list").write_text(source)
    settings = {
        "Dir::Etc::sourcelist": folder / "sources.list",
        "Dir::Etc::sourceparts": folder / "none",
        "Dir::State": folder / "state",
        "Dir::State::lists": folder / "lists",
        "Dir::State::status": folder / "state/status",
        "Dir::Cache": folder / "cache",
        "Acquire::Languages": "none",
        "Acquire::Retries": 1,
    }
    lines = [f'{name} "{value}";\n' for name, value in settings.items()]
    (folder / "apt.conf").write_text("".join(lines))
    apt = ["apt-get", "-q", "-c", str(folder / "apt.conf")]
    for words in ([*apt, "update"], [*apt, "download", *_PACKAGES]):
        done = subprocess.run(
            words, cwd=folder / "debs", capture_output=True, text=True, timeout=200
        )
        if done.returncode:
            pytest.skip(f"no adbd to be had: {(done.stderr.splitlines() or ['?'])[-1]}")
    for package in (folder / "debs").glob("*.deb"):
        subprocess.run(["dpkg-deb", "-x", package, folder / "adbd"], check=True)


_START = """
set -e
cd "$KDC_PHONE"
mount -t tmpfs none root
for path in /*; do
    name=root$path
    case $path in /data) continue;; esac
    if [ -L "$path" ]; then cp -P "$path" "$name"
    elif [ -d "$path" ]; then mkdir "$name"; mount --rbind "$path" "$name"
    fi
done
mkdir -p root/data/local
mkdir root/data/local/tmp
mount --bind tmp root/data/local/tmp
mount -t binfmt_misc none /proc/sys/fs/binfmt_misc
magic='\\x7fELF\\x02\\x01\\x01\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x02\\x00\\xb7\\x00'
mask='\\xff\\xff\\xff\\xff\\xff\\xff\\xff\\x00\\xff\\xff\\xff\\xff\\xff\\xff\\xff\\xff\\xfe\\xff\\xff\\xff'
echo ":kdc:M::$magic:$mask:$(command -v qemu-aarch64):F" >/proc/sys/fs/binfmt_misc/register
"$KDC_PYTHON" -c "
import fcntl, socket, struct
up = struct.pack('16sh', b'lo', 0x1 | 0x40)
fcntl.ioctl(socket.socket(), 0x8914, up)
"
library=$KDC_PHONE/adbd/usr/lib/x86_64-linux-gnu
export PATH="$KDC_PHONE/bin:$PATH" ADBD_PORT=5599
unset LD_LIBRARY_PATH LD_PRELOAD
echo started
chroot root "$library/ld-linux-x86-64.so.2" --library-path "$library:$library/android" \\
    "$KDC_PHONE/adbd/usr/lib/android-sdk/platform-tools/adbd" &
echo $! >adbd.pid
exec sleep 600  # the sandbox outlives adbd
"""


@contextmanager
def real_phone(folder: Path, core: str = "cortex-a76") -> Iterator[RealPhone]:
    """Start adbd, from `fetch_adbd`'s folder, and put an adb into `folder`/host that reaches it."""
    for name in ("root", "tmp", "bin", "host", "home"):
        (folder / name).mkdir(exist_ok=True)
    write_system(folder / "system", core)
    variables = {
        **os.environ,
        **{"KDC_PHONE": str(folder), "KDC_PYTHON": sys.executable, "TMPDIR": "/data/local/tmp"},
        **{"QEMU_LD_PREFIX": str(folder / "system"), "QEMU_CPU": core},
    }
    words = ["unshare", "--user", "--map-root-user", "--mount", "--net", "sh", "-c", _START]
    with (folder / "log").open("wb") as log:
        sandbox = subprocess.Popen(words, env=variables, stdout=log, stderr=log)
    adb, phone = folder / "host/adb", RealPhone(folder)
    enter = f"nsenter -t {sandbox.pid} -U -n --preserve-credentials {shutil.which('adb')}"
    settings = f"HOME={folder}/home TMPDIR={folder}/home ANDROID_ADB_SERVER_PORT=5556"
    adb.write_text(f'#!/bin/sh\n{settings} exec {enter} "$@"\n')
    adb.chmod(0o755)
    try:
        _connect(adb, sandbox, folder)
        yield phone
    finally:
        subprocess.run([adb, "kill-server"], capture_output=True, timeout=30)
        phone.vanish()
        sandbox.kill()
        sandbox.wait()


def _connect(adb: Path, sandbox: "subprocess.Popen[bytes]", folder: Path) -> None:
    until = time.monotonic() + 60
    while time.monotonic() < until:
        if sandbox.poll() is not None:
            lines = (folder / "log").read_text(errors="replace").splitlines() or ["?"]
            pytest.skip(f"no sandbox for adbd on this system: {lines[-1]}")
        if "started" in (folder / "log").read_text(errors="replace"):
            done = subprocess.run([adb, "connect", SERIAL], capture_output=True, timeout=30)
            if b"connected to" in done.stdout:
                return
        time.sleep(0.1)
    pytest.fail("adbd does not answer")
