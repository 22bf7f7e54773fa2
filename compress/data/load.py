"""From what `--data` names to a dataset."""

import os
from dataclasses import replace
from pathlib import Path

from kdc.compress.data.assemble import Parts, assemble, with_metric
from kdc.compress.data.builtin import TASKS
from kdc.compress.data.clinc import CLINC_FILE, read_clinc
from kdc.compress.data.columns import Names
from kdc.compress.data.dataset import Dataset
from kdc.compress.data.folders import read_file, read_folder
from kdc.compress.data.formats import READERS
from kdc.compress.data.hub import PREFIX, read_hub
from kdc.compress.data.labels import Known
from kdc.compress.errors import KdcError, unknown


def load_data(
    spec: str,
    *,
    dev: Path | None = None,
    text: str | None = None,
    pair: str | None = None,
    label: str | None = None,
    multi_label: str | None = None,
    metric: str | None = None,
    known: Known | None = None,
    aside: bool = True,
) -> Dataset:
    """Load a task's rows.

    Args:
        spec: a built-in name, a table file, a folder, or `hf:DATASET[/CONFIG]`; a built-in name
            goes before a file or folder of the same name.
        dev: the dev rows of a table file; without it a tenth of the rows is set aside.
        text: the column of texts, or of the first texts.
        pair: the column of second texts.
        label: the column of labels, or several columns of 0 and 1 with commas between them.
        multi_label: what stands between the labels of a row that may have several.
        metric: a name from `kdc.compress.metrics.METRICS`, or None for the default.
        known: what the model answers with that the rows are to judge; None: they are to teach.
        aside: whether rows become dev rows where the source brings none.

    Raises:
        KdcError: there is no such source, or it holds no usable rows.
    """
    names = Names(text, pair, label, multi_label)
    if spec not in TASKS:
        return assemble(_read(spec, dev, names), metric, known, aside=aside)
    _refuse(spec, dev, names)
    data = TASKS[spec].load()
    if known is not None and known.trained is not None:
        data = replace(data, learned=known.trained.on(data))
    return replace(data, task=with_metric(data.task, metric)) if metric else data


def _read(spec: str, dev: Path | None, names: Names) -> Parts:
    path = Path(spec)
    # os.path answers False, where Path may raise, for what can be no path
    if os.path.isfile(spec):
        if path.suffix.lower() != ".json":
            return read_file(path, dev, names)
        _refuse(spec, dev, names)
        return read_clinc(path)
    _refuse(spec, dev)
    if spec.startswith(PREFIX):
        return read_hub(spec, names)
    if not os.path.isdir(spec):
        raise _nowhere(spec)
    if (path / CLINC_FILE).is_file():
        _refuse(spec, None, names)
        return read_clinc(path / CLINC_FILE)
    return read_folder(path, names)


def _refuse(spec: str, dev: Path | None, names: Names | None = None) -> None:
    """Raise KdcError for options that would have no effect on this source."""
    names = names or Names()
    given = {"--dev": dev, "--text": names.text, "--pair": names.pair, "--label": names.label}
    given["--multi-label"] = names.separator
    for option, value in given.items():
        if value is not None:
            raise KdcError(f"{option} is for tables, and {spec} has its own: leave it out")


def _nowhere(spec: str) -> KdcError:
    if os.sep in spec or Path(spec).suffix.lower() in (*READERS, ".json") or spec in ("", ".."):
        return KdcError(f"there is no file or folder '{spec}': check --data")
    return KdcError(f"no file or folder '{spec[:80]}' here, and {unknown('task', spec, TASKS)}")
