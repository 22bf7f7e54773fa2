"""A headless Chromium with a profile of its own, which ends and takes everything along."""

import os
import re
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from time import monotonic, sleep

from kdc.compress.errors import KdcError

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
VARIABLE = "CHROME"
"""Environment variable with the name or path of another Chromium."""
INSTALL = "apt-get install chromium"
_FLAGS = (
    "--headless",
    "--disable-gpu",
    "--no-first-run",
    # nothing but the page: no updates, no accounts, no other machine
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
    *("--disable-breakpad", "--disable-extensions", "--disable-quic"),
    *("--no-proxy-server", "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"),
    # a page that nobody sees must not be slowed down
    *("--disable-renderer-backgrounding", "--disable-background-timer-throttling"),
    "--disable-backgrounding-occluded-windows",
    "--disable-dev-shm-usage",  # in containers it is too small
    "--remote-debugging-pipe",
)
# Chromium ends when nobody holds the other end of the pipe it would be debugged by (its file 3):
# that is this process, so that a browser does not outlive one that was killed
_SHELL = 'exec "$@" 3<&0 4>/dev/null 0</dev/null'
_GRACE = 3.0  # seconds to end by itself
_LOG = "log"
_ORIGIN = re.compile(r"^\[[^\]]*\]")  # process, time and line of C++
_NEWS = re.compile(r"dbus|crashpad|zygote")
_LONGEST = 45  # characters: what Chromium adds to a folder for its socket must stay below 108


@dataclass(frozen=True)
class Memory:
    """Memory of the page's process."""

    peak_rss_bytes: int | None
    private_bytes: int | None
    """What is no page of a file; None where the system does not tell."""


@dataclass(frozen=True)
class Browser:
    """A running browser."""

    process: "subprocess.Popen[bytes]"
    home: Path
    """The folder that holds all its files."""

    def last_words(self) -> str:
        """Return what it died of, or the last thing it wrote that is no news of the desktop."""
        text = (self.home / _LOG).read_text(encoding="utf-8", errors="replace")
        lines = [line for line in text.splitlines() if line.strip() and not _NEWS.search(line)]
        fatal = [line for line in lines if ":FATAL:" in line]
        said = (fatal or lines or ["it said nothing"])[-1]
        return _ORIGIN.sub("", said).strip()[:200].rstrip(".")

    def memory(self) -> Memory:
        """Look at the page's process, the largest of those that show pages; Linux alone tells."""
        shown = [page for page in _members(self) if page.shows_a_page()]
        found = [(page.kilobytes("status", "VmHWM:"), page) for page in shown]
        if not found:
            return Memory(None, None)
        peak, page = max(found, key=lambda pair: pair[0] or 0)
        private = page.kilobytes("smaps_rollup", "Anonymous:")
        return Memory(*(None if value is None else value * 1024 for value in (peak, private)))


@dataclass(frozen=True)
class _Process:
    folder: Path
    """Its folder in /proc."""

    def shows_a_page(self) -> bool:
        return b"--type=renderer" in self._read("cmdline")

    def was_told(self, path: Path) -> bool:
        return os.fsencode(path) in self._read("cmdline")

    def has_ended(self) -> bool:
        """Whether only its exit code is left, which its parent may never ask for."""
        return self._read("stat").rpartition(b") ")[2][:1] in (b"Z", b"")

    def kilobytes(self, file: str, name: str) -> int | None:
        lines = (line.split() for line in self._read(file).splitlines())
        return next((int(line[1]) for line in lines if line[:1] == [name.encode()]), None)

    def _read(self, file: str) -> bytes:
        try:
            return (self.folder / file).read_bytes()
        except OSError:  # it has ended, or shows others nothing
            return b""


def find_browser() -> str | None:
    """Return the path of the machine's Chromium: what `CHROME` names, or a usual name."""
    wanted = os.environ.get(VARIABLE)
    names = (wanted,) if wanted else NAMES
    return next((path for path in map(shutil.which, names) if path), None)


def require_browser() -> str:
    """Return its path.

    Raises:
        KdcError: there is none.
    """
    found = find_browser()
    if found is None:
        wanted = os.environ.get(VARIABLE)
        what = f"{VARIABLE}={wanted} is no program" if wanted else "there is no Chromium here"
        raise KdcError(f"{what}: {INSTALL}, or name one in the environment variable {VARIABLE}")
    return found


@contextmanager
def browse(program: str, url: str) -> Iterator[Browser]:
    """Show a page for as long as the block runs; then no process and no file of it is left.

    Raises:
        KdcError: the browser cannot be started.
    """
    where = tempfile.gettempdir()
    short = where if len(where) <= _LONGEST else "/tmp"
    with tempfile.TemporaryDirectory(
        prefix="kdc-web-", dir=short, ignore_cleanup_errors=True
    ) as name:
        home = Path(name)
        browser = _start(program, url, home)
        try:
            yield browser
        finally:
            _end(browser)


def _start(program: str, url: str, home: Path) -> Browser:
    command = [program, *_FLAGS, f"--user-data-dir={home / 'profile'}"]
    if os.geteuid() == 0:
        command.append("--no-sandbox")  # which Chromium refuses root
    folders = ("HOME", "TMPDIR", "XDG_CONFIG_HOME", "XDG_CACHE_HOME", "XDG_RUNTIME_DIR")
    with (home / _LOG).open("wb") as told:
        try:
            process = subprocess.Popen(
                ["/bin/sh", "-c", _SHELL, "sh", *command, url],
                env={**os.environ, **dict.fromkeys(folders, str(home))},
                stdin=subprocess.PIPE,
                stdout=told,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        except OSError as error:
            raise KdcError(f"{program} does not start ({error.strerror}): {INSTALL}") from error
    return Browser(process, home)


def _end(browser: Browser) -> None:
    """Let the browser end, and kill what is left of it, even if Ctrl-C comes meanwhile."""
    assert browser.process.stdin is not None
    try:
        browser.process.stdin.close()
        with suppress(subprocess.TimeoutExpired):
            browser.process.wait(_GRACE)
    finally:
        _kill(browser)


def _kill(browser: Browser) -> None:
    with suppress(ProcessLookupError):
        os.killpg(browser.process.pid, signal.SIGKILL)
    browser.process.wait()
    end = monotonic() + _GRACE
    while (left := [one for one in _members(browser) if not one.has_ended()]) and monotonic() < end:
        sleep(0.01)
    for one in left:  # what reports crashes has a group of its own and ends after the browser
        with suppress(ProcessLookupError):
            os.kill(int(one.folder.name), signal.SIGKILL)


def _members(browser: Browser) -> Iterator[_Process]:
    """Yield the processes of its group, and those that were told its folder; Linux alone tells."""
    for folder in Path("/proc").glob("[0-9]*"):
        process = _Process(folder)
        with suppress(OSError):
            group = os.getpgid(int(folder.name))
            if group == browser.process.pid or process.was_told(browser.home):
                yield process
