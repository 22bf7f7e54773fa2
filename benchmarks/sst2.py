"""The whole walk on a real task, with the user's own commands: teacher, student, int8, accuracy.

    python benchmarks/sst2.py                   # SST-2
    python benchmarks/sst2.py --task clinc150   # 151 classes, out-of-scope among them
    python benchmarks/sst2.py --teacher TEACHER --recipe hinton   # three epochs of the rows alone

The data is read from ../shared/data beside the repository, or from --data.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from record import record

KDC = str(Path(sys.executable).with_name("kdc"))  # the one beside this Python
SHARED = Path(__file__).parents[2] / "shared" / "data"


@dataclass(frozen=True)
class Plan:
    """A task's data, what its teacher and student are trained with, and what they must reach."""

    data: str
    teacher: list[str]
    student: list[str]
    goals: str


PLANS = {
    "sst2": Plan(
        data="glue/SST-2",
        teacher=["--epochs", "3", "--learning-rate", "5e-5"],
        student=["--epochs", "3"],
        goals="teacher 90.0 % on dev in 25 min; int8 student keeps 97.5 % in 25 more",
    ),
    "clinc150": Plan(
        data="clinc150",
        teacher=["--epochs", "4", "--learning-rate", "1e-4"],
        student=["--epochs", "6", "--learning-rate", "2e-4"],
        goals="int8 student keeps 97 %",
    ),
}


def main() -> None:
    """Run the plan of a task and record its table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--task", choices=PLANS, default="sst2")
    parser.add_argument("--data", help="where the task's data lies")
    parser.add_argument("--teacher", type=Path, help="a fine-tuned teacher; default: make one")
    parser.add_argument("--student", default="3x384")
    parser.add_argument("--recipe", default="best")
    parser.add_argument("--seed", default="0")
    parser.add_argument("--out", type=Path, help="keep the folders here")
    options = parser.parse_args()
    plan = PLANS[options.task]
    folder = options.out or Path(tempfile.mkdtemp(prefix="kdc-"))
    folder.mkdir(parents=True, exist_ok=True)
    data = ["--data", options.data or str(SHARED / plan.data)]
    common = [*data, "--seed", options.seed]
    teacher = str(options.teacher.resolve()) if options.teacher else "teacher"
    student = ["--teacher", teacher, "--student", options.student, "--recipe", options.recipe]

    seconds = {}
    if not options.teacher:
        seconds["teacher"] = timed(folder, "teacher", [*common, *plan.teacher])
    seconds["distill"] = timed(folder, "distill", [*student, *common, *plan.student])
    seconds["export"] = timed(folder, "export", ["--quantize"])
    timed(folder, "eval", ["--model", "phone", *data])
    name = f"{options.task}: minilm to {options.student}"
    name += "" if options.recipe == "best" else f" by {options.recipe}"
    record(name, table(folder, seconds, plan))


def timed(folder: Path, command: str, options: list[str]) -> float:
    """Run one of kdc's commands in `folder`, its JSON beside; returns wall seconds."""
    words = [KDC, command, *options, "--json", f"{command}.json"]
    print("$", " ".join(words), flush=True)
    start = time.monotonic()
    subprocess.run(words, cwd=folder, check=True)
    return time.monotonic() - start


def table(folder: Path, seconds: dict[str, float], plan: Plan) -> list[str]:
    """Return the results as Markdown.

    Args:
        folder: what the commands have left.
        seconds: that each command took; without `teacher` where it was there already.
        plan: the task's.
    """
    metrics, shipped = read(folder / "student/metrics.json"), read(folder / "eval.json")
    teacher = metrics["teacher"]["value"]
    wall = {command: f"{value / 60:.1f} min" for command, value in seconds.items()}
    method, size = read(folder / "export.json")["method"], (folder / "student.onnx").stat().st_size
    rows = [
        ("bag of words", metrics["baselines"]["bag_of_words"], "", ""),
        ("teacher", metrics["teacher"], wall.get("teacher", ""), ""),
        ("student, fp32 torch", metrics["student"], wall["distill"], ""),
        (f"student, {method} file that ships", shipped, wall["export"], f"{size / 1e6:.1f} MB"),
    ]
    lines = [
        "| model | dev % | 95 % interval | n | kept | wall time | file |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, score, took, bytes_ in rows:
        low, high = (100 * end for end in score["interval"])
        value, kept = 100 * score["value"], score["value"] / teacher
        numbers = f"{value:.2f} | {low:.1f} to {high:.1f} | {score['n']:,} | {kept:.1%}"
        lines.append(f"| {name} | {numbers} | {took} | {bytes_} |")
    trained = f"Teacher: `{' '.join(plan.teacher)}`; student: `{' '.join(plan.student)}`."
    return [*lines, "", f"{trained} Goal: {plan.goals}."]


def read(path: Path) -> dict[str, Any]:
    """Read a JSON object."""
    value: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return value


if __name__ == "__main__":
    main()
