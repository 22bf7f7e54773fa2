"""The grid's tables: recipes by tasks, each figure with its spread and its number of seeds."""

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

from grid import NEVER, Cell, Store

from kdc.compress.objectives import needs
from kdc.compress.spread import Spread, spread

Left = dict[str, Any]
_OTHERS = {
    "teacher": "teacher",
    "bag_of_words": "bag of words",
    "static_embeddings": "averaged embeddings",
    "majority": "most frequent",
}


def table(grid: Sequence[Cell], store: Store) -> list[str]:
    """Return Markdown: for every student the scores, what is kept, the steps and the time.

    Args:
        grid: the cells that the table is about.
        store: what the finished ones among them have left.
    """
    lines = []
    done, others = _one_teacher_each(grid, store)
    for student in dict.fromkeys(left["student"] for left in done):
        lines += _student(student, [left for left in done if left["student"] == student])
    note = f"{len(done)} of {len(grid)} cells of this grid are done. In parentheses how many seeds "
    note += "a figure is the mean of; ± is the standard deviation over them (n - 1), and says "
    note += "nothing of the rows: `one run` is half of the 95 % interval of a single student, mean "
    note += "over the runs. Time is of the whole command, on one core, of "
    note += f"{' and '.join(sorted({left['cpu'] for left in done}))}. Scores are times 100."
    if others:
        note += f" {others} more are done of teachers that were not those of most cells."
    recipes, students = {cell.recipe.name for cell in grid}, {cell.student for cell in grid}
    left_out = [
        why for (recipe, student), why in NEVER.items() if recipe in recipes and student in students
    ]
    return [*lines, " ".join([note, *left_out])]


def _one_teacher_each(grid: Sequence[Cell], store: Store) -> tuple[list[Left], int]:
    """Return the finished cells of one teacher a task, and how many of others are left out.

    What no teacher teaches has none to be measured by but the task's.
    """
    found = [(left, bool(needs(c.recipe.losses))) for c in grid if (left := store.find(c))]
    asked = Counter((left["task"], left["teacher_sha256"]) for left, taught in found if taught)
    most = {task: digest for (task, digest), _ in reversed(asked.most_common())}
    scores = {
        left["task"]: left["scores"]["dev"]["teacher"]
        for left, _ in found
        if left["teacher_sha256"] == most.get(left["task"])
    }
    kept = []
    for left, taught in found:
        if not taught and left["task"] in scores:
            left = _beside(left, scores[left["task"]])
        elif left["teacher_sha256"] != most.get(left["task"], left["teacher_sha256"]):
            continue
        kept.append(left)
    return kept, len(found) - len(kept)


def _beside(left: Left, teacher: dict[str, Any]) -> Left:
    """Return a cell with the score of another teacher beside its student's."""
    scores = {split: dict(found) for split, found in left["scores"].items()}
    scores["dev"]["teacher"] = teacher
    scores.get("test", {}).pop("teacher", None)
    kept = scores["dev"]["student"]["value"] / teacher["value"]
    return {**left, "scores": scores, "retained": kept}


def _student(student: str, done: list[Left]) -> list[str]:
    """Return the tables of one student."""
    tasks = list(dict.fromkeys(left["task"] for left in done))
    recipes = list(dict.fromkeys(left["recipe"] for left in done))
    lines = []
    for split in ("dev", "test"):
        here = [t for t in tasks if any(split in x["scores"] for x in done if x["task"] == t)]
        if here:
            lines += [f"### {student}: {split}", "", *_scores(split, done, here, recipes), ""]
    figures: list[tuple[str, Callable[[Left], float], str]] = [
        ("of the teacher's dev score, %", lambda left: 100 * left["retained"], ".1f"),
        ("steps", lambda left: left["steps"], ",.0f"),
        ("CPU minutes", lambda left: left["cpu_seconds"] / 60, ".1f"),
    ]
    for what, figure, form in figures:
        rows = {
            recipe: [_cell(spread(figure(x) for x in _of(done, t, recipe)), form) for t in tasks]
            for recipe in recipes
        }
        lines += [f"### {student}: {what}", "", *_markdown("recipe", tasks, rows), ""]
    return lines


def _scores(split: str, done: list[Left], tasks: list[str], recipes: list[str]) -> list[str]:
    """Return the scores on a split, those of the models that are compared with first."""
    rows: dict[str, list[str]] = {}
    for who, called in _OTHERS.items():
        found = [_values(split, who, _of(done, task)) for task in tasks]
        if any(found):  # each is one model for all cells, however many repeat its score
            rows[called] = [_cell(spread(set(values)), ".2f", count=False) for values in found]
    for recipe in recipes:
        found = [_values(split, "student", _of(done, task, recipe)) for task in tasks]
        rows[f"**{recipe}**"] = [_cell(spread(values), ".2f") for values in found]
        # the control of exactly as many steps, where the cells trained one
        control = [_values(split, "scratch", _of(done, task, recipe)) for task in tasks]
        if any(control):
            rows[f"its steps from scratch ({recipe})"] = [
                _cell(spread(values), ".2f") for values in control
            ]
    rows["one run"] = [_half(split, _of(done, task)) for task in tasks]
    titles = [f"{task}, {_of(done, task)[0]['metric']}" for task in tasks]
    return _markdown("model", titles, rows)


def _of(done: list[Left], task: str, recipe: str | None = None) -> list[Left]:
    return [x for x in done if x["task"] == task and recipe in (None, x["recipe"])]


def _values(split: str, who: str, cells: list[Left]) -> list[float]:
    scores = [cell["scores"].get(split, {}) for cell in cells]
    return [100 * found[who]["value"] for found in scores if who in found]


def _half(split: str, cells: list[Left]) -> str:
    ends = [x["scores"][split]["student"]["interval"] for x in cells if split in x["scores"]]
    return f"± {sum(50 * (high - low) for low, high in ends) / len(ends):.1f}"


def _cell(found: Spread | None, form: str, *, count: bool = True) -> str:
    if found is None:
        return "-"
    deviation = "" if found.std is None else f" ± {found.std:{form}}"
    return f"{found.mean:{form}}{deviation}" + (f" ({found.n})" if count else "")


def _markdown(first: str, titles: list[str], rows: dict[str, list[str]]) -> list[str]:
    lines = [f"| {' | '.join([first, *titles])} |", "|---" * (len(titles) + 1) + "|"]
    return [*lines, *(f"| {' | '.join([name, *values])} |" for name, values in rows.items())]
