"""Writing TOML: the standard library only reads it."""

import json
from collections.abc import Mapping
from typing import Any


def to_toml(values: Mapping[str, Any]) -> str:
    """Write nested mappings of strings, numbers, booleans and lists; None is left out.

    A list of mappings becomes an array of tables.
    """
    lines: list[str] = []
    _write(values, (), lines)
    return "\n".join(lines).strip() + "\n"


def _write(values: Mapping[str, Any], path: tuple[str, ...], lines: list[str]) -> None:
    lines += [
        f"{_key(key)} = {_value(value)}"
        for key, value in values.items()
        if not (value is None or isinstance(value, Mapping) or _is_array(value))
    ]
    for key, value in values.items():
        inner = (*path, key)
        name = ".".join(map(_key, inner))
        if _is_array(value):
            for table in value:
                lines += ["", f"[[{name}]]"]
                _write(table, inner, lines)
        elif isinstance(value, Mapping):
            if not value or any(not isinstance(entry, Mapping) for entry in value.values()):
                lines += ["", f"[{name}]"]
            _write(value, inner, lines)


def _is_array(value: Any) -> bool:  # noqa: ANN401
    """Whether a value is a list of tables (an empty list is a plain value)."""
    listed = isinstance(value, list | tuple) and bool(value)
    return listed and all(isinstance(item, Mapping) for item in value)


def _key(key: str) -> str:
    bare = key.isascii() and key.replace("-", "").replace("_", "").isalnum()
    return key if bare else _value(key)


def _value(value: Any) -> str:  # noqa: ANN401
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        # TOML's basic strings are JSON's, but for the one control character JSON lets through
        text = value.encode("utf-8", "backslashreplace").decode()  # a path may be no text at all
        return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
    if isinstance(value, list | tuple):
        return f"[{', '.join(_value(item) for item in value)}]"
    return repr(value)
