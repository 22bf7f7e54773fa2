"""How long the texts are that a model is measured on."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from kdc.compress.errors import KdcError
from kdc.compress.progress import Progress
from kdc.export.model_file import ModelFile

Length = int | Literal["natural"]
"""A fixed number of tokens, or those of the task's own dev rows, which the file carries."""

LONGEST = 65_536  # tokens; a typing mistake above it would only fill the memory


@dataclass(frozen=True)
class Texts:
    """Texts to measure on."""

    length: Length
    """What was asked for."""
    tokens: tuple[int, ...]
    """Tokens of each text."""


def parse_lengths(text: str) -> tuple[Length, ...]:
    """Read what `--length` takes, such as `natural,128`.

    Raises:
        KdcError: a part is neither `natural` nor a whole number from 1 to 65536.
    """
    return tuple(dict.fromkeys(_parse(part.strip()) for part in text.split(",")))


def choose_texts(
    file: ModelFile, lengths: Sequence[Length] | None, progress: Progress
) -> tuple[Texts, ...]:
    """Turn lengths into texts that the model can read; without lengths, choose the usual ones.

    Raises:
        KdcError: natural lengths were asked for and the file carries none, or a text is longer
            than the model reads.
    """
    if lengths is None:
        lengths = _usual(file, progress)
    texts = tuple(Texts(length, _tokens(file, length)) for length in lengths)
    longest = max(max(text.tokens) for text in texts)
    most = _most(file)
    if longest > most:
        raise KdcError(f"{file.path} reads at most {most} tokens, so not {longest}: lower --length")
    return texts


def shared_texts(
    texts: Sequence[Texts],
    files: Sequence[ModelFile],
    lengths: Sequence[Length] | None,
    progress: Progress,
) -> tuple[Texts, ...]:
    """Return one model's texts as all models can read them, so that all run the same.

    Args:
        texts: those of the first model.
        files: every model that will run them.
        lengths: those that the user gave; without any, longer texts are cut, which is said.
        progress: told of that.

    Raises:
        KdcError: a model reads no texts as long as the user gave.
    """
    short = min(files, key=_most)
    most, longest = _most(short), max(max(text.tokens) for text in texts)
    if longest <= most:
        return tuple(texts)
    if lengths is not None:
        raise KdcError(
            f"--vs: {short.path} reads at most {most} tokens, so not the first model's texts of "
            f"up to {longest}: give --length numbers of at most {most}"
        )
    progress.say(f"in turns texts are cut at {most} tokens, the most that {short.path} reads")
    return tuple(dict.fromkeys(_cut(text, most) for text in texts))


def _cut(text: Texts, most: int) -> Texts:
    length = text.length if text.length == "natural" else min(text.length, most)
    return Texts(length, tuple(min(tokens, most) for tokens in text.tokens))


def _parse(part: str) -> Length:
    if part == "natural":
        return "natural"
    if part.isascii() and part.isdigit() and 0 < len(part) < 10 and 0 < int(part) <= LONGEST:
        return int(part)
    raise KdcError(
        f"--length takes natural and whole numbers of tokens from 1 to {LONGEST}, "
        f"separated by commas, not '{part}'"
    )


def _usual(file: ModelFile, progress: Progress) -> tuple[Length, ...]:
    """Return `natural` and 128 tokens, or fewer where the model reads fewer."""
    fixed = min(128, _most(file))
    if file.lengths is not None:
        return "natural", fixed
    short = min(16, fixed)
    progress.say(f"{file.path} does not tell how long its task's texts are: taking {short} tokens")
    return tuple(dict.fromkeys((short, fixed)))


def _tokens(file: ModelFile, length: Length) -> tuple[int, ...]:
    if length != "natural":
        return (length,)
    if file.lengths is None:
        raise KdcError(
            f"{file.path} does not tell its task's text lengths (kdc.lengths): "
            "give --length numbers of tokens, such as 16,128"
        )
    # a model of one length is given its texts cut to it
    return tuple(min(length, file.fixed_length or LONGEST) for length in file.lengths)


def _most(file: ModelFile) -> int:
    return min(file.max_length or LONGEST, file.fixed_length or LONGEST)
