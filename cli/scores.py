"""The table of scores that `teacher`, `distill` and `eval` print."""

from collections.abc import Mapping

from kdc.cli.console import Terminal
from kdc.compress.metrics import Score

_NAMES = {"bag_of_words": "bag of words", "majority": "most frequent"}


def show_scores(
    terminal: Terminal, title: str, dev: Mapping[str, Score], test: Mapping[str, Score]
) -> None:
    """Print who scores what; dev and test in columns of their own, each with its interval."""
    columns = ["model"]
    for split, scores in (("dev", dev), ("test", test)):
        if scores:
            one = next(iter(scores.values()))
            columns += [f"{split} {one.metric} % (n = {one.n:,})", "95 % interval"]
    rows = []
    for who in dev:
        cells = [_NAMES.get(who, who)]
        for scores in (dev, test):
            if who in scores:
                one = scores[who]
                cells += [f"{100 * one.value:.2f}", f"{100 * one.low:.1f} to {100 * one.high:.1f}"]
        rows.append(cells)
    terminal.table(title, columns, rows)
