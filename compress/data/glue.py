"""What is peculiar to GLUE's own files (Wang et al. 2018, https://gluebenchmark.com)."""

from collections.abc import Sequence

COLA_HEADER = ("source", "label", "mark", "sentence")
"""What CoLA's columns hold; its files have no header."""

_METRICS = {"cola": "matthews", "mrpc": "f1", "qqp": "f1"}
_HEADERS = {"cola": set(COLA_HEADER), "mrpc": {"quality", "#1 string"}, "qqp": {"is_duplicate"}}


def looks_like_cola(fields: Sequence[str]) -> bool:
    """Whether a file's first line is a row of CoLA: source, 0 or 1, `*` or nothing, sentence."""
    return len(fields) == 4 and fields[1] in ("0", "1") and fields[2] in ("", "*")


def glue_metric(name: str, header: Sequence[str]) -> str | None:
    """Return the metric GLUE scores a task with, where it is not the default of its kind.

    Args:
        name: the folder's or the configuration's, such as `CoLA`.
        header: the names of the columns.
    """
    columns = {column.casefold() for column in header}
    for task, metric in _METRICS.items():
        if name.casefold() == task or _HEADERS[task] <= columns:
            return metric
    return None
