"""A browser: each job in a fresh headless Chromium, whose page runs ONNX Runtime Web.

The times are the page's own: from token ids to logits, by a clock that browsers coarsen on
purpose (`clock_ms` tells by how much). CPU time is not to be had. The runtime's own start, which
compiles 14 MB of WebAssembly, is `runtime_ms` and part of no other figure.
"""

import subprocess
from collections.abc import Iterator, Sequence
from contextlib import suppress
from importlib.resources import files
from time import monotonic
from typing import TYPE_CHECKING, Any

from kdc.compress.errors import KdcError
from kdc.compress.progress import Silent
from kdc.export import npm_package, web_runtime
from kdc.export.devices.device import Device, Need
from kdc.export.devices.web import browser, reply
from kdc.export.devices.web.browser import Browser, Memory
from kdc.export.jobs import Answers, Asked, Job, Reading
from kdc.export.machine import cores

if TYPE_CHECKING:
    from kdc.export.devices.web.server import Site
    from kdc.export.devices.web.task import Task

# numpy and the web server are imported where they are used: this module is read for its row alone
START_LIMIT = 90.0  # seconds until the page runs; a cold disk takes ten
TIME_LIMIT = 300.0  # seconds beside those that are measured; the slowest encoders open in a few
_POLL = 0.2  # seconds


def measure(job: Job, address: str = "") -> Reading:
    """Run a job in a browser of its own.

    Raises:
        KdcError: an address, more threads than cores, no browser or no runtime for it, or a model
            that is refused, brings the page down or hangs.
    """
    return turns([job], address)[0]


def turns(jobs: Sequence[Job], address: str = "") -> list[Reading]:
    """Let models take turns in one page: each run once unmeasured and once measured.

    Raises:
        KdcError: as `measure`.
    """
    from kdc.export.devices.web.task import measuring

    _check(jobs[0].threads, address)
    found, before, after = _ask(measuring(jobs))
    reply.check_threads(found, jobs[0].threads)
    return reply.readings(found, len(jobs), before, after)


def answer(asked: Asked, address: str = "") -> Answers:
    """Answer texts in a browser of its own.

    Raises:
        KdcError: as `measure`, or an answer is no number.
    """
    from kdc.export.devices.web.task import answering

    _check(asked.threads, address)
    found, _, _ = _ask(answering(asked))
    reply.check_threads(found, asked.threads)
    return reply.answers(found, asked.model, len(asked.tokens))


def needs() -> Iterator[Need]:
    """Look for a browser, and for the runtime or the npm that fetches it."""
    found = browser.find_browser()
    yield Need("browser", found is not None, found or "no Chromium", browser.INSTALL)
    name = f"{web_runtime.PACKAGE} {web_runtime.VERSION}"
    folder, npm = web_runtime.RUNTIME.folder, npm_package.find_npm()
    if web_runtime.RUNTIME.is_there():
        yield Need(name, True, str(folder))
    elif npm is not None:
        yield Need(name, True, f"fetched at first use by {npm}")
    else:
        yield Need(name, False, "not fetched yet, and no npm", npm_package.INSTALL)


def _check(threads: int, address: str) -> None:
    if address:
        raise KdcError(f"--device web:{address}: a browser has no address, give web alone")
    if threads > cores():
        raise KdcError(f"--threads {threads}: give at most {cores()}, this machine's cores")


def _ask(task: "Task") -> tuple[dict[str, Any], Memory | None, Memory]:
    """Return what a page answers, and its memory before it opened the models and at the end."""
    from kdc.export.devices.web.server import serve

    program = browser.require_browser()
    folder = web_runtime.web_runtime(Silent())
    runtime = {name: folder / name for name in web_runtime.FILES}
    page = files(__name__)
    served = {name: (page / name).read_bytes() for name in ("page.html", "page.js")}
    marks: list[Memory] = []
    with (
        serve({**task.files, **served, **runtime}) as site,
        browser.browse(program, site.url) as shown,
    ):
        site.on_mark = lambda: marks.append(shown.memory())
        _wait(site, shown, task)
        after = shown.memory()
    assert site.answer is not None
    return reply.parse(site.answer, task.models), marks[0] if marks else None, after


def _wait(site: "Site", shown: Browser, task: "Task") -> None:
    """Wait for the page's answer.

    Raises:
        KdcError: the browser or its page ended without one, or did not give one in time.
    """
    start = monotonic()
    limit = TIME_LIMIT + 2 * task.seconds
    models = " and ".join(dict.fromkeys(task.models))
    while not site.settled.wait(_POLL):
        late = monotonic() - start
        if shown.process.poll() is not None:
            break
        if late > START_LIMIT and not site.visited.is_set():
            raise KdcError(
                f"the browser showed no page in {START_LIMIT:.0f} s and was stopped "
                f"({shown.last_words()}): name another one in {browser.VARIABLE}"
            )
        if late > limit:
            raise KdcError(
                f"{models} gave no answer in {limit:.0f} s and was stopped: "
                "measure shorter texts with --length or a smaller model"
            )
    if site.answer is None:
        raise KdcError(_fate(site, shown, models))


def _fate(site: "Site", shown: Browser, models: str) -> str:
    with suppress(subprocess.TimeoutExpired):
        shown.process.wait(_POLL)  # its connections close a moment before it has ended
    code = shown.process.poll()
    if not site.visited.is_set():
        return (
            f"the browser ended with exit code {code} and showed no page ({shown.last_words()}): "
            f"name another one in {browser.VARIABLE}"
        )
    if code is not None:
        return f"the browser ended (exit code {code}) while it ran {models}: try once more"
    return (
        f"{models} brought the browser's page down, most often because memory ran out: "
        "try a smaller model"
    )


DEVICE = Device(
    "a browser: headless Chromium on this machine, with ONNX Runtime Web",
    measure,
    answer,
    needs,
    turns,
)
