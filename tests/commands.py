"""kdc's commands, called as a user calls them but in this process."""

from pathlib import Path

from typer.testing import CliRunner, Result

from kdc.cli.main import build


def kdc(*words: str | Path, stdin: bytes | None = None) -> Result:
    """Run a command line; its exit code and output are in the result."""
    return CliRunner().invoke(build(), [str(word) for word in words], input=stdin)
