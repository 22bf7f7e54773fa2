"""New texts from old ones: words replaced by others that could stand in their place."""

from dataclasses import dataclass

from kdc.compress.errors import KdcError, unknown

EMBEDDINGS, MASKED_LM, CHARACTERS = "embeddings", "masked-lm", "characters"
METHODS = {
    EMBEDDINGS: "the nearest words by the teacher's input embeddings",
    MASKED_LM: "the likeliest words in their place by the teacher's masked-LM head",
    CHARACTERS: "the words themselves, mistyped",
}
KEEP = {
    "all": "every new text; the teacher's soft labels say what it means now",
    "agreeing": "only texts to which the teacher gives the class of the text they came from",
}


@dataclass(frozen=True)
class Augmentation:
    """How many new texts are made and how; TinyBERT's values (Jiao et al. 2020, arXiv 1909.10351).

    The new texts carry no label: the teacher's answers are all they are trained on.
    """

    copies: int = 0
    """New texts tried for each row (20 in the paper); 0 makes none."""
    method: str = EMBEDDINGS
    """Where the words come from: one of `METHODS`. Words of several pieces are mistyped."""
    replace: float = 0.4
    """Probability that a word is replaced."""
    candidates: int = 15
    """Words that may take the place of one."""
    keep: str = "all"
    """Which of the new texts stay: one of `KEEP`. The paper keeps all."""
    model: str = ""
    """The masked-LM to ask, a folder or a Hub id; empty for the teacher as it was given."""

    def __post_init__(self) -> None:
        """Check every value.

        Raises:
            KdcError: one is unknown or out of its range.
        """
        for name, high in (("copies", 1000), ("candidates", 1000)):
            value = getattr(self, name)
            if type(value) is not int or not (name == "candidates") <= value <= high:
                least = int(name == "candidates")
                raise KdcError(
                    f"[augment] {name} must be a whole number from {least} to {high}, not {value}"
                )
        if not isinstance(self.replace, int | float) or not 0 < self.replace <= 1:  # nor NaN
            raise KdcError(
                f"[augment] replace must be a probability above 0 and up to 1, not {self.replace}"
            )
        for name, value, known in (("method", self.method, METHODS), ("keep", self.keep, KEEP)):
            if value not in known:
                raise unknown(f"[augment] {name}", str(value), known)
