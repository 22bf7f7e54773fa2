"""`kdc bundle`: phone folder -> a ready app."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from kdc.cli.console import Terminal
from kdc.cli.options import Json, Quiet
from kdc.export.bundle import APPS
from kdc.export.bundle import bundle as make_app


def bundle(
    phone: Annotated[Path, typer.Argument(metavar="PHONE", help="A phone folder.")] = Path("phone"),
    app: Annotated[
        str, typer.Option("--app", metavar="NAME", help=f"One of {', '.join(APPS)}.")
    ] = "web",
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Where the app goes.")] = Path(
        "app"
    ),
    json_to: Json = None,
    quiet: Quiet = False,
) -> None:
    """Put a phone folder's model into an app, digests checked."""
    terminal = Terminal(quiet, json_to)
    parts = make_app(phone, app, out)
    total = sum(part.bytes for part in parts), sum(part.zip_bytes for part in parts)
    rows = [(part.name, part.bytes, part.zip_bytes) for part in parts] + [("total", *total)]
    terminal.table(
        f"app {out}",
        ("part", "MB", "MB zipped"),
        [(name, f"{raw / 1e6:.3f}", f"{zipped / 1e6:.3f}") for name, raw, zipped in rows],
    )
    terminal.say(f"to see it: python3 -m http.server --directory {out}, http://localhost:8000")
    terminal.result({"app": app, "out": str(out), "parts": [asdict(part) for part in parts]})
