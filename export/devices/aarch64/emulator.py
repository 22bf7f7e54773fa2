"""QEMU, which runs the arm64 runner on another processor, and counts what it runs."""

import hashlib
import re
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from kdc.compress.errors import KdcError
from kdc.compress.files import sha256, whole_file
from kdc.compress.user_cache import cache_folder
from kdc.export.devices.aarch64.bundle import runner_bundle, start_command
from kdc.export.devices.aarch64.compilers import GET_OWN, own_compiler
from kdc.export.devices.aarch64.cores import write_system
from kdc.export.devices.aarch64.job_file import Report, RunnerError, RunnerJob, read_answer
from kdc.export.fate import fate, out_of_memory_kills

GET = "apt-get install qemu-user"
GET_PLUGINS = "a QEMU that is linked dynamically, such as Debian 12's qemu-user"
_NAMES = ("qemu-aarch64", "qemu-aarch64-static")
_MOST = 1 << 28  # bytes of an answer
# the emulator takes the place of a Python that has given itself its limits
_CONFINED = [
    *(sys.executable, "-P", "-c"),
    "import os, sys; from kdc.export.process_memory import confine; confine(); "
    "os.execv(sys.argv[1], sys.argv[1:])",
]
_SOURCE = Path(__file__).with_name("count.c")


@dataclass(frozen=True)
class Emulator:
    """An emulator of arm64 programs."""

    path: str
    version: str

    @property
    def major(self) -> int:
        """The first number of its version; 0 where it tells none."""
        return int(self.version.split(".")[0]) if self.version[:1].isdigit() else 0


def find_emulator() -> Emulator | None:
    """Return QEMU's emulator of arm64 programs, or None where it is not there or does not run."""
    path = next((path for name in _NAMES if (path := shutil.which(name))), None)
    if path is None:
        return None
    try:
        said = subprocess.run(
            [path, "--version"], capture_output=True, encoding="utf-8", errors="replace", timeout=20
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    found = re.search(r"version (\d+[0-9.]*)", said.stdout)
    return Emulator(path, found[1] if found else "of unknown version")


def loads_plugins(emulator: Emulator) -> bool:
    """Whether it can be given the plugin that counts; one that is linked statically cannot."""
    try:
        said = subprocess.run(
            [emulator.path, "--help"], capture_output=True, timeout=20, stdin=subprocess.DEVNULL
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return b"-plugin" in said.stdout


def emulate(job: RunnerJob, core: str, seconds: float) -> tuple[Report, list[int]]:
    """Run a job of one model on a core.

    Returns:
        The runner's report and, of a job that counts, the instructions of each text's run.

    Raises:
        KdcError: something is missing to run it or to count, or it takes longer than `seconds`.
        RunnerError: the runner refuses the job, crashes or is killed.
    """
    emulator = find_emulator()
    if emulator is None:
        raise KdcError(f"there is no emulator of arm64 (qemu-aarch64): run: {GET}")
    bundle = runner_bundle()
    plugin = _counter(emulator) if job.mode == "count" else None
    with tempfile.TemporaryDirectory(prefix="kdc-arm64-") as scratch:
        folder = Path(scratch)
        write_system(folder / "root", core)
        (folder / "job").write_text(job.text(), encoding="utf-8")
        marks = folder / "marks"
        options = ["-cpu", core, "-L", str(folder / "root"), "-seed", "1"]
        # of this machine's own programs: the loader of the emulated ones must not obey them
        options += ["-U", "LD_PRELOAD", "-U", "LD_LIBRARY_PATH"]
        if plugin:
            options += ["-plugin", f"file={_quoted(plugin)},out={_quoted(marks)}"]
        words = [emulator.path, *options, *start_command(str(bundle), str(folder / "job"))]
        try:
            (report,) = read_answer(_run(words, folder, seconds), job)
        except RunnerError as error:
            if plugin and not marks.exists():  # which the plugin makes before anything else
                raise KdcError(_no_plugins(emulator)) from error
            raise
        return report, _instructions(marks, len(job.texts)) if plugin else []


def _counter(emulator: Emulator) -> Path:
    """Return the plugin that counts, built at the first call and kept in the user's cache."""
    if not loads_plugins(emulator):
        raise KdcError(_no_plugins(emulator))
    compiler = own_compiler()
    if compiler is None:
        raise KdcError(f"there is no compiler for the plugin that counts: run: {GET_OWN}")
    api = 1 if emulator.major < 9 else 2
    made_of = "\n".join([sha256(_SOURCE), *compiler.command, compiler.version, str(api)])
    name = f"arm64-count-{hashlib.sha256(made_of.encode()).hexdigest()[:16]}.so"
    plugin = cache_folder() / name
    if not plugin.is_file():
        with whole_file(plugin) as path, tempfile.TemporaryDirectory(prefix="kdc-plugin-") as made:
            built = Path(made) / "count.so"
            compiler.build([_SOURCE], built, ["-shared", "-fPIC", f"-DQEMU_API={api}"])
            shutil.copyfile(built, path)
    return plugin


def _quoted(path: Path) -> str:
    return str(path).replace(",", ",,")  # a comma begins the next of QEMU's options


def _run(words: list[str], folder: Path, seconds: float) -> str:
    """Run the emulator in a folder, and return what it printed."""
    printed, kills = folder / "printed", out_of_memory_kills()
    with printed.open("wb") as out:  # however much it is
        try:
            ended = subprocess.run(
                [*_CONFINED, *words],
                cwd=folder,  # where a crash leaves its core
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.PIPE,
                encoding="utf-8",
                errors="replace",
                timeout=seconds,
            )
        except subprocess.TimeoutExpired as error:
            raise RunnerError(f"it gave no answer in {seconds:.0f} s and was stopped") from error
    size = printed.stat().st_size
    if ended.returncode < 0 or not size:
        raise RunnerError(f"its process {fate(ended, kills)}")
    if size > _MOST:
        raise RunnerError("what the runner answered is damaged")
    return printed.read_text(encoding="utf-8", errors="replace")


def _instructions(marks: Path, texts: int) -> list[int]:
    """Return the instructions between the two marks of each text."""
    found = re.findall(r"^(\d{1,18}) (\d{1,18})$", marks.read_text(encoding="ascii"), re.MULTILINE)
    at = {int(number): int(count) for number, count in found}
    if sorted(at) != list(range(2 * texts)):
        raise RunnerError("the emulator did not count every run")
    return [at[2 * text + 1] - at[2 * text] for text in range(texts)]


def _no_plugins(emulator: Emulator) -> str:
    return (
        f"QEMU {emulator.version} ({emulator.path}) loads no plugins, so it cannot count "
        f"instructions: use {GET_PLUGINS}; accuracy can be had with this one"
    )
