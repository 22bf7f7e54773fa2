"""Tokens a second of general distillation: from written labels against the teacher online.

    python benchmarks/general.py
    python benchmarks/general.py --device cuda --compile
    python benchmarks/general.py --pair 2x128:1x64 --tokens 512 --rounds 3   # to see that it runs

A BERT of random weights and sequences of random tokens, since speed does not depend on them. Both
sides take the step of `kdc distill --corpus` by the recipe general-mlm on the same batches, and
`kdc label` writes the labels of as many tokens anew, all in turn, so that what disturbs the
machine disturbs them alike. Over E epochs the labels have to be made once: E times the time of
the teacher online is compared with that of labelling and E times that from labels. On the CPU it
is CPU time that counts: the work is done by one thread, and others may be at work beside it. The
utilisation is of counted operations: see `flops.py`.
"""

import argparse
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
from flops import forward_flops, peak
from paired import take_turns
from random_corpus import LENGTH, MASKED_SHARE, VOCABULARY, write_corpus, write_teacher
from record import record
from training import read_shape

from kdc.compress.corpus.folder import read_corpus
from kdc.compress.feed import open_feed
from kdc.compress.general.distill import make_run
from kdc.compress.general.job import GeneralJob
from kdc.compress.labelling.label import LabelJob, Labelling, prepare, write_labels
from kdc.compress.labels.method import Method
from kdc.compress.learner import Learner
from kdc.compress.parallel import ALONE
from kdc.compress.progress import Silent
from kdc.compress.recipe import load_recipe
from kdc.compress.runtime import choose_device, precision
from kdc.compress.students import Shape, choose_shape
from kdc.compress.workspace import Workspace
from kdc.export.statistics import Ratio, ratio

PAIRS = {"cuda": "12x768:tinybert-4", "cpu": "12x768:tinybert-4", "mps": "12x768:tinybert-4"}
TOKENS = {"cuda": 131_072, "cpu": 1_024, "mps": 8_192}
EPOCHS = 3


@dataclass(frozen=True)
class Paces:
    """Tokens a second of what is compared, and how the rounds compare."""

    labelling: float
    cached: float
    online: float
    gain: Ratio
    """From labels against the teacher online, a step."""
    over_epochs: Ratio
    """The same over `EPOCHS` epochs, the labelling included."""
    control: Ratio
    """From labels by from labels."""


