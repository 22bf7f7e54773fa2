import pytest

from kdc.compress.errors import GateFailed, KdcError, unknown


def test_exit_codes_tell_a_missed_gate_from_any_other_expected_error() -> None:
    """Bug: a build script cannot tell a bad student from a typing mistake."""
    assert KdcError("x").exit_code == 1
    assert GateFailed("x").exit_code == 3
    assert issubclass(GateFailed, KdcError)


@pytest.mark.parametrize(
    ("name", "known", "sentence"),
    [
        ("hintn", ["hinton", "layers"], "unknown recipe 'hintn': did you mean hinton?"),
        ("zzz", ["b", "a"], "unknown recipe 'zzz': did you mean a or b?"),
        ("q", ["c", "b", "a"], "unknown recipe 'q': did you mean a, b or c?"),
    ],
)
def test_an_unknown_name_is_answered_with_the_nearest(
    name: str, known: list[str], sentence: str
) -> None:
    """Bug: 'unknown recipe' without saying which there are sends the user to the source."""
    assert str(unknown("recipe", name, known)) == sentence


def test_a_long_table_is_not_recited() -> None:
    """Bug: a typing mistake in one name prints a hundred."""
    assert str(unknown("x", "?", [f"name{i:03}" for i in range(100)])).count("name") == 8


def test_a_table_is_either_told_whole_or_by_what_is_nearest() -> None:
    """Bug: "there are 9, such as" and the first 8 of them: the one that was meant is the ninth."""
    nine = [f"name{i}" for i in range(9)]
    assert all(name in str(unknown("x", "zz", nine)) for name in nine)
    many = [*(f"{letter}bb" for letter in "abcdefghijkl"), "qqqzzz"]
    assert "the nearest are qqqzzz, " in str(unknown("x", "q1234", many))
    told = str(unknown("recipe", "q1234", many, "kdc list recipes"))
    assert told == "unknown recipe 'q1234': `kdc list recipes` lists all 13"
