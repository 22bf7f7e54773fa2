"""How much of a teacher's answer is written down, and in how many bits."""

from dataclasses import asdict, dataclass
from typing import Any, Literal, get_args

from kdc.compress.errors import KdcError

Kind = Literal["topk", "draws", "full", "none"]
_MOST = {"topk": 4096, "draws": 255}
_HOTTEST = 100.0
_DEEPEST = 10_000


@dataclass(frozen=True)
class Method:
    """What is kept of the distribution over the vocabulary at a masked place."""

    kind: Kind = "topk"
    """`topk`: the likeliest tokens and the mass of all others; `draws`: tokens drawn from it;
    `full`: every token; `none`: nothing, for teachers that are asked for states alone."""
    count: int = 0
    """How many tokens at the most, or how many draws; 0 of `full` and `none`."""
    bits: int = 8
    """Of a probability on its logarithmic grid: 8 or 16."""
    temperature: float = 1.0
    """Of the softmax."""
    least: float = 0.0
    """Of `topk`: a token less probable than this counts among the others."""
    states: tuple[int, ...] = ()
    """Layers whose states of all tokens are kept too: 0 the embeddings, n after layer n."""
    pooled: bool = False
    """Whether the mean of the last states over its tokens is kept of each example."""

    def __post_init__(self) -> None:
        """Refuse what makes no labels.

        Raises:
            KdcError: a number out of its range, or nothing to write down.
        """
        if self.kind not in get_args(Kind):
            raise KdcError(f"labels are made by {', '.join(get_args(Kind))}, not {self.kind!r}")
        most = _MOST.get(self.kind, 0)
        if most and not 1 <= self.count <= most:
            raise KdcError(f"--{self.kind} must be a number from 1 to {most:,}, not {self.count}")
        if self.bits not in (8, 16):
            raise KdcError(f"--bits is 8 or 16, not {self.bits}")
        if not 0 < self.temperature <= _HOTTEST:
            raise KdcError(
                f"--temperature must be above 0 and up to {_HOTTEST:g}, not {self.temperature}"
            )
        if not 0 <= self.least < 1 or (self.least and self.kind != "topk"):
            raise KdcError(f"--least is a probability, and goes with --topk: not {self.least}")
        if len(set(self.states)) < len(self.states) or not all(
            0 <= layer < _DEEPEST for layer in self.states
        ):
            raise KdcError(f"--states names layers from 0 up, each once, not {list(self.states)}")
        if self.kind == "none" and not (self.states or self.pooled):
            raise KdcError("nothing to label: name --topk, --draws, --full, --states or --pooled")

    @property
    def spread(self) -> float:
        """The natural logarithm of 1 to the least probability that the grid can say.

        `full` has to say more: of 30,522 tokens those below 1e-6 can have 3 % together.
        """
        return 20.0 if self.kind == "full" else 14.0

    def as_dict(self) -> dict[str, Any]:
        """Return it as the manifest has it."""
        return {**asdict(self), "states": list(self.states)}

    def __str__(self) -> str:
        """Say it in a few words."""
        said = {
            "topk": f"top-{self.count} and the tail",
            "draws": f"{self.count} draws",
            "full": "the full softmax",
            "none": "",
        }[self.kind]
        if self.least:
            said += f" below {self.least:g}"
        states = f"states of {', '.join(map(str, self.states))}" if self.states else ""
        return ", ".join(filter(None, (said, states, "pooled" if self.pooled else "")))


_KINDS: dict[str, tuple[type, ...]] = {
    "kind": (str,),
    "count": (int,),
    "bits": (int,),
    "temperature": (int, float),
    "least": (int, float),
    "states": (list,),
    "pooled": (bool,),
}


def read_method(fields: object, where: str) -> Method:
    """Read a method as `as_dict` gave it.

    Args:
        fields: from a manifest.
        where: the file, for the error.

    Raises:
        KdcError: it is none.
    """
    if isinstance(fields, dict) and set(fields) == set(_KINDS):
        states = fields["states"]
        whole = type(states) is list and all(type(layer) is int for layer in states)
        if whole and all(type(fields[name]) in kinds for name, kinds in _KINDS.items()):
            return Method(**{**fields, "states": tuple(states)})
    raise KdcError(f"{where} does not say how its labels were made: it is damaged")
