from pathlib import Path

from kdc.cli.main import COMMANDS
from kdc.cli.reference import reference


def test_the_reference_says_what_the_commands_say(root: Path) -> None:
    """An option that is added, renamed or dropped would leave docs/commands.md telling lies."""
    written = (root / "docs" / "commands.md").read_text(encoding="utf-8")
    assert written == reference(), "docs/commands.md is out of date: run make fix"


def test_the_reference_has_a_section_for_every_command() -> None:
    text = reference()
    assert all(f"\n## kdc {name}\n" in text for name in COMMANDS)
    assert "| `--app NAME` | `web` |" in text


def test_a_default_that_is_no_one_value_is_told_as_help_tells_it() -> None:
    """Bug: the reference leaves blank what `kdc export --help` says of --max-drop."""
    text = reference()
    assert "| `--max-drop POINTS` | 1, and not significantly worse than the student |" in text
    assert "| `--length N,...` | natural,128 |" in text
