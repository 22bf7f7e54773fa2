"""Every command of `kdc`, registered, and how the process runs one."""

import io
import os
import signal
import sys
from collections.abc import Callable
from contextlib import nullcontext
from typing import Annotated, NoReturn

import typer

from kdc.cli.bench import bench
from kdc.cli.bundle import bundle
from kdc.cli.corpus import corpus
from kdc.cli.distill import distill
from kdc.cli.doctor import doctor
from kdc.cli.eval import evaluate
from kdc.cli.export import export
from kdc.cli.failures import explain, guarded, report
from kdc.cli.label import label
from kdc.cli.list import list_names
from kdc.cli.predict import predict
from kdc.cli.report import merge_reports
from kdc.cli.teacher import teacher
from kdc.compress.errors import KdcError
from kdc.compress.parallel import World, leading, world
from kdc.compress.quiet import quiet_libraries

_INTERRUPTED = 130  # what typer ends with, without a word, at Ctrl-C outside of a command

COMMANDS: dict[str, Callable[..., None]] = {
    "teacher": teacher,
    "distill": distill,
    "eval": evaluate,
    "predict": predict,
    "export": export,
    "bench": bench,
    "report": merge_reports,
    "bundle": bundle,
    "corpus": corpus,
    "label": label,
    "list": list_names,
    "doctor": doctor,
}
"""Every command's name and function, in the order of `kdc --help`."""


def build() -> typer.Typer:
    """Return the application with every command in it, each ending in a sentence if it fails."""
    app = typer.Typer(
        name="kdc",
        add_completion=False,
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,  # rich takes longer to import than the help takes to print
    )
    app.callback()(_kdc)
    for name, command in COMMANDS.items():
        app.command(name)(guarded(command))
    return app


def main() -> None:
    """Run the command line; of several processes that torchrun started, the first one does."""
    # a supervisor's SIGTERM ends a run as Ctrl-C does: what is half-written is cleaned up
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")
    quiet_libraries()
    here = world()
    if here and here.rank:
        _leave(_follow(here))
    try:
        with leading(here) if here else nullcontext():
            build()(prog_name="kdc")
    except SystemExit as end:
        if end.code == _INTERRUPTED:
            end.code = report(KeyboardInterrupt())
        if here and end.code:
            _leave(1 if isinstance(end.code, str) else end.code)
        raise
    except OSError as error:  # standard output is full or gone while help is printed
        sys.exit(report(error))


def _follow(here: World) -> int:
    """Work along with the first process; return the exit code."""
    from kdc.compress.together import follow

    try:
        follow(here, explain)
    except KdcError as error:
        return report(error)
    return 0


def _leave(code: int) -> NoReturn:
    """End at once: a sum over GPUs that will never be finished would be waited for."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"kdc {version('kdc')}")
        raise typer.Exit


def _kdc(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """BERT in, phone-ready model out."""


if __name__ == "__main__":  # torchrun --nproc-per-node 2 -m kdc.cli.main distill ...
    main()
