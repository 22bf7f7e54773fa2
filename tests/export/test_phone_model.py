from pathlib import Path

import pytest

from kdc.compress.errors import KdcError
from kdc.export.phone_model import find_phone
from tests.onnx_model import FACTS, make_model, make_phone_folder


def test_a_file_beside_the_model_that_ships_is_not_taken_for_it(tmp_path: Path) -> None:
    """Bug: kdc eval on another model inside a phone folder told the score of the one that ships."""
    phone = make_phone_folder(tmp_path / "phone")
    own = phone / "onnx" / "model_quantized.onnx"
    assert find_phone(own).model == own
    other = make_model(phone / "onnx" / "model_fp16.onnx", {**FACTS, "kdc.max_length": 32})
    with pytest.raises(KdcError, match=r"model_fp16\.onnx is not the model that .*phone ships"):
        find_phone(other)


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
