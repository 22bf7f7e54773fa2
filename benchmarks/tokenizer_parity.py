"""Do tokenizers in other languages give the Rust tokenizer's ids and offsets? On hostile texts.

    python benchmarks/tokenizer_parity.py phone/tokenizer.json --record

Replays vectors (`kdc.export.parity_vectors`) through the apps' tokenizers, in JavaScript and on a
JVM, cased and uncased, with a full and a reduced vocabulary; and, for comparison, through
@huggingface/tokenizers, which tells ids alone. Needs node and npm, and a JDK.
"""

import argparse
import json
import subprocess
import tempfile
import textwrap
import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from record import record
from tokenizers import Tokenizer

from kdc.compress.wordpiece import WordPiece, reduce_tokenizer
from kdc.export.parity_vectors.replay import Replay, replay
from kdc.export.parity_vectors.vectors import make_vectors

ROOT = Path(__file__).resolve().parents[1]
APPS = ROOT / "sample_apps"
UNICODE = APPS / "unicode.txt"
RUNNER = Path(__file__).with_name("tokenizer_node.mjs")
PEER, PEER_VERSION = "@huggingface/tokenizers", "0.2.0"
REDUCED = 6144  # tokens
SIGMA = "\u039f\u0394\u039f\u03a3"  # a word that ends in a capital sigma
BEYOND = 0x10000


@dataclass(frozen=True)
class Core:
    """A tokenizer in another language."""

    name: str
    command: Callable[[Path], list[str]]
    """`tokenizer.json` -> the program that replays vectors."""


def main() -> None:
    """Replay, print, and record where that is wanted; the exit code tells of differences."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("tokenizer", type=Path, help="a full, uncased tokenizer.json")
    parser.add_argument("--texts", type=int, default=100_000, help="of all four vocabularies")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--record", action="store_true", help="write RESULTS.md")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="kdc-parity-") as name:
        scratch = Path(name)
        cores = [page(), jvm(scratch), peer(scratch)]
        kinds = vocabularies(Tokenizer.from_file(str(asked.tokenizer)))
        found = {
            (core.name, kind): _replayed(
                core, kind, tokenizer, asked.seed + place, asked.texts // 4, scratch
            )
            for place, (kind, tokenizer) in enumerate(kinds.items())
            for core in cores
        }
        reason = why(cores[-1], asked.tokenizer)
    lines = [*table(found, cores, list(kinds)), "", *textwrap.wrap(reason, 100)]
    if asked.record:
        record("Tokenizers: hostile texts", lines)
    else:
        print("\n".join(lines))
    wrong = sum(one.differences for (core, _), one in found.items() if core != PEER)
    raise SystemExit(3 if wrong else 0)


def vocabularies(tokenizer: Tokenizer) -> dict[str, Tokenizer]:
    """Return the tokenizer uncased and cased, each full and reduced."""
    kinds = {"uncased": tokenizer, "cased": cased(tokenizer)}
    full = {f"{kind}, {one.get_vocab_size():,} tokens": one for kind, one in kinds.items()}
    small = {kind: reduced(one) for kind, one in kinds.items()}
    return full | {f"{kind}, {one.get_vocab_size():,} tokens": one for kind, one in small.items()}


def cased(tokenizer: Tokenizer) -> Tokenizer:
    """Return a tokenizer that keeps case and accents, with tokens that have them."""
    source = WordPiece(tokenizer)
    own = sorted(source.vocabulary, key=source.vocabulary.__getitem__)
    titles = (token.title() for token in own if token.isalpha())
    letters = (chr(c) for c in range(0xC0, 0x2000) if chr(c).isalpha())
    more = dict.fromkeys([*titles, *(form for c in letters for form in (c, f"{source.prefix}{c}"))])
    fields = source.fields
    fields["model"]["vocab"] = {token: i for i, token in enumerate(dict.fromkeys([*own, *more]))}
    fields["normalizer"] |= {"lowercase": False, "strip_accents": None}
    return Tokenizer.from_str(json.dumps(fields))


def reduced(tokenizer: Tokenizer) -> Tokenizer:
    """Return the tokenizer with its first tokens and those that it cannot do without."""
    first = range(min(REDUCED, tokenizer.get_vocab_size()))
    kept = sorted({*first} | WordPiece(tokenizer).basic())
    return reduce_tokenizer(tokenizer, np.array(kept))


def page() -> Core:
    """Return the web app's tokenizer, in node."""
    module = APPS / "web" / "tokenizer.js"
    return Core(
        "JavaScript (web app)",
        lambda path: ["node", str(RUNNER), str(module), str(path), str(UNICODE)],
    )


