"""What a corpus is made from: dumps, plain text, JSONL and Parquet, read as documents."""

import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from io import IncrementalNewlineDecoder
from pathlib import Path

from kdc.compress.corpus.dump import articles
from kdc.compress.corpus.streams import Stream
from kdc.compress.data.records import STRINGS, is_one_of
from kdc.compress.errors import KdcError
from kdc.compress.files import MANIFEST, read_json, sha256

_PACKED = (".bz2", ".xz", ".gz")
_KINDS = {
    ".xml": "dump",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "jsonl",
    ".parquet": "parquet",
    ".csv": "table",
    ".tsv": "table",
}
_PIECE_OF_DUMP = re.compile(r"\.xml-p\d+p\d+")  # Wikipedia cuts its dumps by the pages' numbers
_DUMP = re.compile(r"\s*(?:<\?xml\b[^>]*>\s*)?<mediawiki\b")
_START = 4096  # characters in which a dump is known
_WITH_COLUMNS = ("jsonl", "parquet")
COLUMN = "text"
"""Of JSONL and Parquet, where no option names another."""
_BLANK = re.compile(r"\n[^\S\n]*\n\s*")
_LONGEST = 4_000_000  # characters of one document of plain text; a longer one is cut
_LINE = 1 << 26  # characters of one line of JSONL
_HALVES = re.compile("[\ud800-\udfff]")  # JSON can write them, UTF-8 cannot


@dataclass(frozen=True)
class Document:
    """One document as its source has it."""

    text: str
    spaces: tuple[str, ...] | None = None
    """Of wikitext, what links that are no prose start with; None for plain text."""


@dataclass(frozen=True)
class Source:
    """A file of documents."""

    path: Path
    column: str = COLUMN
    """Of JSONL and Parquet."""

    @property
    def kind(self) -> str:
        """`dump`, `text`, `jsonl`, `parquet` or `table`, by its name without `.bz2` and such."""
        path = self.path
        while path.suffix.lower() in _PACKED:
            path = path.with_suffix("")
        ending = path.suffix.lower()
        return "dump" if _PIECE_OF_DUMP.fullmatch(ending) else _KINDS.get(ending, "text")

    @property
    def columns(self) -> dict[str, str]:
        """The column that is read, under `column`; empty where the file has none."""
        return {"column": self.column} if self.kind in _WITH_COLUMNS else {}

    @property
    def size(self) -> int:
        """Bytes of the file."""
        return self.path.stat().st_size

    def open(self) -> "Reading":
        """Begin to read."""
        return Reading(self)


class Reading:
    """A pass over a source."""

    def __init__(self, source: Source) -> None:
        """Begin before the first document."""
        self._source = source
        self._stream = Stream(source.path)
        self._rows = 0.0  # of a Parquet file, the share that has been read

    @property
    def position(self) -> int:
        """Bytes of the file that have been read."""
        if self._source.kind == "parquet":
            return int(self._rows * self._source.size)
        return self._stream.position

    def digest(self) -> str:
        """Return the sha256 of the file that was read."""
        parquet = self._source.kind == "parquet"
        return sha256(self._source.path) if parquet else self._stream.digest

    def documents(self) -> Iterator[Document]:
        """Yield the documents in their order.

        Raises:
            KdcError: the file cannot be read, is cut off, damaged or not what its name says.
        """
        if self._source.kind == "dump":
            yield from (Document(text, spaces) for text, spaces in articles(self._stream))
        elif self._source.kind == "parquet":
            yield from map(Document, self._parquet())
        elif self._source.kind == "jsonl":
            yield from map(Document, self._jsonl())
        else:
            yield from map(Document, _paragraphs(self._no_dump(self._stream.text())))

    def _no_dump(self, pieces: Iterator[str]) -> Iterator[str]:
        """Pass a text on, unless it is a dump: its markup would be taught as language."""
        first: list[str] = []
        for piece in pieces:
            first.append(piece)
            if sum(map(len, first)) >= _START:
                break
        if _DUMP.match("".join(first)):
            raise KdcError(
                f"{self._source.path} is a Wikipedia dump by its first characters and a text by "
                "its name: let its name end with .xml, and .bz2 or such behind it if it is packed"
            )
        yield from first
        yield from pieces

    def _jsonl(self) -> Iterator[str]:
        number, tail = 0, ""
        for piece in self._ended(self._stream.text()):
            *lines, tail = (tail + piece).split("\n")
            for line in lines:
                number += 1
                if line.strip() and (text := self._object(number, line)) is not None:
                    yield text
            if len(tail) > _LINE:
                path = self._source.path
                raise KdcError(f"{path}, line {number + 1} is too long: one object a line")

    def _ended(self, pieces: Iterator[str]) -> Iterator[str]:
        yield from pieces
        yield "\n"

    def _object(self, number: int, line: str) -> str | None:
        """Return a row's text; None where it is null, which Parquet's rows may be too."""
        path, column = self._source.path, self._source.column
        try:
            value = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise KdcError(f"{path}, line {number} is not valid JSON: one object a line") from error
        text = value.get(column, ...) if isinstance(value, dict) else ...
        if text is None:
            return None
        if not isinstance(text, str):
            raise KdcError(f"{path}, line {number} has no text in {column!r}: name its --text")
        return _HALVES.sub(" ", text)

    def _parquet(self) -> Iterator[str]:
        path, column = self._source.path, self._source.column
        try:
            import pyarrow
            from pyarrow.parquet import ParquetFile
        except ImportError as error:
            raise KdcError(f'reading {path} needs pyarrow: pip install "kdc[parquet]"') from error
        try:
            with ParquetFile(path) as file:
                if column not in file.schema_arrow.names:
                    raise KdcError(f"{path} has no column {column!r}: name its --text")
                kind = file.schema_arrow.field(column).type
                kind = kind.value_type if pyarrow.types.is_dictionary(kind) else kind
                if not is_one_of(kind, STRINGS):
                    raise KdcError(f"{path} has no text in {column!r} but {kind}: name its --text")
                done, rows = 0, max(file.metadata.num_rows, 1)
                for batch in file.iter_batches(1024, columns=[column]):
                    done += batch.num_rows
                    self._rows = done / rows
                    yield from (str(text) for text in batch.column(0).to_pylist() if text)
        except (OSError, ValueError, pyarrow.ArrowException) as error:
            reason = str(error).strip().split("\n")[0][:160]
            raise KdcError(f"{path} is no readable Parquet file: {reason}") from error


