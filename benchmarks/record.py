"""Writes a benchmark's table into RESULTS.md, beside its command, machine and date."""

import os
import shlex
import sys
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from kdc.compress.progress import plural
from kdc.compress.quiet import quiet_libraries
from kdc.export.machine import describe_machine

quiet_libraries()  # before the benchmarks import them

RESULTS = Path(__file__).parent / "RESULTS.md"


def record(name: str, lines: list[str]) -> None:
    """Print a section, and put it in the place of the one of that name in RESULTS.md."""
    section = "\n".join([f"## {name}", "", *_origin(), "", *lines, ""])
    print(section)
    text = RESULTS.read_text(encoding="utf-8") if RESULTS.exists() else "# Results\n"
    head, *sections = text.rstrip().split("\n## ")
    kept = {section.split("\n")[0]: section for section in sections}
    kept[name] = section.removeprefix("## ").rstrip()
    RESULTS.write_text("\n\n## ".join([head.rstrip(), *(s.rstrip() for s in kept.values())]) + "\n")


def _origin() -> list[str]:
    machine = describe_machine()
    features = " ".join(machine["features"])
    cores = plural(machine["cores"], "core")
    libraries = ", ".join(f"{name} {version(name)}" for name in ("torch", "onnxruntime"))
    load = os.getloadavg()[1]
    # a folder of this machine says nothing elsewhere but its name
    arguments = [Path(a).name if Path(a).is_absolute() else a for a in sys.argv[1:]]
    return [
        f"`{shlex.join(['python', f'benchmarks/{Path(sys.argv[0]).name}', *arguments])}`",
        "",
        f"{datetime.now(UTC):%Y-%m-%d}, {machine['cpu']}, {cores} ({features}), "
        f"Python {machine['python']}, {libraries}; load average at the end {load:.1f}",
    ]
