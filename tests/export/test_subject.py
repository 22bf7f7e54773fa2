import hashlib
import shutil
from pathlib import Path

import onnx
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


def test_what_was_put_into_a_phone_folder_does_not_stop_it(tmp_path: Path) -> None:
    """Bug: a second model beside the one that ships, and kdc bench called it no phone folder."""
    phone = make_phone_folder(tmp_path / "phone")
    before = find_subject(phone).facts["ledger"]
    make_model(phone / "onnx" / "model_fp16.onnx", FACTS)
    assert find_subject(phone).facts["ledger"] == before


def test_a_strange_folder_beside_a_model_is_passed_over(tmp_path: Path) -> None:
    """Bug: a folder called manifest.json in any folder beside it was an internal error."""
    (tmp_path / "a" / "manifest.json").mkdir(parents=True)
    phone = make_phone_folder(tmp_path / "phone")
    copy = tmp_path / "student.onnx"
    shutil.copyfile(phone / "onnx" / "model_quantized.onnx", copy)
    assert find_subject(copy).accuracy is not None
    assert find_subject(make_model(tmp_path / "other.onnx")).accuracy is None


def test_models_that_differ_in_the_weights_beside_them_are_two(tmp_path: Path) -> None:
    """Bug: the digest was of the graph alone, so kdc report took two models for one."""
    digests = set()
    for number in range(2):
        folder = tmp_path / str(number)
        folder.mkdir()
        path = make_model(folder / "m.onnx")
        model = onnx.load(path)
        onnx.save(model, path, save_as_external_data=True, location="w", size_threshold=0)
        weights = bytearray((folder / "w").read_bytes())
        weights[7] ^= number
        (folder / "w").write_bytes(weights)
        both = path.read_bytes() + bytes(weights)
        digests.add(find_subject(path).sha256)
        assert find_subject(path).sha256 == hashlib.sha256(both).hexdigest()
    assert len(digests) == 2
    assert len({sha256(tmp_path / str(number) / "m.onnx") for number in range(2)}) == 1


def test_a_changed_phone_folder_is_not_measured(tmp_path: Path) -> None:
    phone = make_phone_folder(tmp_path / "phone")
    make_model(phone / "onnx" / "model_quantized.onnx", {**FACTS, "kdc.max_length": 32})
    with pytest.raises(KdcError, match=r"corrupted: onnx/model_quantized\.onnx"):
        find_subject(phone)
