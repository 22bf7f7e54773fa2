"""The Android app's core on this machine's JVM: compiled once, run as often as tests want."""

import json
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]
CORE = ROOT / "sample_apps" / "android" / "core" / "src"
UNICODE = ROOT / "sample_apps" / "unicode.txt"
_KEPT: list["tempfile.TemporaryDirectory[str]"] = []  # until this process ends


@cache
def core_classes() -> str:
    """Return the class path of the compiled core and its tools; skip where there is no JDK."""
    if shutil.which("javac") is None or shutil.which("java") is None:
        pytest.skip("no JDK is installed: apt-get install default-jdk-headless")
    _KEPT.append(tempfile.TemporaryDirectory(prefix="kdc-core-"))
    out = _KEPT[-1].name
    sources = [str(path) for part in ("main", "tools") for path in (CORE / part).rglob("*.java")]
    # what Android's compiler reads: Java 8; warnings are errors, but that 8 itself is old
    command = ["javac", "--release", "8", "-Xlint:all,-options", "-Werror", "-d", out, *sources]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return out


def java(main: str, *arguments: object, given: str = "") -> "subprocess.CompletedProcess[str]":
    """Run a main class of the core's tools."""
    command = ["java", "-Xshare:auto", "-cp", core_classes(), f"kdc.tools.{main}"]
    command += map(str, arguments)
    return subprocess.run(command, input=given, capture_output=True, text=True, timeout=300)


def encode(tokenizer: Path, vectors: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Let the core's tokenizer encode texts; each answer has `ids`, `types` and `offsets`."""
    done = java("Vectors", tokenizer, UNICODE, given="".join(f"{json.dumps(v)}\n" for v in vectors))
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def self_test(assets: Path, answer: Callable[..., Sequence[float]]) -> tuple[int, str, list[str]]:
    """Run the app's checks on its assets, the model's part played by `answer(ids, mask, types)`.

    Returns:
        Exit code, standard error, and the lines that the app would show.
    """
    command = ["java", "-cp", core_classes(), "kdc.tools.SelfTest", str(assets), str(UNICODE)]
    pipe = subprocess.PIPE
    told = []
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True) as process:
        assert process.stdin
        assert process.stdout
        assert process.stderr
        for line in process.stdout:
            if not line.startswith("run "):
                told.append(line.rstrip("\n"))
                continue
            rows = json.loads(f"[{line.removeprefix('run ').replace('] [', '], [')}]")
            process.stdin.write(json.dumps([float(x) for x in answer(*rows)]) + "\n")
            process.stdin.flush()
        return process.wait(60), process.stderr.read(), told
