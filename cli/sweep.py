"""The table that a sweep prints: each recipe's mean over its seeds, and how far they lie apart."""

from typing import TYPE_CHECKING

from kdc.cli.console import Terminal, duration
from kdc.cli.scores import NAMES

if TYPE_CHECKING:
    from kdc.compress.spread import Results, Spread


def show_sweep(terminal: Terminal, title: str, results: "Results") -> None:
    """Print a row a recipe and one for each model that they are compared with."""
    columns = ["model", "runs"]
    for split in results.splits:
        columns += [f"{split} {results.metric} %", f"{split} from - to"]
    columns += ["kept of the teacher %", "training"]
    rows = []
    for name, found in results.recipes().items():
        seconds = found["seconds"]
        time = duration(seconds.mean) if seconds else "-"
        scores = [found[split] for split in results.splits]
        rows.append([name, *_cells(scores), _mean(found["retained"]), time])
    for who, scores_of in results.compared().items():
        scores = [scores_of[split] for split in results.splits]
        rows.append([NAMES.get(who, who), *_cells(scores), "", ""])
    terminal.table(title, columns, rows)
    for entry in results.failed:
        terminal.say(f"{entry.out} failed: {entry.failure}")


def _cells(scores: "list[Spread | None]") -> list[str]:
    """Return the number of runs, then a split's mean with its deviation and its ends."""
    first = scores[0]
    cells = [str(first.n) if first else "0"]
    for score in scores:
        ends = f"{100 * score.min:.2f} - {100 * score.max:.2f}" if score and score.n > 1 else ""
        cells += [_mean(score), ends]
    return cells


def _mean(found: "Spread | None") -> str:
    if found is None:
        return "-"
    deviation = "" if found.std is None else f" ± {100 * found.std:.2f}"
    return f"{100 * found.mean:.2f}{deviation}"
