"""Examples a second of a distillation step: teacher's logits kept on disk against teacher online.

    python benchmarks/steps.py

Both sides run the same batches of the built-in task in one process, in turn, block by block; the
ratio is taken block by block, and a second kept side stands beside it as the control.
"""

import argparse
import time

import numpy as np
import torch
from record import record
from training import (
    SHORT,
    full_batches,
    hold_used_tokens,
    load_teacher,
    make_learner,
    make_student,
    read_shape,
)
from transformers import PreTrainedModel

from kdc.compress.data.load import load_data
from kdc.compress.encode import Batches
from kdc.compress.families import max_length
from kdc.compress.models import Source, find_model
from kdc.compress.progress import Silent
from kdc.compress.recipe import load_recipe
from kdc.compress.rows import tokenise
from kdc.compress.runtime import choose_device, precision, suited
from kdc.compress.signals import KeptTeacher, OnlineTeacher, Teacher
from kdc.compress.students import build_student
from kdc.compress.task import Task

SIZE = 32
STEPS = 5  # in a block: long enough to time, short enough that the machine is the same


def main() -> None:
    """Measure every student given and record the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument(
        "pairs",
        nargs="*",
        metavar="TEACHER:STUDENT",
        default=["minilm:3x384", "minilm:4x256", "minilm:2x128", "12x768:tinybert-4"],
        help="minilm, or LAYERSxHIDDEN for a BERT of random weights; then a student",
    )
    parser.add_argument("--data", default="phone-commands")
    parser.add_argument("--blocks", type=int, default=20)
    parser.add_argument("--device", default="auto")
    options = parser.parse_args()
    lines = [
        "| teacher | student | kept, examples/s | online, examples/s | kept : online | control |",
        "|---|---|---|---|---|---|",
    ]
    for pair in options.pairs:
        teacher, student = pair.split(":")
        rates = measure(teacher, student, options.data, options.blocks, options.device)
        kept, online = np.median(rates[:, 0]), np.median(rates[:, 1])
        gain, control = interval(rates[:, 0] / rates[:, 1]), interval(rates[:, 0] / rates[:, 2])
        numbers = f"{kept:.0f} | {online:.0f} | {gain} | {control}"
        lines.append(f"| {teacher} | {student} | {numbers} |")
    note = f"Medians of {options.blocks} blocks of {STEPS} steps of {SIZE} rows, with the range "
    note += "from the 10th to the 90th percentile; control: the kept side against itself. "
    note += f"{precision(choose_device(options.device))}."
    record("A step from kept logits and with the teacher online", [*lines, "", note])


def make_teacher(name: str, source: Source, task: Task) -> PreTrainedModel:
    """Load minilm, or build a BERT of random weights: for speed, the values do not matter."""
    teacher = load_teacher(source, task)
    if name == "minilm":
        return teacher
    return build_student(teacher.config, read_shape(name), dropout=0.0)


def measure(
    teacher_name: str, name: str, data_name: str, blocks: int, device_name: str
) -> np.ndarray:
    """Return (blocks, 3) examples a second: kept, online, kept again."""
    device, recipe = choose_device(device_name), load_recipe("hinton")
    data, source = load_data(data_name), find_model("minilm", Silent())
    teacher = make_teacher(teacher_name, source, data.task)
    rows = tokenise(source, data, max_length(teacher), None, Silent())
    student = make_student(teacher, name, rows, recipe, seed=0)
    hold_used_tokens(student, rows)
    learner = make_learner(student, teacher, recipe.stages[0], data.task, device)
    kept = KeptTeacher(torch.randn(len(rows.train), data.task.outputs, device=device))
    sides: list[Teacher] = [kept, OnlineTeacher(teacher.to(device)), kept]
    batches = Batches(rows.train, rows.padding, device)
    order = full_batches(rows.train.lengths, SIZE, seed=0)
    rates = np.zeros((blocks + 1, len(sides)))
    with suited(student, teacher, device, SHORT):
        for block in range(blocks + 1):
            steps = [order[(block * STEPS + step) % len(order)] for step in range(STEPS)]
            for side in np.random.default_rng(block).permutation(len(sides)):
                start = time.perf_counter()
                for index in steps:
                    learner.step(batches.make(index), sides[side], 1e-5)
                if device.type == "cuda":
                    torch.cuda.synchronize()
                rates[block, side] = STEPS * SIZE / (time.perf_counter() - start)
    return rates[1:]  # the first block warms up


def interval(ratios: np.ndarray) -> str:
    """Print a median with its 10th and 90th percentile."""
    low, middle, high = np.percentile(ratios, [10, 50, 90])
    return f"{middle:.2f} ({low:.2f} to {high:.2f})"


if __name__ == "__main__":
    main()
