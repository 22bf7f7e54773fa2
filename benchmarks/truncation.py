"""What may be left out of a teacher's softmax: one student trained from it in eight ways.

    python benchmarks/truncation.py --out lab                     # go on where it stopped
    python benchmarks/truncation.py --out lab --ways full,top-16 --seeds 0
    python benchmarks/truncation.py --out lab --only-table --record

A small masked-LM teacher is pre-trained on the beginning of Simple English Wikipedia; students of
one shape then learn from its full softmax, from parts of it that were written down, or from the
text alone: the same sequences, masks, steps and first weights for all. Everything lies in --out and
nothing is done twice: a cell is a small JSON, and what is not finished goes on after Ctrl-C.
--record writes the table into RESULTS.md, the cells into cells/truncation.json and the picture
into cells/truncation.svg.
"""

import argparse
import sys
from pathlib import Path
from typing import Any

from record import record
from truncation_cells import WAYS, Lab, Setup, digest, slug
from truncation_table import picture, table

from kdc.cli.console import Terminal
from kdc.compress.errors import KdcError
from kdc.compress.files import read_json, write_json, write_text

FORMAT = "kdc.truncation/1"
RESULTS = Path(__file__).parent / "cells"
TEXT = "simplewiki2018.train.txt.xz"
SHARED = Path(__file__).parents[2] / "shared" / "data" / "corpus" / TEXT


def main() -> None:
    """Run what is missing of the cells asked for, and print, or record, their table."""
    options = _options()
    setup = _setup(options)
    cells = _kept(options.out, setup)
    if not options.only_table:
        run(Lab(setup, options.out, options.device, Terminal(quiet=False)), options, cells)
    lines = table(setup.as_dict(), cells)
    if not options.record:
        print("\n".join(lines))
        return
    kept = {"format": FORMAT, "setup": setup.as_dict(), "digest": digest(setup), "cells": cells}
    write_json(RESULTS / "truncation.json", kept)
    write_text(RESULTS / "truncation.svg", picture(cells))
    record("Truncated softmax", [*lines, "", "![](cells/truncation.svg)"])


def run(lab: Lab, options: argparse.Namespace, cells: list[dict[str, Any]]) -> None:
    """Run the cells that are not finished, all ways of a seed before the next."""
    lab.out.mkdir(parents=True, exist_ok=True)
    done = {(cell["way"], cell["seed"]) for cell in cells}
    corpus = lab.prepare()
    for seed in options.seeds:
        for way in options.ways:
            if (way, seed) in done:
                continue
            print(f"{way}, seed {seed}", flush=True)
            left = {"bytes_per_token": lab.bytes_per_token(way, corpus), **lab.run(way, seed)}
            cell = {"way": way, "seed": seed, **left}
            name = f"{slug(way)}-seed{seed}.json"
            told = {"format": FORMAT, "digest": digest(lab.setup), **cell}
            write_json(lab.out / "cells" / name, told)
            cells.append(cell)


def _kept(out: Path, setup: Setup) -> list[dict[str, Any]]:
    """Return the cells that are there, of this setup.

    Raises:
        KdcError: the folder is of another one.
    """
    if not (out / "setup.json").is_file():
        write_json(out / "setup.json", {"format": FORMAT, **setup.as_dict()})
    if read_json(out / "setup.json") != {"format": FORMAT, **setup.as_dict()}:
        raise KdcError(f"{out} is of another setup: choose another --out")
    cells = [read_json(path) for path in sorted((out / "cells").glob("*.json"))]
    for cell in cells:
        if (cell.pop("format", None), cell.pop("digest", None)) != (FORMAT, digest(setup)):
            raise KdcError(f"{out / 'cells'} holds cells of another setup: choose another --out")
    return cells


def _setup(options: argparse.Namespace) -> Setup:
    names = ("characters", "vocab", "teacher", "student", "teacher_tokens", "tokens", "max_length")
    more = ("teacher_characters", "batch_tokens", "learning_rate", "held_out", "dupe")
    return Setup(str(options.text), **{name: getattr(options, name) for name in (*names, *more)})


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    add = parser.add_argument
    add("--out", type=Path, required=True, help="the corpus, the teacher, labels, students, cells")
    add(
        "--ways",
        type=lambda text: text.split(","),
        default=[slug(way) for way in WAYS],
        metavar="A,B",
    )
    add("--seeds", type=_numbers, default=[0, 1, 2], metavar="0,1,2")
    add("--text", type=Path, default=SHARED, help="plain text, blank lines between documents")
    add("--characters", type=int, default=6_000_000, help="that students learn from")
    add("--teacher-characters", type=int, default=20_000_000, help="that the teacher does")
    add("--vocab", type=int, default=8192)
    add("--teacher", default="4x256", metavar="SHAPE")
    add("--student", default="2x128", metavar="SHAPE")
    add("--teacher-tokens", type=int, default=5_000_000)
    add("--tokens", type=int, default=1_500_000, help="that a student is trained on")
    add("--batch-tokens", type=int, default=4096)
    add("--learning-rate", type=float, default=1e-3)
    add("--max-length", type=int, default=64)
    add("--held-out", type=float, default=0.02)
    add("--dupe", type=int, default=1)
    add("--device", default="cpu")
    add("--only-table", action="store_true", help="run nothing")
    add("--record", action="store_true", help="write RESULTS.md and cells/truncation.*")
    options = parser.parse_args()
    known = {slug(way): way for way in WAYS}
    unknown = [way for way in options.ways if way not in known]
    if unknown:
        parser.error(f"there is no way {unknown[0]}: choose from {', '.join(known)}")
    options.ways = [known[way] for way in options.ways]
    return options


def _numbers(text: str) -> list[int]:
    return [int(part) for part in text.split(",")]


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit("stopped; the same command goes on where it was")
    except KdcError as error:
        sys.exit(str(error))
