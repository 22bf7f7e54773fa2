"""The folder of labels: what `kdc label` hands to `kdc distill --corpus --labels`.

Beside each `shard-00000.safetensors` lies `shard-00000.json`, written after it: the sha256 of the
labels, of the token shard they belong to, of the teacher, and how they were made. Processes that
share nothing but the folder can so write different shards; whatever is finished says so itself.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256 as digest_of
from pathlib import Path
from typing import Any, Protocol

from kdc.compress.errors import KdcError
from kdc.compress.files import MANIFEST, read_json, refuse_foreign, sha256, write_json
from kdc.compress.folder_kinds import how_made, mistaken
from kdc.compress.labels.method import Method, read_method
from kdc.compress.labels.shard import ShardLabels, read_shard_labels
from kdc.compress.progress import plural

FORM = "kdc.labels"
FORMAT = f"{FORM}/1"
_SETTINGS = ("corpus", "teacher", "method", "vocab_size", "seed")
_NAME = "teacher_name"


class Tokens(Protocol):
    """The corpus that labels are of, as far as they have to know it."""

    @property
    def folder(self) -> Path:
        """Where it lies."""

    @property
    def shards(self) -> list[str]:
        """The files to train on."""

    @property
    def held(self) -> list[str]:
        """The files to judge by."""

    @property
    def digest_of_manifest(self) -> str:
        """sha256 of its manifest."""

    def digest(self, which: int | str) -> str:
        """Return the sha256 of a shard."""


@dataclass(frozen=True)
class LabelFolder:
    """A folder of labels that was found whole and of its corpus."""

    folder: Path
    settings: dict[str, Any]
    """`corpus`, `teacher` (sha256 each), `method`, `vocab_size` and `seed`."""
    names: tuple[str, ...]
    """The token shards' names: those to train on in order, then those held out."""

    @property
    def method(self) -> Method:
        """How the labels were made."""
        return read_method(self.settings["method"], str(self.folder / MANIFEST))

    @property
    def temperature(self) -> float:
        """Of the softmax that was written down."""
        return self.method.temperature

    @property
    def vocab_size(self) -> int:
        """The tokens that the teacher tells apart."""
        return int(self.settings["vocab_size"])

    @property
    def teacher(self) -> str:
        """The sha256 of the teacher."""
        return str(self.settings["teacher"])

    @property
    def digest(self) -> str:
        """A sha256 over how the labels were made and every shard's own."""
        shards = [read_json(sidecar(self.folder / name))["sha256"] for name in self.names]
        return digest_of(json.dumps([self.settings, shards], sort_keys=True).encode()).hexdigest()

    def open(self, which: int | str) -> ShardLabels:
        """Map the labels of a shard into memory, by its place in the corpus or its name.

        Raises:
            KdcError: the arrays contradict each other.
        """
        name = self.names[which] if isinstance(which, int) else which
        fields = read_json(sidecar(self.folder / name))
        return read_shard_labels(
            self.folder / name, self.method, self.vocab_size, int(fields["places"])
        )


def read_labels(folder: Path, corpus: Tokens) -> LabelFolder:
    """Read a folder of labels and check every file of it against its corpus before it is used.

    Raises:
        KdcError: no such folder, labels of another corpus, or a shard that is missing, truncated,
            changed, of another shard or of none (it is named).
    """
    settings = read_settings(folder)
    if settings["corpus"] != corpus.digest_of_manifest:
        raise KdcError(
            f"the labels in {folder} are not of the corpus {corpus.folder}: label it anew"
        )
    names = (*corpus.shards, *corpus.held)
    there = {path.name for path in folder.glob("*.safetensors")}
    if foreign := sorted(there - set(names)):
        raise KdcError(f"{folder / foreign[0]} belongs to no shard of {corpus.folder}: remove it")
    lacking = [name for name in names if not sidecar(folder / name).is_file()]
    if lacking:
        raise KdcError(
            f"the labels in {folder} are incomplete: they lack {len(lacking):,} of "
            f"{plural(len(names), 'shard')}, {lacking[0]} first; run the same kdc label again"
        )
    for name in names:
        if problem := shard_problem(folder / name, settings, corpus.digest(name)):
            raise KdcError(f"{folder / name} {problem}: remove it and run kdc label again")
    return LabelFolder(folder, settings, names)


def read_settings(folder: Path) -> dict[str, Any]:
    """Read the manifest: what all shards of a folder of labels have in common.

    Raises:
        KdcError: there is none, or it is of another format or damaged.
    """
    fields = _read_manifest(folder)
    return {name: fields[name] for name in _SETTINGS}


