"""What `teacher`, `distill` and `eval` print about how good a model is."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from kdc.cli.console import Terminal
from kdc.compress.metrics import METRICS, Score

if TYPE_CHECKING:
    from kdc.compress.flips import Answer, Flips
    from kdc.compress.per_class import ClassScore
    from kdc.compress.report import Report

NAMES = {
    "scratch": "from scratch",
    "static_embeddings": "averaged embeddings",
    "bag_of_words": "bag of words",
    "majority": "most frequent",
}
_CLASSES = 10  # the JSON has all
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


def show_classes(terminal: Terminal, classes: "Sequence[ClassScore]") -> None:
    """Print how a model does on each class, or on those on which it does worst; none for scores."""
    if not classes:
        return
    title = "by class"
    if len(classes) > _CLASSES:
        title = f"the {_CLASSES} of {len(classes):,} classes with the lowest recall"
    columns = ["class", "rows", "recall %", "precision %"]
    rows = [
        [row.name, f"{row.n:,}", _percent(row.recall), _percent(row.precision)]
        for row in classes[:_CLASSES]
    ]
    if any(row.taken_for for row in classes[:_CLASSES]):
        columns.append("most often taken for")
        for cells, row in zip(rows, classes, strict=False):
            cells.append(f"{row.taken_for} ({row.taken:,})" if row.taken_for else "")
    terminal.table(title, columns, rows)


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{100 * share:.1f}"


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
    floor = report.dev.get("majority")
    if floor is not None and floor.value >= 1:
        lines = ["dev has one answer only, which tells no two models apart: give it other rows"]
    elif not has_learned(report):
        student = report.dev["student"]
        least = "" if floor is None else f" ({100 * floor.value:.1f} %)"
        hardly = "hardly" if floor is not None and student.value > floor.value else "no"
        lines = [
            f"the student is {hardly} better than the most frequent answer{least}: train it for "
            "longer, or take a larger one"
        ]
    else:
        lines = [
            _unbeaten(report, name) for name in report.comparisons if not _beaten(report, name)
        ]
    if "scratch" in report.left_out:
        lines.append("the control from scratch was left out: what distillation gained is not known")
    if report.calibration:
        lines.append(_calibrated(report))
    return lines


def has_learned(report: "Report") -> bool:
    """Whether a student is better than the most frequent answer.

    It has to be so by more than noise, unless its teacher is not either: of rare events all models
    are near that answer, and dev of many rows is needed to tell them from it.
    """
    floor, student = report.dev.get("majority"), report.dev["student"]
    if floor is None or floor.value >= 1:
        return True
    told_apart = student.low > floor.value or report.dev["teacher"].low <= floor.value
    return student.value > floor.value and told_apart


def _beaten(report: "Report", control: str) -> bool:
    return report.comparisons[control].low > 0


def _unbeaten(report: "Report", name: str) -> str:
    from kdc.compress.controls import NAMES

    found = report.comparisons[name]
    says = "is within noise of" if found.within_noise else "beats"
    low, high = f"{100 * found.low:.2f}", f"{100 * found.high:.2f}"
    figures = f"{100 * found.difference:+.2f} points, {low} to {high} on {found.split}"
    return f"{NAMES[name]} {says} the student ({figures}): {_advice(report, name)}"


def _advice(report: "Report", control: str) -> str:
    if control == "scratch":
        return "these rows do not show that the teacher helped"
    scores = report.test if report.comparisons[control].split == "test" else report.dev
    if scores[control].low > scores["teacher"].high:
        return "it beats the teacher too: train that for longer (kdc teacher --epochs)"
    if scores["teacher"].low > scores[control].high:
        return "the teacher is better than both: train for longer, or take a larger student"
    return "these rows do not show that this task needs a transformer"


def _calibrated(report: "Report") -> str:
    student, teacher = report.calibration["student"], report.calibration["teacher"]
    said = f"confidence on dev is off by {100 * student.ece:.1f} % (the teacher's by "
    said += f"{100 * teacher.ece:.1f} %); "
    if student.scaled_nll >= student.nll or student.scaled_ece >= student.ece:
        return f"{said}dividing the logits does no better"
    end = " (where the search ends)" if student.at_the_end else ""
    said += f"logits divided by {student.temperature:.2f}{end}: "
    return f"{said}{100 * student.scaled_ece:.1f} %"


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
        (*map(told, (flip.label, flip.teacher, flip.student)), short(flip.text, flip.pair))
        for flip in flips.shown[:_FLIPS]
    ]
    terminal.table(title, ["label", "teacher", "student", "text"], rows)


def told(answer: "Answer") -> str:
    """Return what a table shows of an answer."""
    if isinstance(answer, float):
        return f"{answer:.6g}"
    if not isinstance(answer, tuple):
        return answer
    return ", ".join(answer) or "(none)"


def short(text: str, pair: str | None) -> str:
    """Return a text, or a pair's two, on one line of at most 70 characters."""
    line = " ".join((text if pair is None else f"{text} | {pair}").split())
    return line if len(line) <= _TEXT else line[: _TEXT - 1] + "…"
