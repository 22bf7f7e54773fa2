"""From raw text to token shards: tokens a second beside the tokenizer library's own, and memory.

    python benchmarks/corpus.py --data ../shared/data/corpus --record

The library's own pace is `encode_batch` of `tokenizers` on the same documents, in one thread; what
`kdc corpus` adds is reading, sentences, sequences, masking and files. Both are measured in CPU
seconds of this process, in turns, on the same text. Memory is the peak of a fresh process of one
worker, on a part of the text and on all of it.
"""

import argparse
import lzma
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from record import record

from kdc.compress.corpus.build import CorpusJob, build_corpus
from kdc.compress.corpus.part import Maker, Part
from kdc.compress.corpus.settings import Settings
from kdc.compress.corpus.sources import Source
from kdc.compress.corpus.streams import Stream
from kdc.compress.corpus.teacher import load_vocabulary
from kdc.compress.progress import Silent

PACES = ("encode_batch", "encode_batch_fast", "kdc corpus", "kdc corpus --dupe 5")
_AT_ONCE = 256  # documents


@dataclass(frozen=True)
class Memory:
    """What one run of `kdc corpus` took."""

    megabytes: float
    """Of text, unpacked."""
    peak: float
    """MB of the process."""
    tokens: int
    seconds: float


def main() -> None:
    """Measure, and print or record the tables."""
    options = _options()
    if options.child:
        _child(options)
        return
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    paces = pace(options)
    memories = [] if options.no_memory else memory(options)
    lines = table(paces, memories)
    if options.record:
        record("Corpus: raw text to token shards", lines)
    else:
        print(*lines, sep="\n")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    add = parser.add_argument
    add("--data", type=Path, required=True, help="folder with *.train.txt.xz")
    add("--teacher", default="minilm")
    add("--rounds", type=int, default=5)
    add("--characters", type=int, default=3_000_000, help="of text that the pace is measured on")
    add("--no-memory", action="store_true", help="measure the pace alone")
    add("--record", action="store_true", help="write the tables into RESULTS.md")
    add("--child", type=Path, help=argparse.SUPPRESS)
    return parser.parse_args()


def _sources(options: argparse.Namespace) -> list[Path]:
    found = sorted(options.data.glob("*.train.txt.xz"))
    if not found:
        sys.exit(f"there is no *.train.txt.xz in {options.data}")
    return found


def pace(options: argparse.Namespace) -> dict[str, list[float]]:
    """Return tokens a CPU second of each way, one number a round."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with lzma.open(_sources(options)[0]) as file:
            text = file.read(options.characters).decode("utf-8", "ignore")
        packed = folder / "text.txt.xz"
        packed.write_bytes(lzma.compress(text.encode()))
        vocabulary, _ = load_vocabulary(options.teacher, 128, Silent())
        texts = [document.text for document in Source(packed).open().documents()]
        rows = vocabulary.plain.encode_batch(texts, add_special_tokens=False)
        tokens = sum(map(len, rows))
        del rows

        def library(method: str) -> None:
            for start in range(0, len(texts), _AT_ONCE):
                rows = getattr(vocabulary.plain, method)(
                    texts[start : start + _AT_ONCE], add_special_tokens=False
                )
                np.concatenate([np.array(row.ids, dtype=np.uint16) for row in rows])

        def ours(duplicates: int) -> None:
            part = Part(0, 0, list(Source(packed).open().documents()))
            Maker(vocabulary, Settings(duplicates=duplicates)).make(part, folder)

        ways: list[Callable[[], None]] = [
            lambda: library("encode_batch"),
            lambda: library("encode_batch_fast"),
            lambda: ours(1),
            lambda: ours(5),
        ]
        found: dict[str, list[float]] = {name: [] for name in PACES}
        for number in range(options.rounds + 1):
            for name, way in zip(PACES, ways, strict=True):
                start = time.process_time()
                way()
                if number:  # the first round warms up
                    found[name].append(tokens / (time.process_time() - start))
        return found


def memory(options: argparse.Namespace) -> list[Memory]:
    """Run a fresh process on 10 MB of the text and on all of it."""
    found = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with lzma.open(_sources(options)[0]) as file:
            (folder / "small").mkdir()
            (folder / "small" / "10mb.txt").write_bytes(_whole(file.read(10_000_000)))
        (folder / "all").mkdir()
        for path in _sources(options):
            (folder / "all" / path.name).symlink_to(path.resolve())
        for part in ("small", "all"):
            command = [
                sys.executable,
                __file__,
                "--data",
                str(folder),
                "--child",
                str(folder / part),
            ]
            command += ["--teacher", options.teacher]
            done = subprocess.run(command, check=True, capture_output=True, text=True)
            fields = done.stdout.split()
            found.append(
                Memory(float(fields[0]), float(fields[1]), int(fields[2]), float(fields[3]))
            )
    return found


def _whole(data: bytes) -> bytes:
    return data[: data.rindex(b"\n\n")]


def _child(options: argparse.Namespace) -> None:
    """Make a corpus of a folder and print megabytes of text, peak, tokens and seconds."""
    paths = sorted(options.child.iterdir())
    size = sum(sum(map(len, Stream(path).pieces())) for path in paths)
    start = time.process_time()
    job = CorpusJob(tuple(paths), options.teacher, options.child.with_suffix(".out"))
    made = build_corpus(job, Silent())
    assert made is not None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000
    print(size / 1e6, peak, made.manifest["tokens"], time.process_time() - start)


def table(paces: dict[str, list[float]], memories: list[Memory]) -> list[str]:
    """Return the tables as Markdown."""
    own = paces["encode_batch"]
    lines = ["| | thousand tokens a CPU second | of `encode_batch` |", "|---|---:|---:|"]
    for name, rates in paces.items():
        share = float(np.median(np.divide(rates, own)))
        lines.append(f"| {name} | {np.median(rates) / 1e3:,.0f} | {share:.0%} |")
    if memories:
        lines += [
            "",
            "| text, MB | tokens | CPU seconds | peak memory, MB |",
            "|---:|---:|---:|---:|",
        ]
        for one in memories:
            cells = (f"{one.megabytes:,.0f}", f"{one.tokens:,}", f"{one.seconds:,.0f}")
            lines.append(f"| {' | '.join(cells)} | {one.peak:,.0f} |")
    return lines


if __name__ == "__main__":
    main()
