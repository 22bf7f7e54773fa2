from typing import Any

import pytest

from kdc.compress.errors import KdcError
from kdc.compress.rerun import differences, rerun_options

SHAPE = {"layers": 2, "hidden": 32, "heads": 2, "ffn": 64, "activation": "gelu"}
RUN: dict[str, Any] = {
    "teacher": "t",
    "teacher_sha256": "x",
    "data": "d.csv",
    "data_sha256": "y",
    "unlabelled": "mail.txt",
    "text": "body",
    "dev": "e.csv",
    "student": "2x32",
    "shape": SHAPE,
    "seed": 3,
    "setup_seed": 0,
    "max_length": 64,
    "precision": "fp32",
    "controls": False,
}


def test_every_option_of_the_run_comes_back() -> None:
    """Bug: `kdc distill --recipe student/recipe.toml` trains another student on other data."""
    assert rerun_options(RUN, set(), "r") == {
        "teacher": ["t"],
        "data": "d.csv",
        "unlabelled": "mail.txt",
        "text": "body",
        "dev": "e.csv",
        "student": "2x32",
        "heads": 2,
        "ffn": 64,
        "activation": "gelu",
        "seed": 3,
        "setup_seed": 0,
        "max_length": 64,
        "controls": False,
    }


def test_several_teachers_come_back_with_their_weights() -> None:
    run = {"teacher": "a + b", "teachers": ["x/a", "b"], "teacher_weights": [2.0, 0.1]}
    found = rerun_options(run, set(), "r")
    assert found == {"teacher": ["x/a", "b"], "teacher_weights": "2.0,0.1"}


@pytest.mark.parametrize(
    ("given", "gone"),
    [
        ({"data"}, {"data", "text", "dev", "unlabelled"}),
        ({"student"}, {"student", "heads", "ffn", "activation"}),
        ({"seed"}, {"seed", "setup_seed"}),
        ({"teacher"}, {"teacher"}),
        ({"max_length"}, {"max_length"}),
    ],
)
def test_what_the_user_gives_is_meant(given: set[str], gone: set[str]) -> None:
    """Bug: other data are read by the columns of the old; another student has the old heads."""
    every = rerun_options(RUN, set(), "r")
    assert set(every) - set(rerun_options(RUN, given, "r")) == gone


@pytest.mark.parametrize(
    "changes",
    [
        {"seed": "1"},
        {"seed": True},
        {"teacher": 5},
        {"teachers": "a"},
        {"shape": 3},
        {"shape": {"heads": "2"}},
        {"teacher_weights": ["a"]},
        {"controls": 1},
        {"max_length": 1.5},
    ],
    ids=str,
)
def test_a_run_edited_by_hand_is_refused_in_a_sentence(changes: dict[str, Any]) -> None:
    with pytest.raises(KdcError, match=r"\[run\] of r: .*"):
        rerun_options({**RUN, **changes}, set(), "r")


def test_what_has_changed_since_is_named() -> None:
    """Bug: the teacher has been trained anew, and the repeated run is taken for the same."""
    assert differences(RUN, RUN) == []
    assert differences({}, RUN) == []
    after = {**RUN, "teacher_sha256": "z", "precision": "bf16"}
    assert differences(RUN, after) == ["the teacher", "the precision"]
