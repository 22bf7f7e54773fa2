"""Datasets of the Hugging Face Hub, and local folders in its form, through `datasets`.

After `hf:` stands `NAME`, `ORG/NAME`, `ORG/NAME/CONFIG`, or `NAME/CONFIG` when there is no dataset
`ORG/NAME` (`hf:glue/sst2`). What begins with `.` or `/` is a folder.
"""

from typing import Any

from kdc.compress.data.assemble import Parts
from kdc.compress.data.columns import Names, find_columns, has_labels
from kdc.compress.data.glue import glue_metric
from kdc.compress.data.labelled import take
from kdc.compress.data.table import Table
from kdc.compress.errors import KdcError

PREFIX = "hf:"
DEV = ("validation", "dev", "valid", "val", "validation_matched")

Reading = tuple[str, str | None]
"""A dataset and its configuration."""


def read_hub(spec: str, names: Names) -> Parts:
    """Read a dataset by its `hf:` name.

    No code of the dataset's is run: `datasets` 4 and later refuse it.

    Raises:
        KdcError: `datasets` is not installed, there is no such dataset, it cannot be reached, or
            its rows are of no use.
    """
    (dataset, config), splits = _load(spec, readings(spec))
    if "train" not in splits:
        raise KdcError(f"{spec} has no train split: it has {', '.join(map(str, splits))}")
    dev = next((name for name in DEV if name in splits), None)
    tables = {
        name: _table(f"{spec} ({name})", splits[name])
        for name in ("train", dev, "test")
        if name in splits
    }
    rows = {
        name: take(table, find_columns(table, names))
        for name, table in tables.items()
        if name != "test" or has_labels(table, names)
    }
    name = config or dataset.rstrip("/").split("/")[-1]
    return Parts(
        name=name,
        train=rows["train"],
        dev=rows[dev] if dev else None,
        test=rows.get("test"),
        metric=glue_metric(name, tables["train"].header),
        notes=(f"{spec} (test) has no labels and is not used",) if len(rows) < len(tables) else (),
    )


def readings(spec: str) -> list[Reading]:
    """Return what a spec may mean, the likeliest first.

    Raises:
        KdcError: it has no name or too many parts.
    """
    name = spec.removeprefix(PREFIX)
    if name.startswith((".", "/")):
        return [(name, None)]
    match name.split("/"):
        case [one] if one:
            return [(one, None)]
        case [one, two] if one and two:
            return [(name, None), (one, two)]
        case [one, two, three] if one and two and three:
            return [(f"{one}/{two}", three)]
    raise KdcError(f"'{spec}' names no dataset: write hf:NAME, hf:ORG/NAME or hf:ORG/NAME/CONFIG")


def _load(spec: str, meanings: list[Reading]) -> tuple[Reading, Any]:
    try:
        import datasets
    except ImportError as error:
        raise KdcError(f"reading {spec} needs datasets: pip install datasets") from error
    if int(datasets.__version__.split(".")[0]) < 4:
        raise KdcError(f"datasets {datasets.__version__} may run code: pip install 'datasets>=4'")
    reasons = []
    for meaning in meanings:
        try:
            return meaning, datasets.load_dataset(*meaning)
        except datasets.exceptions.DatasetNotFoundError:
            reasons.append("there is no such dataset")
        except ConnectionError as error:
            reasons.append(_first_line(error))
            if not datasets.config.HF_HUB_OFFLINE:
                break  # each further reading would try the network for half a minute
        except Exception as error:  # its errors differ between versions and builders
            raise KdcError(f"{spec} cannot be loaded: {_first_line(error)}") from error
    raise KdcError(
        f"{spec} cannot be loaded: {reasons[0]}; check the name and the network, "
        "or name a local file or folder"
    )


def _first_line(error: Exception) -> str:
    return str(error).strip().split("\n")[0][:160] or type(error).__name__


def _table(source: str, split: Any) -> Table:  # noqa: ANN401 - a `datasets.Dataset`
    """Return the columns of names, plain values and lists of them, without unlabelled classes."""
    columns = {name: _column(split, name, feature) for name, feature in split.features.items()}
    kept = {name: cells for name, cells in columns.items() if cells is not None}
    return Table(source, tuple(kept), list(kept.values()), range(1, len(split) + 1), "row")


def _column(split: Any, name: str, feature: Any) -> list[object] | None:  # noqa: ANN401
    from datasets import ClassLabel, List, Value

    inner = feature.feature if isinstance(feature, List) else feature
    if not isinstance(inner, ClassLabel | Value):
        return None
    cells: list[Any] = split[name][:]
    if not isinstance(inner, ClassLabel):
        return cells
    names = dict(enumerate(inner.names))
    if inner is not feature:
        return [cell and [names.get(label) for label in cell] for cell in cells]
    # the Hub's unlabelled test sets carry -1
    found = [names.get(cell) for cell in cells]
    return list(found) if any(cell is not None for cell in found) else None
