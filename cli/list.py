"""`kdc list`: the tables of names that can be given on the command line."""

from collections.abc import Callable, Mapping
from typing import Annotated, Any

import typer

from kdc.cli.console import Terminal
from kdc.cli.options import Json
from kdc.compress.errors import unknown

Listing = tuple[tuple[str, ...], list[tuple[str, ...]]]
"""The columns' names, and the rows."""


def _students() -> Listing:
    from kdc.compress.students import describe_students

    return describe_students()


def _recipes() -> Listing:
    from kdc.compress.recipe import describe_recipes

    return describe_recipes()


def _losses() -> Listing:
    from kdc.compress.losses import describe_losses

    return describe_losses()


def _quantizers() -> Listing:
    from kdc.export.quantizers import describe_quantizers

    return describe_quantizers()


def _exporters() -> Listing:
    from kdc.export.exporters import EXPORTERS

    return _about("exporter", EXPORTERS)


def _layouts() -> Listing:
    from kdc.export.layouts import LAYOUTS

    return _about("layout", LAYOUTS)


def _targets() -> Listing:
    from kdc.export.targets import TARGETS

    return _about("target", TARGETS)


def _devices() -> Listing:
    from kdc.export.devices import DEVICES

    return _about("device", DEVICES)


def _tasks() -> Listing:
    from kdc.compress.data.builtin import TASKS

    return _about("task", TASKS)


def _about(column: str, table: Mapping[str, Any]) -> Listing:
    return (column, "about"), [(name, row.about) for name, row in table.items()]


LISTINGS: dict[str, Callable[[], Listing]] = {
    "students": _students,
    "recipes": _recipes,
    "losses": _losses,
    "exporters": _exporters,
    "quantizers": _quantizers,
    "targets": _targets,
    "layouts": _layouts,
    "devices": _devices,
    "tasks": _tasks,
}


def list_names(
    what: Annotated[str, typer.Argument(metavar="WHAT", help=f"One of {', '.join(LISTINGS)}.")],
    json_to: Json = None,
) -> None:
    """List the names that the other commands take."""
    if what not in LISTINGS:
        raise unknown("list", what, LISTINGS)
    columns, rows = LISTINGS[what]()
    terminal = Terminal(json_to=json_to)
    terminal.table(what, columns, rows)
    terminal.result({"columns": list(columns), "rows": [list(row) for row in rows]})
