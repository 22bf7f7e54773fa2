"""How many times as fast one public shape is as the next larger: three separate measurements.

    python benchmarks/shapes.py            # prints
    python benchmarks/shapes.py --record   # and writes RESULTS.md

A figure that changes when it is measured again is none. The files are made as public ones are:
torch's exporter, and ONNX Runtime's `quantize_dynamic`; speed does not depend on their weights.
"""

import argparse
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from peers import torch_peer
from record import record
from sides import in_turns
from transformers import BertConfig, BertForSequenceClassification

from kdc.compress.students import STUDENTS
from kdc.export.exporters.torch_exporter import export_torch
from kdc.export.quiet import quiet
from kdc.export.subject import Subject, find_subject
from kdc.export.versus import Versus

# from large to small; the shapes are rows of `kdc list students`, their sizes the papers'
_SHAPES = {
    "BERT-base fp32": "turc-12x768",
    "BERT-base int8": "turc-12x768",
    "MiniLM int8": "minilm-6x384",
    "TinyBERT-4 int8": "tinybert-4",
    "BERT-mini int8": "bert-mini",
    "BERT-tiny int8": "bert-tiny",
}
_NEAR = 0.05


def main() -> None:
    """Make the files, measure, and print or record."""
    options = _options()
    with tempfile.TemporaryDirectory(prefix="kdc-") as scratch:
        files = _files(Path(scratch), options.seed)
        names = list(files)
        pairs = list(zip(names[1:], names, strict=False))
        passes = []
        for number in range(options.times):
            passes.append([_measured(files, *pair, options, number) for pair in pairs])
    lines = _table(pairs, passes, options)
    if options.record:
        record("Ratios of public shapes, three times", lines)
    else:
        print("\n".join(lines))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    add = parser.add_argument
    add("--length", type=int, default=20, help="tokens of every text")
    add("--times", type=int, default=3)
    add("--rounds", type=int, default=200, help="most rounds of a measurement")
    add("--seconds", type=float, default=4.0, help="most seconds for each side")
    add("--seed", type=int, default=0)
    add("--record", action="store_true", help="write the table into RESULTS.md")
    return parser.parse_args()


def _files(root: Path, seed: int) -> dict[str, Subject]:
    """Export every shape with random weights."""
    found = {}
    for name, shape in _SHAPES.items():
        out = root / name.replace(" ", "-")
        out.mkdir()
        student = _student(shape, root / shape, seed)
        if name.endswith("fp32"):
            path = out / "model.onnx"
            export_torch(student, path, standard=True)
        else:
            path = torch_peer(student, out)
        found[name] = find_subject(path)
        print(f"{name}: {found[name].size_bytes / 1e6:.1f} MB", flush=True)
    return found


def _student(name: str, folder: Path, seed: int) -> Path:
    """Write a BERT of a shape with random weights, where it is not there yet."""
    shape, _ = STUDENTS[name]
    if not folder.is_dir():
        torch.manual_seed(seed)
        with quiet():
            model = BertForSequenceClassification(
                BertConfig(
                    num_hidden_layers=shape.layers,
                    hidden_size=shape.hidden,
                    num_attention_heads=shape.heads,
                    intermediate_size=shape.ffn,
                )
            )
            model.save_pretrained(folder)
    return folder


def _measured(
    files: dict[str, Subject], small: str, large: str, options: argparse.Namespace, number: int
) -> Versus:
    seed = options.seed + 100 * number
    sides = (files[small], files[large])
    found = in_turns(*sides, options.length, options.rounds, options.seconds, seed)
    told = f"refused: {found.refused}" if found.refused else ""
    print(f"{number + 1}. {small} against {large}: {found.ratio}, {found.pairs} {told}", flush=True)
    return found


def _table(
    pairs: Sequence[tuple[str, str]],
    passes: Sequence[Sequence[Versus]],
    options: argparse.Namespace,
) -> list[str]:
    numbers = [str(number + 1) for number in range(len(passes))]
    lines = [
        f"| faster | than | {' | '.join(numbers)} | apart | control |",
        f"|---|---|{'---|' * len(numbers)}---|---|",
    ]
    apart = []
    for place, (small, large) in enumerate(pairs):
        found = [every[place] for every in passes]
        values = [one.ratio.value for one in found]
        apart.append(max(values) / min(values) - 1)
        worst = max((one.control.value for one in found), key=lambda value: abs(np.log(value)))
        cells = [str(one.ratio) + (" refused" if one.refused else "") for one in found]
        row = [small, large, *cells, f"{apart[-1]:.1%}", f"{worst:.3f}"]
        lines.append(f"| {' | '.join(row)} |")
    met = sum(value <= _NEAR for value in apart)
    return [
        *lines,
        "",
        f"CPU time of {options.length} tokens on one thread, each ratio with its 95 % interval; "
        "apart: the largest of the measurements by the smallest, less 1; control: of a file "
        "against itself in the same rounds, the one furthest from 1. "
        f"{met} of {len(apart)} are within {_NEAR:.0%}. Random weights; made as public files are.",
    ]


if __name__ == "__main__":
    main()
