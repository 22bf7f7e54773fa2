import math
import os
import resource
from pathlib import Path

import numpy as np
import pytest
import torch

from kdc.compress.corpus.folder import read_corpus
from kdc.compress.encode import Batch
from kdc.compress.errors import KdcError
from kdc.compress.general.sequences import Sequences, at_most, cut, sequences
from kdc.compress.parallel import ALONE, Crew
from tests.shards import MASK, MAX_LENGTH, tiny_corpus, tiny_masked_lm
from tests.tiny import VOCABULARY

CPU = torch.device("cpu")
PADDING = 0


class Member(Crew):
    """A place in a crew."""

    def __init__(self, rank: int, size: int) -> None:
        self.rank, self.size = rank, size


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("shards")
    return tiny_corpus(folder / "shards", tiny_masked_lm(folder / "teacher"), paired=True)


def rows_of(shards: Path, budget: int = 128) -> Sequences:
    corpus = read_corpus(shards)
    return sequences(corpus, corpus.shards, budget)


def epoch(rows: Sequences, number: int = 0, seed: int = 0) -> list[Batch]:
    feed = rows.open(seed, PADDING, 1, CPU)
    steps = range(number * rows.steps, (number + 1) * rows.steps)
    return [batch for step in steps for batch in feed.take(step, ALONE)]


def texts(batches: list[Batch]) -> list[tuple[int, ...]]:
    """Return the sequences of some batches, with what was masked put back."""
    found = []
    for batch in batches:
        assert batch.masked is not None
        ids = batch.input_ids.clone()
        ids.view(-1)[batch.masked.places] = batch.masked.targets
        found += [tuple(row[mask == 1].tolist()) for row, mask in zip(ids, batch.mask, strict=True)]
    return found


def test_an_epoch_sees_every_sequence_once(shards: Path) -> None:
    """Bug: the last sequences of a shard are left out, or one is seen twice."""
    rows, corpus = rows_of(shards), read_corpus(shards)
    wanted = []
    for name in corpus.shards:
        shard = corpus.open(name)
        wanted += [tuple(part.tolist()) for part in np.split(shard.tokens, shard.starts[1:-1])]
    assert sorted(texts(epoch(rows))) == sorted(wanted)
    assert texts(epoch(rows)) != texts(epoch(rows, 1))
    assert texts(epoch(rows)) != texts(epoch(rows, seed=1))


def test_batches_hold_the_budget_and_next_to_no_padding(shards: Path) -> None:
    """Bug: a batch of one long and many short sequences is mostly padding."""
    rows = rows_of(shards)
    found = epoch(rows)
    tokens = np.array([int(batch.mask.sum()) for batch in found])
    cells = np.array([batch.mask.numel() for batch in found])
    assert len(found) == rows.steps == sum(math.ceil(size / 128) for size in rows.sizes)
    assert tokens.max() <= 128 + MAX_LENGTH
    assert tokens.sum() == rows.tokens
    assert tokens.sum() / cells.sum() > 0.9
    assert all(batch.padded == bool((batch.mask == 0).any()) for batch in found)


def test_masked_places_are_the_corpuss_own_and_take_turns(shards: Path) -> None:
    """Bug: every epoch shows the same masks, though the corpus has others."""
    rows, corpus = rows_of(shards), read_corpus(shards)
    shard = corpus.open(0)
    for number in range(3):
        for batch in epoch(rows, number):
            assert batch.masked is not None
            width = batch.mask.shape[1]
            for row, sequence in enumerate(batch.index.tolist()):
                example = number % 2 * shard.sequences + sequence
                some = slice(shard.mask_starts[example], shard.mask_starts[example + 1])
                mine = batch.masked.places // width == row
                if texts([batch])[row] == tuple(
                    shard.tokens[shard.starts[sequence] : shard.starts[sequence + 1]].tolist()
                ):
                    places = batch.masked.places[mine] % width
                    assert places.tolist() == shard.mask_places[some].tolist()
                    inputs = batch.input_ids[row, places]
                    assert inputs.tolist() == shard.mask_inputs[some].tolist()


