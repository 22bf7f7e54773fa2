import errno
import platform
import subprocess
import sys
from pathlib import Path

import pytest

from kdc.compress.errors import KdcError
from kdc.export import cpu_profile
from kdc.export.cpu_profile import CPU_PROFILES, find_profile
from kdc.export.devices import host
from kdc.export.jobs import Job
from tests.onnx_model import make_model

amd64 = pytest.mark.skipif(
    sys.platform != "linux" or platform.machine() != "x86_64", reason="AMX is x86-64's"
)


def test_an_unknown_profile_is_told_with_the_nearest() -> None:
    with pytest.raises(KdcError, match="unknown CPU profile 'fone': did you mean phone"):
        find_profile("fone")


def _in_a_process(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout.strip()


@amd64
def test_the_process_is_refused_amx_and_nothing_else() -> None:
    """A filter that lets the request pass measures a server; one that refuses more kills models."""
    code = """
import ctypes
from kdc.export.cpu_profile import deny_amx

system = ctypes.CDLL(None, use_errno=True)

def asked_for_amx():
    # as a runtime does: arch_prctl, ARCH_REQ_XCOMP_PERM, the state component of AMX's registers
    return ctypes.get_errno() if system.syscall(158, 0x1023, 18) else 0

before = asked_for_amx()
deny_amx()
base = ctypes.c_ulong()
print(before, asked_for_amx(), system.syscall(158, 0x1003, ctypes.byref(base)))
"""
    before, after, other = map(int, _in_a_process(code).split())
    assert after == errno.EPERM != before  # which is 0, or ENODEV, EOPNOTSUPP or the like
    assert other == 0  # arch_prctl for another purpose


@amd64
@pytest.mark.parametrize(("features", "told"), [("amx_tile", "refused"), ("avx2", "no AMX")])
def test_it_says_what_it_did(monkeypatch: pytest.MonkeyPatch, features: str, told: str) -> None:
    """On a CPU without AMX the figures are the same, and nobody should think otherwise."""
    denied: list[None] = []
    monkeypatch.setattr(cpu_profile, "describe_machine", lambda: {"features": [features]})
    monkeypatch.setattr(cpu_profile, "deny_amx", lambda: denied.append(None))
    assert told in CPU_PROFILES["phone"].apply() and denied == [None]


def test_other_architectures_have_nothing_to_refuse(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "machine", lambda: "arm64")
    assert "nothing to do" in CPU_PROFILES["phone"].apply()


def test_a_measurement_carries_it(tmp_path: Path) -> None:
    """Set in the child alone: the parent would hand it on to every other measurement."""
    model = str(make_model(tmp_path / "m.onnx"))
    job = Job(model, [8], (5, 100), 1, 0.1, runs=3, cpu_profile="phone")
    assert host.measure(job).where["cpu_profile"].startswith("phone: ")
    assert all(one.where["cpu_profile"] for one in host.turns([job, job]))
    native = Job(model, [8], (5, 100), 1, 0.1, runs=3)
    assert host.measure(native).where == {}
    if sys.platform == "linux":
        assert "Seccomp:\t0" in Path("/proc/self/status").read_text()
