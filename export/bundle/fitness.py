"""Whether every app can work with a phone folder's model, found out before anything is written."""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kdc.compress.errors import KdcError
from kdc.compress.files import MANIFEST
from kdc.compress.task import Task
from kdc.export.bundle.manifest_fitness import check_config, check_manifest, is_number
from kdc.export.bundle.strict_json import read_strict
from kdc.export.bundle.tokenizer_fitness import check_tokenizer
from kdc.export.options import SessionOptions
from kdc.export.phone_model import Phone

_JSON = ("config.json", "golden.json", "tokenizer.json")
_NEEDED = ("README.md", *_JSON)
_NAME = re.compile(r"\w[\w .-]*(/\w[\w .-]*)*", re.ASCII)  # as checks.js of the page has it
_AGAIN = "export it again"
_SHOWN = 40  # characters of a foreign name


def check_fitness(phone: Phone) -> None:
    """Check that the apps know the model's inputs, its tokenizer and what else they read.

    Raises:
        KdcError: a file is not named by the manifest, has a name that no app takes or is JSON
            that only some of them read; the tokenizer is of another kind; the manifest, the golden
            texts or the task are damaged; or the model does not open, takes inputs that no app
            gives or texts of another length, or answers another task.
    """
    names = phone.manifest["files"]
    if missing := [name for name in _NEEDED if name not in names]:
        raise KdcError(f"{phone.folder} has no {missing[0]}, which apps read: {_AGAIN}")
    if odd := next((name for name in names if not _NAME.fullmatch(name)), None):
        raise KdcError(f"{phone.folder} holds {odd[:_SHOWN]!a}, and no app takes such a name")
    paths = {name: phone.folder / name for name in (MANIFEST, *_JSON)}
    read = {name: read_strict(path) for name, path in paths.items()}
    check_manifest(phone)
    _check_task(phone)
    check_config(paths["config.json"], read["config.json"])
    cut = check_tokenizer(paths["tokenizer.json"], read["tokenizer.json"])
    rows = _check_golden(paths["golden.json"], read["golden.json"], phone.task)
    _check_length(phone, cut, max(map(len, rows)))
    _check_model(phone, rows[0])


def _check_task(phone: Phone) -> None:
    task = phone.task
    try:
        json.dumps(task.as_dict(), ensure_ascii=False).encode()
    except UnicodeEncodeError as error:
        raise KdcError(
            f"{phone.folder}: the task's name or a label holds half a character (a lone "
            f"surrogate), which no file can: {_AGAIN}"
        ) from error
    if (task.kind == "regression") == bool(task.labels):
        raise KdcError(
            f"{phone.folder} is of the kind {task.kind} with {len(task.labels)} labels: {_AGAIN}"
        )


def _check_golden(path: Path, fields: Mapping[str, Any], task: Task) -> list[list[int]]:
    """Check the shape of `golden.json`; return the ids of its texts."""
    texts: Any = fields.get("texts")
    tolerance: Any = fields.get("tolerance")
    sound = _is_texts(texts) and is_number(tolerance) and tolerance > 0
    columns: dict[str, Any] = {name: fields.get(name) for name in ("input_ids", "logits", "labels")}
    if task.pair:
        columns["pairs"] = fields.get("pairs")
        sound = sound and _is_texts(columns["pairs"])
    elif fields.get("pairs") is not None:
        sound = False
    for column in columns.values():
        sound = sound and isinstance(column, list) and len(column) == len(texts)
    if sound:
        sound = all(_is_row(row, whole=True) for row in columns["input_ids"])
        sound = sound and all(_is_row(row, whole=False) for row in columns["logits"])
    if not sound:
        raise KdcError(f"{path} is damaged, and every app replays it: {_AGAIN}")
    for row in columns["logits"]:
        _check_width(path, len(row), task)
    ids: list[list[int]] = columns["input_ids"]
    return ids


def _is_texts(value: Any) -> bool:  # noqa: ANN401 - it comes from a file
    return isinstance(value, list) and bool(value) and all(isinstance(x, str) for x in value)


def _is_row(row: Any, whole: bool) -> bool:  # noqa: ANN401
    if not isinstance(row, list) or not row or not all(is_number(x) for x in row):
        return False
    return not whole or all(isinstance(x, int) and 0 <= x < 2**31 for x in row)


def _check_width(where: Path, width: int, task: Task) -> None:
    if width != task.outputs:
        wanted = f"{task.outputs} ({'a score' if task.kind == 'regression' else 'the labels'})"
        raise KdcError(f"{where} gives {width} numbers for a text, wanted {wanted}: {_AGAIN}")


def _check_length(phone: Phone, cut: int | None, longest: int) -> None:
    """Check that texts fit a model of one length: cut by the tokenizer, and the golden ones."""
    fixed = phone.manifest.get("fixed_length")
    if fixed is None:
        return
    for name, length in (("tokenizer.json cuts them to", cut), ("golden.json has", longest)):
        if length is None or length > fixed:
            raise KdcError(
                f"{phone.folder} is for texts of at most {fixed} tokens, and its {name} "
                f"{length or 'any number'}: {_AGAIN}"
            )


def _check_model(phone: Phone, ids: list[int]) -> None:
    from kdc.export.probe import probe  # numpy, which no --help should import

    session = phone.manifest.get("session")
    options = SessionOptions.from_dict(session if session is not None else {}, str(phone.model))
    found = probe(phone.model, options, [ids])
    _check_width(phone.model, len(found.logits[0]), phone.task)
    if found.fixed_length != (fixed := phone.manifest.get("fixed_length")):
        raise KdcError(
            f"{phone.model} reads texts of {found.fixed_length or 'any number of'} tokens, and its "
            f"manifest says {fixed or 'any number'}: {_AGAIN}"
        )
