"""What can be said of the app's Kotlin without a compiler for it."""

import re
from pathlib import Path

SOURCES = Path(__file__).parents[2] / "sample_apps/android/app/src/main/kotlin/kdc/android"


def test_the_manifest_is_read_where_a_refusal_is_caught() -> None:
    """Bug: the card was put together on the screen's thread, where what it throws ends the app."""
    screen, opened = (SOURCES / f"{name}.kt" for name in ("MainActivity", "OpenedApp"))
    assert re.findall(r"manifest|Sentences\.card|Fields", screen.read_text()) == []
    assert "inBackground({ OpenedApp.open(" in screen.read_text()
    assert "Sentences.card(folder)" in opened.read_text()
