"""How soon the web app answers: from opening it, everything kept, no network, to its first answer.

    python benchmarks/web_app.py PHONE... [--rounds 20] [--seed 0]

Makes an app of each phone folder, opens each once so that the browser keeps it, kills its server,
and then opens them in turns, in a seeded order each round, on one thread and on two. The clock
runs in the program that drives the browser: from the address to the answer on the screen. The
browser stays open, as on a phone; each opening is a new page with a new worker and a new runtime.
"""

import argparse
import sys
import tempfile
from pathlib import Path
from time import perf_counter

import numpy as np
from record import record

sys.path.insert(0, str(Path(__file__).parents[1]))  # the driver is the tests'
from kdc.compress.progress import Silent
from kdc.export.bundle import Bundled, bundle
from kdc.export.bundle.app import BundleJob
from kdc.export.bundle.size import Part
from tests.web_page import Page, browsing, hosted

_ANSWERED = 'document.getElementById("answer").textContent !== ""'
_READY = 'document.querySelector("#examples button") !== null'
_PRESS = 'document.querySelector("#examples button").click()'
_PARTS = ("runtime", "tokenizer", "page", "records")


def main() -> None:
    """Measure and write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("phones", nargs="+", type=Path)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name, browsing() as page:
        page.do("fresh")
        made = []
        for index, phone in enumerate(given.phones):
            job = BundleJob(phone, "web", Path(name) / str(index), str(phone))
            made.append((bundle(job, Silent()), _keep(page, job.out)))
        page.do("offline", True)
        turns = [(index, threads) for index in range(len(made)) for threads in (1, 2)]
        times = _measure(page, [url for _, url in made], turns, given)
    _write([bundled for bundled, _ in made], turns, times, given.rounds)


def _keep(page: Page, app: Path) -> str:
    """Let the browser keep an app, whose server then ends; return its address."""
    with hosted(app) as host:
        page.do("open", host.url)
        if page.self_test()["kept"] is not True:
            sys.exit("the browser does not keep the app")
        return host.url


def _measure(
    page: Page, urls: list[str], turns: list[tuple[int, int]], given: argparse.Namespace
) -> dict[tuple[int, int], list[tuple[float, float]]]:
    """Return seconds to ready and to the first answer, of every opening after the first."""
    rng = np.random.default_rng(given.seed)
    times: dict[tuple[int, int], list[tuple[float, float]]] = {turn: [] for turn in turns}
    for _ in range(given.rounds + 1):
        for place in rng.permutation(len(turns)):
            index, threads = turns[place]
            page.do("open", "about:blank")
            start = perf_counter()
            page.do("open", f"{urls[index]}?threads={threads}")
            page.do("wait", _READY)
            ready = perf_counter() - start
            page.do("evaluate", _PRESS)
            page.do("wait", _ANSWERED)
            times[turns[place]].append((ready, perf_counter() - start))
            if page.self_test()["threads"] != threads:
                sys.exit(f"the page did not take {threads} threads")
    return {turn: readings[1:] for turn, readings in times.items()}


def _write(
    apps: list[Bundled],
    turns: list[tuple[int, int]],
    times: dict[tuple[int, int], list[tuple[float, float]]],
    rounds: int,
) -> None:
    lines = [
        "Seconds from opening an app that the browser keeps, its server dead, to the first answer "
        f"on the screen; {rounds} openings each, in turns.",
        "",
        "| app | threads | ready, median | first answer, median | 95 % within |",
        "|---|---|---|---|---|",
    ]
    for index, threads in turns:
        ready, answer = np.array(times[index, threads]).T
        late = np.quantile(answer, 0.95)
        middle = f"{np.median(ready):.2f} | {np.median(answer):.2f} | {late:.2f}"
        lines.append(f"| {apps[index].name} | {threads} | {middle} |")
    lines += ["", "Size in MB, deflated one file at a time:", ""]
    lines += [f"| app | model | {' | '.join(_PARTS)} | without the model |"]
    lines += ["|---" * (3 + len(_PARTS)) + "|"]
    for app in apps:
        sizes = [_size(app.parts, name) for name in ("model", *_PARTS)]
        cells = " | ".join(f"{size:.3f}" for size in [*sizes, sum(sizes[1:])])
        lines.append(f"| {app.name} | {cells} |")
    record("Web app: the first answer, and the size", lines)


def _size(parts: list[Part], name: str) -> float:
    return next(part.zip_bytes for part in parts if part.name == name) / 1e6


if __name__ == "__main__":
    main()
