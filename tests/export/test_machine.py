import os
import platform
import sys
from pathlib import Path

import pytest

from kdc.export import machine
from kdc.export.machine import FEATURES, cores, describe_machine


def test_the_machine_is_described_completely() -> None:
    """A latency without its machine is no measurement."""
    found = describe_machine()
    names = ["cpu", "architecture", "cores", "features", "ram_bytes", "os", "python"]
    assert list(found) == names
    assert found["cpu"] and found["os"] and 1 <= found["cores"] <= (os.cpu_count() or 1)
    assert found["ram_bytes"] > 256e6
    assert set(found["features"]) <= set(FEATURES)


@pytest.mark.parametrize(
    ("cpuinfo", "features"),
    [
        ("processor\t: 0\nflags\t\t: fpu avx2 avx512_vnni sse\n\n", ["avx2", "avx512_vnni"]),
        ("processor\t: 0\nFeatures\t: fp asimddp i8mm\n", ["asimddp", "i8mm"]),
        ("", []),
    ],
)
def test_arithmetic_features_are_found_on_both_architectures(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, cpuinfo: str, features: list[str]
) -> None:
    """Arm's /proc/cpuinfo says Features, not flags, and has no model name."""
    (tmp_path / "cpuinfo").write_text(cpuinfo)
    monkeypatch.setattr(machine, "Path", lambda name: tmp_path / "cpuinfo")
    found = describe_machine()
    assert found["features"] == features and found["cpu"]


@pytest.mark.parametrize(
    ("architecture", "features", "overflows"),
    [
        ("x86_64", ["avx2"], True),
        ("AMD64", [], True),
        ("x86_64", ["avx2", "avx_vnni"], False),
        ("x86_64", ["avx512f", "avx512_vnni"], False),
        ("aarch64", ["asimddp"], False),
        ("arm64", [], False),
    ],
)
def test_x86_before_vnni_is_told_apart(
    monkeypatch: pytest.MonkeyPatch, architecture: str, features: list[str], overflows: bool
) -> None:
    """Bug: gates and golden answers of a CPU that multiplies int8 otherwise than every phone."""
    monkeypatch.setattr(platform, "machine", lambda: architecture)
    monkeypatch.setattr(machine, "_cpuinfo", lambda: {"flags": " ".join(features)})
    machine.int8_overflows.cache_clear()
    assert machine.int8_overflows() is overflows
    machine.int8_overflows.cache_clear()


@pytest.mark.skipif(sys.platform != "linux", reason="affinity is Linux's")
def test_cores_are_those_this_process_may_use() -> None:
    """In a container of two cores on a host of ninety-six, 96 threads are no fair measurement."""
    allowed = os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, {min(allowed)})
        assert cores() == 1
    finally:
        os.sched_setaffinity(0, allowed)
