"""Putting the folder of token shards together from the parts that were made."""

import os
import shutil
from pathlib import Path
from typing import Any

from kdc.compress.corpus.folder import FORM, FORMAT, vocabulary_digest
from kdc.compress.corpus.parts import Parts
from kdc.compress.corpus.settings import Settings
from kdc.compress.corpus.vocabulary import Vocabulary
from kdc.compress.errors import KdcError
from kdc.compress.files import (
    MANIFEST,
    read_json,
    sha256,
    whole_folder,
    write_manifest,
    write_text,
)

_TOTALS = ("documents", "sequences", "tokens", "masked")
_NAMES = {"train": "shard", "held": "held"}


def is_made(out: Path, settings: Settings, parts: Parts, vocabulary: Vocabulary) -> bool:
    """Whether the folder is there already, of the same sources and settings, or damaged.

    Raises:
        KdcError: a corpus that was made otherwise is there: labels may be of it.
    """
    if not (out / MANIFEST).is_file():
        return False
    found = read_json(out / MANIFEST)
    there, said = found.get("settings"), found.get("sources")
    if not isinstance(there, dict) or not isinstance(said, list):
        return False
    if not all(isinstance(entry, dict) for entry in said):
        return False
    wanted = settings.as_dict()
    other = [
        f"{name} {str(there.get(name)).lower()}"
        for name in wanted | there
        if there.get(name) != wanted.get(name)
    ]
    if found.get("tokenizer") != vocabulary_digest(vocabulary.plain):
        other.append("another tokenizer")
    if not other:
        other += _other_sources(said, parts)
    if other:
        raise KdcError(
            f"{out} holds a corpus made otherwise ({', '.join(other)}): choose another --out or "
            "remove it"
        )
    return True


def _other_sources(said: list[dict[str, Any]], parts: Parts) -> list[str]:
    """Say in what a manifest's sources are not these files, by name, size, content and column."""
    names = [(source.path.name, source.size) for source in parts.sources]
    if [(entry.get("name"), entry.get("bytes")) for entry in said] != names:
        return ["other sources"]
    if [entry.get("sha256") for entry in said] != [sha256(s.path) for s in parts.sources]:
        return ["other sources"]
    columns = [source.columns.get("column") for source in parts.sources]
    return ["another --text"] if [entry.get("column") for entry in said] != columns else []


def finish(
    out: Path, settings: Settings, parts: Parts, vocabulary: Vocabulary, files: dict[str, str]
) -> list[str]:
    """Put the folder together from all parts, and remove them.

    Returns:
        What to tell the user of sources that repeat each other.

    Raises:
        KdcError: a part is damaged, there is no text in the sources, or the disk is full.
    """
    names = [name for number in range(len(parts.sources)) for name in parts.names(number)]
    made = _made(parts, names)
    totals = {split: _totals(made, split) for split in _NAMES}
    if not totals["train"]["sequences"]:
        where = ", ".join(str(source.path) for source in parts.sources)
        raise KdcError(f"there is no text to train on in {where}{_advice(totals, settings)}")
    if settings.duplicates and not totals["train"]["masked"]:
        raise KdcError(
            "no word of these texts can be masked, for the tokenizer knows none of them: name a "
            "--teacher of their language"
        )
    with whole_folder(out, FORM) as staging:
        for split, stem in _NAMES.items():
            with_it = [name for name in names if split in made[name]]
            for number, name in enumerate(with_it):
                _link(parts.file(name, split), staging / f"{stem}-{number:05d}.safetensors")
        for name, text in files.items():
            write_text(staging / name, text)
        write_manifest(staging, FORMAT, _fields(settings, parts, vocabulary, totals))
    repeated = _repeated(parts, made)
    parts.remove()
    return repeated


def _advice(totals: dict[str, dict[str, int]], settings: Settings) -> str:
    """Say what to do where nothing is to be trained on."""
    if totals["held"]["sequences"]:
        return f": --held-out {settings.held_out:g} takes all of it; give a smaller share"
    return ": name files that hold articles or texts"


def _repeated(parts: Parts, made: dict[str, dict[str, Any]]) -> list[str]:
    """Say which sources have a shard in common: so are texts that differ in their spaces alone.

    Shards with maskings differ, but for those of a few words by chance.
    """
    first: dict[str, int] = {}
    pairs = dict[tuple[int, int], None]()
    for number in range(len(parts.sources)):
        for name in parts.names(number):
            for entry in made[name].values():
                pairs[number, first.setdefault(str(entry["sha256"]), number)] = None
    return [
        f"{parts.sources[later].path} repeats {parts.sources[earlier].path}: its documents count "
        "twice"
        for later, earlier in pairs
        if later != earlier
    ]


def _made(parts: Parts, names: list[str]) -> dict[str, dict[str, Any]]:
    """Return what was noted of each part; other processes made some, so all are read again.

    Raises:
        KdcError: some are missing or damaged; they are forgotten, so that they are made again.
    """
    made = {name: parts.made(name) for name in names}
    damaged = [name for name, entry in made.items() if entry is None]
    for name in damaged:
        parts.forget(name)
    if damaged:
        raise KdcError(
            f"{', '.join(damaged)} in {parts.folder} {'is' if len(damaged) == 1 else 'are'} "
            "damaged: run the same command again, with --shard every one of them"
        )
    return {name: entry for name, entry in made.items() if entry is not None}


def _fields(
    settings: Settings, parts: Parts, vocabulary: Vocabulary, totals: dict[str, dict[str, int]]
) -> dict[str, Any]:
    """Return what the manifest says beside the files."""
    notes = [parts.read(number) or {} for number in range(len(parts.sources))]
    return {
        "tokenizer": vocabulary_digest(vocabulary.plain),
        "vocab_size": vocabulary.size,
        "mask_id": vocabulary.mask_id,
        "special_ids": list(vocabulary.special_ids),
        "max_length": settings.max_length,
        "duplicates": settings.duplicates,
        **totals["train"],
        "held_out": totals["held"],
        "seed": settings.seed,
        "settings": settings.as_dict(),
        "sources": [
            {**{key: note[key] for key in ("name", "bytes", "sha256")}, **source.columns}
            for note, source in zip(notes, parts.sources, strict=True)
        ],
    }


def _totals(made: dict[str, dict[str, Any]], split: str) -> dict[str, int]:
    return {
        key: sum(int(entry[split][key]) for entry in made.values() if split in entry)
        for key in _TOTALS
    }


def _link(source: Path, target: Path) -> None:
    """Give a file a second name, or copy it where the file system has no such thing."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)
