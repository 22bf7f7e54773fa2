"""When two rows are the same: a short key that does not see case, blanks or forms of a letter."""

import hashlib
import unicodedata
from collections.abc import Iterable

from kdc.compress.data.dataset import Split

_BYTES = 12  # so that two of a billion rows share a key by chance once in 10**11 tables


def row_key(text: str, pair: str | None = None) -> bytes:
    """Return the key of a text, or of a pair in this order."""
    parts = [_folded(part) for part in (text, pair) if part is not None]
    data = "\0".join(parts).encode("utf-8", "surrogatepass")
    return hashlib.blake2b(data, digest_size=_BYTES).digest()


def row_keys(split: Split) -> list[bytes]:
    """Return the key of every row."""
    pairs: Iterable[str | None] = split.pairs or [None] * len(split)
    return [row_key(text, pair) for text, pair in zip(split.texts, pairs, strict=True)]


def _folded(text: str) -> str:
    if not text.isascii():
        text = unicodedata.normalize("NFKC", text)
    return " ".join(text.casefold().replace("\0", " ").split())
