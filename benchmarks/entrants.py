"""The files that stand against each other: ours as `kdc export` ships it, and the peers'."""

import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from opened import OPENERS, Answer
from peers import optimum_peers, torch_peer
from tokenizers import Tokenizer
from weights import MAX_LENGTH, Weights

from kdc.compress.examples import Examples
from kdc.export.install import install
from kdc.export.model_file import read_model_file
from kdc.export.phone_model import read_phone

KDC = str(Path(sys.executable).with_name("kdc"))  # the one beside this Python
Array = npt.NDArray[Any]
Row = tuple[Array, Array]
"""(T,) token ids and (T,) token types, int64."""


@dataclass(frozen=True)
class Entrant:
    """A file, and what goes with it."""

    name: str
    path: Path
    opener: str
    """A name from `OPENERS`."""
    tokenizer: Tokenizer
    """Its own: a smaller vocabulary numbers its tokens anew."""

    def open(self) -> Answer:
        """Open the file."""
        return OPENERS[self.opener](self.path)

    @property
    def megabytes(self) -> float:
        """10^6 bytes of the model and of the files of weights beside it."""
        return read_model_file(self.path).size_bytes / 1e6

    def rows(self, examples: Examples) -> list[Row]:
        """Tokenise texts."""
        texts = [examples.texts, *([examples.pairs] if examples.pairs else [])]
        found = [self.tokenizer.encode(*row) for row in zip(*texts, strict=True)]
        return [(_wide(row.ids), _wide(row.type_ids)) for row in found]


def _wide(values: list[int]) -> Array:
    return np.array(values, dtype=np.int64)


def ours(weights: Weights, options: Sequence[str], out: Path) -> Entrant:
    """Ship the weights with `kdc export`.

    The gate is left open: it compares with gold labels, which random weights do not know.
    """
    phone = out / "phone"
    command = [KDC, "export", str(weights.folder), *options, "--out", str(phone)]
    command += ["--max-drop", "100", "--quiet"]
    print("$", " ".join(command), flush=True)
    done = subprocess.run(command, stdout=subprocess.DEVNULL, check=False)
    if done.returncode:
        sys.exit(f"kdc export ended with {done.returncode}, for the reason above")
    return Entrant("kdc", read_phone(phone).model, "kdc", _tokenizer(phone))


def installed(entrant: Entrant, out: Path) -> Entrant:
    """Make the copy of our file that a device makes once, at its first start."""
    place = out / "installed"
    place.mkdir(parents=True, exist_ok=True)
    path = install(entrant.path, place / "model.onnx")
    return Entrant(f"{entrant.name}, installed", path, "installed", entrant.tokenizer)


def peers(weights: Weights, optimum: Path, out: Path) -> list[Entrant]:
    """Make what others ship of the same weights."""
    out.mkdir(parents=True, exist_ok=True)
    files = {"torch + quantize_dynamic": torch_peer(weights.folder, out)}
    tensor, channel = optimum_peers(optimum, weights.folder, out)
    files |= {"optimum arm64": tensor, "optimum arm64 per channel": channel}
    tokenizer = _tokenizer(weights.folder)
    return [Entrant(name, path, "plain", tokenizer) for name, path in files.items()]


def _tokenizer(folder: Path) -> Tokenizer:
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.enable_truncation(MAX_LENGTH)
    return tokenizer


def drawn_rows(entrants: Sequence[Entrant], length: int, count: int, seed: int) -> list[Row]:
    """Draw texts of one length, of ids that every entrant has."""
    rng = np.random.default_rng(seed)
    vocab = min(entrant.tokenizer.get_vocab_size() for entrant in entrants)
    types = np.zeros(length, dtype=np.int64)
    return [(rng.integers(min(1000, vocab // 2), vocab, length), types) for _ in range(count)]


@dataclass(frozen=True)
class Fidelity:
    """How near a file's answers are to the fp32 model's, each text alone."""

    agreement: float
    """Share of texts with the same class."""
    error: float
    """Mean absolute difference of the logits."""


def fidelity(entrant: Entrant, dev: Examples) -> Fidelity:
    """Compare with the logits that `dev` carries, which are those of fp32 torch."""
    answer, wanted = entrant.open(), np.asarray(dev.logits)
    logits = np.stack([answer(*row) for row in entrant.rows(dev)])
    same = float((logits.argmax(axis=1) == wanted.argmax(axis=1)).mean())
    return Fidelity(same, float(np.abs(logits - wanted).mean()))