def test_the_second_text_of_a_pair_has_its_own_type(shards: Path) -> None:
    """Bug: all tokens are of the first text, so that order pairs teach nothing."""
    for batch in epoch(rows_of(shards)):
        for types, mask in zip(batch.types, batch.mask, strict=True):
            length = int(mask.sum())
            assert types.tolist() == [
                int(length // 2 <= place < length) for place in range(len(mask))
            ]


@pytest.mark.parametrize(("size", "parts"), [(2, 1), (1, 3), (3, 2)])
def test_slices_are_the_batch(shards: Path, size: int, parts: int) -> None:
    """Bug: processes draw other masks, or their shares do not add up to the whole."""
    rows = rows_of(shards)
    for step in range(rows.steps):
        (whole,) = rows.open(0, PADDING, 1, CPU).take(step, ALONE)
        slices = [
            each
            for rank in range(size)
            for each in rows.open(0, PADDING, parts, CPU).take(step, Member(rank, size))
        ]
        assert sorted(texts(slices)) == sorted(texts([whole]))
        for unit in ("rows", "tokens", "masked"):
            assert sum((s.shares or {})[unit] for s in slices) == pytest.approx(1)
        assert whole.masked is not None
        for one in slices:
            assert one.masked is not None and one.shares is not None
            share = len(one.masked.places) / len(whole.masked.places)
            assert one.shares["masked"] == pytest.approx(share)


def test_a_batch_does_not_depend_on_the_steps_before_it(shards: Path) -> None:
    """Bug: a resumed run sees other batches."""
    rows = rows_of(shards)
    before = rows.open(3, PADDING, 1, CPU)
    for step in range(2 * rows.steps):
        (one,) = before.take(step, ALONE)
        (other,) = rows.open(3, PADDING, 1, CPU).take(step, ALONE)
        assert torch.equal(one.input_ids, other.input_ids)


def test_masks_are_drawn_anew_where_the_corpus_has_none(tmp_path: Path) -> None:
    """Bug: dynamic masks are the same in every epoch, or not the same for a seed."""
    folder = tiny_corpus(tmp_path / "s", tiny_masked_lm(tmp_path / "t"), duplicates=0, count=400)
    rows = rows_of(folder, 512)
    first, again, second = epoch(rows), epoch(rows), epoch(rows, 1)
    assert all(torch.equal(a.input_ids, b.input_ids) for a, b in zip(first, again, strict=True))
    places, stays, masked, tokens = 0, 0, 0, 0
    for batch in first:
        assert batch.masked is not None
        said = batch.input_ids.view(-1)[batch.masked.places]
        masked += int((said == MASK).sum())
        stays += int((said == batch.masked.targets).sum())
        places += len(said)
        tokens += int(batch.mask.sum()) - 2 * len(batch.mask)
        assert int(batch.masked.targets.min()) > MASK
    # three standard errors of a share of n draws
    for found, of, wanted in ((places, tokens, 0.15), (masked, places, 0.8)):
        slack = 3 * math.sqrt(wanted * (1 - wanted) / of) + (0.02 if of == tokens else 0)
        assert abs(found / of - wanted) < slack
    assert abs(stays / places - 0.1 - 0.1 / (VOCABULARY - 5)) < 3 * math.sqrt(0.09 / places)
    assert [len(b.masked.places) for b in second if b.masked] != []
    assert any(
        a.input_ids.shape != b.input_ids.shape or not torch.equal(a.input_ids, b.input_ids)
        for a, b in zip(first, second, strict=True)
    )


@pytest.mark.parametrize("seed", range(20))
def test_a_cut_gives_exactly_the_batches_that_were_counted(seed: int) -> None:
    """Bug: an empty batch, or one more than the schedule knows of."""
    rng = np.random.default_rng(seed)
    lengths = rng.integers(1, 65, int(rng.integers(1, 3000)))
    count = math.ceil(lengths.sum() / 128)
    groups = cut(lengths, count, rng)
    assert len(groups) == count
    assert min(map(len, groups)) > 0
    assert sorted(np.concatenate(groups)) == list(range(len(lengths)))


def test_what_cannot_be_batches_is_refused(shards: Path) -> None:
    corpus = read_corpus(shards)
    with pytest.raises(KdcError, match=r"batch_tokens is 31, .*up to 16 tokens: .*at least 32"):
        sequences(corpus, corpus.shards, 31)


def test_a_judge_reads_no_more_than_it_is_told(shards: Path) -> None:
    rows = rows_of(shards)
    assert at_most(rows, 1).names == rows.names[:1]
    assert at_most(rows, 10**9) == rows


def test_only_one_shard_is_open_at_a_time(tmp_path: Path) -> None:
    """Bug: 300 shards are 300 open files, of which a Mac allows 256."""
    folder = tiny_corpus(tmp_path / "s", tiny_masked_lm(tmp_path / "t"), shards=30, count=8)
    corpus, limit = read_corpus(folder), resource.getrlimit(resource.RLIMIT_NOFILE)
    used = {int(name) for name in os.listdir("/proc/self/fd")}
    most = [number for number in range(limit[0]) if number not in used][12]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, limit[1]))
    try:
        assert len(epoch(sequences(corpus, corpus.shards, 128))) >= 30
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limit)
