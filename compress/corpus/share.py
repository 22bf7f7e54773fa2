"""`--shard I/N`: the share that a process has of work split among several on their own."""

import re
from dataclasses import dataclass

from kdc.compress.corpus.part import Part
from kdc.compress.errors import KdcError


@dataclass(frozen=True)
class Share:
    """Which parts are whose: process `index` of `count` that know nothing of each other."""

    index: int = 0
    count: int = 1

    def __post_init__(self) -> None:
        """Refuse a share that is none.

        Raises:
            KdcError: it is out of range.
        """
        if not 0 <= self.index < self.count:
            raise KdcError(
                f"--shard {self.index}/{self.count} is none of the parts: count them from 0, such "
                "as 0/4 to 3/4"
            )

    def reads(self, source: int, sources: int) -> bool:
        """Whether any part of a source is its own: where there are enough, whole sources are."""
        return sources < self.count or source % self.count == self.index

    def owner(self, source: int, number: int, sources: int) -> int:
        """Return which process makes a part of a source."""
        return (source if sources >= self.count else source + number) % self.count

    def makes(self, part: Part, sources: int) -> bool:
        """Whether a part is its own."""
        return self.owner(part.source, part.number, sources) == self.index


def parse_share(text: str) -> Share:
    """Read `--shard I/N`.

    Raises:
        KdcError: it is something else, or out of range.
    """
    found = re.fullmatch(r"(\d{1,6})/(\d{1,6})", text)
    if not found:
        raise KdcError(f"--shard is I/N, such as 0/4 to 3/4, not {text!r}")
    return Share(int(found[1]), int(found[2]))
