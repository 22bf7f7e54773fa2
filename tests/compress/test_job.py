from dataclasses import replace
from pathlib import Path
from typing import Unpack

import pytest

from kdc.compress.errors import KdcError
from kdc.compress.job import StudentJob, read_weights
from tests.changes import JobChanges
from tests.tiny import tiny_job


def job(**changes: Unpack[JobChanges]) -> StudentJob:
    return tiny_job(Path("a"), Path("out"), **changes)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"teachers": ()}, "--teacher must name each teacher once, not -"),
        ({"teachers": ("a", "a")}, "must name each teacher once, not a, a"),
        ({"teacher_weights": (1.0, 2.0)}, "2 weights to 1 teacher:"),
        ({"teachers": ("a", "b"), "teacher_weights": (1.0,)}, "1 weight to 2 teachers"),
        ({"teachers": ("a", "b"), "teacher_weights": (0.0, 0.0)}, "sum to 0: no teacher"),
        ({"teachers": ("a", "b"), "teacher_weights": (1.0, float("nan"))}, "from 0 up, not 1,nan"),
        ({"teachers": ("a", "b"), "teacher_weights": (1.0, float("inf"))}, "from 0 up, not 1,inf"),
        ({"teachers": ("a", "b"), "teacher_weights": (2.0, -1.0)}, "from 0 up, not 2,-1"),
    ],
)
def test_teachers_and_weights_that_make_no_mean_are_refused(
    changes: JobChanges, words: str
) -> None:
    """Bug: NaN logits, or a division by 0, after the teachers were fine-tuned."""
    with pytest.raises(KdcError, match=words):
        job(**changes)


def test_weights_are_shares_of_one() -> None:
    """Bug: weights 2 and 1 triple the logits and so sharpen every answer."""
    assert job(teachers=("a", "b", "c", "d")).shares == [0.25] * 4
    assert job(teachers=("a", "b"), teacher_weights=(3.0, 1.0)).shares == [0.75, 0.25]


@pytest.mark.parametrize(
    ("text", "weights"), [(None, ()), ("2,1", (2.0, 1.0)), (" .5 , 1e0", (0.5, 1.0))]
)
def test_weights_are_read_from_text(text: str | None, weights: tuple[float, ...]) -> None:
    assert read_weights(text) == weights


@pytest.mark.parametrize("text", ["", "2;1", "2,", "a"])
def test_weights_that_are_no_numbers_are_refused(text: str) -> None:
    with pytest.raises(KdcError, match="numbers with commas between them"):
        read_weights(text)


def identity(job: StudentJob, *digests: str) -> dict[str, object]:
    return job.identity(list(digests), {"layers": 1}, 32, "fp32")


def test_one_teacher_is_named_as_it_was_given() -> None:
    """Bug: a phone's model card names a digest that no teacher has."""
    found = identity(job(), "d")
    assert (found["teacher"], found["teacher_sha256"]) == ("a", "d")
    assert not {"teachers", "teacher_weights", "setup_seed", "controls_"} & set(found)


def test_everything_that_decides_a_run_is_in_its_identity() -> None:
    """Bug: resumed with other weights of the teachers, a run is a mixture of two. And of a teacher
    of the Hub, one of several lost its owner."""
    two = job(teachers=("x/a", "b"))
    base = identity(two, "d", "e")
    assert base["teacher"] == "x/a + b"
    assert base["teachers"] == ["x/a", "b"]
    others = [
        identity(two, "d", "f"),
        identity(two, "e", "d"),
        identity(replace(two, teacher_weights=(2.0, 1.0)), "d", "e"),
        identity(replace(two, seed=1), "d", "e"),
        identity(replace(two, setup_seed=1), "d", "e"),
        identity(replace(two, embedding_rank=4), "d", "e"),
        identity(replace(two, vocab="task"), "d", "e"),
        identity(replace(two, unlabelled=two.data.dev, unlabelled_name="more.txt"), "d", "e"),
        identity(replace(two, options={"text": "body"}), "d", "e"),
    ]
    assert all(other != base for other in others)
    assert (
        identity(replace(two, teacher_weights=(2.0, 1.0)), "d", "e")["teacher_sha256"]
        != (base["teacher_sha256"])
    )
