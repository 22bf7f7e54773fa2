"""CLINC150's `data_full.json` (Larson et al. 2019, https://aclanthology.org/D19-1131).

Its splits are lists of `[text, intent]`; those of the texts that fit none of the 150 intents go by
`oos_train`, `oos_val` and `oos_test`, and become the class `oos` here.
"""

import json
from pathlib import Path

from kdc.compress.data.assemble import Parts
from kdc.compress.data.columns import Columns
from kdc.compress.data.labelled import Labelled, take
from kdc.compress.data.table import Table
from kdc.compress.data.text_file import read_text
from kdc.compress.errors import KdcError

CLINC_FILE = "data_full.json"
OUT_OF_SCOPE = "oos"


def read_clinc(path: Path) -> Parts:
    """Read `data_full.json`, or another file of its form.

    Raises:
        KdcError: the file is no JSON or of another form.
    """
    try:
        splits = json.loads(read_text(path))
    except (ValueError, RecursionError) as error:
        raise KdcError(f"{path} is not valid JSON: fetch it again") from error
    if not isinstance(splits, dict) or not {"train", "val"} <= set(splits):
        raise KdcError(
            f"{path} is not of CLINC150's form, the only .json read here: "
            "write other rows as .jsonl, one object a line"
        )
    return Parts(
        name="clinc150",
        train=_labelled(path, splits, "train"),
        dev=_labelled(path, splits, "val"),
        test=_labelled(path, splits, "test") if "test" in splits else None,
        notes=(f"the out-of-scope texts are the class '{OUT_OF_SCOPE}'",),
    )


def _labelled(path: Path, splits: dict[str, object], name: str) -> Labelled:
    rows = [*_rows(path, splits, name), *_rows(path, splits, f"{OUT_OF_SCOPE}_{name}")]
    texts, labels = ([row[column] for row in rows] for column in (0, 1))
    header, places = ("text", "intent"), range(1, len(rows) + 1)
    return take(
        Table(f"{path} ({name})", header, [texts, labels], places, "row"), Columns(0, None, 1)
    )


def _rows(path: Path, splits: dict[str, object], name: str) -> list[list[object]]:
    rows = splits.get(name, [])
    if not isinstance(rows, list):
        raise KdcError(f"{path}: '{name}' is no list of [text, intent]")
    for number, row in enumerate(rows, start=1):
        if not isinstance(row, list) or len(row) != 2:
            raise KdcError(f"{path}: row {number} of '{name}' is not [text, intent]")
    return rows