def jvm(scratch: Path) -> Core:
    """Return the Android app's tokenizer, compiled here."""
    core = APPS / "android" / "core" / "src"
    sources = [str(path) for part in ("main", "tools") for path in (core / part).rglob("*.java")]
    classes = scratch / "classes"
    subprocess.run(["javac", "-d", str(classes), *sources], check=True)
    start = ["java", "-cp", str(classes), "kdc.tools.Vectors"]
    return Core("Java (Android app)", lambda path: [*start, str(path), str(UNICODE)])


def peer(scratch: Path) -> Core:
    """Return the library of the same purpose, in node."""
    pack = ["npm", "pack", f"{PEER}@{PEER_VERSION}", "--ignore-scripts", "--silent"]
    name = subprocess.run(pack, cwd=scratch, check=True, capture_output=True, text=True).stdout
    subprocess.run(["tar", "xzf", name.strip()], cwd=scratch, check=True)
    module = scratch / "package" / "dist" / "tokenizers.mjs"
    return Core(PEER, lambda path: ["node", str(RUNNER), str(module), str(path)])


def _replayed(
    core: Core, kind: str, tokenizer: Tokenizer, seed: int, texts: int, scratch: Path
) -> Replay:
    path = scratch / "tokenizer.json"
    tokenizer.save(str(path))
    found = replay(core.command(path), make_vectors(tokenizer, texts, seed))
    print(f"{core.name}, {kind}: {found.differences} of {found.texts:,} differ", flush=True)
    if core.name != PEER:
        print("".join(f"  {line}\n" for line in found.first), end="")
    return found


def table(found: dict[tuple[str, str], Replay], cores: list[Core], kinds: list[str]) -> list[str]:
    """Return the table: a row for each core, a column for each vocabulary."""
    lines = [
        f"| texts that differ | held to | {' | '.join(kinds)} | of all |",
        f"|---|---|{'---:|' * (len(kinds) + 1)}",
    ]
    for core in cores:
        rows = [found[core.name, kind] for kind in kinds]
        held = ", ".join(sorted(rows[0].fields))
        total, texts = sum(row.differences for row in rows), sum(row.texts for row in rows)
        cells = " | ".join(f"{row.differences:,}" for row in rows)
        lines.append(f"| {core.name} | {held} | {cells} | {total:,} of {texts:,} |")
    return lines


def points(tokenizer: Tokenizer) -> Iterator[dict[str, Any]]:
    """Yield a vector for every assigned code point, between two letters, and for a last sigma."""
    yield {"case": "last sigma", "text": SIGMA, "ids": tokenizer.encode(SIGMA).ids}
    for code in range(0x110000):
        char = chr(code)
        if unicodedata.category(char) not in ("Cn", "Cs", "Co"):
            far = code >= BEYOND and unicodedata.name(char, "").startswith("CJK")
            case = "ideographs beyond U+FFFF" if far else "others"
            yield {"case": case, "text": f"a{char}b", "ids": tokenizer.encode(f"a{char}b").ids}


def why(core: Core, path: Path) -> str:
    """Return on which single code points the peer differs."""
    found = replay(core.command(path), points(Tokenizer.from_file(str(path))))
    count = found.differing.get
    return (
        f"Where {core.name} {PEER_VERSION} differs: of {found.texts - 1:,} assigned code points, "
        f"each between two letters, on {count('ideographs beyond U+FFFF', 0):,} ideographs beyond "
        f"U+FFFF, which it does not set apart, and {count('others', 0):,} others, for it takes "
        "Unicode from the engine that it runs in; and it "
        f"{'has' if count('last sigma') else 'does not have'} a lower-case sigma of its own at "
        "the end of a word."
    )


if __name__ == "__main__":
    main()
