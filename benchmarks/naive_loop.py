"""Our distillation from kept logits against the loop of the usual tutorials.

    python benchmarks/naive_loop.py --teacher sst2/teacher
    python benchmarks/naive_loop.py --teacher sst2/teacher --rows 6400 --epochs 1 --seeds 3

Without --rows their speed: both sides take turns in one process of one thread, block by block, and
ours takes part twice as the control. With --rows their accuracy: both train the same student from
the same start on the same rows, and their last weights answer the same dev texts.
"""

import argparse
import tempfile
from pathlib import Path

import torch
from race import GOAL_RATE, Speed, race
from record import record
from same_accuracy import GOAL_POINTS, Pairing, train_both
from training import default_data

from kdc.compress.data.load import load_data
from kdc.compress.recipe import load_recipe
from kdc.compress.runtime import choose_device, precision

RECIPE = "hinton"


def main() -> None:
    """Measure what is asked for and print, or record, its table."""
    options = _options()
    torch.set_num_threads(1)
    data, recipe = load_data(options.data), load_recipe(RECIPE)
    if options.rows is None:
        speeds = [race(options.teacher, name, data, recipe, options) for name in options.students]
        title, lines = f"The tutorials' loop: speed on {data.task.name}", speed_lines(speeds)
    else:
        title = f"The tutorials' loop: accuracy on {data.task.name}"
        with tempfile.TemporaryDirectory(prefix="kdc-") as scratch:
            pairings = [
                train_both(options.teacher, name, data, recipe, options, Path(scratch))
                for name in options.students
            ]
        lines = accuracy_lines(pairings, data.task.metric)
    if options.record:
        record(title, lines)
    else:
        print("\n".join(lines))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    add = parser.add_argument
    add("--teacher", default="minilm", help="a model folder; a bare encoder does for the speed")
    add("--students", nargs="*", default=["3x384", "4x256"])
    add("--data", default=default_data())
    add("--rounds", type=int, default=20, help="of the speed: a block of each side in each")
    add("--rows", type=int, help="train on so many rows and compare accuracies")
    add("--epochs", type=float, default=1.0)
    add("--seeds", type=int, default=3)
    add("--record", action="store_true", help="write the table into RESULTS.md")
    options = parser.parse_args()
    if min(options.rounds, options.seeds, options.rows or 1) < 1 or options.epochs <= 0:
        parser.error("--rounds, --rows, --epochs and --seeds must be above 0")
    return options


def speed_lines(speeds: list[Speed]) -> list[str]:
    """Return the speeds as Markdown."""
    lines = [
        "| student | tutorials' loop | ours | ours : theirs | with the teacher's pass | control |",
        "|---" * 6 + "|",
    ]
    for speed in speeds:
        rates = f"{speed.naive:.2f} | {speed.ours:.1f} | {speed.gain}"
        lines.append(f"| {speed.student} | {rates} | {speed.gain_with_pass} | {speed.control} |")
    lines.append("")
    for speed in speeds:
        reached = verdict(speed.gain.low >= GOAL_RATE, speed.gain.high < GOAL_RATE)
        lines.append(f"* {speed.student}: {speed.gain} times, goal {GOAL_RATE}: {reached}")
    last = speeds[-1]
    note = f"Examples a CPU second, over {last.rounds} rounds in which every side has its turn: "
    note += f"{last.naive_rows} rows of theirs and {last.our_rows} of ours a round; ratios of the "
    note += "sums with 95 % intervals (bootstrap over the rounds); control: ours against itself. "
    note += f"With the teacher's pass: its one pass over the rows is shared by {last.epochs:g} "
    note += "epochs. Theirs: teacher online, 128 tokens, fp32. Ours: kept logits, batches of "
    note += f"nearly one length, {precision(choose_device('cpu'))}; the rows' mean length is "
    note += f"{last.mean_length:.1f} tokens."
    return [*lines, "", note]


def accuracy_lines(pairings: list[Pairing], metric: str) -> list[str]:
    """Return the accuracies as Markdown."""
    lines = [
        "| student | tutorials' loop, dev % | ours, dev % | ours - theirs, points "
        "| error over rows | over seeds | seed by seed |",
        "|---" * 7 + "|",
    ]
    for pairing in pairings:
        theirs, ours = 100 * pairing.naive, 100 * pairing.ours
        apart = " ".join(f"{100 * value:+.2f}" for value in pairing.by_seed)
        over = pairing.seed_error
        seeds = "-" if over is None else f"{100 * over:.2f}"
        errors = f"{100 * pairing.row_error:.2f} | {seeds}"
        numbers = f"{theirs:.2f} | {ours:.2f} | {ours - theirs:+.2f} | {errors} | {apart}"
        lines.append(f"| {pairing.student} | {numbers} |")
    lines.append("")
    for pairing in pairings:
        points, within = 100 * abs(pairing.ours - pairing.naive), 196 * pairing.row_error
        reached = verdict(points + within <= GOAL_POINTS, points - within > GOAL_POINTS)
        apart = f"{points:.2f} points apart (± {within:.2f})"
        lines.append(f"* {pairing.student}: {apart}, goal {GOAL_POINTS}: {reached}")
    last = pairings[-1]
    note = f"Mean {metric} of {len(last.by_seed)} seeds, the last weights of {last.steps} steps "
    note += f"of recipe `{RECIPE}` on {last.rows:,} rows. Standard errors of the paired "
    note += f"difference: over the {last.dev_rows} dev rows (each row's mean over the seeds) and "
    note += "over the seeds."
    return [*lines, "", note]


def verdict(reached: bool, missed: bool) -> str:
    """Say how a goal stands to a 95 % interval, which may lie on neither side of it."""
    return "reached" if reached else "missed" if missed else "not decided: the interval holds it"


if __name__ == "__main__":
    main()
