"""What QEMU may do, played by a small script; `test_arm64.py` has the real one."""

import json
from pathlib import Path

import pytest

from kdc.compress.errors import KdcError
from kdc.export.devices.aarch64 import emulator
from kdc.export.devices.aarch64.compilers import own_compiler
from kdc.export.devices.aarch64.emulator import Emulator, emulate, find_emulator
from kdc.export.devices.aarch64.job_file import RunnerError, RunnerJob
from kdc.export.options import DEFAULT

ANSWER = RunnerJob("answer", [("/m.onnx", DEFAULT)], [([7], [0])])
COUNT = RunnerJob("count", [("/m.onnx", DEFAULT)], [([7], [0]), ([8], [0])])
_TOLD = json.dumps({"models": [{"onnxruntime": "1.31.1", "logits": [[1, 2]], "counted": 2}]})


class FakeQemu:
    """A program of that name; `$marks` is where its plugin would write."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.does(f"echo '{_TOLD}'")

    def does(self, body: str, version: str = "qemu-aarch64 version 7.2.22 (Debian 1:7.2)") -> None:
        """Set what it does with a program."""
        lines = ["#!/bin/sh", f'if [ "$1" = --version ]; then echo "{version}"; exit; fi']
        lines += ['marks=$(printf "%s\\n" "$@" | sed -n "s/.*,out=//p")', body]
        self.path.write_text("\n".join(lines) + "\n")
        self.path.chmod(0o755)


@pytest.fixture
def qemu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeQemu:
    (tmp_path / "bin").mkdir()
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/usr/bin:/bin")
    monkeypatch.setattr(emulator, "runner_bundle", lambda: tmp_path / "bundle")
    monkeypatch.setattr(emulator, "_counter", lambda _: tmp_path / "a,b" / "count.so")
    return FakeQemu(tmp_path / "bin" / "qemu-aarch64")


def test_a_machine_without_an_emulator_is_told_the_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert find_emulator() is None
    with pytest.raises(
        KdcError, match=r"^there is no emulator .*: run: apt-get install qemu-user$"
    ):
        emulate(ANSWER, "cortex-a53", 9)


@pytest.mark.parametrize(
    ("version", "expected", "major"),
    [
        ("qemu-aarch64 version 7.2.22 (Debian 1:7.2)", "7.2.22", 7),
        ("qemu-aarch64 version 10.0.2", "10.0.2", 10),
        ("something else", "of unknown version", 0),
    ],
)
def test_the_emulator_tells_its_version(
    qemu: FakeQemu, version: str, expected: str, major: int
) -> None:
    qemu.does("", version)
    assert find_emulator() == (found := Emulator(str(qemu.path), expected)) and found.major == major


def test_it_is_told_the_core_and_where_its_system_lies(qemu: FakeQemu, tmp_path: Path) -> None:
    """Without /proc and /sys of the core's own ONNX Runtime crashes; a preload would, too."""
    qemu.does(
        f'printf "%s\\n" "$@" > {tmp_path}/words; cp -r "$4" {tmp_path}/root; pwd > '
        f"{tmp_path}/where; for job; do :; done; cp \"$job\" {tmp_path}/job; echo '{_TOLD}'"
    )
    report, counts = emulate(ANSWER, "cortex-a53", 9)
    assert report.logits == [[1, 2]] and counts == []
    words = (tmp_path / "words").read_text().splitlines()
    assert words[:2] == ["-cpu", "cortex-a53"] and words[2] == "-L"
    assert words[6:10] == ["-U", "LD_PRELOAD", "-U", "LD_LIBRARY_PATH"]
    bundle = str(tmp_path / "bundle")
    assert words[10:13] == [f"{bundle}/ld-linux-aarch64.so.1", "--library-path", bundle]
    assert "CPU part\t: 0xd03" in (tmp_path / "root/proc/cpuinfo").read_text()
    assert (tmp_path / "job").read_text() == ANSWER.text()
    scratch = Path((tmp_path / "where").read_text().strip())
    assert Path(words[3]).parent == scratch and not scratch.exists()


def test_counts_are_the_differences_of_marks(qemu: FakeQemu) -> None:
    qemu.does(f"printf '0 1000\\n1 1250\\n2 9000\\n3 9999\\n' > \"$marks\"; echo '{_TOLD}'")
    assert emulate(COUNT, "cortex-a53", 9)[1] == [250, 999]


