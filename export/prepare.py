"""From a student folder to the fp32 graphs that are quantized: exported, checked and cut."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from tokenizers import Tokenizer

from kdc.compress.artifact import Student
from kdc.compress.errors import KdcError
from kdc.compress.examples import Array, Examples
from kdc.compress.files import read_json
from kdc.compress.progress import Progress
from kdc.export.exporters import EXPORTERS, choose_exporter
from kdc.export.factorise import factorise, trained_rank
from kdc.export.fixed import fix_length
from kdc.export.job import ExportJob
from kdc.export.onnx_file import save_model
from kdc.export.parity import Drop, Parity, check_export, metric_drop
from kdc.export.probabilities import add_probabilities
from kdc.export.session import open_session
from kdc.export.tokenizer import load_tokenizer
from kdc.export.vocabulary import Vocabulary, encode_again, reduce_vocabulary
from kdc.export.word_table import cut_vocabulary

if TYPE_CHECKING:
    from onnx import ModelProto


@dataclass(frozen=True)
class Prepared:
    """A student as it will be quantized."""

    exporter: str
    """A name from `EXPORTERS`."""
    export: Parity
    """The fp32 export against the student, before anything was cut."""
    vocabulary: Vocabulary | None
    """The tokens that ship; None for all of the student's."""
    vocabulary_drop: Drop | None
    """What that cost in fp32."""
    tokenizer: Tokenizer
    """The one that ships: no padding, cut at the student's length."""
    rows: int
    """Rows of the word embeddings that ship."""
    dev: Examples
    """In the tokens that ship, with the student's own logits."""
    calibration: Examples
    """In the tokens that ship."""
    graph: Callable[[bool], Path]
    """Returns the fp32 `.onnx`; True asks for standard ONNX operators only. Raises as
    `prepare` does."""

    def vocabulary_dict(self) -> dict[str, Any] | None:
        """Return what was cut of the vocabulary as plain values; None where nothing was."""
        if self.vocabulary is None or self.vocabulary_drop is None:
            return None
        return {**self.vocabulary.as_dict(), "drop": self.vocabulary_drop.as_dict()}


def prepare(job: ExportJob, student: Student, scratch: Path, progress: Progress) -> Prepared:
    """Export a student, check that it is still the student, and cut what need not ship.

    Args:
        job: what was asked for.
        student: the student folder.
        scratch: a folder for the graphs.
        progress: shows how far it is.

    Raises:
        GateFailed: the export is not the student.
        KdcError: there is no such exporter, or the vocabulary, embedding or length cannot be cut
            as asked.
    """
    exporter, config = choose_exporter(job.exporter, job.student), job.student / "config.json"
    dev, rows = student.dev(), _vocabulary_size(config)
    checks: dict[bool, Parity] = {}

    @cache
    def exported(standard: bool) -> Path:
        form = "standard" if standard else "fast"
        path = scratch / f"{form}.onnx"
        progress.say(f"exporting {job.student} with {exporter}")
        EXPORTERS[exporter].export(job.student, path, standard)
        padding = read_json(config).get("pad_token_id") or 0
        kind = student.task.kind
        checks[standard] = check_export(open_session(path), dev, kind, padding, progress)
        return path

    whole = exported(False)
    vocabulary, drop = _choose_vocabulary(job, student, dev, whole, progress)
    calibration = student.calibration()
    if vocabulary is not None:
        calibration = encode_again(vocabulary.tokenizer, calibration)
        dev = encode_again(vocabulary.tokenizer, dev)

    @cache
    def graph(standard: bool) -> Path:
        import onnx

        model, path = onnx.load(exported(standard)), scratch / f"ready-{standard}.onnx"
        _cut(model, job, student, vocabulary, rows)
        save_model(model, path)
        return path

    return Prepared(
        exporter=exporter,
        export=checks[False],
        vocabulary=vocabulary,
        vocabulary_drop=drop,
        tokenizer=load_tokenizer(student) if vocabulary is None else vocabulary.tokenizer,
        rows=rows if vocabulary is None else vocabulary.rows,
        dev=dev,
        calibration=calibration,
        graph=graph,
    )


def _cut(
    model: "ModelProto", job: ExportJob, student: Student, vocabulary: Vocabulary | None, rows: int
) -> None:
    """Take out of a graph what need not ship, and add what was asked for, in place."""
    counts = student.token_counts()
    if vocabulary is not None:
        cut_vocabulary(model, vocabulary.kept, rows)
        rows = vocabulary.rows
        counts = None if counts is None else counts[vocabulary.kept]
    rank = job.embedding_rank or trained_rank(model, rows)
    if rank is not None:
        factorise(model, rank, rows, counts)
    if job.length is not None:
        fix_length(model, job.length)
    if job.probabilities:
        add_probabilities(model, read_json(job.student / "config.json").get("problem_type"))


def _choose_vocabulary(
    job: ExportJob, student: Student, dev: Examples, whole: Path, progress: Progress
) -> tuple[Vocabulary | None, Drop | None]:
    """Return the tokens that ship and what that costs in fp32.

    Unless the user has chosen, a vocabulary is only cut where dev does not score lower for it.
    """
    if job.vocab is not None:
        asked = reduce_vocabulary(student, job.vocab)
        return asked, None if asked is None else vocabulary_drop(student, asked, dev, whole)
    try:
        chosen = reduce_vocabulary(student, "task")
    except KdcError as error:
        progress.say(f"every token is kept: {error}")
        return None, None
    if chosen is None:
        return None, None
    drop = vocabulary_drop(student, chosen, dev, whole)
    if drop.points > 0:
        progress.say(
            f"every token is kept: {chosen.rows:,} of {chosen.rows_before:,} would lose {drop} "
            "points; kdc distill --vocab trains a student of fewer"
        )
        return None, None
    return chosen, drop


def vocabulary_drop(student: Student, vocabulary: Vocabulary, dev: Examples, whole: Path) -> Drop:
    """Measure what a smaller vocabulary costs a student in fp32, before any quantization.

    Args:
        student: the student folder.
        vocabulary: the tokens that are kept.
        dev: rows in the student's tokens, with its logits.
        whole: the exported fp32 `.onnx` with every token.

    Raises:
        KdcError: the graph has no table of word embeddings.
    """
    import onnx

    path = whole.with_name("cut.onnx")
    model = onnx.load(whole)
    cut_vocabulary(model, vocabulary.kept, vocabulary.rows_before)
    save_model(model, path)
    session, again = open_session(path), encode_again(vocabulary.tokenizer, dev)
    logits: Array = np.array(dev.logits)
    # a text whose tokens are all kept is cut, and answered, as before
    for row in _rows_with(dev, np.isin(dev.tokens, vocabulary.kept, invert=True)):
        logits[row] = session.run(*again.row(int(row)))
    return metric_drop(student.task.metric, logits, np.asarray(dev.logits), dev.labels)


def _rows_with(examples: Examples, marked: Array) -> Array:
    """Return the rows that hold a marked token, given one mark a token."""
    return np.flatnonzero(np.add.reduceat(marked.astype(np.int64), examples.starts))


def _vocabulary_size(config: Path) -> int:
    fields: dict[str, Any] = read_json(config)
    size = fields.get("vocab_size")
    if not isinstance(size, int):
        raise KdcError(f"{config} has no vocab_size: it is the config of no text encoder")
    return size
