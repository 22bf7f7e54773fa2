"""Rows that nobody has labelled: made from the task's own, or brought by the user."""

from pathlib import Path

import numpy as np
import numpy.typing as npt
from torch import nn
from transformers import PreTrainedModel as Model

from kdc.compress.arrays import Logits
from kdc.compress.augment import (
    AGREEING,
    CHARACTERS,
    MASKED_LM,
    METHODS,
    Augmentation,
    NewRow,
    new_rows,
    word_source,
)
from kdc.compress.augment import Source as Candidates
from kdc.compress.data.dataset import Dataset, Split
from kdc.compress.data.same_rows import row_keys
from kdc.compress.data.unlabelled import no_labels
from kdc.compress.encode import encode
from kdc.compress.evaluate import predict
from kdc.compress.examples import Examples, concatenate, pick
from kdc.compress.masked_words import MaskedWords, check_masked_lm
from kdc.compress.metrics import alike, predictions
from kdc.compress.models import Source, find_model
from kdc.compress.neighbours import neighbours
from kdc.compress.progress import Progress
from kdc.compress.rows import Rows, refuse_foreign_tokens
from kdc.compress.task import Task


def check_augmentation(augmentation: Augmentation, encoder: Source) -> None:
    """Refuse, before anything is trained, an augmentation that the teacher cannot give.

    Args:
        augmentation: the options.
        encoder: the teacher as the user named it.

    Raises:
        KdcError: a masked-LM is asked for and the teacher has no such head.
    """
    asks = augmentation.copies and augmentation.method == MASKED_LM
    if asks and not augmentation.model:
        check_masked_lm(encoder, f'[augment] method = "{MASKED_LM}"')


def more_rows(
    data: Dataset,
    rows: Rows,
    teacher: Model,
    encoder: Source,
    augmentation: Augmentation,
    unlabelled: Split | None,
    *,
    seed: int,
    folder: Path,
    progress: Progress,
) -> Examples | None:
    """Make and collect rows without labels, in the teacher's tokens.

    None of them stands in dev or test.

    Args:
        data: the task's own rows.
        rows: the same in the teacher's tokens.
        teacher: on the device that answers.
        encoder: the teacher as the user named it: before its fine-tuning it may have had a
            masked-LM head.
        augmentation: how rows are made.
        unlabelled: what `load_unlabelled` read, or None.
        seed: of the rng.
        folder: where tables are kept that are the same for every run with this teacher.
        progress: shows how far it is.

    Returns:
        Rows whose labels are -100, or NaN for scores and several labels; None where there are none.

    Raises:
        KdcError: a masked-LM is asked for and cannot be had.
    """
    parts = []
    if augmentation.copies:
        source = _source(augmentation, rows, teacher, encoder, folder, progress)
        made = _made(data, augmentation, source, unlabelled, seed, progress)
        if made:
            parts += _encoded(data.task, rows, encoder, teacher, augmentation, made, progress)
    if unlabelled is not None:
        found = encode(rows.plain, unlabelled, progress, "unlabelled texts")
        refuse_foreign_tokens(encoder, [found])
        parts.append(found)
    return concatenate(*parts) if parts else None


def _source(
    augmentation: Augmentation,
    rows: Rows,
    teacher: Model,
    encoder: Source,
    folder: Path,
    progress: Progress,
) -> Candidates:
    count = augmentation.candidates
    if augmentation.method == CHARACTERS:
        return word_source(lambda word: (), count)
    if augmentation.method == MASKED_LM:
        model = find_model(augmentation.model, progress) if augmentation.model else encoder
        check_masked_lm(model, f'[augment] method = "{MASKED_LM}"')
        return MaskedWords(model, count, teacher.device)
    table = teacher.get_input_embeddings()
    assert isinstance(table, nn.Embedding)
    vectors = table.weight.detach().float().cpu().numpy()
    return word_source(neighbours(rows.plain, vectors, count, folder, progress), count)


def _made(
    data: Dataset,
    augmentation: Augmentation,
    source: Candidates,
    unlabelled: Split | None,
    seed: int,
    progress: Progress,
) -> list[NewRow]:
    held = [data.dev, *([data.test] if data.test else [])]
    others = [data.train, *([unlabelled] if unlabelled else [])]
    seen = {key for split in (*held, *others) for key in row_keys(split)}
    found, last = [], 0
    with progress.bar("augmenting", len(data.train)) as advance:
        for row in new_rows(data.train, augmentation, source, seen, seed):
            found.append(row)
            advance(row.parent - last)
            last = row.parent
        advance(len(data.train) - last)
    about = METHODS[augmentation.method]
    progress.say(f"augmentation: {len(found):,} new texts of {len(data.train):,}, by {about}")
    return found


def _encoded(
    task: Task,
    rows: Rows,
    encoder: Source,
    teacher: Model,
    augmentation: Augmentation,
    made: list[NewRow],
    progress: Progress,
) -> list[Examples]:
    pairs = [row.pair or "" for row in made] if task.pair else None
    split = Split([row.text for row in made], pairs, no_labels(task, len(made)))
    examples = encode(rows.plain, split, progress, "new texts")
    refuse_foreign_tokens(encoder, [examples])
    if augmentation.keep != AGREEING:
        return [examples]

    def ask(some: Examples, what: str) -> Logits:
        return predict(teacher, some, rows.padding, fast=True, progress=progress, what=what)

    before = ask(rows.train, "asking the teacher about train")
    after = ask(examples, "asking the teacher about new texts")
    parents = np.array([row.parent for row in made])
    stay = np.flatnonzero(agree(before[parents], after, before, task))
    progress.say(f"augmentation: the teacher keeps its answer on {len(stay):,} of {len(made):,}")
    return [pick(examples, stay)] if len(stay) else []


def agree(before: Logits, after: Logits, every: Logits, task: Task) -> npt.NDArray[np.bool_]:
    """Say for each new row whether the teacher's answer is still that to the row it came from.

    For classes the likeliest one, of several labels all; scores agree where they differ by no more
    than half a standard deviation of the teacher's scores.

    Args:
        before: (N, C) logits on the rows that new ones came from.
        after: (N, C) logits on the new rows.
        every: (M, C) logits on all rows of the task.
        task: what the logits mean.
    """
    one, other = predictions(before, task.kind), predictions(after, task.kind)
    if task.kind == "regression":
        return np.asarray(np.abs(one - other) <= every[:, 0].std() / 2)
    return alike(one, other)
