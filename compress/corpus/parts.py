"""The parts that sources are cut into, and which of them are done.

The cut depends on the sources and the settings alone, so that it is the same for any number of
workers, machines and restarts.
"""

import shutil
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from kdc.compress.corpus.part import Part, part_name
from kdc.compress.corpus.share import Share
from kdc.compress.corpus.sources import Document, Source
from kdc.compress.errors import KdcError
from kdc.compress.files import read_json, sha256, write_json

Watch = Callable[[int], None]
"""Is told how many bytes of a source have been read so far."""


class Parts:
    """The folder that parts are kept in until all of them are there."""

    def __init__(self, folder: Path, sources: list[Source], characters: int) -> None:
        """Keep the parts of some sources, of about so many characters each, in a folder."""
        self.folder, self.sources = folder, sources
        self._characters = characters

    @property
    def job(self) -> Path:
        """Where it is noted of which run the parts are."""
        return self.folder / "job.json"

    def begun(self) -> bool:
        """Whether any part has been made, of whatever run."""
        return any(True for kind in ("part-*", "source-*") for _ in self.folder.glob(kind))

    def remove(self) -> None:
        """Remove everything, the note of the run last: parts without one could be anybody's."""
        for path in self.folder.glob("*"):
            if path != self.job:
                with suppress(OSError):
                    path.unlink()
        shutil.rmtree(self.folder, ignore_errors=True)

    def cut(self, number: int, watch: Watch) -> Iterator[Part]:
        """Yield a source's parts in their order; at its end, note how many there are.

        Raises:
            KdcError: the source is damaged, or the disk full.
        """
        reading = self.sources[number].open()
        held: list[Document] = []
        size = parts = documents = 0
        for document in reading.documents():
            held.append(document)
            size += len(document.text)
            documents += 1
            if size >= self._characters:
                watch(reading.position)
                yield Part(number, parts, held)
                held, size, parts = [], 0, parts + 1
        if held:
            yield Part(number, parts, held)
            parts += 1
        watch(reading.position)
        fields = {"name": self.sources[number].path.name, "bytes": self.sources[number].size}
        fields |= {"sha256": reading.digest(), "parts": parts, "documents": documents}
        write_json(self._note(number), fields)

    def is_done(self, part: Part) -> bool:
        """Whether a part's files are there and whole."""
        return self.made(part.name) is not None

    def made(self, name: str) -> dict[str, Any] | None:
        """Return what was noted of a part, or None where it must be made again."""
        try:
            splits = read_json(self.folder / f"{name}.json")
        except KdcError:
            return None
        for split, entry in splits.items():
            path = self.file(name, split)
            if not path.is_file() or path.stat().st_size != entry.get("bytes"):
                return None
            if sha256(path) != entry.get("sha256"):
                return None
        return splits

    def forget(self, name: str) -> None:
        """Have a part made again."""
        (self.folder / f"{name}.json").unlink(missing_ok=True)

    def file(self, name: str, split: str) -> Path:
        """Return where a part's shard lies."""
        return self.folder / f"{name}-{split}.safetensors"

    def read(self, number: int) -> dict[str, Any] | None:
        """Return what was noted of a source that has been read to its end, or None."""
        try:
            return read_json(self._note(number))
        except KdcError:
            return None

    def names(self, number: int) -> list[str]:
        """Return the names of a source's parts; empty where it has not been read to its end."""
        note = self.read(number)
        return [part_name(number, part) for part in range(note["parts"])] if note else []

    def missing(self, share: Share) -> list[int]:
        """Return which of the processes that share the work have not done it.

        What is noted counts; the parts' files are not read.
        """
        found, count = set[int](), len(self.sources)
        for source in range(count):
            if self.read(source) is None:
                found.add(share.owner(source, 0, count))
            for number, name in enumerate(self.names(source)):
                if not (self.folder / f"{name}.json").is_file():
                    found.add(share.owner(source, number, count))
        return sorted(found)

    def tokens(self, names: Iterable[str]) -> int:
        """Return how many tokens some parts hold; 0 where another process took them away."""
        found = 0
        for name in names:
            with suppress(KdcError):
                splits = read_json(self.folder / f"{name}.json")
                found += sum(int(entry["tokens"]) for entry in splits.values())
        return found

    def _note(self, number: int) -> Path:
        return self.folder / f"source-{number:05d}.json"
