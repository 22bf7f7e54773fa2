import sys
from pathlib import Path

import numpy as np
import pytest

from kdc.compress.errors import KdcError
from kdc.export import probe as module
from kdc.export.probe import probe
from tests.onnx_model import FACTS, by_hand, make_model


def test_a_model_is_opened_and_run_elsewhere(tmp_path: Path) -> None:
    model = make_model(tmp_path / "m.onnx", FACTS)
    found = probe(model, tokens=[[5, 17, 99], [3]])
    assert found.metadata["kdc.max_length"] == "64" and found.fixed_length is None
    for row, logits in zip([[5, 17, 99], [3]], found.logits, strict=True):
        tokens = np.array(row)
        np.testing.assert_allclose(logits, by_hand(tokens, tokens * 0), rtol=1e-5)


def test_a_refusal_is_the_same_sentence_as_here(tmp_path: Path) -> None:
    (tmp_path / "m.ort").write_text("turn on the light\n")
    with pytest.raises(KdcError, match=r"m\.ort is no ONNX model"):
        probe(tmp_path / "m.ort")


@pytest.mark.parametrize(
    ("code", "told"),
    [
        ("import os; os.abort()", "SIGABRT"),
        ("raise SystemExit(3)", "exit code 3"),
        ("import time; time.sleep(60)", "did not open in"),
    ],
)
def test_a_crash_takes_only_the_child_along(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: str, told: str
) -> None:
    """Some files end ONNX Runtime's process; that must be a sentence, not the end of kdc."""
    monkeypatch.setattr(module, "COMMAND", [sys.executable, "-c", code])
    monkeypatch.setattr(module, "TIME_LIMIT", 2.0)
    with pytest.raises(KdcError, match=told):
        probe(make_model(tmp_path / "m.onnx"))
