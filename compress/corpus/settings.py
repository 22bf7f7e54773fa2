"""What a corpus is asked to be."""

from dataclasses import asdict, dataclass
from typing import Any

from kdc.compress.corpus.shards import LONGEST
from kdc.compress.errors import KdcError, unknown

PAIRS = ("none", "next", "order")
MASKINGS = ("word", "token")
MASKED = 0.15
"""Of a sequence's tokens (Devlin et al. 2019, arXiv 1810.04805)."""
_LEAST = 8  # tokens of a sequence: below it special tokens and two segments leave nothing to learn
_MOST_DUPLICATES = 1000


@dataclass(frozen=True)
class Settings:
    """How documents become sequences, and which of their words are masked."""

    max_length: int = 128
    """Tokens of the longest sequence, special tokens included."""
    packing: bool = False
    """Fill sequences over the borders of documents; else each is of one document."""
    pairs: str = "none"
    """Two segments a sequence: `next` (BERT, arXiv 1810.04805) or `order` (ALBERT, 1909.11942)."""
    short: float = 0.0
    """Share of the sequences that are made for a shorter length, drawn anew for each."""
    duplicates: int = 1
    """How often each sequence is masked; 0: not at all, to be masked while training."""
    masking: str = "word"
    """Whole words or single tokens."""
    max_predictions: int | None = None
    """Masked tokens of one sequence at most; None: 15 % of it, whatever that is."""
    held_out: float = 0.0
    """Share of the documents that nothing is trained on."""
    shard_characters: int = 8_000_000
    """Of source text in one shard."""
    seed: int = 0

    def __post_init__(self) -> None:
        """Refuse what cannot be.

        Raises:
            KdcError: a value out of its range, or two that contradict each other.
        """
        for flag, name, known in (
            ("pairs", self.pairs, PAIRS),
            ("masking", self.masking, MASKINGS),
        ):
            if name not in known:
                raise unknown(f"--{flag}", name, known)
        if not _LEAST <= self.max_length <= LONGEST:
            raise KdcError(f"--max-length must be {_LEAST} to {LONGEST}, not {self.max_length}")
        if self.packing and self.pairs != "none":
            raise KdcError(
                f"--packing fills sequences over the borders of documents and --pairs {self.pairs} "
                "takes both segments from one: leave one of them out"
            )
        if not 0 <= self.short <= 1:
            raise KdcError(f"--short-seq-prob must be 0 to 1, not {self.short}")
        if not 0 <= self.held_out < 1:
            raise KdcError(f"--held-out must be 0 to below 1, not {self.held_out}")
        if not 0 <= self.duplicates <= _MOST_DUPLICATES:
            raise KdcError(f"--dupe must be 0 to {_MOST_DUPLICATES:,}, not {self.duplicates}")
        if self.max_predictions is not None and self.max_predictions < 1:
            raise KdcError(f"--max-predictions must be 1 or more, not {self.max_predictions}")
        if self.shard_characters < 1:
            raise KdcError("--shard-size must be 0.000001 or more: that is one character")

    def as_dict(self) -> dict[str, Any]:
        """Return the settings as the manifest keeps them."""
        return asdict(self)

    @classmethod
    def from_dict(cls, fields: object) -> "Settings":
        """Read what `as_dict` returned.

        Raises:
            KdcError: it is something else.
        """
        try:
            return cls(**fields)  # type: ignore[arg-type]
        except TypeError as error:
            raise KdcError("the settings in the corpus's manifest.json are damaged") from error
