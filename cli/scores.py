"""The table of scores that `teacher`, `distill` and `eval` print."""

from collections.abc import Mapping

from kdc.cli.console import Terminal
from kdc.compress.metrics import Score

_NAMES = {"bag_of_words": "bag of words", "majority": "most frequent"}


def show_scores(terminal: Terminal, title: str, scores: Mapping[str, Mapping[str, Score]]) -> None:
    """Print who scores what: split -> model -> score, each split in columns of its own."""
    columns, models = ["model"], list(next(iter(scores.values())))
    rows = {model: [_NAMES.get(model, model)] for model in models}
    for split, found in scores.items():
        one = found[models[0]]
        columns += [f"{split} {one.metric} % (n = {one.n:,})", "95 % interval"]
        for model, cells in rows.items():
            score = found[model]
            cells += [
                f"{100 * score.value:.2f}",
                f"{100 * score.low:.1f} to {100 * score.high:.1f}",
            ]
    terminal.table(title, columns, list(rows.values()))