def teacher_name(folder: Path) -> str:
    """Return what the teacher was called by the run that began a folder of labels.

    Raises:
        KdcError: it is not said, or as `read_settings`.
    """
    if not (name := _read_manifest(folder).get(_NAME)):
        raise KdcError(f"{folder} does not say whose labels it holds: name it with --teacher")
    return str(name)


def _read_manifest(folder: Path) -> dict[str, Any]:
    path = folder / MANIFEST
    if not folder.is_dir():
        raise KdcError(f"there is no folder of labels at {folder}{how_made(FORMAT)}")
    if not path.is_file():
        raise KdcError(f"{folder} is no folder of labels: it has no {MANIFEST}{how_made(FORMAT)}")
    fields = read_json(path)
    if (other := mistaken(FORMAT, fields.get("format"))) is not None:
        raise KdcError(f"{folder} {other}")
    if fields.get("format") != FORMAT:
        raise KdcError(
            f"{folder} is no folder of labels this version reads: {fields.get('format')!r}, wanted "
            f"{FORMAT!r}"
        )
    whole = fields.keys() - {_NAME} == {"format", *_SETTINGS}
    if not whole or type(fields["vocab_size"]) is not int or type(fields.get(_NAME, "")) is not str:
        raise KdcError(f"{path} is damaged: label the corpus again")
    read_method(fields["method"], str(path))
    return fields


def begin(folder: Path, settings: Mapping[str, object], teacher: str) -> None:
    """Write the manifest, or find it written by another process with the same settings.

    Args:
        folder: of the labels.
        settings: what all its shards have in common.
        teacher: its name; another one for the same teacher may have been kept.

    Raises:
        KdcError: the folder holds labels made otherwise, or something else.
    """
    foreign = _holds_foreign(folder)  # before the manifest: another run may write it meanwhile
    if (folder / MANIFEST).is_file():
        refuse_foreign(folder, FORM)
        found = read_settings(folder)
        for name, wanted in settings.items():
            if found[name] != wanted:
                raise KdcError(
                    f"{folder} holds labels of another {_called(name)}: choose another --out or "
                    "remove it"
                )
        return
    if foreign:
        raise KdcError(f"{folder} already holds something else: choose another --out or remove it")
    write_json(folder / MANIFEST, {"format": FORMAT, **settings, _NAME: teacher})


def _holds_foreign(folder: Path) -> bool:
    """Whether there is more than a manifest that is being written, or was when its run ended."""
    if not folder.is_dir():
        return folder.exists()
    return any(not path.match(f".{MANIFEST}.*.tmp") for path in folder.iterdir())


def sidecar(path: Path) -> Path:
    """Return the file that says of a shard's labels that they are finished."""
    return path.with_suffix(".json")


def finish(path: Path, settings: Mapping[str, object], parent: str, **more: object) -> None:
    """Write a shard's sidecar: from now on its labels are there.

    Args:
        path: the labels, written.
        settings: of the folder.
        parent: sha256 of the token shard.
        more: what else to remember, `places` among it.
    """
    fields = {"format": FORMAT, "sha256": sha256(path), "bytes": path.stat().st_size}
    write_json(sidecar(path), {**fields, "parent": parent, **settings, **more})


def shard_problem(path: Path, settings: Mapping[str, object], parent: str) -> str:
    """Say why the labels of a shard cannot be used, or nothing.

    Args:
        path: the labels; their sidecar is there.
        settings: of the folder.
        parent: sha256 of the token shard they have to be of.
    """
    try:
        fields = read_json(sidecar(path))
    except KdcError as error:
        return f"cannot be used: {error}"
    if fields.get("format") != FORMAT or type(fields.get("places")) is not int:
        return "has a damaged sidecar"
    if fields.get("parent") != parent:
        return "holds the labels of another shard"
    for name in settings:
        if fields.get(name) != settings[name]:
            return f"was labelled with another {_called(name)}"
    if not path.is_file():
        return "is missing, though its sidecar is there"
    if path.stat().st_size != fields.get("bytes"):
        return f"has {path.stat().st_size:,} bytes, not {fields.get('bytes')}"
    return "" if sha256(path) == fields.get("sha256") else "does not match its sha256"


def _called(name: str) -> str:
    return {"vocab_size": "vocabulary", "corpus": "corpus"}.get(name, name)
