"""Rows without labels, made with a real tiny teacher: leaks, agreement, one seed, one result."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import BertForMaskedLM

from kdc.compress.augment import Augmentation
from kdc.compress.data.dataset import Dataset, Split
from kdc.compress.data.same_rows import row_keys
from kdc.compress.data.unlabelled import no_labels
from kdc.compress.errors import KdcError
from kdc.compress.evaluate import predict
from kdc.compress.examples import Examples
from kdc.compress.models import Source, find_model, load_classifier
from kdc.compress.more_rows import agree, check_augmentation, more_rows
from kdc.compress.progress import Silent
from kdc.compress.rows import tokenise
from kdc.compress.task import Kind
from tests.student import tiny_tokenizer
from tests.tiny import (
    Recorder,
    own_rng,
    save_model,
    tiny_config,
    tiny_data,
    tiny_encoder,
    tiny_teacher,
)


class Bench:
    """A teacher, its data, and what `more_rows` makes of both."""

    def __init__(self, folder: Path, kind: Kind = "classification", pair: bool = False) -> None:
        self.data: Dataset = tiny_data(kind, pair=pair)
        self.folder, self.watch = folder, Recorder()
        self.source: Source = find_model(str(tiny_teacher(folder / "t", self.data)), Silent())
        self.model: Any = load_classifier(self.source)

    def make(
        self,
        *,
        seed: int = 0,
        unlabelled: Split | None = None,
        **options: Any,  # noqa: ANN401
    ) -> Examples | None:
        return more_rows(
            self.data,
            tokenise(self.source, self.data, 32, None, Silent()),
            self.model,
            self.source,
            Augmentation(**{"copies": 5, **options}),
            unlabelled,
            seed=seed,
            folder=self.folder / "kept",
            progress=self.watch,
        )


@pytest.mark.parametrize("pair", [False, True])
@pytest.mark.parametrize("kind", ["classification", "regression"])
@pytest.mark.parametrize("method", ["embeddings", "characters"])
def test_new_rows_are_tokenised_unlabelled_and_leak_nothing(
    tmp_path: Path, kind: Kind, pair: bool, method: str
) -> None:
    """Bug: a text of dev made by chance, a label from the parent, tokens of another text."""
    bench = Bench(tmp_path, kind, pair)
    found = bench.make(method=method)
    assert found is not None and len(found) > len(bench.data.train)
    assert found.labels.dtype == bench.data.train.labels.dtype
    assert np.isnan(found.labels).all() if kind == "regression" else (found.labels == -100).all()
    made = Split(found.texts, found.pairs, found.labels)
    keys, held = row_keys(made), [bench.data.train, bench.data.dev, bench.data.test]
    assert len(set(keys)) == len(keys)
    assert not set(keys) & {key for split in held if split for key in row_keys(split)}
    for index in (0, len(found) - 1):
        other = found.pairs[index] if found.pairs else None
        expected = tiny_tokenizer().encode(found.texts[index], other)
        assert found.row(index)[0].tolist() == expected.ids
        assert found.row(index)[1].tolist() == expected.type_ids


def test_the_same_seed_gives_the_same_rows(tmp_path: Path) -> None:
    """Bug: a resumed run trains on other rows than the one it goes on with."""
    bench = Bench(tmp_path)
    first, again, other = bench.make(), bench.make(), bench.make(seed=1)
    assert first is not None and again is not None and other is not None
    assert first.texts == again.texts and first.tokens.tobytes() == again.tokens.tobytes()
    assert first.texts != other.texts


@pytest.mark.parametrize("kind", ["classification", "regression"])
def test_agreeing_rows_are_those_the_teacher_answers_alike(tmp_path: Path, kind: Kind) -> None:
    """Bug: new rows compared with the wrong row, or those kept that should go."""
    bench = Bench(tmp_path, kind)
    every, some = bench.make(), bench.make(keep="agreeing")
    assert every is not None and some is not None and 0 < len(some) < len(every)
    logits = predict(bench.model, some, 0)
    answers = predict(bench.model, every, 0)
    if kind == "classification":
        assert len(set(logits.argmax(1))) == 4
        flipped = set(every.texts) - set(some.texts)
        assert flipped and len(some) > len(every) / 4
        assert any("wake" not in text for text in flipped)
    else:
        assert answers.std() > 0
    told = [text for text in bench.watch.said if "keeps its answer" in text]
    assert told == [f"augmentation: the teacher keeps its answer on {len(some)} of {len(every)}"]


def test_agreement_by_hand() -> None:
    task = tiny_data().task
    sure = np.eye(4, dtype=np.float32)
    before, after = sure[[0, 1, 2]], sure[[0, 2, 2]] * 3
    assert agree(before, after, before, task).tolist() == [True, False, True]
    scores = tiny_data("regression").task
    every = np.array([[0.0], [2.0]], np.float32)  # a standard deviation of 1
    origin, moved = np.zeros((3, 1), np.float32), np.array([[0.4], [0.6], [-0.5]], np.float32)
    near = agree(origin, moved, every, scores)
    assert near.tolist() == [True, False, True]
    sets = tiny_data("multi-label").task
    one = np.array([[1.0, -1.0], [1.0, 2.0]], np.float32)
    other = np.array([[3.0, -2.0], [3.0, -1.0]], np.float32)
    assert agree(one, other, one, sets).tolist() == [True, False]


def test_unlabelled_texts_follow_and_are_not_made_twice(tmp_path: Path) -> None:
    """Bug: the user's own texts come in again as copies of train's."""
    bench = Bench(tmp_path)
    alone = bench.make()
    assert alone is not None
    extra = Split([alone.texts[0], "quite new"], None, no_labels(bench.data.task, 2))
    both = bench.make(unlabelled=extra)
    assert both is not None and both.texts[-2:] == extra.texts
    assert both.texts.count(alone.texts[0]) == 1
    only = bench.make(unlabelled=extra, copies=0)
    assert only is not None and only.texts == extra.texts
    assert bench.make(copies=0) is None


def test_nothing_new_is_nothing(tmp_path: Path) -> None:
    """Bug: a table whose words all stay makes an empty matrix and a traceback."""
    bench = Bench(tmp_path)
    rows = Split(["it", "me"], None, np.array([0, 1]))
    object.__setattr__(bench.data, "train", rows)
    assert bench.make() is None


def test_a_masked_lm_is_the_encoder_itself_or_the_one_named(tmp_path: Path) -> None:
    """Bug: the fine-tuned teacher is asked, which has no such head any more."""
    bench = Bench(tmp_path)
    with own_rng():
        folder = save_model(tmp_path / "mlm", BertForMaskedLM(tiny_config()))
    with pytest.raises(KdcError, match="has no such head"):
        bench.make(method="masked-lm")
    named = bench.make(method="masked-lm", model=str(folder))
    bench.source = find_model(str(folder), Silent())
    own = bench.make(method="masked-lm")
    assert named is not None and own is not None and named.texts == own.texts


def test_what_cannot_be_is_refused_before_anything_runs(tmp_path: Path) -> None:
    encoder = find_model(str(tiny_encoder(tmp_path / "e")), Silent())
    with pytest.raises(KdcError, match=r'method = "masked-lm" needs a masked-LM'):
        check_augmentation(Augmentation(copies=1, method="masked-lm"), encoder)
    check_augmentation(Augmentation(copies=0, method="masked-lm"), encoder)
    check_augmentation(Augmentation(copies=1, method="masked-lm", model="x"), encoder)
    check_augmentation(Augmentation(copies=1), encoder)


def test_no_random_state_of_others_is_touched(tmp_path: Path) -> None:
    """Bug: numbers drawn here change the student's own, and a resumed run with them."""
    bench = Bench(tmp_path)
    torch.manual_seed(7)
    before = torch.random.get_rng_state()
    bench.make(keep="agreeing")
    assert torch.equal(torch.random.get_rng_state(), before)
