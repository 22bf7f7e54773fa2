from pathlib import Path

import pytest

from tests.commands import kdc
from tests.tiny import tiny_encoder


def test_a_teacher_that_learned_nothing_is_not_sent_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Bug: it is praised with the next command, which refuses it."""
    monkeypatch.chdir(tmp_path)
    tiny_encoder(tmp_path / "encoder")
    rows = [f"wake me at {hour},{'yes' if hour % 4 else 'no'}" for hour in range(80)]
    Path("a.csv").write_text("text,label\n" + "\n".join(rows))
    words = ["--epochs", "0.1", "--learning-rate", "1e-7", "--metric", "accuracy"]
    done = kdc("teacher", "--model", "encoder", "--data", "a.csv", *words)
    assert done.exit_code == 0, done.output
    assert "no better than always giving the most frequent answer" in done.stderr
    assert "next:" not in done.stderr
