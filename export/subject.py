"""A model that is to be measured: its file, and what is known of it before anything runs."""

from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from kdc.compress.errors import KdcError
from kdc.compress.files import MANIFEST
from kdc.compress.metrics import Score
from kdc.export.ledger import GROUPS, ledger
from kdc.export.model_file import ModelFile, read_model_file
from kdc.export.options import SessionOptions
from kdc.export.phone_model import Phone, find_phone, read_phone

# any encoder has these; below 5 stand padding and other special tokens, which some models count
_IDS_OF_FOREIGN = (5, 100)
_FIRST_WORD = 1000  # BERT's vocabularies hold special and unused tokens up to here


@dataclass(frozen=True)
class Accuracy:
    """What a phone folder's manifest says of its model's quality."""

    shipped: Score
    """The score of the file that ships, on the task's dev rows."""
    teacher: Score
    """The teacher's score on the same rows."""


@dataclass(frozen=True)
class Subject:
    """A model to measure."""

    name: str
    """The path that the user gave."""
    file: ModelFile
    phone: Phone | None
    """The phone folder whose model has these bytes; None for a file that came out of none."""

    @property
    def session(self) -> dict[str, object]:
        """How to open it: as its phone folder says, or else as the file itself does."""
        named = None if self.phone is None else self.phone.manifest.get("session")
        if self.phone is None or named is None:
            return self.file.session.as_dict()
        return SessionOptions.from_dict(named, str(self.phone.folder / MANIFEST)).as_dict()

    @property
    def ids(self) -> tuple[int, int]:
        """Token ids to draw from: words where the vocabulary's size is known."""
        if self.file.vocab is None:
            return _IDS_OF_FOREIGN
        return min(_FIRST_WORD, self.file.vocab // 2), self.file.vocab

    @cached_property
    def accuracy(self) -> Accuracy | None:
        """What its manifest says of its quality."""
        if self.phone is None:
            return None
        metrics = self.phone.manifest.get("metrics")
        scores = metrics if isinstance(metrics, dict) else {}
        shipped, teacher = (Score.from_dict(scores.get(name)) for name in ("shipped", "teacher"))
        return Accuracy(shipped, teacher)

    @cached_property
    def sha256(self) -> str:
        """The digest of the model's file and of the weights' files beside it that it names."""
        return self.file.digest()

    @cached_property
    def size_bytes(self) -> int:
        """Bytes of the model, and of the weights' files beside it that it names."""
        return self.file.size_bytes

    @cached_property
    def zip_bytes(self) -> int:
        """The same after deflate at level 9. Of a phone folder, too, it is the model's alone."""
        return self.file.zip_bytes

    @cached_property
    def facts(self) -> dict[str, Any]:
        """What a bench document says of a model, as its files were when this was first asked."""
        accuracy = self.accuracy
        return {
            "sha256": self.sha256,
            "size_bytes": self.size_bytes,
            "zip_bytes": self.zip_bytes,
            "accuracy": accuracy
            and {"shipped": accuracy.shipped.as_dict(), "teacher": accuracy.teacher.as_dict()},
            "quantization": _text(self.phone and self.phone.manifest.get("quantization")),
            "ledger": None if self.phone is None else _ledger(self.phone),
        }


def find_subject(model: Path) -> Subject:
    """Find the model file that a path means, and the phone folder that it comes from.

    Args:
        model: an `.onnx` or `.ort` file, or a phone folder, whose digests are checked.

    Raises:
        KdcError: there is no such model, or it is damaged.
    """
    if model.is_dir():
        phone = read_phone(model)
        return Subject(str(model), read_model_file(phone.model), phone)
    file = read_model_file(model)
    with suppress(KdcError):  # most files come out of no phone folder
        return Subject(str(model), file, find_phone(model))
    return Subject(str(model), file, None)


def _ledger(phone: Phone) -> list[dict[str, Any]]:
    """Tell where the bytes of what ships are; what else was put into the folder is none of it."""
    files = [phone.folder / name for name in (*phone.manifest["files"], MANIFEST)]
    return [
        {
            "part": row.group,
            "bytes": row.bytes,
            "zip_bytes": row.zip_bytes,
            "about": GROUPS[row.group],
        }
        for row in ledger(phone.folder, files)
    ]


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None
