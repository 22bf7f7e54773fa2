import sys
from pathlib import Path

import pytest

from kdc.compress.errors import KdcError
from kdc.export.parity_vectors.replay import Replay, replay
from kdc.export.parity_vectors.vectors import make_vectors
from tests.student import tiny_tokenizer

_ECHO = """
import json, sys
for number, line in enumerate(sys.stdin, 1):
    vector = json.loads(line)
    answer = {name: vector[name] for name in ("ids", "types", "offsets")}
    CHANGE
    print(json.dumps(answer))
"""


def _replayed(tmp_path: Path, change: str = "pass") -> Replay:
    program = tmp_path / "core.py"
    program.write_text(_ECHO.replace("CHANGE", change))
    return replay([sys.executable, str(program)], make_vectors(tiny_tokenizer(), 50, seed=0))


def test_the_same_answers_are_no_difference(tmp_path: Path) -> None:
    found = _replayed(tmp_path)
    assert (found.texts, found.differences, found.first) == (50, 0, [])


@pytest.mark.parametrize(
    "change",
    [
        "if number == 7: answer['ids'][-1] += 1",
        "if number == 7: answer['offsets'][0] = [1, 1]",
        "if number == 7: answer['ids'].append(0)",
        "if number == 7: answer = {}",
    ],
)
def test_one_other_number_is_one_difference(tmp_path: Path, change: str) -> None:
    """A comparison that zips would pass over what is too long, and one by ids over offsets."""
    found = _replayed(tmp_path, change)
    assert found.differences == 1
    assert len(found.first) == 1


def test_what_a_core_does_not_tell_is_not_held_against_it(tmp_path: Path) -> None:
    found = _replayed(tmp_path, "answer = {'ids': vector['ids']}")
    assert (found.fields, found.differences) == (frozenset({"ids"}), 0)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ("if number == 9: sys.exit('no such letter')", "no such letter"),
        ("if number == 9: break", "something else than JSON"),
        ("answer = {}; print('hello')", "something else than JSON"),
    ],
)
def test_a_core_that_fails_is_no_success(tmp_path: Path, change: str, told: str) -> None:
    """An empty answer compared with nothing has no differences."""
    with pytest.raises(KdcError, match=told):
        _replayed(tmp_path, change)


def test_a_program_that_is_not_there_is_told() -> None:
    with pytest.raises(KdcError, match="does not start"):
        replay(["/nowhere/core"], make_vectors(tiny_tokenizer(), 1, seed=0))
