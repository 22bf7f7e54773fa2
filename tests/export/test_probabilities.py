from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest

from kdc.compress.errors import KdcError
from kdc.export.graph.emit import emit
from kdc.export.graph.read import read_encoder
from kdc.export.probabilities import MULTI_LABEL, add_probabilities
from tests.student import make_student, make_task


def answers(model: onnx.ModelProto) -> dict[str, np.ndarray[tuple[int, ...], np.dtype[np.float32]]]:
    session = onnxruntime.InferenceSession(model.SerializeToString())
    tokens = np.arange(5, 17).reshape(2, 6)
    feeds = {"input_ids": tokens, "attention_mask": np.ones_like(tokens)}
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(names, feeds), strict=True))


@pytest.mark.parametrize("problem", [None, "single_label_classification", MULTI_LABEL])
def test_they_follow_the_kind_of_problem(student_folder: Path, problem: str | None) -> None:
    """A softmax over independent labels says that two true ones are half as likely each."""
    model = emit(read_encoder(student_folder, pair=False), standard=False)
    add_probabilities(model, problem)
    got = answers(model)
    scores = np.exp(got["logits"])
    wanted = scores / scores.sum(axis=1, keepdims=True)
    if problem == MULTI_LABEL:
        wanted = 1 / (1 + 1 / scores)
    np.testing.assert_allclose(got["probabilities"], wanted, atol=1e-6)


def test_a_score_has_none(tmp_path: Path) -> None:
    folder = make_student(tmp_path / "student", task=make_task("regression"))
    model = emit(read_encoder(folder, pair=False), standard=False)
    with pytest.raises(KdcError, match="score has no probabilities"):
        add_probabilities(model, "regression")
