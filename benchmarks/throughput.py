"""Examples a second and utilisation of the step with the teacher online, on a GPU or the CPU.

    python benchmarks/throughput.py --device cuda
    python benchmarks/throughput.py --device cpu      # a tiny pair, to see that it runs

Random weights and random tokens, since speed does not depend on them, in texts of one length, so
that every side computes exactly the same and nothing is padded; a batch holds a fixed number of
tokens. Ours, plain and compiled, and a loop as Trainer has it take turns in one process, and ours
takes part twice as the control. The utilisation is of counted operations: see `flops.py`.
"""

import argparse
from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import dataclass

import numpy as np
import torch
from flops import peak, step_flops
from paired import Array, Side, take_turns
from record import record
from torch.utils.data import TensorDataset
from trainer_style import trainer_steps
from training import make_learner, random_bert
from transformers import PreTrainedModel

from kdc.compress.encode import Batches
from kdc.compress.examples import Examples
from kdc.compress.recipe import Recipe, load_recipe
from kdc.compress.runtime import choose_device, precision, suited
from kdc.compress.signals import OnlineTeacher
from kdc.compress.students import Shape, build_student, choose_shape, shape_of
from kdc.compress.task import Task
from kdc.export.statistics import Ratio, ratio

TASK = Task("random", "classification", ("a", "b"), pair=False, metric="accuracy")
RECIPE = "hinton"
BATCHES = 16  # different ones, in turn
PAIRS = {"cuda": "12x768:tinybert-4", "cpu": "2x128:1x64", "mps": "12x768:tinybert-4"}
TOKENS = {"cuda": 32_768, "cpu": 512, "mps": 8_192}
SIDES = ["kdc", "kdc, compiled", "as Trainer", "as Trainer, compiled"]


@dataclass(frozen=True)
class Pace:
    """How fast the sides are on texts of a length."""

    length: int
    rows: int
    """Of a batch."""
    flops: float
    """Of a step."""
    seconds: dict[str, float]
    """Side -> the median of a step."""
    gains: dict[str, Ratio]
    """Side -> how many times as fast as Trainer's loop, compiled as it is."""
    control: Ratio
    """Ours by ours."""


def main() -> None:
    """Measure every length and print, or record, the table."""
    options = _options()
    device, recipe = choose_device(options.device), load_recipe(RECIPE)
    torch.manual_seed(0)
    if device.type == "cpu":
        torch.set_num_threads(options.threads)
    name, student_name = (options.pair or PAIRS[device.type]).split(":")
    teacher = random_bert(name, TASK.outputs)
    student = choose_shape(student_name, shape_of(teacher.config))
    paces = [
        measure(teacher, student, recipe, length, device, options) for length in options.lengths
    ]
    title = f"Throughput with the teacher online: {name} to {student_name}, {device.type}"
    lines = table(paces, student, device, options)
    if options.record:
        record(title, lines)
    else:
        print("\n".join(lines))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    add = parser.add_argument
    add("--device", default="auto")
    add("--pair", metavar="TEACHER:STUDENT", help="LAYERSxHIDDEN, then a student")
    add("--lengths", type=int, nargs="*", default=[32, 128], help="tokens of every text")
    add("--tokens", type=int, help="in a batch")
    add("--rounds", type=int, default=30, help="a block of each side in each")
    add("--steps", type=int, default=5, help="in a block")
    add("--threads", type=int, default=1, help="on the CPU")
    add("--no-compile", action="store_true", help="leave the compiled sides out")
    add("--record", action="store_true", help="write the table into RESULTS.md")
    options = parser.parse_args()
    counts = (options.rounds, options.steps, options.threads, *options.lengths)
    if min(counts) < 1 or max(options.lengths) > 512:
        parser.error("--rounds, --steps and --threads must be 1 or more, --lengths 1 to 512")
    return options


