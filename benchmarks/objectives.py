"""Every published recipe on every task: a grid of `kdc distill`, run cell by cell.

    python benchmarks/objectives.py --out grid                      # go on where it stopped
    python benchmarks/objectives.py --out grid --tasks SST-2,RTE --recipes best,hinton,scratch \
        --students 4x256 --seeds 0                                  # some of the cells
    python benchmarks/objectives.py --out grid --only-table --record

A finished cell is a small JSON in --out and is never run again, unless its recipe has changed;
Ctrl-C loses at most a minute of the cell at hand. Teachers are MiniLM, fine-tuned by `kdc teacher`
once a task, or lie in --teachers by the tasks' names. The table is made of whatever cells there
are; --record writes it into RESULTS.md and the cells into cells/objectives.json.
"""

import argparse
import sys
from pathlib import Path

from grid import RECIPES, STUDENTS, TASKS, Cell, Store, cells
from objectives_table import table
from record import record
from run_cell import SHARED, Places, Refused, run_cell, stoppable


def main() -> None:
    """Run what is missing of the cells asked for, and print, or record, their table."""
    options = _options()
    grid = list(
        cells(options.tasks, options.students, options.recipes, options.seeds, options.epochs)
    )
    store = Store(options.out / "cells")
    failed = [] if options.only_table else run(grid, store, _places(options))
    lines = table(grid, store)
    if options.record:
        store.commit(grid)
        record("Recipes by task", lines)
    else:
        print("\n".join(lines))
    for line in failed:
        print(line)


def run(grid: list[Cell], store: Store, places: Places) -> list[str]:
    """Run the cells that are not finished; returns a sentence for each that failed."""
    failed = []
    missing = [cell for cell in grid if store.find(cell) is None]
    with stoppable():
        for number, cell in enumerate(missing, start=1):
            print(f"{number} of {len(missing)}: {cell.name}", flush=True)
            try:
                store.add(cell, run_cell(cell, places))
            except Refused as error:
                failed.append(f"{cell.name} failed: {error}")
                print(failed[-1], flush=True)
    return failed


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    add = parser.add_argument
    add("--out", type=Path, required=True, help="the cells, and what the runs keep")
    add("--tasks", type=words, default=list(TASKS), metavar="A,B", help=", ".join(TASKS))
    add("--recipes", type=words, default=RECIPES, metavar="A,B", help="names, or files")
    add("--students", type=words, default=STUDENTS, metavar="A,B")
    add("--seeds", type=numbers, default=[0, 1, 2], metavar="0,1,2")
    add("--epochs", type=float, help="of every stage, in place of the recipes' own")
    add("--data", type=Path, default=SHARED, help="where the tasks' data lie")
    add("--teachers", type=Path, help="fine-tuned teachers, in folders named as the tasks")
    add("--controls", action="store_true", help="train each cell's own control from scratch too")
    add("--keep", action="store_true", help="keep the student folders")
    add("--only-table", action="store_true", help="run nothing")
    add("--record", action="store_true", help="write RESULTS.md and cells/objectives.json")
    options = parser.parse_args()
    unknown = [task for task in options.tasks if task not in TASKS]
    if unknown:
        parser.error(f"there is no task {unknown[0]}: choose from {', '.join(TASKS)}")
    return options


def words(text: str) -> list[str]:
    """Read A,B."""
    return text.split(",")


def numbers(text: str) -> list[int]:
    """Read 0,1,2."""
    return [int(part) for part in text.split(",")]


def _places(options: argparse.Namespace) -> Places:
    return Places(
        work=options.out / "work",
        data=options.data,
        teachers=options.teachers,
        controls=options.controls,
        keep=options.keep,
    )


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit("stopped; the same command goes on where it was")
