"""Scoring a finished model on a table: its answers, and the truth in its own order of classes."""

import numpy as np
import numpy.typing as npt

from kdc.compress.data.dataset import Dataset, Labels, Split
from kdc.compress.encode import encode, plain_tokenizer
from kdc.compress.errors import KdcError, unknown
from kdc.compress.evaluate import predict
from kdc.compress.families import max_length
from kdc.compress.files import MANIFEST, read_json
from kdc.compress.models import find_model, is_classifier, load_classifier, load_tokenizer
from kdc.compress.progress import Progress
from kdc.compress.rows import DEFAULT_MAX_LENGTH
from kdc.compress.runtime import choose_device
from kdc.compress.task import Task

SPLITS = ("dev", "test", "train", "all")


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
    if which != "all":
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
    if len(labels) == len(task.labels) and all(name.startswith("LABEL_") for name in labels):
        return rows.labels
    place = {name.casefold(): index for index, name in enumerate(labels)}
    missing = [label for label in task.labels if label.casefold() not in place]
    if missing:
        raise KdcError(f"the data's class {missing[0]!r} is none of the model's: another task?")
    order = np.array([place[label.casefold()] for label in task.labels])
    return np.asarray(order[rows.labels.astype(np.int64)])


def folder_answers(
    name: str, rows: Split, progress: Progress, device: str
) -> tuple[tuple[str, ...], npt.NDArray[np.float32]]:
    """Run a teacher's or student's folder, or a Hub id, over rows.

    Returns:
        The model's class names (empty for regression), and its (N, C) logits in fp32.

    Raises:
        KdcError: the model cannot be found or loaded, or has no head.
    """
    source = find_model(name, progress)
    model = load_classifier(source)
    if not is_classifier(model.config):
        raise KdcError(f"{name} has no head for classification: fine-tune it with kdc teacher")
    manifest = source.folder / MANIFEST
    fields = read_json(manifest) if manifest.is_file() else {}
    length = int(fields.get("max_length", min(DEFAULT_MAX_LENGTH, max_length(model))))
    tokenizer = load_tokenizer(source)
    examples = encode(plain_tokenizer(tokenizer, length), rows, progress, "rows")
    padding = int(tokenizer.pad_token_id or 0)
    model.to(choose_device(device))
    logits = predict(model, examples, padding, progress=progress)
    names = tuple(str(label) for _, label in sorted(model.config.id2label.items()))
    return (() if logits.shape[1] == 1 else names), logits