def measure(
    teacher: PreTrainedModel,
    shape: Shape,
    recipe: Recipe,
    length: int,
    device: torch.device,
    options: argparse.Namespace,
) -> Pace:
    """Let all sides take turns on texts of a length."""
    rows = max(1, (options.tokens or TOKENS[device.type]) // length)
    examples = random_examples(BATCHES * rows, length, int(teacher.config.vocab_size))
    student = build_student(teacher.config, shape, recipe.dropout)

    def side(make: Callable[..., Iterator[None]], *, compiled: bool) -> Side:
        models = [deepcopy(model).to(device) for model in (teacher, student)]
        steps = make(*models, examples, rows, recipe, device, compiled)

        def block(number: int) -> None:
            for _ in range(options.steps):
                next(steps)
            if device.type == "cuda":
                torch.cuda.synchronize()

        return block

    plain = side(our_steps, compiled=False)
    sides = {"kdc": plain, "as Trainer": side(their_steps, compiled=False)}
    if not options.no_compile:
        sides["kdc, compiled"] = side(our_steps, compiled=True)
        sides["as Trainer, compiled"] = side(their_steps, compiled=True)
    turns = [*sides.values(), plain]
    wall = take_turns(turns, options.rounds, seed=0, warm_up=3, settle=0).wall_ms / 1e3
    took = dict(zip(sides, wall.T, strict=False)) | {"control": wall[:, -1]}
    theirs = {name: name.replace("kdc", "as Trainer") for name in sides if name.startswith("kdc")}
    return Pace(
        length=length,
        rows=rows,
        flops=step_flops(shape_of(teacher.config), shape, rows, length, TASK.outputs),
        seconds={name: float(np.median(took[name])) / options.steps for name in sides},
        gains={name: ratio([took[other]], [took[name]], seed=0) for name, other in theirs.items()},
        control=ratio([took["kdc"]], [took["control"]], seed=0),
    )


def random_examples(count: int, length: int, vocabulary: int) -> Examples:
    """Draw texts of one length."""
    rng = np.random.default_rng(0)
    tokens: Array = rng.integers(1, vocabulary, count * length).astype(np.int32)
    return Examples(
        tokens=tokens,
        types=np.zeros(len(tokens), dtype=np.uint8),
        lengths=np.full(count, length, dtype=np.int32),
        labels=rng.integers(0, TASK.outputs, count),
        texts=[""] * count,
        pairs=None,
    )


def our_steps(
    teacher: PreTrainedModel,
    student: PreTrainedModel,
    examples: Examples,
    rows: int,
    recipe: Recipe,
    device: torch.device,
    compiled: bool,
) -> Iterator[None]:
    """Take the steps of `kdc distill` for ever; yields after each."""
    stage = recipe.stages[0]
    learner = make_learner(student, teacher, stage, TASK, device)
    online, batches = OnlineTeacher(teacher), Batches(examples, 0, device)
    order = np.random.default_rng(0).permutation(len(examples)).reshape(-1, rows)
    longest = int(examples.lengths.max())
    with suited(student, teacher, device, longest, compiled=compiled):
        while True:
            for index in order:
                learner.step(batches.make(index), online, stage.train.learning_rate)
                yield


def their_steps(
    teacher: PreTrainedModel,
    student: PreTrainedModel,
    examples: Examples,
    rows: int,
    recipe: Recipe,
    device: torch.device,
    compiled: bool,
) -> Iterator[None]:
    """Take Trainer's for ever; yields after each."""
    for model in (teacher, student) if compiled else ():
        model.compile()
    ids = torch.from_numpy(examples.tokens.astype(np.int64)).view(len(examples), -1)
    labels = torch.from_numpy(examples.labels)
    table = TensorDataset(ids, torch.ones_like(ids), torch.zeros_like(ids), labels)
    return trainer_steps(teacher, student, table, rows, recipe.stages[0], steps=10**9)


def table(
    paces: list[Pace], student: Shape, device: torch.device, options: argparse.Namespace
) -> list[str]:
    """Return the paces as Markdown; without a known peak there is no utilisation."""
    cuda = device.type == "cuda"
    name = torch.cuda.get_device_name(device) if cuda else device.type
    most = peak(name) if cuda and precision(device) == "bf16" else None
    lines = [
        "| tokens | rows | loop | ms a step | examples/s | TFLOP/s | utilisation | Trainer : ours "
        "| control |",
        "|---" * 9 + "|",
    ]
    for pace in paces:
        for side in (side for side in SIDES if side in pace.seconds):
            took = pace.seconds[side]
            speed = pace.flops / took
            used = f"{speed / most:.1%}" if most else "-"
            numbers = f"{1e3 * took:.2f} | {pace.rows / took:,.0f} | {speed / 1e12:.3f} | {used}"
            control = pace.control if side == "kdc" else ""
            gain = pace.gains.get(side, "")
            lines.append(
                f"| {pace.length} | {pace.rows} | {side} | {numbers} | {gain} | {control} |"
            )
    note = f"Student {student}; {name}, {precision(device)}, torch {torch.__version__}; medians of "
    note += (
        f"{options.rounds} rounds of {options.steps} steps in which every side has its turn, on "
    )
    note += "the clock; ratios with 95 % intervals, compiled with compiled; control: ours by ours."
    peaks = f" Peak: {most / 1e12:.0f} TFLOP/s." if most else " No peak is known: no utilisation."
    return [*lines, "", note + peaks]


if __name__ == "__main__":
    main()
