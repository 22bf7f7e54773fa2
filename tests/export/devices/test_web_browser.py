import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from time import monotonic, sleep

import pytest

from kdc.compress.errors import KdcError
from kdc.export import npm_package, web_runtime
from kdc.export.devices import web
from kdc.export.devices.web import browser
from kdc.export.jobs import Asked, Job, Reading
from tests.fake_browser import fake_browser
from tests.onnx_model import make_model

Behave = Callable[[str], None]
GOOD = """
live()
ask("GET", "task")
answer({"models": [{"load_ms": 3, "first_ms": 2.5, "wall_ms": [1.5, 1.25]}], "where": {
    "version": "9.9", "browser": "Fake 1", "threads": 1, "workers": 0, "isolated": True,
    "simd": True, "clock_ms": 0.005, "runtime_ms": 100}})
"""


@pytest.fixture
def temporary(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The folder for temporary files, which must be empty again in the end."""
    with tempfile.TemporaryDirectory(prefix="web-", dir="/tmp") as name:
        monkeypatch.setattr(tempfile, "tempdir", name)
        yield Path(name)


@pytest.fixture
def behave(tmp_path: Path, temporary: Path, monkeypatch: pytest.MonkeyPatch) -> Behave:
    """Make the machine's browser a program that behaves so; nothing is fetched."""
    runtime = tmp_path / "runtime"
    runtime.mkdir()
    for name in web_runtime.FILES:
        (runtime / name).write_text("")
    monkeypatch.setattr(web_runtime, "web_runtime", lambda progress: runtime)
    monkeypatch.setattr(browser, "_GRACE", 0.5)

    def become(behaviour: str) -> None:
        program = fake_browser(tmp_path / "browser", behaviour)
        monkeypatch.setenv("CHROME", str(program))

    return become


def _measure(tmp_path: Path) -> Reading:
    return web.measure(Job(str(make_model(tmp_path / "m.onnx")), [8], (5, 100), 1, 0.2, runs=5))


def test_what_a_page_answers_is_the_reading(
    behave: Behave, temporary: Path, tmp_path: Path
) -> None:
    behave(GOOD)
    reading = _measure(tmp_path)
    assert (reading.load_ms, reading.first_ms, reading.wall_ms) == (3.0, 2.5, [1.5, 1.25])
    assert reading.cpu_ms == [] and reading.onnxruntime == "web 9.9"
    assert reading.where["browser"] == "Fake 1" and reading.where["clock_ms"] == 0.005
    assert list(temporary.iterdir()) == []


@pytest.mark.parametrize(
    ("behaviour", "told"),
    [
        ("sys.exit('no display')", r"browser ended with exit code 1 .*no page \(no display\)"),
        ("os.kill(os.getpid(), signal.SIGSEGV)", r"browser ended with exit code -11 and showed"),
        ("live(); sys.exit(3)", r"browser ended \(exit code 3\) while it ran .*m\.onnx"),
        ("live().close(); time.sleep(60)", r"m\.onnx brought the browser's page down.*memory"),
        ("live(); time.sleep(60)", r"m\.onnx gave no answer in 2 s and was stopped: measure short"),
        ("print('Hm'); time.sleep(60)", r"browser showed no page in 1 s and was stopped \("),
        ("live(); answer('{')", "answered with something else than figures"),
        ("live(); answer({'where': {'version': 1}})", "answered with something else than figures"),
    ],
)
def test_a_browser_that_fails_is_told_in_one_sentence(
    behaviour: str,
    told: str,
    behave: Behave,
    temporary: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It crashes, hangs or talks nonsense: no traceback, and nothing stays behind."""
    monkeypatch.setattr(web, "TIME_LIMIT", 1.5)
    monkeypatch.setattr(web, "START_LIMIT", 1.0)
    behave(behaviour)
    with pytest.raises(KdcError, match=told) as caught:
        _measure(tmp_path)
    assert "\n" not in str(caught.value)
    assert list(temporary.iterdir()) == []


def test_every_process_of_the_browser_is_ended(
    behave: Behave, temporary: Path, tmp_path: Path
) -> None:
    """A browser is a dozen processes: one left alone would take the next measurement's CPU.

    One ignores what it is asked, one has left the group, as the reporter of crashes does.
    """
    note = tmp_path / "pids"
    deaf = "import signal, time; signal.signal(15, signal.SIG_IGN); time.sleep(60)"
    behave(f"""
deaf = [sys.executable, "-c", {deaf!r}, os.path.dirname(profile)]
children = [subprocess.Popen(deaf), subprocess.Popen(deaf, start_new_session=True)]
open({str(note)!r}, "w").write(" ".join(str(child.pid) for child in children))
{GOOD}""")
    _measure(tmp_path)
    pids = note.read_text().split()
    assert len(pids) == 2 and not [pid for pid in pids if _runs(pid)]
    assert list(temporary.iterdir()) == []


def _runs(pid: str) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0] not in "ZX"
    except OSError:
        return False


def test_ctrl_c_ends_the_browser_too(behave: Behave, temporary: Path, tmp_path: Path) -> None:
    """The browser has a group of its own, so a terminal's Ctrl-C does not reach it."""
    note = tmp_path / "pid"
    behave(f"open({str(note)!r}, 'w').write(str(os.getpid())); live(); time.sleep(60)")
    model = make_model(tmp_path / "m.onnx")
    code = (
        "import sys; from pathlib import Path; from kdc.export import web_runtime\n"
        f"web_runtime.web_runtime = lambda progress: Path({str(tmp_path / 'runtime')!r})\n"
        "from kdc.export.devices import web; from kdc.export.jobs import Asked\n"
        f"web.answer(Asked({str(model)!r}, [[5]], [[0]]))"
    )
    environment = {**os.environ, "TMPDIR": str(temporary)}
    child = subprocess.Popen([sys.executable, "-c", code], env=environment, stderr=subprocess.PIPE)
    end = monotonic() + 60
    while not (note.is_file() and note.read_text()) and monotonic() < end:
        sleep(0.02)
    assert list(temporary.iterdir()), "it has not even begun"
    child.send_signal(signal.SIGINT)
    _, said = child.communicate(timeout=60)
    assert b"KeyboardInterrupt" in said
    assert not _runs(note.read_text()) and list(temporary.iterdir()) == []


def test_no_browser_is_told_with_the_command(
    behave: Behave, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    behave("")
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CHROME")
    with pytest.raises(KdcError, match=r"^there is no Chromium here: apt-get install chromium, or"):
        _measure(tmp_path)
    monkeypatch.setenv("CHROME", "no-such-browser")
    with pytest.raises(KdcError, match=r"^CHROME=no-such-browser is no program: apt-get install"):
        _measure(tmp_path)


def test_usual_names_are_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CHROME", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    for name in reversed(browser.NAMES):
        path = fake_browser(tmp_path / name, "")
        assert browser.find_browser() == str(path)


def test_an_address_or_too_many_threads_are_refused(tmp_path: Path) -> None:
    model = str(make_model(tmp_path / "m.onnx"))
    with pytest.raises(KdcError, match=r"^--device web:2: a browser has no address"):
        web.answer(Asked(model, [[5]], [[0]]), "2")
    with pytest.raises(KdcError, match=r"^--threads 999: give at most"):
        web.answer(Asked(model, [[5]], [[0]], threads=999))


def test_what_is_missing_is_told_with_its_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`kdc doctor` prints them; an unreadable machine must not end it."""
    monkeypatch.delenv("CHROME", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr("sysconfig.get_path", lambda name: str(tmp_path))
    chromium, runtime = web.needs()
    assert not chromium.there and chromium.mend == "apt-get install chromium"
    assert not runtime.there and runtime.mend == npm_package.INSTALL
    for name in ("npm", "chromium"):
        fake_browser(tmp_path / name, "")
    chromium, runtime = web.needs()
    assert chromium.there and chromium.found == str(tmp_path / "chromium")
    assert runtime.there and runtime.found == f"fetched at first use by {tmp_path / 'npm'}"
