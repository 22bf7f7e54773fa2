"""Student shapes: the published ones are rows of data, any other is LAYERSxHIDDEN."""

import re
from collections.abc import Callable
from copy import deepcopy
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from kdc.compress.errors import KdcError, is_out_of_memory, unknown
from kdc.compress.progress import plural

if TYPE_CHECKING:  # the table is listed without loading torch
    from transformers import PretrainedConfig as Config
    from transformers import PreTrainedModel as Model

DEFAULT = "3x384"
_FREE = re.compile(r"(\d{1,3})x(\d{1,5})")
_SIZES = re.compile(r"\d+x\d+")
_MOST_PARAMETERS = 10**10  # 40 GB in fp32: a slip of the finger
_BERT_ROWS = 30_522  # the uncased BERT vocabulary, for the estimates of `kdc list students`
_BERT_POSITIONS = 512
_ACTIVATIONS = ("gelu", "gelu_new", "gelu_pytorch_tanh", "relu", "silu", "tanh")  # the usual ones


@dataclass(frozen=True)
class Shape:
    """The sizes of a student."""

    layers: int
    hidden: int
    heads: int
    ffn: int
    activation: str = "gelu"

    def __post_init__(self) -> None:
        """Refuse sizes that build no encoder.

        Raises:
            KdcError: a size below 1, or heads that do not divide the width.
        """
        if min(self.layers, self.hidden, self.heads, self.ffn) < 1:
            raise KdcError(f"the student {self} has a size below 1: give positive sizes")
        if self.hidden % self.heads:
            raise KdcError(
                f"--heads {self.heads} does not divide the student's width {self.hidden}: "
                f"choose one of {_divisors(self.hidden)}"
            )

    def __str__(self) -> str:
        """Print like `3x384, 12 heads, FFN 1536, gelu`."""
        sizes = f"{self.layers}x{self.hidden}, {plural(self.heads, 'head')}, FFN {self.ffn}"
        return f"{sizes}, {self.activation}"

    @property
    def embedding_parameters(self) -> int:
        """Parameters of a BERT's three embedding tables and their norm."""
        return (_BERT_ROWS + _BERT_POSITIONS + 2) * self.hidden + 2 * self.hidden

    @property
    def parameters(self) -> int:
        """Parameters as a BERT with the uncased vocabulary, a pooler and two classes."""
        h, f = self.hidden, self.ffn
        layer = 4 * (h * h + h) + (h * f + f) + (f * h + h) + 4 * h
        return self.embedding_parameters + self.layers * layer + (h * h + h) + 2 * (h + 1)

    @property
    def int8_bytes(self) -> int:
        """Estimated bytes in int8: a byte a weight, four for biases, norms and channel scales."""
        h, f = self.hidden, self.ffn
        vectors = self.layers * (4 * h + f + h + 4 * h) + 3 * h + 2
        scales = self.layers * (4 * h + f + h) + h + 2
        return self.parameters + 3 * vectors + 4 * scales

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for TOML and JSON."""
        return asdict(self)


def _divisors(width: int) -> str:
    usual = [heads for heads in range(1, 33) if width % heads == 0 and width // heads >= 16]
    return ", ".join(str(heads) for heads in usual or [1])


def _usual_heads(width: int) -> int:
    return next(heads for heads in range(max(1, width // 64), 0, -1) if width % heads == 0)


_TURC_NAMES = {(2, 128): "bert-tiny", (4, 256): "bert-mini", (4, 512): "bert-small"}
_TURC_NAMES[8, 512] = "bert-medium"
_PHONE = "ours: heads of 64, ReLU, half the FFN: the fastest on a CPU's int8 kernels for its width"
_TURC = "Turc et al. 2019, arXiv 1908.08962"

STUDENTS: dict[str, tuple[Shape, str]] = {
    **{
        _TURC_NAMES.get((layers, hidden), f"turc-{layers}x{hidden}"): (
            Shape(layers, hidden, heads=hidden // 64, ffn=4 * hidden),
            _TURC,
        )
        for layers in (2, 4, 6, 8, 10, 12)
        for hidden in (128, 256, 512, 768)
    },
    "tinybert-4": (Shape(4, 312, 12, 1200), "Jiao et al. 2020, arXiv 1909.10351"),
    "tinybert-6": (Shape(6, 768, 12, 3072), "Jiao et al. 2020, arXiv 1909.10351"),
    "distilbert-6": (Shape(6, 768, 12, 3072), "Sanh et al. 2019, arXiv 1910.01108"),
    "minilm-6x384": (Shape(6, 384, 12, 1536), "Wang et al. 2020, arXiv 2002.10957"),
    "minilm-12x384": (Shape(12, 384, 12, 1536), "Wang et al. 2020, arXiv 2002.10957"),
    "phone-3x384": (Shape(3, 384, 6, 768, "relu"), _PHONE),
    "xtremedistil-6x256": (Shape(6, 256, 8, 1024), "Mukherjee et al. 2021, arXiv 2106.04563"),
}


def describe_students() -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """Return the table of shapes as columns and rows of text."""
    columns = ("student", "layers", "hidden", "heads", "ffn", "parameters", "embeddings", "int8")
    rows = []
    for name, (shape, source) in STUDENTS.items():
        sizes = (shape.layers, shape.hidden, shape.heads, shape.ffn)
        share = shape.embedding_parameters / shape.parameters
        row = (
            f"{shape.parameters / 1e6:.1f} M",
            f"{share:.0%}",
            f"{shape.int8_bytes / 1e6:.1f} MB",
        )
        rows.append((name, *(str(size) for size in sizes), *row, source))
    any_other = "any other: 3x384, with --heads, --ffn and --activation"
    rows.append(("LAYERSxHIDDEN", *[""] * 7, any_other))
    return (*columns, "source"), rows


def is_shape(name: str) -> bool:
    """Whether a `--student` is a shape's name, whatever lies in the folder one works in."""
    return name in STUDENTS or _FREE.fullmatch(name) is not None


