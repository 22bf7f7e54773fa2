import math
import tomllib

import pytest

from kdc.compress.toml import to_toml

AWKWARD = [
    "",
    'quotes " and \\ backslashes',
    "line\nbreak\ttab\r\x00\x1f\x7f",
    "né 你好 \U0001f600 \u2028 \x85",
    "a.b",
    "C:\\new\\table",
    "#no comment",
    "'''",
]


def test_nested_values_are_read_back() -> None:
    values = {
        "name": "x",
        "count": 3,
        "on": True,
        "off": False,
        "list": [1, 2],
        "names": ("a", "b"),
        "nested": [[1], []],
        "train": {"epochs": 2.0, "deep": {"a": 1}},
        "losses": {"hard": {"weight": 1.0}, "soft": {}},
    }
    read = tomllib.loads(to_toml(values))
    assert read == {**values, "names": ["a", "b"]}


def test_a_list_of_tables_is_an_array_of_tables() -> None:
    """Bug: a recipe's stages are written as text that no TOML reader takes."""
    stages = [{"name": "a", "losses": {"x": {"weight": 1}, "y": {}}}, {}, {"train": {"e": 1}}]
    values = {"stages": stages, "deep": {"list": [{"b": {"c": [1]}}], "d": 1}, "empty": []}
    text = to_toml(values)
    assert tomllib.loads(text) == values
    assert text.count("[[stages]]") == 3


def test_a_table_comes_after_the_plain_values_of_its_parent() -> None:
    """Bug: a plain value written after a table belongs to that table."""
    read = tomllib.loads(to_toml({"table": {"a": 1}, "plain": 2}))
    assert read == {"table": {"a": 1}, "plain": 2}


@pytest.mark.parametrize("text", AWKWARD)
def test_any_text_is_a_value_and_a_key(text: str) -> None:
    """Bug: a folder called `my "new" data` makes a recipe that cannot be read again."""
    values = {"value": text, text or "k": 1, "table": {text: {"x": [text]}}}
    assert tomllib.loads(to_toml(values)) == values


def test_a_path_that_is_no_text_does_not_stop_the_writing() -> None:
    """Bug: a folder with a Latin-1 name breaks the run at its very end."""
    text = to_toml({"teacher": b"caf\xe9".decode("utf-8", "surrogateescape")})
    assert tomllib.loads(text.encode("utf-8").decode()) == {"teacher": "caf\\udce9"}


@pytest.mark.parametrize("number", [0.1 + 0.2, 1e-5, 1e22, 5e-324, -0.0, math.inf, 2**53, -7])
def test_numbers_are_exact(number: float) -> None:
    read = tomllib.loads(to_toml({"x": number}))["x"]
    assert repr(read) == repr(number)


def test_none_is_left_out() -> None:
    assert tomllib.loads(to_toml({"a": None, "b": {"c": None, "d": 1}})) == {"b": {"d": 1}}
