import shutil
from pathlib import Path

import pytest

from kdc.compress.errors import KdcError
from kdc.compress.files import sha256
from kdc.export.ledger import GROUPS
from kdc.export.subject import find_subject
from tests.onnx_model import FACTS, make_model, make_phone_folder


def test_a_phone_folder_brings_what_its_manifest_says(tmp_path: Path) -> None:
    phone = make_phone_folder(tmp_path / "phone")
    found = find_subject(phone)
    model = phone / "onnx" / "model_quantized.onnx"
    assert found.file.path == model and found.size_bytes == model.stat().st_size
    assert found.accuracy is not None and found.accuracy.shipped.value == 0.9
    told = found.facts
    assert told["sha256"] == sha256(model) and told["accuracy"]["teacher"]["value"] == 0.96
    assert {part["part"] for part in told["ledger"]} <= set(GROUPS)
    bytes_ = sum(part["bytes"] for part in told["ledger"])
    assert bytes_ == sum(path.stat().st_size for path in phone.rglob("*") if path.is_file())


def test_a_file_of_nobodys_has_bytes_alone(tmp_path: Path) -> None:
    told = find_subject(make_model(tmp_path / "m.onnx")).facts
    assert told["accuracy"] is told["quantization"] is told["ledger"] is None
    assert 0 < told["zip_bytes"] < told["size_bytes"]


def test_a_copy_beside_the_phone_folder_has_its_accuracy(tmp_path: Path) -> None:
    phone = make_phone_folder(tmp_path / "phone")
    copy = tmp_path / "student.onnx"
    shutil.copyfile(phone / "onnx" / "model_quantized.onnx", copy)
    found = find_subject(copy)
    assert found.accuracy is not None and found.file.path == copy


@pytest.mark.parametrize("place", ["student.onnx", "phone/onnx/other.onnx"])
def test_another_file_does_not_borrow_the_accuracy(tmp_path: Path, place: str) -> None:
    """Accuracy belongs to bytes, not to a place: a file dropped into the folder is another."""
    make_phone_folder(tmp_path / "phone")
    other = make_model(tmp_path / place, {**FACTS, "kdc.max_length": 32})
    assert find_subject(other).accuracy is None


def test_a_changed_phone_folder_is_not_measured(tmp_path: Path) -> None:
    phone = make_phone_folder(tmp_path / "phone")
    make_model(phone / "onnx" / "model_quantized.onnx", {**FACTS, "kdc.max_length": 32})
    with pytest.raises(KdcError, match=r"corrupted: onnx/model_quantized\.onnx"):
        find_subject(phone)
