import re
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModelForSequenceClassification

from kdc.compress.errors import KdcError
from kdc.export.exporters import EXPORTERS
from kdc.export.session import open_session
from tests.answers import assert_answers_as_torch
from tests.student import FAMILIES, tiny_model


@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_answers_as_torch_does_at_any_batch_and_length(
    family: str, family_folder: Callable[[str], Path]
) -> None:
    """An axis that the tracer took for a constant works on the example and nowhere else.

    RoBERTa's forward takes token types but has one: a 1 would be read from outside its table.
    """
    assert_answers_as_torch(open_session(family_folder(family) / "model.onnx"), family)


def test_the_file_names_its_axes_and_nothing_of_this_machine(fp32: Path) -> None:
    """The exporter notes stack traces, with paths, on every node: 10 % of a small file."""
    graph = onnx.load(fp32).graph
    shapes = [
        [d.dim_param or d.dim_value for d in i.type.tensor_type.shape.dim] for i in graph.input
    ]
    assert shapes == [["batch", "length"]] * 3
    (logits,) = graph.output
    assert logits.name == "logits"
    assert [d.dim_param or d.dim_value for d in logits.type.tensor_type.shape.dim] == ["batch", 3]
    assert b"site-packages" not in fp32.read_bytes()
    assert b"stack_trace" not in fp32.read_bytes()


def test_the_same_student_gives_the_same_bytes_and_no_chatter(
    student_folder: Path, fp32: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """A digest that changes from run to run cannot be checked; pages of notes hide an error."""
    EXPORTERS["torch"].export(student_folder, tmp_path / "again.onnx", False)
    assert (tmp_path / "again.onnx").read_bytes() == fp32.read_bytes()
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("change", ["missing", "left over", "reshaped"])
def test_weights_that_do_not_fit_the_config_are_refused(
    change: str, student_folder: Path, tmp_path: Path
) -> None:
    """transformers only warns of missing weights and invents them."""
    folder = shutil.copytree(student_folder, tmp_path / "student")
    weights = load_file(folder / "model.safetensors")
    if change == "missing":
        del weights["bert.encoder.layer.1.output.dense.weight"]
    elif change == "left over":
        weights["bert.encoder.layer.7.output.dense.weight"] = torch.zeros(32, 64)
    else:
        weights["classifier.weight"] = torch.zeros(5, 32)
    save_file(weights, folder / "model.safetensors", {"format": "pt"})
    with pytest.raises(KdcError, match=re.escape(str(folder))) as caught:
        EXPORTERS["torch"].export(folder, tmp_path / "model.onnx", False)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "model.onnx").exists()


def test_cut_weights_are_one_sentence(student_folder: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(student_folder, tmp_path / "student")
    whole = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(KdcError, match="does not load"):
        EXPORTERS["torch"].export(folder, tmp_path / "model.onnx", False)


def test_what_torch_cannot_follow_is_one_sentence(
    student_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The exporter's own errors are pages of advice to developers."""

    def fail(*_: object, **__: object) -> None:
        raise torch.onnx.OnnxExporterError("cannot decompose aten.odd\nsee the 80 lines below")

    monkeypatch.setattr(torch.onnx, "export", fail)
    with pytest.raises(KdcError, match=r"BertForSequenceClassification.*aten\.odd") as caught:
        EXPORTERS["torch"].export(student_folder, tmp_path / "model.onnx", False)
    assert "80 lines" not in str(caught.value)


def test_a_half_precision_student_is_exported_in_fp32(tmp_path: Path) -> None:
    model = tiny_model("Bert", outputs=2).half()
    model.save_pretrained(tmp_path)
    EXPORTERS["torch"].export(tmp_path, tmp_path / "model.onnx", False)
    loaded = AutoModelForSequenceClassification.from_pretrained(tmp_path, dtype=torch.float32)
    tokens = np.arange(5, 12)
    with torch.no_grad():
        wanted = loaded.eval()(torch.from_numpy(tokens[None])).logits[0].numpy()
    ours = open_session(tmp_path / "model.onnx").run(tokens, np.zeros_like(tokens))
    np.testing.assert_allclose(ours, wanted, atol=1e-4)
