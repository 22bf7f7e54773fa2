"""Values out of JSON that anybody may have written: of the right type and size, or one sentence."""

from collections.abc import Iterator, Mapping
from math import isfinite
from typing import Any, TypeVar

from kdc.compress.errors import KdcError
from kdc.export.letters import is_shown

_Value = TypeVar("_Value")
_LARGEST = 1e15  # bytes, ms, instructions: nothing that is measured comes near
_LONGEST = 20_000  # characters of a text
_DEEPEST = 4  # levels of a machine's description
_MOST = 200  # of its entries


class Fields:
    """An object of JSON, and where it stands."""

    def __init__(self, value: object, where: str) -> None:
        """Take an object.

        Args:
            value: what JSON gave.
            where: how to call it, such as `bench.json: runs[3]`.

        Raises:
            KdcError: it is something else.
        """
        if not isinstance(value, dict):
            raise damaged(where, "an object", value)
        self.values: dict[str, Any] = value
        self.where = where

    def number(self, name: str, low: float = 0.0, high: float = _LARGEST) -> float | None:
        """Return a finite number from `low` to `high`; None where there is none."""
        value = self.values.get(name)
        return None if value is None else _number(value, low, high, self._place(name))

    def count(self, name: str) -> int | None:
        """Return a whole number from 0; None where there is none."""
        value = self.values.get(name)
        if value is None:
            return None
        if type(value) is not int or not 0 <= value <= _LARGEST:
            raise damaged(self._place(name), "a whole number from 0", value)
        return value

    def text(self, name: str) -> str | None:
        """Return a text; None where there is none."""
        value = self.values.get(name)
        if value is None:
            return None
        if not isinstance(value, str):
            raise damaged(self._place(name), "a text", value)
        return clean(value)

    def interval(self, name: str, low: float = 0.0) -> tuple[float, float] | None:
        """Return two numbers of which the first is no larger; None where there are none."""
        value = self.values.get(name)
        if value is None:
            return None
        if isinstance(value, list) and len(value) == 2:
            ends = [_number(end, low, _LARGEST, self._place(name)) for end in value]
            if ends[0] <= ends[1]:
                return ends[0], ends[1]
        raise damaged(self._place(name), "a lower and an upper end", value)

    def numbers(self, name: str) -> tuple[float, ...]:
        """Return a list of finite numbers from 0; empty where there is none."""
        place = self._place(name)
        return tuple(_number(value, 0.0, _LARGEST, place) for value in self._list(name))

    def part(self, name: str) -> "Fields | None":
        """Return an object; None where there is none."""
        value = self.values.get(name)
        return None if value is None else Fields(value, self._place(name))

    def parts(self, name: str, most: int) -> "Iterator[Fields]":
        """Return a list of at most `most` objects; empty where there is none."""
        values = self._list(name)
        if len(values) > most:
            raise KdcError(
                f"{self._place(name)} has {len(values)} entries: at most {most} are read"
            )
        for index, value in enumerate(values):
            yield Fields(value, f"{self._place(name)}[{index}]")

    def rows(self, name: str, width: int) -> list[list[Any]]:
        """Return a list of lists of `width` values; empty where there is none."""
        values = self._list(name)
        for value in values:
            if not isinstance(value, list) or len(value) != width:
                raise damaged(self._place(name), f"lists of {width}", value)
        return values

    def need(self, name: str, value: _Value | None) -> _Value:
        """Return a value that has to be there.

        Raises:
            KdcError: it is not.
        """
        if value is None:
            raise KdcError(f"{self._place(name)} is missing: it is damaged or no bench document")
        return value

    def _list(self, name: str) -> list[Any]:
        value = self.values.get(name)
        if value is None:
            return []
        if not isinstance(value, list):
            raise damaged(self._place(name), "a list", value)
        return value

    def _place(self, name: str) -> str:
        separator = "." if self.where.endswith("]") or ": " in self.where else ": "
        return f"{self.where}{separator}{clean(name)[:60]}"


def clean(text: str) -> str:
    """Return a text without what hides, reorders or breaks others: control characters and halves.

    Tabs and line ends become spaces; marks that turn the direction of writing go, since they could
    make a row of a table read as another, and those that join letters stay.
    """
    kept = "".join(" " if c in "\t\r\n" else c for c in text[:_LONGEST] if _is_plain(c))
    return kept.encode("utf-8", "replace").decode("utf-8")


def plain(value: object, depth: int = 0) -> Any:  # noqa: ANN401 - whatever JSON holds
    """Return a value of JSON with clean texts, without what is too deep, too long or no number."""
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, float) and not isfinite(value):
        return None
    if depth < _DEEPEST and isinstance(value, Mapping):
        items = list(value.items())[:_MOST]
        return {clean(str(key)): plain(item, depth + 1) for key, item in items}
    if depth < _DEEPEST and isinstance(value, list):
        return [plain(item, depth + 1) for item in value[:_MOST]]
    return value if isinstance(value, bool | int | float) else None


def damaged(where: str, wanted: str, value: object) -> KdcError:
    """Build the error for a value that makes no sense."""
    told = clean(repr(value)[:40])
    return KdcError(f"{where} must be {wanted}, not {told}: it is damaged or no bench document")


def _number(value: object, low: float, high: float, where: str) -> float:
    if type(value) not in (int, float) or not low <= value <= high:  # type: ignore[operator]
        raise damaged(where, f"a number from {low:g} to {high:g}", value)
    return float(value)  # type: ignore[arg-type]


def _is_plain(character: str) -> bool:
    return is_shown(character) or character in "\t\r\n" or "\ud800" <= character <= "\udfff"
