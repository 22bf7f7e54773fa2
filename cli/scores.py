"""What `teacher`, `distill` and `eval` print about how good a model is."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from kdc.cli.console import Terminal
from kdc.compress.metrics import METRICS, Score

if TYPE_CHECKING:
    from kdc.compress.flips import Flips
    from kdc.compress.report import Report

NAMES = {
    "scratch": "from scratch",
    "static_embeddings": "averaged embeddings",
    "bag_of_words": "bag of words",
    "majority": "most frequent",
}
_FLIPS = 5  # rows; metrics.json has up to 50
_TEXT = 70  # characters of each


def show_scores(terminal: Terminal, title: str, scores: Mapping[str, Mapping[str, Score]]) -> None:
    """Print who scores what: split -> model -> score, each split in columns of its own."""
    columns, models = ["model"], list(next(iter(scores.values())))
    rows = {model: [NAMES.get(model, model)] for model in models}
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


def show_report(terminal: Terminal, title: str, report: "Report") -> None:
    """Print a student's report: scores, some rows that flipped, and what to make of it all."""
    scores = {"dev": report.dev, **({"test": report.test} if report.test else {})}
    show_scores(terminal, title, scores)
    if report.flips is not None and report.flips.shown:
        kind = METRICS[report.dev["student"].metric].kind
        _show_flips(terminal, report.flips, regression=kind == "regression")
    for line in findings(report):
        terminal.say(line)


def findings(report: "Report") -> list[str]:
    """Return what the figures mean, a sentence each."""
    lines = []
    for name, found in report.comparisons.items():
        if found.low > 0:
            continue
        from kdc.compress.controls import NAMES

        points = f"{100 * found.difference:+.2f} points, {100 * found.low:.2f} to"
        rows = f"{points} {100 * found.high:.2f} on {found.split}"
        if not found.within_noise:
            lines.append(f"{NAMES[name]} beats the student ({rows}): {_advice(name)}")
        else:
            lines.append(f"{NAMES[name]} is within noise of the student ({rows}): {_advice(name)}")
    if "scratch" in report.left_out:
        lines.append("the control from scratch was left out: what distillation gained is not known")
    if report.calibration:
        lines.append(_calibrated(report))
    return lines


def _advice(control: str) -> str:
    if control == "scratch":
        return "these rows do not show that the teacher helped"
    return "these rows do not show that this task needs a transformer"


def _calibrated(report: "Report") -> str:
    student, teacher = report.calibration["student"], report.calibration["teacher"]
    return (
        f"confidence on dev is off by {100 * student.ece:.1f} % (the teacher's by "
        f"{100 * teacher.ece:.1f} %); logits divided by {student.temperature:.2f}: "
        f"{100 * student.scaled_ece:.1f} %"
    )


def _show_flips(terminal: Terminal, flips: "Flips", *, regression: bool) -> None:
    both = f"student and teacher {'differ most' if regression else 'differ'} on"
    right = "nearer" if regression else "right"
    count = "" if regression else f"{flips.count:,} of "
    title = (
        f"{both} {count}{flips.n:,} {flips.split} rows "
        f"(only the teacher {right}: {flips.teacher_right:,}, only the student: "
        f"{flips.student_right:,}), such as"
    )
    rows = [
        (flip.label, flip.teacher, flip.student, _short(flip.text, flip.pair))
        for flip in flips.shown[:_FLIPS]
    ]
    terminal.table(title, ["label", "teacher", "student", "text"], rows)


def _short(text: str, pair: str | None) -> str:
    line = " ".join((text if pair is None else f"{text} | {pair}").split())
    return line if len(line) <= _TEXT else line[: _TEXT - 1] + "…"
