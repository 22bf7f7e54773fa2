import pytest

from kdc.compress.errors import KdcError
from kdc.export.bundle.naming import LONGEST, app_name, contrast_with_white, name_colour


def test_a_name_is_given_or_the_tasks() -> None:
    assert app_name(None, "phone-commands") == "phone-commands"
    assert app_name("  Kitchen helper ", "phone-commands") == "Kitchen helper"
    assert app_name("天气 & <b>", "x") == "天气 & <b>"


@pytest.mark.parametrize("name", ["می\u200cخواهم", "👩\u200d🍳 kitchen", "क्\u200dष"])  # noqa: RUF001
def test_a_name_may_join_its_letters(name: str) -> None:
    """Bug: Persian words and emoji of several signs were refused as what cannot be shown."""
    assert app_name(name, "x") == app_name(None, name) == name


@pytest.mark.parametrize("task", ["", " \n", "a\x00b\u202e", "x" * 999, "\u200d \u200c"])
def test_a_tasks_name_never_stops_a_bundle(task: str) -> None:
    """It comes from a file's name, which its user cannot change any more."""
    name = app_name(None, task)
    assert name and name.isprintable() and len(name) <= LONGEST


@pytest.mark.parametrize(
    "name", ["", " ", "\u200d \u200c", "a\tb", "\u200b", "a\u202eb", "\ud800", "x" * 61]
)
def test_what_cannot_be_shown_is_refused(name: str) -> None:
    with pytest.raises(KdcError, match=r"^--name "):
        app_name(name, "task")


def test_white_letters_can_be_read_on_every_colour() -> None:
    """WCAG's own formula, by hand: black 21, mid grey #767676 4.54, the first that passes."""
    assert contrast_with_white((0, 0, 0)) == pytest.approx(21)
    assert contrast_with_white((0x76, 0x76, 0x76)) == pytest.approx(4.54, abs=0.005)
    colours = {name_colour(f"app {number}") for number in range(400)}
    assert len(colours) > 100
    for colour in colours:
        contrast = contrast_with_white(bytes.fromhex(colour[1:]))
        assert 4.5 <= contrast < 5.2
