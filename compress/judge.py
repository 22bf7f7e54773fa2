"""Scoring a finished model on a table: its answers, and the truth in its own order of classes."""

import numpy as np
from transformers import PretrainedConfig as Config

from kdc.compress.arrays import Labels, Logits
from kdc.compress.artifact import refuse_general
from kdc.compress.class_heads import class_names, class_places, unnamed
from kdc.compress.data.dataset import Dataset, Split
from kdc.compress.encode import encode, plain_tokenizer
from kdc.compress.errors import KdcError, unknown
from kdc.compress.evaluate import predict
from kdc.compress.families import max_length
from kdc.compress.models import (
    PROBLEM_TYPES,
    Source,
    is_classifier,
    load_classifier,
    load_tokenizer,
    read_config,
)
from kdc.compress.progress import Progress
from kdc.compress.rows import DEFAULT_MAX_LENGTH, refuse_foreign_tokens
from kdc.compress.runtime import choose_device
from kdc.compress.task import Kind, Task

ALL = "all"
SPLITS = ("dev", "test", "train", ALL)


def chosen_rows(data: Dataset, which: str) -> Split:
    """Return a split of a dataset; `all` is every row, in the order train, dev, test.

    Raises:
        KdcError: an unknown name, or a test split where there is none.
    """
    if which not in SPLITS:
        raise unknown("split", which, SPLITS)
    splits = [data.train, data.dev, *([data.test] if data.test else [])]
    if which == "test" and data.test is None:
        raise KdcError("the data has no labelled test split: use --split dev or --split all")
    if which != ALL:
        return {"train": data.train, "dev": data.dev, "test": splits[-1]}[which]
    texts = [text for split in splits for text in split.texts]
    pairs = [text for split in splits for text in split.pairs or []]
    labels = np.concatenate([split.labels for split in splits])
    return Split(texts, pairs if data.task.pair else None, labels)


def truth(task: Task, labels: tuple[str, ...], rows: Split) -> Labels:
    """Return the rows' labels as a model numbers its classes.

    Args:
        task: the data's task.
        labels: the model's class names in the order of its outputs; empty for regression.
        rows: the rows.

    Raises:
        KdcError: the model scores and the data has classes (or the other way round), or the data
            has a class that the model does not know.
    """
    if task.kind == "regression" or not labels:
        if (task.kind == "regression") != (not labels):
            raise KdcError("the model and the data do not fit: one has classes, the other scores")
        return rows.labels
    places = _places(task, labels)
    if task.kind == "multi-label":
        holds = np.zeros((len(rows), len(labels)), dtype=np.float32)
        holds[:, np.array(places, dtype=np.int64)] = rows.labels
        return holds
    return np.asarray(np.array(places, dtype=np.int64)[rows.labels.astype(np.int64)])


def in_data_order(
    task: Task, labels: tuple[str, ...], logits: Logits, rows: Split
) -> tuple[Logits, Labels]:
    """Return (N, C) logits in the data's order of classes, those it lacks last, and the truth.

    F1 is that of the data's second class, whichever of the model's it is. Of several labels those
    that the data lacks are left out: whether they hold is not known.

    Raises:
        KdcError: as `truth`.
    """
    gold = truth(task, labels, rows)
    if not labels:
        return logits, gold
    return np.asarray(logits[:, _order(task, labels)]), rows.labels


def names_in_data_order(task: Task, labels: tuple[str, ...]) -> tuple[str, ...]:
    """Return what the columns of `in_data_order` are called: as the model has it, if it has names.

    The data may write its classes otherwise, or as 0, 1, ...
    """
    if not labels:
        return ()
    order = _order(task, labels)
    beyond = tuple(labels[index] for index in order[len(task.labels) :])
    return (*task.labels, *beyond) if unnamed(labels) else tuple(labels[i] for i in order)


def _order(task: Task, labels: tuple[str, ...]) -> list[int]:
    """Return where a model has the data's classes, and then those that the data lacks."""
    places = _places(task, labels)
    if task.kind == "multi-label":
        return places
    return [*places, *(index for index in range(len(labels)) if index not in places)]


def _places(task: Task, labels: tuple[str, ...]) -> list[int]:
    places = class_places(task.labels, labels)
    found = [place for place in places if place is not None]
    if len(found) < len(places):
        missing = task.labels[places.index(None)]
        raise KdcError(f"the data's class {missing!r} is none of the model's: another task?")
    return found


def refuse_other_texts(name: str, pair: bool | None, pairs: bool, what: str, *ways: str) -> None:
    """Refuse rows of another number of texts than a model was made for, which it would answer too.

    Args:
        name: how the user called the model.
        pair: whether it reads pairs of texts; None for one that does not tell.
        pairs: whether the rows are pairs.
        what: how to say what they are, such as `t.csv holds`.
        ways: what to do where the model reads single texts, and where it reads pairs.

    Raises:
        KdcError: it reads pairs and the rows are single texts, or the other way round.
    """
    if pair is None or pair == pairs:
        return
    kinds = ("single texts", "pairs of texts")
    raise KdcError(f"{name} was made for {kinds[pair]}, and {what} {kinds[pairs]}: {ways[pair]}")


def refuse_other_table(name: str, pair: bool | None, data: str, task: Task) -> None:
    """Refuse a table of pairs for a model of single texts, or the other way round.

    Raises:
        KdcError: as `refuse_other_texts`.
    """
    ways = ("name the one column with --text", "name the columns with --text and --pair")
    said = [f"{way}, or other data" for way in ways]
    refuse_other_texts(name, pair, task.pair, f"{data} holds", *said)


def refuse_sets(name: str, rows: Split) -> None:
    """Raise KdcError for rows of several labels, given to a model that gives a text one."""
    if rows.labels.ndim == 2:
        raise KdcError(
            f"{name} gives a text one label, and the data's rows may have several: another task?"
        )


def kind_of(name: str, config: Config) -> Kind:
    """Return what a model folder gives: a score, any of several labels, or one class.

    Raises:
        KdcError: several scores.
    """
    outputs = len(class_names(config))
    if outputs > 1 and config.problem_type == PROBLEM_TYPES["regression"]:
        raise KdcError(f"{name} gives a text {outputs} scores, and one is all kdc can judge")
    if outputs == 1:
        return "regression"
    several = config.problem_type == PROBLEM_TYPES["multi-label"]
    return "multi-label" if several else "classification"


def folder_answers(
    source: Source, rows: Split, progress: Progress, device: str
) -> tuple[tuple[str, ...], Logits]:
    """Run a teacher's or student's folder over rows.

    Returns:
        The model's class names (empty for regression), and its (N, C) logits in fp32.

    Raises:
        KdcError: the model cannot be loaded, has no head, or gives a text one label where
            the rows may have several.
    """
    refuse_general(source.folder, "ask that")
    if not is_classifier(read_config(source.folder)):
        raise KdcError(
            f"{source.name} has no head for classification: fine-tune it with kdc teacher"
        )
    model = load_classifier(source)
    if model.config.problem_type == PROBLEM_TYPES["classification"]:
        refuse_sets(source.name, rows)
    length = min(source.max_length or DEFAULT_MAX_LENGTH, max_length(model))
    tokenizer = load_tokenizer(source)
    examples = encode(plain_tokenizer(tokenizer, length), rows, progress, "rows")
    refuse_foreign_tokens(source, [examples])
    padding = int(tokenizer.pad_token_id or 0)
    model.to(choose_device(device))
    logits = predict(model, examples, padding, progress=progress)
    names = tuple(class_names(model.config))
    return (() if logits.shape[1] == 1 else names), logits
