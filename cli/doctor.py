"""`kdc doctor`: what this machine can do, and the command for what is missing."""

import os
import platform
import shutil
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, requires, version
from threading import Thread
from time import monotonic
from typing import TYPE_CHECKING, Literal

from kdc.cli.console import Terminal
from kdc.cli.options import Json
from kdc.compress.errors import KdcError
from kdc.compress.progress import plural

if TYPE_CHECKING:
    from packaging.requirements import Requirement

_EXTRAS = {
    "parquet": "reads Parquet files",
    "datasets": "reads hf:DATASET",
    "pictures": "draws --png",
    "sign": "signs a bundle",
    "slurm": "makes corpora under Slurm",
    "ray": "makes corpora under Ray",
    "optimum": "exports by --exporter optimum",
}
_PATIENCE = 2.0  # seconds for what is asked of other programs, which may be broken and hang
_DISK_GB = 2.0  # a walk over the built-in task, with room to spare


@dataclass(frozen=True)
class Check:
    """One row of what was looked at."""

    what: str
    state: Literal["ok", "missing", "optional"]
    """Whether it is there; `optional` is not there, and most commands do without."""
    found: str
    mend: str = ""
    """The command that gets it, where it is not there."""


def doctor(json_to: Json = None) -> None:
    """Say what this machine can do and how to get what is missing."""
    devices = _look_at_devices()
    checks = [*_python(), *_packages(), *_compute(), *_teacher(), *_machine(), *devices(), *_apk()]
    terminal = Terminal(json_to=json_to)
    columns = ("what", "state", "found", "to get it")
    terminal.table("doctor", columns, [tuple(asdict(check).values()) for check in checks])
    terminal.result({"checks": [asdict(check) for check in checks]})
    missing = [check for check in checks if check.state == "missing"]
    if missing:
        names = ", ".join(check.what for check in missing)
        raise KdcError(f"kdc cannot work yet ({names}): {'; '.join(c.mend for c in missing)}")


def _python() -> Iterator[Check]:
    yield Check("python", "ok", f"{platform.python_version()} on {platform.platform(terse=True)}")


def _packages() -> Iterator[Check]:
    """Compare every package that kdc asks for with what is installed."""
    from packaging.requirements import Requirement

    asked = [Requirement(line) for line in requires("kdc") or []]
    for requirement in asked:
        if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
            fits, found = _installed(requirement)
            mend = "" if fits else f"pip install '{_wanted(requirement)}'"
            yield Check(requirement.name, "ok" if fits else "missing", found, mend)
    for extra, about in _EXTRAS.items():
        names = {"extra": extra}
        its = [each for each in asked if each.marker and each.marker.evaluate(names)]
        if its:
            yield _extra(extra, about, its)


def _extra(name: str, about: str, packages: "list[Requirement]") -> Check:
    """Return the row of an extra: packages that are installed together."""
    looks = [(package.name, *_installed(package)) for package in packages]
    lacking = [f"{package} {found}" for package, fits, found in looks if not fits]
    if lacking:
        told = f"{', '.join(lacking)} ({about})"
        return Check(f"extra {name}", "optional", told, f"pip install 'kdc[{name}]'")
    return Check(f"extra {name}", "ok", ", ".join(f"{each} {found}" for each, _, found in looks))


def _installed(requirement: "Requirement") -> tuple[bool, str]:
    """Return whether a package is there in a version that fits, and what there is."""
    try:
        found = version(requirement.name)
    except PackageNotFoundError:
        return False, "not installed"
    if requirement.specifier.contains(found, prereleases=True):
        return True, found
    return False, f"{found}, but {_wanted(requirement)} is wanted"


def _wanted(requirement: "Requirement") -> str:
    return f"{requirement.name}{requirement.specifier}"


def _compute() -> Iterator[Check]:
    """Ask torch what it can compute with; a torch that does not load is a finding, not a crash."""
    try:
        import torch

        from kdc.compress.runtime import has_bf16
    except (ImportError, OSError) as error:
        yield Check("compute", "missing", f"torch does not load: {error}", "pip install torch")
        return
    cpu = f"CPU with {torch.backends.cpu.get_cpu_capability()}"
    bf16 = "bf16" if has_bf16(torch.device("cpu")) else "no bf16"
    yield Check("compute", "ok", f"{cpu}, {bf16}, {plural(torch.get_num_threads(), 'thread')}")
    if torch.cuda.is_available():
        names = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
        yield Check("cuda", "ok", ", ".join(names))
    if torch.backends.mps.is_available():
        yield Check("mps", "ok", "Metal")
    if not (torch.cuda.is_available() or torch.backends.mps.is_available()):
        yield Check("gpu", "optional", "none: training runs on the CPU")


def _teacher() -> Iterator[Check]:
    from kdc.compress.minilm import INSTALL, installed_minilm

    folder = installed_minilm()
    if folder is None:
        yield Check("teacher minilm", "optional", "not installed", INSTALL)
    else:
        yield Check("teacher minilm", "ok", "installed")


def _machine() -> Iterator[Check]:
    free = shutil.disk_usage(".").free / 1e9
    enough = free >= _DISK_GB
    mend = "" if enough else f"free {_DISK_GB:.0f} GB here"
    yield Check("disk", "ok" if enough else "optional", f"{free:.1f} GB free here", mend)
    ram = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
    yield Check("memory", "ok", f"{ram:.1f} GB")
    yield Check("cores", "ok", str(_cores()))


def _look_at_devices() -> Callable[[], Iterator[Check]]:
    """Begin to look for what every device needs, all at once: they ask many other programs.

    Returns:
        What gives the rows, once the rest is done; a device that is late gets one that says so.
    """
    from kdc.export.devices import DEVICES

    found: dict[str, list[Check]] = {name: [] for name in DEVICES}
    looks = {name: Thread(target=_look, args=(name, found[name]), daemon=True) for name in DEVICES}
    for look in looks.values():
        look.start()

    def rows() -> Iterator[Check]:
        end = monotonic() + _PATIENCE
        for name, look in looks.items():
            look.join(max(0.0, end - monotonic()))
            yield from list(found[name])
            if look.is_alive():
                told = f"did not answer in {_PATIENCE:.0f} s: a program that it needs hangs"
                yield Check(f"device {name}", "optional", told)

    return rows


def _look(name: str, found: list[Check]) -> None:
    from kdc.export.devices import DEVICES

    try:
        for need in DEVICES[name].needs():
            state: Literal["ok", "optional"] = "ok" if need.there else "optional"
            mend = "" if need.there else need.mend
            found.append(Check(f"device {name}: {need.what}", state, need.found, mend))
    except Exception as error:  # the doctor is what a user runs when something is broken
        told = f"cannot be looked at: {type(error).__name__}: {error}"
        found.append(Check(f"device {name}", "optional", told[:200]))


def _apk() -> Iterator[Check]:
    """Look for the programs that build an APK: they are many, so they share one row."""
    from kdc.export.bundle.apk_tools import missing_packages

    missing = missing_packages()
    if missing:
        mend = f"apt-get install {' '.join(missing)}"
        lacking = plural(len(missing), "missing package")
        yield Check("bundle --apk", "optional", lacking, mend)
    else:
        yield Check("bundle --apk", "ok", "aapt2, smali, apksigner and Android's resources")


def _cores() -> int:
    """Count the cores this process may use, which in a container is fewer than there are."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
