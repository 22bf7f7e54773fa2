"""`kdc bundle`: phone folder -> a ready app."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from kdc.cli.console import Terminal
from kdc.cli.options import Json, Quiet
from kdc.compress.progress import plural
from kdc.export.bundle import APPS
from kdc.export.bundle import bundle as make_app
from kdc.export.bundle.app import BundleJob, SelfTest

_DEFAULT = "app"  # each kind of app has a folder of its own, so that none replaces another


def bundle(
    phone: Annotated[Path, typer.Argument(metavar="PHONE", help="A phone folder.")] = Path("phone"),
    app: Annotated[
        str, typer.Option("--app", metavar="NAME", help=f"One of {', '.join(APPS)}.")
    ] = "web",
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            metavar="DIR",
            help="Where the app goes; else app, or app-android, app-apk or app-ios.",
        ),
    ] = None,
    name: Annotated[
        str | None,
        typer.Option("--name", metavar="NAME", help="What the app is called; else as its task."),
    ] = None,
    sign: Annotated[
        Path | None,
        typer.Option(
            "--sign",
            metavar="KEY",
            help="Sign the model with this private key (Ed25519); the app takes no other's.",
        ),
    ] = None,
    apk: Annotated[
        bool, typer.Option("--apk", help="With --app android: build the page as an APK, here.")
    ] = False,
    package: Annotated[
        str | None,
        typer.Option("--package", metavar="ID", help="The id of an Android or iOS app."),
    ] = None,
    keystore: Annotated[
        Path | None,
        typer.Option(
            "--keystore",
            metavar="FILE",
            help="With --apk: sign it with this key, not with this machine's debug key.",
        ),
    ] = None,
    check: Annotated[
        bool,
        typer.Option(
            "--check",
            help="Open the page in a headless Chromium; keep it only if its self-test passes.",
        ),
    ] = False,
    number: Annotated[
        int | None,
        typer.Option(
            "--number",
            metavar="N",
            help="Of a signed model or a phone's app, higher than the last; else the time's.",
        ),
    ] = None,
    json_to: Json = None,
    quiet: Quiet = False,
) -> None:
    """Put a phone folder's model into an app, digests checked."""
    if out is None:
        out = Path(_DEFAULT if app == "web" else f"{_DEFAULT}-{'apk' if apk else app}")
    terminal = Terminal(quiet, json_to, [phone, sign, keystore], out)
    made = make_app(
        BundleJob(phone, app, out, name, sign, apk, check, package, keystore, number), terminal
    )
    parts = made.parts
    total = sum(part.bytes for part in parts), sum(part.zip_bytes for part in parts)
    rows = [(part.name, part.bytes, part.zip_bytes) for part in parts] + [("total", *total)]
    terminal.table(
        f"{made.name}: {out}",
        ("part", "MB", "MB deflated"),
        [(name, f"{raw / 1e6:.3f}", f"{zipped / 1e6:.3f}") for name, raw, zipped in rows],
    )
    if made.self_test is not None:
        terminal.say(_passed(made.self_test))
    terminal.say(f"to open it: {made.opens}")
    told = {"app": app, "name": made.name, "out": str(out), "opens": made.opens}
    found = None if made.self_test is None else asdict(made.self_test)
    terminal.result({**told, "parts": [asdict(part) for part in parts], "self_test": found})


def _passed(test: SelfTest) -> str:
    return (
        f"self-test passed in a headless Chromium: {test.texts} golden texts; the model opened in "
        f"{test.load_ms:.0f} ms, an answer takes {test.p50_ms:.1f} ms "
        f"({plural(test.threads, 'thread')})"
    )
