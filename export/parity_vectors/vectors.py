"""Hostile texts with the ids and offsets that the Rust tokenizer gives them.

`python -m kdc.export.parity_vectors.vectors tokenizer.json 1000` writes a thousand, a line each.
"""

import json
import sys
from collections.abc import Iterator, Sequence
from random import Random
from typing import Any

from tokenizers import Tokenizer

from kdc.export.parity_vectors.hostile import hostile_texts

_PAIRED = 8  # one text in so many is a pair's


def make_vectors(tokenizer: Tokenizer, count: int, seed: int) -> Iterator[dict[str, Any]]:
    """Yield vectors: `case`, `text`, in some `pair`, `ids`, `types` and `offsets`.

    Offsets are [start, end] in code points of the text that the token is of; a half of a
    surrogate pair that stands alone, which no UTF-8 text can hold, counts as U+FFFD.

    Args:
        tokenizer: as it ships, with its truncation.
        count: how many.
        seed: the same texts for the same seed and tokenizer.
    """
    rng = Random(seed)
    vocabulary = sorted(tokenizer.get_vocab())
    texts = hostile_texts(count, seed, vocabulary)
    others = hostile_texts(count, seed + 1, vocabulary)
    for (case, text), (_, other) in zip(texts, others, strict=True):
        pair = other if rng.randrange(_PAIRED) == 0 else None
        encoded = tokenizer.encode(as_utf8(text), None if pair is None else as_utf8(pair))
        told = {"case": case, "text": text, **({} if pair is None else {"pair": pair})}
        offsets = [list(offset) for offset in encoded.offsets]
        yield {**told, "ids": encoded.ids, "types": encoded.type_ids, "offsets": offsets}


def as_utf8(text: str) -> str:
    """Return a text with halves joined to pairs where they meet, and U+FFFD for those alone."""
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def as_line(vector: dict[str, Any]) -> str:
    """Return a vector as a line of JSON in ASCII, escapes for halves of pairs."""
    return json.dumps(vector, separators=(",", ":"))


def _main(arguments: Sequence[str]) -> None:
    try:
        path, count, *seed = arguments
        tokenizer = Tokenizer.from_file(path)
        vectors = make_vectors(tokenizer, int(count), int(seed[0]) if seed else 0)
    except ValueError:
        sys.exit("give a tokenizer.json, how many vectors, and a seed if it is not 0")
    except Exception as error:  # the Rust library raises Exception itself
        sys.exit(f"{path} is no tokenizer that can be read: {error}")
    for vector in vectors:
        sys.stdout.write(as_line(vector) + "\n")


if __name__ == "__main__":
    _main(sys.argv[1:])