def check_sizes(name: str, heads: int | None, ffn: int | None) -> None:
    """Refuse a user's own sizes that fit no student of that width, whatever its teacher.

    Raises:
        KdcError: a size below 1, heads that do not divide the width, or sizes of no student.
    """
    free = _FREE.fullmatch(name)
    if not free and _SIZES.fullmatch(name) and not Path(name).is_dir():
        raise KdcError(f"the student {name} is too large: at most 999 layers of width 99,999")
    if name in STUDENTS:
        layers, hidden = STUDENTS[name][0].layers, STUDENTS[name][0].hidden
    elif free:
        layers, hidden = int(free[1]), int(free[2])
    else:  # a folder, or a name that is refused where there is a teacher to compare with
        return
    shape = Shape(layers, hidden, 1 if heads is None else heads, 1 if ffn is None else ffn)
    if shape.parameters > _MOST_PARAMETERS:
        wide = "" if ffn is None else f" with --ffn {ffn}"
        raise KdcError(
            f"the student {name}{wide} would have {shape.parameters / 1e9:,.0f} billion parameters "
            f"(limit {_MOST_PARAMETERS / 1e9:,.0f} billion): choose smaller sizes"
        )


def choose_shape(
    name: str,
    teacher: Shape,
    *,
    heads: int | None = None,
    ffn: int | None = None,
    activation: str | None = None,
) -> Shape:
    """Return the shape that a user's `--student` means.

    LAYERSxHIDDEN takes the teacher's heads, FFN width and activation where the width is the
    teacher's (its layers then fit), else heads of 64 and an FFN of four times the width.

    Raises:
        KdcError: an unknown name or activation, sizes that do not fit together, or wider than the
            teacher.
    """
    free = _FREE.fullmatch(name)
    if name in STUDENTS:
        shape = STUDENTS[name][0]
    elif free:
        layers, hidden = int(free[1]), int(free[2])
        same = hidden == teacher.hidden
        usual = teacher.heads if same else _usual_heads(hidden)
        width = teacher.ffn if same else 4 * hidden
        # the heads are checked in Shape, so the user's own come in at once
        shape = Shape(layers, hidden, heads or usual, width, teacher.activation)
    else:
        near = unknown("student", name, [*STUDENTS, DEFAULT], "kdc list students")
        raise KdcError(f"{near} (any other is LAYERSxHIDDEN, such as 4x256)")
    changes = {"heads": heads, "ffn": ffn, "activation": activation}
    chosen = {key: value for key, value in changes.items() if value is not None}
    if activation is not None:
        _check_activation(activation)
    shape = Shape(**{**shape.as_dict(), **chosen})
    if shape.hidden > teacher.hidden:
        raise KdcError(
            f"the student {name} is wider ({shape.hidden}) than its teacher ({teacher.hidden}): "
            f"choose a width of at most {teacher.hidden}"
        )
    return shape


def _check_activation(name: str) -> None:
    """Refuse a name that transformers builds no activation of, before it says so in its own way."""
    from transformers.activations import ACT2FN

    if name not in ACT2FN:
        raise unknown("activation", name, _ACTIVATIONS)


def shape_of(config: "Config") -> Shape:
    """Read an encoder's shape from its configuration."""
    from kdc.compress.families import Sizes

    sizes = Sizes(config)
    return Shape(sizes.layers, sizes.hidden, sizes.heads, sizes.ffn, sizes.activation)


Head = Literal["classes", "words", "none"]


def build_student(
    teacher: "Config", shape: Shape, dropout: float, head: Head = "classes"
) -> "Model":
    """Build a randomly initialised student of the teacher's family.

    Args:
        teacher: the configuration of the fine-tuned teacher.
        shape: the student's sizes.
        dropout: probability for hidden states and attention while training.
        head: for the teacher's classes, for masked words, or none.

    Raises:
        KdcError: the family cannot be built in this shape.
    """
    import torch
    from transformers import AutoModel, AutoModelForMaskedLM, AutoModelForSequenceClassification

    from kdc.compress.families import Sizes, set_dropout

    config = deepcopy(teacher)
    Sizes(config).set(**shape.as_dict())
    set_dropout(config, dropout)
    kinds = {"classes": AutoModelForSequenceClassification, "words": AutoModelForMaskedLM}
    build: Callable[..., Model] = kinds.get(head, AutoModel).from_config
    try:
        model = build(config)
        with torch.no_grad():
            model.eval()(input_ids=torch.ones((1, 4), dtype=torch.long))
    except Exception as error:  # every family has its own way to fail on sizes
        if is_out_of_memory(error):
            raise KdcError(
                f"there is no memory for a student of {shape}: choose smaller sizes, or close "
                "other programs"
            ) from error
        reason = str(error).strip().split("\n")[0][:120]
        raise KdcError(
            f"the family {config.model_type} cannot be built as {shape}: {reason}"
        ) from error
    return model
