from pathlib import Path

import numpy as np
import pytest

from kdc.compress.errors import KdcError
from kdc.export.answering import answer
from kdc.export.devices import host
from kdc.export.jobs import Asked
from tests.onnx_model import by_hand, make_model

ROWS = [[5, 9, 101, 7], [60], [33, 2, 2]]
TYPES = [[0, 0, 1, 1], [0], [0, 1, 0]]


def test_texts_are_answered_alone_and_in_order(tmp_path: Path) -> None:
    """In a batch, or with types left out, a quantized model answers something else."""
    found = host.answer(Asked(str(make_model(tmp_path / "m.onnx")), ROWS, TYPES))
    wanted = [by_hand(np.array(row), np.array(kind)) for row, kind in zip(ROWS, TYPES, strict=True)]
    assert np.allclose(found.logits, wanted, atol=1e-5)
    assert found.onnxruntime.count(".") == 2


def test_a_model_that_cannot_answer_is_one_sentence(tmp_path: Path) -> None:
    model = str(make_model(tmp_path / "m.onnx"))
    with pytest.raises(KdcError, match=r"^.*m\.onnx fails on texts of 1 tokens"):
        host.answer(Asked(model, [[5000]], [[0]]))
    with pytest.raises(KdcError, match="--device host:x: this machine has no address"):
        host.answer(Asked(model, ROWS, TYPES), "x")


def test_no_number_is_no_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """NaN is no JSON: the child's answer would be unreadable, or read as a crash."""

    class Session:
        def run(self, tokens: object, types: object) -> object:
            return np.array([1.0, np.nan])

    monkeypatch.setattr("kdc.export.answering.open_session", lambda *_: Session())
    with pytest.raises(KdcError, match="answers text 1 with no number"):
        answer(Asked("m.onnx", ROWS, TYPES))


def test_the_cpu_profile_reaches_the_process_that_answers(tmp_path: Path) -> None:
    """Left out, accuracy would be that of other kernels than the latency beside it."""
    model = str(make_model(tmp_path / "m.onnx"))
    native, phone = (
        host.answer(Asked(model, ROWS, TYPES, cpu_profile=name)) for name in ("native", "phone")
    )
    assert native.where == {} and phone.where["cpu_profile"].startswith("phone: ")
    assert np.allclose(native.logits, phone.logits, atol=1e-5)