def main() -> None:
    """Measure, and print or record the table."""
    options = _options()
    device = choose_device(options.device)
    if device.type == "cpu":
        torch.set_num_threads(1)
    pair = options.pair or PAIRS[device.type]
    teacher_name, student_name = pair.split(":")
    budget = options.tokens or TOKENS[device.type]
    with TemporaryDirectory() as folder:
        place = Path(folder)
        teacher = write_teacher(place / "teacher", teacher_name)
        sequences = -(-options.steps * budget // LENGTH)
        corpus = write_corpus(place / "shards", teacher, sequences)
        paces = measure(place, teacher, corpus, student_name, budget, options)
    lines = table(paces, teacher_name, student_name, budget, options)
    if options.record:
        record(f"General distillation, {teacher_name} to {student_name}, {device.type}", lines)
    else:
        print("\n".join(lines))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    add = parser.add_argument
    add("--device", default="cpu")
    add("--pair", metavar="TEACHER:STUDENT", help="LAYERSxHIDDEN, then a student")
    add("--tokens", type=int, help="in a step")
    add("--draws", type=int, default=20, help="tokens that labels keep of a place")
    add("--rounds", type=int, default=10, help="a block of each side in each")
    add("--steps", type=int, default=3, help="in a block")
    add("--compile", action="store_true")
    add("--record", action="store_true", help="write the table into RESULTS.md")
    return parser.parse_args()


def measure(
    place: Path,
    teacher: Path,
    corpus: Path,
    student: str,
    budget: int,
    options: argparse.Namespace,
) -> Paces:
    """Let a step from labels, one with the teacher and the labelling take turns."""
    labels, method = place / "labels", Method("draws", options.draws)
    job = LabelJob(corpus, str(teacher), method, labels, device=options.device)
    asked = prepare(job, Silent())
    write_labels(asked, Silent())
    recipe = load_recipe("general-mlm")
    train = replace(recipe.stages[0].train, batch_tokens=budget)
    recipe = replace(recipe, stages=(replace(recipe.stages[0], train=train),))
    online = GeneralJob(corpus, recipe, place / "out", student, teacher=str(teacher))
    online = replace(online, device=options.device, compiled=options.compile)
    cached, with_teacher = (
        _block(steps(job), options.steps) for job in (replace(online, labels=labels), online)
    )
    anew = replace(asked, job=replace(job, out=place / "again"))
    turns = [cached, with_teacher, cached, lambda _: _label_anew(anew)]
    found = take_turns(turns, options.rounds, seed=0, warm_up=1, settle=0)
    took = (found.cpu_ms if options.device == "cpu" else found.wall_ms) / 1e3
    ours, theirs, again, labelling = took.T
    whole = EPOCHS * theirs, labelling + EPOCHS * ours
    # every side has been given as many tokens, the last sequence of the corpus perhaps excepted
    pace = [options.steps * budget / float(np.median(side)) for side in (labelling, ours, theirs)]
    ratios = [ratio([a], [b], seed=0) for a, b in ((theirs, ours), whole, (again, ours))]
    return Paces(*pace, *ratios)


def _label_anew(asked: Labelling) -> None:
    shutil.rmtree(asked.job.out, ignore_errors=True)
    write_labels(asked, Silent())


def _block(steps: Iterator[None], count: int) -> Callable[[int], None]:
    def block(number: int) -> None:
        for _ in range(count):
            next(steps)
        if torch.cuda.is_available():
            torch.cuda.synchronize()

    return block


def steps(job: GeneralJob) -> Iterator[None]:
    """Take the steps of `kdc distill --corpus` for ever; yields after each."""
    run = make_run(job, read_corpus(job.corpus), Workspace(job.out), Silent())
    leg = run.legs[0]
    learner = Learner(run.model, leg.objectives, leg.training, run.device)
    feed, step = open_feed(leg.rows, leg.training, 0, run.padding, run.device), 0
    with run.suited(leg):
        while True:
            learner.step(feed.take(step, ALONE), leg.teacher, leg.training.learning_rate)
            step += 1
            yield


def token_flops(shape: Shape) -> float:
    """Count the operations of a forward pass with a head for masked words, a token."""
    head = MASKED_SHARE * (2 * shape.hidden**2 + 2 * shape.hidden * VOCABULARY)
    return (forward_flops(shape, LENGTH, 0) - 2 * shape.hidden**2) / LENGTH + head


def table(
    paces: Paces, teacher: str, student: str, budget: int, options: argparse.Namespace
) -> list[str]:
    """Return the paces as Markdown; without a known peak there is no utilisation."""
    device = choose_device(options.device)
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else device.type
    most = peak(name) if device.type == "cuda" and precision(device) == "bf16" else None
    theirs = token_flops(read_shape(teacher))
    ours = token_flops(choose_shape(student, read_shape(teacher)))
    lines = ["| work | tokens/s | TFLOP/s | utilisation |", "|---" * 4 + "|"]
    for what, pace, flops in (
        ("labelling", paces.labelling, theirs),
        ("training from labels", paces.cached, 3 * ours),
        ("training, teacher online", paces.online, theirs + 3 * ours),
    ):
        used = f"{pace * flops / most:.1%}" if most else "-"
        lines.append(f"| {what} | {pace:,.0f} | {pace * flops / 1e12:.3f} | {used} |")
    note = (
        f"{teacher} to {student} ({choose_shape(student, read_shape(teacher))}), "
        f"{options.draws} draws of {VOCABULARY:,} tokens, sequences of {LENGTH}, "
        f"{budget:,} tokens a step; {name}, "
        f"{precision(device)}{', compiled' if options.compile else ''}. Medians of "
        f"{options.rounds} rounds of {options.steps} steps in which both sides have their turn, "
        f"{'of CPU time' if device.type == 'cpu' else 'on the clock'}; a step "
        f"from labels is {paces.gain} times as fast (control: {paces.control}), {EPOCHS} epochs "
        f"with the labelling {paces.over_epochs} times."
    )
    return [*lines, "", note]


if __name__ == "__main__":
    main()
