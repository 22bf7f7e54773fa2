"""Whether a phone folder's manifest and config hold what the apps read, each value of its type."""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kdc.compress.errors import KdcError
from kdc.compress.files import MANIFEST
from kdc.export.phone_model import Phone

_SCORES = ("teacher", "student", "shipped")
_LARGEST = 2**31 - 1  # of the apps' whole numbers
_SHOWN = 40  # characters of a foreign value


def check_manifest(phone: Phone) -> None:
    """Check the values of `manifest.json` as they stand there, before anything converts them.

    Raises:
        KdcError: one is of another type or size than the apps take (it is named).
    """
    path, manifest, task = phone.folder / MANIFEST, phone.manifest, phone.manifest["task"]
    name, labels, pair, length = task["name"], task["labels"], task["pair"], manifest["max_length"]
    _check(path, "the task's name", name, "a text", isinstance(name, str))
    _check(path, "the task's labels", labels, "a list of texts", _is_texts(labels))
    _check(path, "the task's pair", pair, "true or false", isinstance(pair, bool))
    long = _is_count(length) and length > 2  # [CLS] and [SEP] leave room for a text
    _check(path, "max_length", length, "a whole number above 2", long)
    fixed, method = manifest.get("fixed_length"), manifest.get("quantization")
    _check(path, "fixed_length", fixed, "a whole number or null", fixed is None or _is_count(fixed))
    named = method is None or isinstance(method, str)
    _check(path, "quantization", method, "a text or null", named)
    metrics: Any = manifest.get("metrics")
    _check(path, "metrics", metrics, "an object", isinstance(metrics, dict))
    for who in _SCORES:
        score = metrics.get(who)
        wanted = "a score with metric, value and n"
        _check(path, f"metrics.{who}", score, wanted, score is None or _is_score(score))


def check_config(path: Path, fields: Mapping[str, Any]) -> None:
    """Check the one value of `config.json` that apps read: what fills a shorter text up.

    Raises:
        KdcError: the value is no token's id.
    """
    padding = fields.get("pad_token_id")
    _check(path, "pad_token_id", padding, "an id or null", padding is None or _is_count(padding))


def _check(path: Path, name: str, value: object, wanted: str, sound: bool) -> None:
    if not sound:
        told = ascii(value)[:_SHOWN]
        raise KdcError(f"{path}: {name} must be {wanted} for the apps, not {told}: export it again")


def _is_texts(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(one, str) for one in value)


def _is_count(value: object) -> bool:
    return type(value) is int and 0 <= value <= _LARGEST


def is_number(value: object) -> bool:
    """Whether a value of a file is a number that JSON has."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _is_score(value: object) -> bool:
    if not isinstance(value, dict) or not isinstance(value.get("metric"), str):
        return False
    ends = value.get("interval")
    ranged = isinstance(ends, list) and len(ends) == 2 and all(map(is_number, ends))
    return (ends is None or ranged) and is_number(value.get("value")) and _is_count(value.get("n"))
