"""What is asked for of a corpus: a general student, or a teacher with a masked-LM head."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kdc.compress.errors import KdcError
from kdc.compress.layer_maps import SEARCH
from kdc.compress.recipe import Recipe


@dataclass(frozen=True)
class GeneralJob:
    """One encoder that knows no task: from which corpus, by which recipe, to where."""

    corpus: Path
    """A folder of token shards."""
    recipe: Recipe
    out: Path
    student: str
    """A shape, or the folder of an encoder to go on with."""
    goes_on: bool = False
    """Whether `student` is the name of an encoder, whatever it looks like."""
    teacher: str | None = None
    """`minilm`, a folder or a Hub id; None where the text alone teaches."""
    labels: Path | None = None
    """What the teacher said at the masked words; None where it is asked while training."""
    tokens: int | None = None
    """How many to train on, instead of the recipe's epochs."""
    heads: int | None = None
    ffn: int | None = None
    activation: str | None = None
    seed: int = 0
    device: str = "auto"
    compiled: bool = False
    resume: bool = False

    def __post_init__(self) -> None:
        """Check the recipe and the number of tokens.

        Raises:
            KdcError: the recipe is for a task, trains in few bits or asks for what only a task
                has; labels without a teacher; or fewer tokens than one.
        """
        if not self.recipe.for_corpus:
            raise KdcError(
                f"recipe {self.recipe.name} distils on a task: with --corpus use one of those "
                'whose name begins with general-, or write rows = "corpus" into your own'
            )
        if any(stage.train.quantize != "none" for stage in self.recipe.stages):
            raise KdcError(
                f"recipe {self.recipe.name} trains in few bits, which the distillation on a task "
                "undoes: give quantize to that one's recipe"
            )
        if unheeded := _unheeded(self.recipe):
            raise KdcError(
                f"recipe {self.recipe.name} has {unheeded}, which means nothing on a corpus: leave "
                "it out"
            )
        if self.labels is not None and self.teacher is None:
            raise KdcError("--labels are a teacher's: name it with --teacher")
        if self.tokens is not None and self.tokens < 1:
            raise KdcError(f"--tokens must be 1 or more, not {self.tokens}")

    def identity(self, **found: Any) -> dict[str, Any]:  # noqa: ANN401 - TOML's values
        """Return what decides a run's numbers beside its recipe: the `[run]` of `recipe.toml`.

        Args:
            found: digests, the shape and the precision.
        """
        values: dict[str, Any] = {
            "teacher": self.teacher,
            "corpus": str(self.corpus),
            "labels": None if self.labels is None else str(self.labels),
            "tokens": self.tokens,
            "student": self.student,
            "seed": self.seed,
            "goes_on": self.goes_on or None,
            "compiled": self.compiled or None,
            **found,
        }
        return {key: value for key, value in values.items() if value is not None}


def _unheeded(recipe: Recipe) -> str:
    """Return what a recipe says that only the distillation on a task does, or nothing."""
    if recipe.start.layers == SEARCH:
        return f'layers = "{SEARCH}" in [start]'
    if recipe.augment.copies:
        return f"copies = {recipe.augment.copies} in [augment]"
    rates = (stage.train.narrow_rate for stage in recipe.stages)
    return next((f"narrow_rate = {rate:g}" for rate in rates if rate), "")


_TYPES = {"teacher": str, "corpus": str, "labels": str, "tokens": int, "student": str, "seed": int}
_TYPES |= {"goes_on": bool, "compiled": bool}
_SIZES = {"heads": int, "ffn": int, "activation": str}


def rerun(run: Mapping[str, Any], given: set[str], where: str) -> dict[str, Any]:
    """Return the options with which a run on a corpus is repeated, by their names.

    Args:
        run: the `[run]` of a general student's `recipe.toml`.
        given: options that the user gave; these stay, with another student its sizes are not the
            run's, and with epochs its tokens are not.
        where: how to call the recipe to the user.

    Raises:
        KdcError: a value is of another type.
    """
    shape = run.get("shape", {})
    values = {**run, **(shape if isinstance(shape, dict) and not run.get("student_sha256") else {})}
    found: dict[str, Any] = {}
    if run and "teacher" not in run and "teacher" not in given:
        found["teacher"] = None  # the text alone taught, whatever the usual teacher is
    for name, kind in (_TYPES | _SIZES).items():
        if (value := values.get(name)) is None or name in given:
            continue
        if name == "tokens" and "epochs" in given:  # both say how long to train
            continue
        if type(value) is not kind:
            raise KdcError(f"[run] of {where}: {name} has a value of the wrong type: {value!r}")
        if "student" not in given or name not in (*_SIZES, "goes_on"):
            found[name] = value
    return found
