"""The page's judgement of its own answers, told apart from the golden ones text by text."""

from typing import Any

import pytest

from tests.page_module import call

TOLERANCE = 0.02


def judged(kind: str, found: list[float], wanted: list[float], *others: list[float]) -> Any:  # noqa: ANN401
    """What the page says of one text's logits; `others` are the golden logits of other texts."""
    task = {"kind": kind, "labels": ["a", "b", "c"][: len(wanted)]}
    golden = {"logits": [wanted, *others], "tolerance": TOLERANCE}
    given, asked = (
        {"ids": [2, 5, 3], "types": [0, 0, 0], "logits": logits} for logits in (found, wanted)
    )
    [one] = call("meaning", "judgeText", [[given, asked, task, golden]])
    return one["state"], one["wrong"]


@pytest.mark.parametrize(
    ("found", "told"),
    [
        (0.515, ("exact", [])),
        (0.69, ("near", [])),  # 10 x the tolerance is 0.2
        (0.71, ("wrong", ["score"])),
        (float(3), ("wrong", ["score"])),
    ],
)
def test_a_score_may_be_rounded_and_not_be_any(found: float, told: object) -> None:
    """One text in five could have had any score at all."""
    assert judged("regression", [found], [0.5], [1.0]) == told


@pytest.mark.parametrize(("off", "state"), [(0.49, "near"), (0.51, "wrong")])
def test_a_wide_range_of_scores_leaves_more_room(off: float, state: str) -> None:
    """A score of 0 to 10 that is off by 0.3 says the same: 5 % of the golden range are 0.5."""
    assert judged("regression", [2 + off], [2.0], [0.0], [10.0])[0] == state


@pytest.mark.parametrize(
    ("found", "state"),
    [([0.9, 1.1, -1.0], "near"), ([1.1, 0.9, -1.0], "near"), ([0.9, 0.9, 1.2], "wrong")],
)
def test_a_tie_goes_to_one_of_those_that_tie(found: list[float], state: str) -> None:
    """Where two labels tie, a third is as wrong as ever."""
    assert judged("classification", found, [1.0, 1.03, -1.0])[0] == state


@pytest.mark.parametrize(("found", "state"), [([-0.01, 2.0], "near"), ([-0.01, -2.0], "wrong")])
def test_each_of_several_labels_may_tie(found: list[float], state: str) -> None:
    assert judged("multi-label", found, [0.015, 2.0])[0] == state
