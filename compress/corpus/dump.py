"""The articles of a Wikipedia XML dump, read in constant memory.

https://www.mediawiki.org/wiki/Help:Export#Export_format
"""

import re
from collections.abc import Iterator
from xml.parsers import expat

from kdc.compress.corpus.streams import Stream
from kdc.compress.errors import KdcError

_REDIRECT = re.compile(r"\s*#[^\W\d]+\s*:?\s*\[\[")
_LONGEST = 1 << 26  # characters of one page; MediaWiki itself stops at 2 MiB
_KEPT = frozenset(("ns", "text", "namespace"))
_DROPPED_SPACES = ("-2", "6", "14")  # media, files and categories


class _Pages:
    """Collects pages from the parser's calls."""

    def __init__(self) -> None:
        self.ready: list[str] = []
        self.spaces: list[str] = []
        """What links to files, media and categories start with in this wiki."""
        self._parts: list[str] | None = None
        self._held = 0
        self._text = self._space = self._key = ""
        self._redirect = False

    def start(self, name: str, attributes: dict[str, str]) -> None:
        """Begin an element."""
        if name == "page":
            self._text, self._space, self._redirect = "", "", False
        elif name == "redirect":
            self._redirect = True
        elif name in _KEPT:
            self._parts, self._held = [], 0
            self._key = attributes.get("key", "")

    def characters(self, text: str) -> None:
        """Take a piece of an element's text."""
        if self._parts is not None:
            self._parts.append(text)
            self._held += len(text)
            if self._held > _LONGEST:
                raise KdcError("a page is longer than any wiki's: the dump is damaged")

    def end(self, name: str) -> None:
        """End an element; of several revisions the last one counts."""
        if name in _KEPT:
            found, self._parts = "".join(self._parts or ()), None
            if name == "ns":
                self._space = found
            elif name == "text":
                self._text = found
            elif self._key in _DROPPED_SPACES and found:
                self.spaces.append(found)
        elif name == "page" and self._is_article():
            self.ready.append(self._text)
            self._text = ""

    def _is_article(self) -> bool:
        wanted = self._space == "0" and not self._redirect and self._text.strip()
        return bool(wanted) and not _REDIRECT.match(self._text)


def _refuse_entity(*_: object) -> None:
    raise KdcError("it declares entities of its own, which no dump does")


def articles(stream: Stream) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Yield the wikitext of every article, with the wiki's own names of spaces that links drop.

    Raises:
        KdcError: the file is cut off, damaged, no XML or no dump.
    """
    pages = _Pages()
    parser = expat.ParserCreate()
    parser.buffer_text = True
    parser.StartElementHandler = pages.start
    parser.EndElementHandler = pages.end
    parser.CharacterDataHandler = pages.characters
    parser.EntityDeclHandler = _refuse_entity
    fate = "it is damaged or no XML dump"
    try:
        for piece in stream.pieces():
            parser.Parse(piece, False)
            for text in pages.ready:
                yield text, tuple(pages.spaces)
            pages.ready.clear()
        fate = "it ends early"
        parser.Parse(b"", True)
    except expat.ExpatError as error:
        reason = expat.ErrorString(error.code)
        raise KdcError(
            f"{stream.path}, line {error.lineno} of its XML: {reason}: {fate}; fetch it again"
        ) from error
    except KdcError as error:
        if str(stream.path) in str(error):
            raise
        raise KdcError(f"{stream.path}: {error}") from error
