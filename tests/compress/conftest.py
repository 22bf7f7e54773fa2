import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Callable[[int], Path]]:
    """Make real disks of a few KiB, which a test can fill."""
    disks: list[Path] = []

    def make(kib: int) -> Path:
        disk = tmp_path / f"disk-{len(disks)}"
        disk.mkdir()
        command = ["mount", "-t", "tmpfs", "-o", f"size={kib}k", "tmpfs", str(disk)]
        if os.getuid() or subprocess.run(command, capture_output=True, check=False).returncode:
            pytest.skip("mounting a small disk takes root")
        disks.append(disk)
        return disk

    yield make
    for disk in disks:
        subprocess.run(["umount", "-l", str(disk)], check=True)
