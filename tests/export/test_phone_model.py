import shutil
from pathlib import Path

import onnx
import pytest

from kdc.compress.errors import KdcError
from kdc.export.phone_model import find_phone
from kdc.export.subject import find_subject
from tests.onnx_model import FACTS, make_model, make_phone_folder
from tests.student import remake


def test_a_file_beside_the_model_that_ships_is_not_taken_for_it(tmp_path: Path) -> None:
    """Bug: kdc eval on another model inside a phone folder told the score of the one that ships."""
    phone = make_phone_folder(tmp_path / "phone")
    own = phone / "onnx" / "model_quantized.onnx"
    assert find_phone(own).model == own
    other = make_model(phone / "onnx" / "model_fp16.onnx", {**FACTS, "kdc.max_length": 32})
    with pytest.raises(KdcError, match=r"model_fp16\.onnx is not the model that .*phone ships"):
        find_phone(other)


def _of_these_weights(phone: Path, number: int) -> Path:
    """Make a phone folder whose weights lie beside its model and differ by their number alone."""
    make_phone_folder(phone)
    path, data = phone / "onnx" / "model_quantized.onnx", "model_quantized.onnx_data"
    onnx.save(onnx.load(path), path, save_as_external_data=True, location=data, size_threshold=0)
    weights = bytearray((phone / "onnx" / data).read_bytes())
    weights[7] ^= number
    (phone / "onnx" / data).write_bytes(weights)
    remake(phone)
    return phone


def test_a_copy_is_of_the_folder_that_holds_its_weights_too(tmp_path: Path) -> None:
    """Bug: of two models with one graph, kdc eval on the second ran the first that it found."""
    first, second = (_of_these_weights(tmp_path / name, n) for n, name in enumerate("ab"))
    copy, inside = tmp_path / "student.onnx", second / "onnx" / "model_quantized.onnx"
    assert inside.read_bytes() == (first / "onnx" / inside.name).read_bytes()
    for file in (second / "onnx").iterdir():
        shutil.copyfile(file, tmp_path / (copy.name if file == inside else file.name))
    assert find_phone(copy).folder == second
    assert find_subject(copy).accuracy is not None
    weights = tmp_path / "model_quantized.onnx_data"
    changed = bytearray(weights.read_bytes())
    changed[7] ^= 2
    weights.write_bytes(changed)
    with pytest.raises(KdcError, match="its bytes are not those that a, b hold"):
        find_phone(copy)
    assert find_subject(copy).phone is None
    weights.unlink()
    with pytest.raises(KdcError, match=r"its weights .* are missing beside it"):
        find_phone(copy)


def test_a_folder_called_manifest_is_no_internal_error(tmp_path: Path) -> None:
    (tmp_path / "a" / "manifest.json").mkdir(parents=True)
    with pytest.raises(KdcError, match=r"no phone folder with .*m\.onnx was found beside it"):
        find_phone(make_model(tmp_path / "m.onnx"))


def test_a_damaged_copy_is_told_as_that(tmp_path: Path) -> None:
    """Bug: a copy that was cut short was "found beside no phone folder", which lay beside it."""
    phone = make_phone_folder(tmp_path / "phone")
    whole = (phone / "onnx" / "model_quantized.onnx").read_bytes()
    copy, flipped = tmp_path / "student.onnx", bytearray(whole)
    flipped[whole.index(b"attention_mask")] ^= 1
    for content, told in (
        (whole[:-20], r"student\.onnx is no ONNX model or is cut short: export it again"),
        (b"<!doctype html>", r"student\.onnx is no ONNX model or is cut short: export it again"),
        (bytes(flipped), "its bytes are not those that phone holds: name the phone folder itself"),
    ):
        copy.write_bytes(content)
        with pytest.raises(KdcError, match=told):
            find_phone(copy)
    copy.write_bytes(whole)
    assert find_phone(copy).folder == phone