def _paragraphs(pieces: Iterable[str]) -> Iterator[str]:
    """Yield what stands between blank lines."""
    tail, lines = "", IncrementalNewlineDecoder(None, translate=True)  # \r\n and \r become \n
    for piece in pieces:
        *whole, tail = _BLANK.split(tail + lines.decode(piece))
        yield from (text for text in whole if text.strip())
        if len(tail) > _LONGEST:
            yield tail
            tail = ""
    if tail.strip():
        yield tail


def find_sources(paths: Iterable[Path], column: str | None) -> list[Source]:
    """Return the files that are named, and those inside folders that are, by name.

    Args:
        paths: files and folders.
        column: of the text in JSONL and Parquet; None for `text`.

    Raises:
        KdcError: there is no such file, an empty folder or one that kdc made, one file or its copy
            twice, or a column that no file has.
    """
    found: list[Path] = []
    for path in paths:
        if path.is_dir():
            found += _inside(path)
        elif path.is_file():
            found.append(path)
        else:
            raise KdcError(f"there is no file {path}: name a dump, text, JSONL or Parquet file")
    places = [path.resolve() for path in found]
    counts = Counter(places)
    for path, place in zip(found, places, strict=True):
        if counts[place] > 1:
            raise KdcError(f"{path} is named twice: its documents would count twice")
    sources = [Source(path, column or COLUMN) for path in found]
    for source in sources:
        if source.kind == "table":
            raise KdcError(f"{source.path} is a table: write its texts as JSONL or as plain text")
    if column is not None and not any(source.kind in _WITH_COLUMNS for source in sources):
        raise KdcError("--text names a column of JSONL and Parquet, and no source is such a file")
    _refuse_copies(sources)
    return sources


def _refuse_copies(sources: list[Source]) -> None:
    """Raise KdcError for a file that is another's copy; only those of one size are read for it."""
    sizes = Counter(source.size for source in sources)
    first: dict[str, Path] = {}
    for source in sources:
        if sizes[source.size] == 1 or not source.size:
            continue
        digest = sha256(source.path)
        if digest in first:
            raise KdcError(
                f"{source.path} is a copy of {first[digest]}: its documents would count twice"
            )
        first[digest] = source.path


def _inside(folder: Path) -> list[Path]:
    """Return the files of a folder and of those inside it, by their names.

    Raises:
        KdcError: there are none, or the folder is one that kdc made.
    """
    if form := _made_by_kdc(folder):
        raise KdcError(f"{folder} holds no texts: kdc made it ({form}); name what it was made from")
    inside = list(_files(folder))
    if not inside:
        raise KdcError(f"there are no files in {folder}: name one that holds texts")
    return inside


def _files(folder: Path, above: frozenset[Path] = frozenset()) -> Iterator[Path]:
    """Yield the files of a folder and of those inside it, without hidden ones and what kdc made.

    Args:
        folder: where to begin.
        above: the folders that it lies in, to which a link may lead back.
    """
    above |= {folder.resolve()}
    for path in sorted(folder.iterdir()):
        if path.name[0] in "._":
            continue
        if path.is_file():
            yield path
        elif path.is_dir() and path.resolve() not in above and not _made_by_kdc(path):
            yield from _files(path, above)


def _made_by_kdc(folder: Path) -> str:
    """Return the format of a folder that kdc made, or nothing."""
    form = ""
    with suppress(KdcError):
        form = str(read_json(folder / MANIFEST).get("format", ""))
    return form if form.startswith("kdc.") else ""
