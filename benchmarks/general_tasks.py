"""What a general student is worth: the same task-distillation from it and from other first weights.

    python benchmarks/general_tasks.py --general FOLDER --out lab --teachers DIR
    python benchmarks/general_tasks.py --general FOLDER --out lab --only-table --record

FOLDER is what `kdc distill --corpus` made. Every cell is one `kdc distill` of a student of its
shape by hinton's losses and steps, at each of the rates: from the general student, from random
weights, and from the teacher's own, which is what the command does by itself. On the tasks of
--states it is also tried with what general-best taught on the corpus, the states of the teacher's
layers, now of the fine-tuned teacher: few rows say little by their labels alone. Cells are kept as
`objectives.py` keeps its own: nothing is run twice. --record writes the table into RESULTS.md and
the cells into cells/general_tasks.json.
"""

import argparse
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from grid import TASKS, Cell, Store, settle
from objectives import numbers, run, words
from objectives_table import table
from record import record
from run_cell import SHARED, Places

from kdc.compress.files import read_json
from kdc.compress.models import read_config
from kdc.compress.recipe import Recipe, load_recipe
from kdc.compress.students import shape_of

RESULTS = Path(__file__).parent / "cells" / "general_tasks.json"
STARTS = ("general", "random", "teacher")
RATES = (1e-4, 5e-4)
"""Of the recipe best: of a student as wide as its teacher, and of a narrower one. First weights
that know something want the lower one, random ones the higher one."""
_STATES_EPOCHS = 8.0  # each costs the teacher's pass as well


def main() -> None:
    """Run what is missing of the cells asked for, and print, or record, their table."""
    options = _options()
    grid, store = list(_cells(options)), Store(options.out / "cells", RESULTS)
    places = Places(options.out / "work", options.data, options.teachers)
    failed = [] if options.only_table else run(grid, store, places)
    lines = [_told(options.general), "", *table(grid, store)]
    if options.record:
        store.commit(grid)
        record("A general student on tasks", lines)
    else:
        print("\n".join(lines))
    for line in failed:
        print(line)


def _cells(options: argparse.Namespace) -> Iterator[Cell]:
    """Yield the grid, all of a seed before the next."""
    shape = shape_of(read_config(options.general))
    student = f"{shape.layers}x{shape.hidden}"
    for seed in options.seeds:
        for task in options.tasks:
            for start in options.starts:
                origin = options.general if start == "general" else None
                for rate in options.rates:
                    for states in (False, True)[: 1 + (task in options.states)]:
                        recipe = _recipe(start, rate, states=states)
                        epochs = _STATES_EPOCHS if states else None
                        yield Cell(task, student, settle(recipe, TASKS[task], epochs), seed, origin)


def _recipe(start: str, rate: float, *, states: bool) -> Recipe:
    """Return hinton with other first weights and another learning rate, and perhaps the states."""
    hinton = load_recipe("hinton")
    more = {"hidden_states": {"weight": 1.0, "layers": "uniform"}} if states else {}
    stages = tuple(
        replace(
            stage,
            train=replace(stage.train, learning_rate=rate),
            losses={**stage.losses, **more},
        )
        for stage in hinton.stages
    )
    weights = "teacher" if start == "teacher" else "random"
    first = replace(hinton.start, weights=weights)
    name = f"from-{start}{', states' if states else ''}, {rate:g}"
    return replace(hinton, name=name, stages=stages, start=first)


def _told(general: Path) -> str:
    """Say how the general student was made."""
    made = read_json(general / "metrics.json")
    recipe = (general / "recipe.toml").read_text(encoding="utf-8").split("\n")[0]
    held = ", ".join(f"{name} {value:.4f}" for name, value in made.get("held_out", {}).items())
    return f"The general student: {recipe}, {made['tokens']:,} tokens of its corpus; {held}."


def _rates(value: str) -> list[float]:
    return [float(rate) for rate in words(value)]


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    add = parser.add_argument
    add("--general", type=Path, required=True, help="a folder that kdc distill --corpus made")
    add("--out", type=Path, required=True, help="the cells, and what the runs keep")
    add("--tasks", type=words, default=["CoLA", "MRPC", "RTE", "SST-2"], metavar="A,B")
    add("--starts", type=words, default=list(STARTS), metavar="A,B")
    add("--rates", type=_rates, default=list(RATES), metavar="1e-4,5e-4")
    add("--states", type=words, default=[], metavar="A,B", help="of these tasks with states too")
    add("--seeds", type=numbers, default=[0, 1, 2], metavar="0,1,2")
    add("--data", type=Path, default=SHARED, help="where the tasks' data lie")
    add("--teachers", type=Path, help="fine-tuned teachers, in folders named as the tasks")
    add("--only-table", action="store_true", help="run nothing")
    add("--record", action="store_true", help="write RESULTS.md and cells/general_tasks.json")
    return parser.parse_args()


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit("stopped; the same command goes on where it was")
