"""The reference of every command and option, written from the application itself.

`python -m kdc.cli.reference FILE` writes it as Markdown.
"""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer

from kdc.cli.main import build
from kdc.compress.files import write_text


def reference() -> str:
    """Return the reference as Markdown: a section for each command, a table of its options."""
    root: Any = typer.main.get_command(build())
    lines = ["# Commands", "", "Written by `make fix` from the commands' own help.", ""]
    for name, command in root.commands.items():
        lines += _section(name, command)
    return "\n".join(lines)


def _section(name: str, command: Any) -> Iterator[str]:  # noqa: ANN401 - typer's own click
    parameters = [p for p in command.params if p.name != "help"]
    arguments = [p for p in parameters if p.param_type_name == "argument"]
    values = [_names(p) if p.required else f"[{_names(p)}]" for p in arguments]
    yield from (f"## kdc {name}", "", f"`{' '.join(['kdc', name, *values, '[OPTIONS]'])}`", "")
    yield from (command.help or "", "")
    if parameters:
        yield from ("| option | default | meaning |", "|---|---|---|")
    for parameter in parameters:
        cells = (f"`{_names(parameter)}`", _default(parameter), parameter.help or "")
        yield f"| {' | '.join(map(_escaped, cells))} |"
    yield ""


def _names(parameter: Any) -> str:  # noqa: ANN401
    value = parameter.metavar or str(parameter.name).upper()
    if parameter.param_type_name == "argument":
        return value
    names = ", ".join([*parameter.opts, *parameter.secondary_opts])
    return names if parameter.is_flag else f"{names} {value}"


def _default(parameter: Any) -> str:  # noqa: ANN401
    if parameter.required:
        return "required"
    if isinstance(parameter.show_default, str):  # what --help says where there is no one value
        return parameter.show_default
    default = parameter.default
    if isinstance(default, list | tuple):  # of an option that may be given several times
        return " ".join(f"`{value}`" for value in default)
    return "" if default is None or default is False else f"`{default}`"


def _escaped(cell: str) -> str:
    return cell.replace("|", "\\|")


if __name__ == "__main__":
    write_text(Path(sys.argv[1]), reference())
