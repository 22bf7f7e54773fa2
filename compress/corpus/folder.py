"""The folder of token shards: what `kdc corpus` hands to `kdc label` and `kdc distill --corpus`.

Files: the teacher's tokenizer, `shard-00000.safetensors` and so on, `held-00000.safetensors` and so
on where documents are held out, and `manifest.json`, written last.
"""

import re
from dataclasses import dataclass
from hashlib import sha256 as digest_of
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer

from kdc.compress.corpus.masking import Masker
from kdc.compress.corpus.settings import Settings
from kdc.compress.corpus.shards import Shard, read_shard
from kdc.compress.corpus.vocabulary import Vocabulary
from kdc.compress.errors import KdcError
from kdc.compress.files import MANIFEST, read_manifest, sha256
from kdc.compress.workspace import Workspace

FORMAT = "kdc.tokens/1"
FORM = "kdc.tokens"
_SHARD = re.compile(r"(shard|held)-\d{5,}\.safetensors")
_BY_CHANCE = 2048  # bytes: two shards of so few words may well have the same ones masked
_NUMBERS = ("vocab_size", "mask_id", "max_length", "duplicates", "sequences", "tokens", "masked")


@dataclass(frozen=True)
class Corpus:
    """A folder of token shards whose manifest has been checked."""

    folder: Path
    manifest: dict[str, Any]
    shards: list[str]
    """Names of the files to train on, in order."""
    held: list[str]
    """Names of the files to judge by: documents that none of `shards` holds."""

    @property
    def vocab_size(self) -> int:
        """Ids are below it."""
        return int(self.manifest["vocab_size"])

    @property
    def mask_id(self) -> int:
        """The id of the mask token."""
        return int(self.manifest["mask_id"])

    @property
    def special_ids(self) -> list[int]:
        """The ids of all special tokens: they are never masked."""
        return [int(number) for number in self.manifest["special_ids"]]

    @property
    def max_length(self) -> int:
        """Tokens of the longest sequence, special tokens included."""
        return int(self.manifest["max_length"])

    @property
    def duplicates(self) -> int:
        """How often each sequence is masked; 0: not at all, to be masked while training."""
        return int(self.manifest["duplicates"])

    @property
    def tokenizer_digest(self) -> str:
        """sha256 of the vocabulary in the order of its ids."""
        return str(self.manifest["tokenizer"])

    @property
    def digest_of_manifest(self) -> str:
        """The sha256 of the manifest, which names the sha256 of every file."""
        return sha256(self.folder / MANIFEST)

    def digest(self, which: int | str) -> str:
        """Return the sha256 of a shard, by its number among `shards` or its name."""
        return str(self.manifest["files"][self._name(which)]["sha256"])

    def open(self, which: int | str) -> Shard:
        """Map a shard into memory, by its number among `shards` or its name.

        Raises:
            KdcError: its numbers are wrong.
        """
        return read_shard(self.folder / self._name(which), self.vocab_size)

    def tokenizer(self) -> Tokenizer:
        """Return the tokenizer that made the tokens."""
        return Tokenizer.from_file(str(self.folder / "tokenizer.json"))

    def vocabulary(self) -> Vocabulary:
        """Return what its tokens mean."""
        text = (self.folder / "tokenizer.json").read_text(encoding="utf-8")
        plain = Tokenizer.from_str(text)
        plain.no_truncation()
        plain.no_padding()
        return Vocabulary(plain.to_str(), tuple(self.special_ids), self.mask_id)

    def settings(self) -> Settings:
        """Return how it was made.

        Raises:
            KdcError: the manifest does not say.
        """
        return Settings.from_dict(self.manifest.get("settings"))

    def masker(self) -> Masker:
        """Return what masks its sequences while training, as its own maskings were made."""
        return Masker(self.vocabulary(), self.settings())

    def _name(self, which: int | str) -> str:
        return which if isinstance(which, str) else self.shards[which]


def read_corpus(folder: Path) -> Corpus:
    """Read a folder of token shards and compare every file with its sha256.

    Raises:
        KdcError: it is missing, unfinished or of another format, or a file is missing, changed,
            there twice or not of this corpus (the file is named).
    """
    if not folder.exists() and any(Workspace(folder).state.glob("part-*")):
        raise KdcError(
            f"the corpus {folder} is unfinished: run the same kdc corpus again, where it was cut "
            "by --shard every part of it"
        )
    manifest = read_manifest(folder, FORMAT, "folder of token shards")
    names = sorted(name for name in manifest["files"] if _SHARD.fullmatch(name))
    _check_names(folder, manifest, names)
    _check_fields(folder, manifest)
    shards = [name for name in names if name.startswith("shard-")]
    return Corpus(folder, manifest, shards, names[: len(names) - len(shards)])


def _check_names(folder: Path, manifest: dict[str, Any], names: list[str]) -> None:
    """Refuse a folder without shards, with one that is not its own, or with one twice."""
    if not any(name.startswith("shard-") for name in names):
        raise KdcError(f"{folder / MANIFEST} names no shard: make the corpus again")
    there = {path.name for path in folder.glob("*.safetensors")}
    if foreign := sorted(there - set(names)):
        raise KdcError(f"{folder / foreign[0]} is not of this corpus: remove it")
    # shards without maskings are equal where their texts are, which two sources may share
    masked = [name for name in names if manifest.get("duplicates") or name.startswith("held-")]
    first: dict[str, str] = {}
    for name in masked:
        entry = manifest["files"][name]
        if entry["bytes"] < _BY_CHANCE:
            continue
        digest = str(entry["sha256"])
        if digest in first:
            raise KdcError(f"{folder / name} is {first[digest]} once more: make the corpus again")
        first[digest] = name


def _check_fields(folder: Path, manifest: dict[str, Any]) -> None:
    special = manifest.get("special_ids")
    numbers = [manifest.get(name) for name in _NUMBERS]
    numbers += special if isinstance(special, list) else [None]
    whole = all(type(number) is int and number >= 0 for number in numbers)
    if not whole or not isinstance(manifest.get("tokenizer"), str):
        raise KdcError(f"{folder / MANIFEST} is damaged: it lacks numbers; make the corpus again")
    size = manifest["vocab_size"]
    if any(number >= size for number in (manifest["mask_id"], *manifest["special_ids"])):
        raise KdcError(
            f"{folder / MANIFEST} is damaged: it holds numbers that no tokenizer of {size:,} "
            "tokens has; make the corpus again"
        )


def vocabulary_digest(tokenizer: Tokenizer) -> str:
    """Return the sha256 of a vocabulary in the order of its ids, added tokens included."""
    ids = tokenizer.get_vocab(with_added_tokens=True)
    tokens = sorted(ids, key=lambda token: (ids[token], token))
    return digest_of("\n".join(f"{ids[token]} {token}" for token in tokens).encode()).hexdigest()