def test_a_comma_in_a_path_is_no_option(qemu: FakeQemu, tmp_path: Path) -> None:
    qemu.does(f'printf "%s\\n" "$@" > {tmp_path}/words; exit 1')
    with pytest.raises(KdcError):
        emulate(COUNT, "cortex-a53", 9)
    assert f"file={tmp_path}/a,,b/count.so,out=" in (tmp_path / "words").read_text()


@pytest.mark.parametrize("marks", ["", "0 1\\n1 2\\n2 3\\n", "0 1\\n1 2\\n2 3\\n4 4\\n", "x y\\n"])
def test_a_count_that_is_missing_is_told(qemu: FakeQemu, marks: str) -> None:
    qemu.does(f"printf '{marks}' > \"$marks\"; echo '{_TOLD}'")
    with pytest.raises(RunnerError, match=r"^the emulator did not count every run$"):
        emulate(COUNT, "cortex-a53", 9)


def test_an_emulator_without_plugins_cannot_count(qemu: FakeQemu) -> None:
    """Debian 13 links it statically; its complaint is a page of options."""
    qemu.does("echo 'usage: qemu-aarch64 [options] program' ; exit 1", "version 10.0.2")
    with pytest.raises(
        KdcError, match=r"^QEMU 10\.0\.2 \(.*\) loads no plugins, so it cannot count"
    ):
        emulate(COUNT, "cortex-a53", 9)


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ("kill -SEGV $$", r"its process crashed \(SIGSEGV\)"),
        ("kill -KILL $$", "its process was killed .* memory ran out"),
        ("sleep 60", "it gave no answer in 1 s and was stopped"),
        ("echo lost >&2; exit 5", r"its process ended with exit code 5 \(lost\)"),
        ("exit 5", r"its process ended with exit code 5 \(it said nothing\)"),
        ("echo hello", "what the runner answered is damaged"),
        ("head -c 1000 /dev/zero", "what the runner answered is damaged"),
        ('echo \'{"error": "it takes foo"}\'; exit 3', "it takes foo"),
    ],
)
def test_what_goes_wrong_in_it_is_told(qemu: FakeQemu, body: str, told: str) -> None:
    qemu.does(body)
    with pytest.raises(RunnerError, match=f"^.*{told}.*$"):
        emulate(ANSWER, "cortex-a53", 1)


def test_an_endless_answer_is_not_read(qemu: FakeQemu, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(emulator, "_MOST", 999)
    qemu.does(f"echo '{_TOLD}'; head -c 1000 /dev/zero")
    with pytest.raises(RunnerError, match="damaged"):
        emulate(ANSWER, "cortex-a53", 9)


def test_a_machine_without_a_compiler_cannot_count(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(emulator, "loads_plugins", lambda _: True)
    monkeypatch.setattr(emulator, "own_compiler", lambda: None)
    with pytest.raises(KdcError, match="no compiler for the plugin that counts: run: apt-get"):
        emulator._counter(Emulator("/usr/bin/qemu-aarch64", "7.2.22"))


def test_the_counter_is_built_for_the_emulators_interface(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """QEMU refuses a plugin for another interface than its own, which changed with QEMU 9."""
    compiler = own_compiler()
    if compiler is None:
        pytest.skip("no C compiler")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(emulator, "loads_plugins", lambda _: True)
    old, new = (emulator._counter(Emulator("/q", version)) for version in ("8.2.1", "10.0.2"))
    assert b"tb_exec_inline_per_vcpu" in new.read_bytes() and old != new
    assert b"tb_exec_inline" in old.read_bytes() and b"per_vcpu" not in old.read_bytes()
    assert emulator._counter(Emulator("/q", "8.0")) == old


def test_a_static_emulator_is_known_by_its_options(qemu: FakeQemu) -> None:
    found = find_emulator()
    assert found is not None
    qemu.does('echo "-plugin  QEMU_PLUGIN  [file=]<file>"')
    assert emulator.loads_plugins(found)
    qemu.does('echo "-strace  QEMU_STRACE"')
    assert not emulator.loads_plugins(found)
    assert not emulator.loads_plugins(Emulator("/nowhere", "7"))
