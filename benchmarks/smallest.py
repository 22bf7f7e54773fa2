"""How small a file still answers: SST-2 by students of fewer words, in 4 and 8 bits.

    python benchmarks/smallest.py --teacher sst2/teacher --out small

The teacher is a folder of `kdc teacher` (benchmarks/sst2.py --out makes one). Each plan distils,
exports and scores the file that ships on all of dev; beside it stands what the same student weighs
as peers ship it. Bytes are those of files: a zip of the model and of its tokenizer.
"""

import argparse
import json
import shlex
import subprocess
import sys
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from peers import optimum_peers, optimum_python, torch_peer
from record import record

KDC = str(Path(sys.executable).with_name("kdc"))  # the one beside this Python
SHARED = Path(__file__).parents[2] / "shared" / "data" / "glue" / "SST-2"
TOKENIZER = ("tokenizer.json", "tokenizer_config.json", "vocab.txt")


@dataclass(frozen=True)
class Plan:
    """One student, and the share of its teacher's accuracy that its file must keep."""

    name: str
    keeps: float
    distill: str
    export: str


PLANS = (
    Plan("97 %", 0.97, "--student 3x384 --vocab 6144 --epochs 3", "--method int4"),
    Plan("95 %", 0.95, "--student phone-3x384 --vocab 6144 --epochs 3", "--method int4"),
)


def main() -> None:
    """Run every plan and record the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--teacher", required=True, help="the fine-tuned teacher")
    parser.add_argument("--data", default=str(SHARED))
    parser.add_argument("--out", type=Path, required=True, help="where the folders go; reused")
    parser.add_argument("--optimum-python", type=Path, help="a Python that has optimum-onnx")
    parser.add_argument("--print", action="store_true", help="leave RESULTS.md as it is")
    options = parser.parse_args()
    optimum = optimum_python(options.optimum_python)
    lines = [
        "| plan | file | dev % | 95 % interval | n | kept | MB | MB zipped with tokenizer |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for plan in PLANS:
        lines += rows(plan, options, optimum)
    lines += [
        "",
        *(f"{p.name}: `kdc distill {p.distill}`, `kdc export {p.export}`." for p in PLANS),
    ]
    if options.print:
        print("\n".join(lines))
    else:
        record("SST-2: the smallest files", lines)


def rows(plan: Plan, options: argparse.Namespace, optimum: Path) -> list[str]:
    """Distil, export and score a plan; returns its rows of the table."""
    folder = options.out / plan.name.replace(" %", "")
    folder.mkdir(parents=True, exist_ok=True)
    student, phone, data = folder / "student", folder / "phone", ["--data", options.data]
    if not (student / "manifest.json").is_file():
        words = ["distill", "--teacher", options.teacher, *data, *shlex.split(plan.distill)]
        kdc([*words, "--out", str(student)])
    # the gate here is the share of the teacher's accuracy, judged below
    kdc(["export", str(student), *shlex.split(plan.export), "--max-drop", "5", "--out", str(phone)])
    scored = folder / "eval.json"
    kdc(["eval", "--model", str(phone), *data, "--json", str(scored)])
    metrics, shipped = read(student / "metrics.json"), read(scored)
    teacher = metrics["teacher"]["value"]
    files = [path for path in sorted((phone / "onnx").iterdir()) if path.is_file()]
    goal = "reached" if shipped["value"] >= plan.keeps * teacher else "missed"
    lines = [
        f"| {plan.name} | student, fp32 | {scores(metrics['student'], teacher)} | | |",
        f"| {plan.name}: {goal} | **ships** | {scores(shipped, teacher)} | {sizes(files, phone)} |",
    ]
    peers = [torch_peer(student, folder), *optimum_peers(optimum, student, folder)]
    for path in peers:
        lines.append(f"| | peer: {path.stem} | | | | | {sizes([path], student)} |")
    return lines


def scores(score: dict[str, Any], teacher: float) -> str:
    """Return four cells: %, interval, n, share of the teacher's."""
    low, high = (100 * end for end in score["interval"])
    value = score["value"]
    return f"{100 * value:.2f} | {low:.1f} to {high:.1f} | {score['n']} | {value / teacher:.1%}"


def sizes(files: Sequence[Path], tokenizer: Path) -> str:
    """Return two cells: bytes of the files, and of a zip of them and of a tokenizer."""
    archive = tokenizer.parent / "size.zip"
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as made:
        for path in [*files, *(tokenizer / name for name in TOKENIZER)]:
            if path.is_file():
                made.write(path, path.name)
    zipped = archive.stat().st_size
    archive.unlink()
    return f"{sum(path.stat().st_size for path in files) / 1e6:.2f} | {zipped / 1e6:.2f}"


def kdc(words: Sequence[str]) -> None:
    """Run one of kdc's commands."""
    print("$ kdc", shlex.join(words), flush=True)
    subprocess.run([KDC, *words], check=True)


def read(path: Path) -> dict[str, Any]:
    """Read a JSON object."""
    value: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return value


if __name__ == "__main__":
    main()
