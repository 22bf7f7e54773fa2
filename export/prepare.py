"""From a student folder to the fp32 graphs that are quantized: exported, checked and cut."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from tokenizers import Tokenizer

from kdc.compress.arrays import Array
from kdc.compress.artifact import Student
from kdc.compress.errors import KdcError
from kdc.compress.examples import Examples
from kdc.compress.files import read_json
from kdc.compress.kept_tokens import TASK
from kdc.compress.progress import Progress
from kdc.export.exporters import EXPORTERS, choose_exporter
from kdc.export.factorise import factorise, trained_rank
from kdc.export.job import ExportJob
from kdc.export.onnx_file import check_size, save_model
from kdc.export.parity import Drop, Parity, check_export, metric_drop
from kdc.export.probabilities import add_probabilities
from kdc.export.session import Session, open_session
from kdc.export.tokenizer import check_tokenizer, load_tokenizer
from kdc.export.vocabulary import Vocabulary, encode_again, reduce_vocabulary
from kdc.export.word_table import cut_vocabulary

if TYPE_CHECKING:
    from onnx import ModelProto


@dataclass(frozen=True)
class Prepared:
    """A student as it will be quantized."""

    student: Student
    """Its `max_length` is that of the texts that ship: a fixed length may be a shorter one."""
    digest: str
    """The student folder's, from before anything was made of it."""
    exporter: str
    """A name from `EXPORTERS`."""
    export: Parity
    """The fp32 export against the student, before anything was cut."""
    vocabulary: Vocabulary | None
    """The tokens that ship; None for all of the student's."""
    vocabulary_drop: Drop | None
    """What that cost in fp32."""
    length_drop: Drop | None
    """What it cost in fp32 to cut dev's texts at `--length`; None where none was longer."""
    cuts: tuple[str, ...]
    """The options whose cuts cost something in fp32 already, or may: a rank was not measured."""
    tokenizer: Tokenizer
    """The one that ships: no padding, cut at the student's `max_length`."""
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
        KdcError: there is no such exporter, the weights are too large for an `.onnx`, or the
            vocabulary, embedding or length cannot be cut as asked.
    """
    digest = student.digest
    check_size(student.folder / "model.safetensors")
    exporter, shorter = choose_exporter(job.exporter, job.student), _cut_texts(student, job.length)
    tokenizer, whole, rows = load_tokenizer(student), student.dev(), _vocabulary_size(student)
    wanted = _find_vocabulary(job, student, progress)
    check_tokenizer(tokenizer, whole)

    @cache
    def exported(standard: bool) -> tuple[Path, Parity]:
        path = scratch / ("standard.onnx" if standard else "fast.onnx")
        progress.say(f"exporting {job.student} with {exporter}")
        EXPORTERS[exporter].export(job.student, path, standard)
        padding, kind = read_json(_config(student)).get("pad_token_id") or 0, student.task.kind
        return path, check_export(open_session(path), whole, kind, padding, progress)

    fp32, parity = exported(False)
    vocabulary, drop = _afford(job, student, wanted, whole, fp32, progress)
    dev, calibration = whole, student.calibration()
    if vocabulary is not None:
        tokenizer = vocabulary.tokenizer
    if vocabulary is not None or job.length is not None:
        tokenizer.enable_truncation(shorter.max_length)
        dev, calibration = (encode_again(tokenizer, part) for part in (dev, calibration))

    cut = _length_drop(student, shorter, whole, fp32)

    @cache
    def graph(standard: bool) -> Path:
        import onnx

        model, path = onnx.load(exported(standard)[0]), scratch / f"ready-{standard}.onnx"
        _cut(model, job, student, vocabulary, rows)
        save_model(model, path)
        return path

    return Prepared(
        student=shorter,
        digest=digest,
        exporter=exporter,
        export=parity,
        vocabulary=vocabulary,
        vocabulary_drop=drop,
        length_drop=cut,
        cuts=_cuts(job, cut, drop),
        tokenizer=tokenizer,
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
    rank = job.embedding_rank
    if rank is None:
        rank = trained_rank(model, rows)
    if rank is not None:
        factorise(model, rank, rows, counts)
    if job.probabilities:
        add_probabilities(model, read_json(_config(student)).get("problem_type"))


def _cuts(job: ExportJob, length: Drop | None, vocabulary: Drop | None) -> tuple[str, ...]:
    """Return the options that were given and cost something, as far as that is known."""
    known = {"--length": length, "--vocab": vocabulary}
    costly = [option for option, drop in known.items() if drop is not None and drop.points > 0]
    return (*costly, *(["--embedding-rank"] if job.embedding_rank is not None else []))


def _cut_texts(student: Student, length: int | None) -> Student:
    """Return the student as one that reads texts of at most `length` tokens.

    Raises:
        KdcError: it holds no text, or the student reads fewer.
    """
    if length is None:
        return student
    special = load_tokenizer(student).num_special_tokens_to_add(student.task.pair)
    least, most = special + 1, student.max_length
    if not least <= length <= most:
        raise KdcError(
            f"--length {length} does not fit this student, whose texts have {least} to {most} "
            "tokens: give a length among them"
        )
    return replace(student, max_length=length)


def _find_vocabulary(job: ExportJob, student: Student, progress: Progress) -> Vocabulary | None:
    """Return the tokens that may ship, or None for all: `--vocab`'s, or else the task's.

    Raises:
        KdcError: what the user asked for cannot be.
    """
    if job.vocab is not None:
        return reduce_vocabulary(student, job.vocab)
    try:
        return reduce_vocabulary(student, TASK)
    except KdcError as error:
        progress.say(f"every token is kept: {error}")
        return None


def _afford(
    job: ExportJob,
    student: Student,
    vocabulary: Vocabulary | None,
    dev: Examples,
    whole: Path,
    progress: Progress,
) -> tuple[Vocabulary | None, Drop | None]:
    """Return the tokens that ship and what they cost in fp32.

    A cut that nobody asked for is only made where dev does not score lower for it.
    """
    if vocabulary is None:
        return None, None
    try:
        drop = vocabulary_drop(student, vocabulary, dev, whole)
    except KdcError as error:
        if job.vocab is not None:
            raise
        progress.say(f"every token is kept: {error}")
        return None, None
    if job.vocab is None and drop.points > 0:
        progress.say(
            f"every token is kept: {vocabulary.rows:,} of {vocabulary.rows_before:,} would lose "
            f"{drop} points; kdc distill --vocab trains a student of fewer"
        )
        return None, None
    return vocabulary, drop


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
    # a text whose tokens are all kept is cut, and answered, as before
    changed = _rows_with(dev, np.isin(dev.tokens, vocabulary.kept, invert=True))
    return _drop(student, session, dev, again, changed)


def _length_drop(student: Student, shorter: Student, dev: Examples, whole: Path) -> Drop | None:
    """Measure what shorter texts cost in fp32, before anything else is cut.

    Args:
        student: the student folder.
        shorter: the same with the `max_length` that ships.
        dev: rows in the student's tokens, with its logits.
        whole: the exported fp32 `.onnx` with every token.
    """
    changed = np.flatnonzero(dev.lengths > shorter.max_length)
    if not len(changed):
        return None
    tokenizer = load_tokenizer(student)
    tokenizer.enable_truncation(shorter.max_length)
    return _drop(student, open_session(whole), dev, encode_again(tokenizer, dev), changed)


def _drop(student: Student, session: Session, dev: Examples, again: Examples, rows: Array) -> Drop:
    """Let a session answer the rows that changed, and tell what the metric lost by that."""
    logits: Array = np.array(dev.logits)
    for row in rows:
        logits[row] = session.run(*again.row(int(row)))
    return metric_drop(student.task.metric, logits, np.asarray(dev.logits), dev.labels)


def _rows_with(examples: Examples, marked: Array) -> Array:
    """Return the rows that hold a marked token, given one mark a token."""
    return np.flatnonzero(np.add.reduceat(marked.astype(np.int64), examples.starts))


def _vocabulary_size(student: Student) -> int:
    size = read_json(_config(student)).get("vocab_size")
    if not isinstance(size, int):
        raise KdcError(f"{_config(student)} has no vocab_size: it is the config of no text encoder")
    return size


def _config(student: Student) -> Path:
    return student.folder / "config.json"
