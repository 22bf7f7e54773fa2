import random
import zipfile
from collections.abc import Callable
from pathlib import Path

import onnx
import pytest

from kdc.compress.errors import KdcError
from kdc.export.model_file import deflated_bytes, read_model_file
from tests.onnx_model import FACTS, POSITIONS, VOCAB, make_model


def _outside(path: Path, weights: str = "m.onnx.data") -> Path:
    """Write the classifier with its weights in a second file."""
    model = onnx.load(make_model(path, FACTS))
    onnx.save(model, path, save_as_external_data=True, location="m.onnx.data", size_threshold=0)
    model = onnx.load(path, load_external_data=False)
    for tensor in model.graph.initializer:
        for entry in tensor.external_data:
            entry.value = weights if entry.key == "location" else entry.value
    path.write_bytes(model.SerializeToString())
    return path


def test_properties_are_read(tmp_path: Path) -> None:
    file = read_model_file(make_model(tmp_path / "m.onnx", FACTS))
    assert (file.lengths, file.vocab, file.max_length) == ((4, 6, 9), VOCAB, POSITIONS)


def test_a_foreign_file_has_none(tmp_path: Path) -> None:
    file = read_model_file(make_model(tmp_path / "m.onnx"))
    assert (file.lengths, file.vocab, file.max_length) == (None, None, None)


@pytest.mark.parametrize("size", [0, 10, 3_000_000])
def test_zipped_size_is_what_zip_makes_of_it(tmp_path: Path, size: int) -> None:
    """Text and noise, longer than one piece: pieces must not be compressed one by one."""
    path = tmp_path / "file"
    path.write_bytes(random.Random(1).randbytes(size // 2) + b"the same again" * (size // 28))
    with zipfile.ZipFile(tmp_path / "zip", "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        archive.write(path)
        assert deflated_bytes(path) == archive.infolist()[0].compress_size


def test_weights_in_a_second_file_count(tmp_path: Path) -> None:
    """An exporter that writes `.onnx.data` made a 90 MB model look like half a megabyte."""
    file = read_model_file(_outside(tmp_path / "m.onnx"))
    data = tmp_path / "m.onnx.data"
    assert file.files == (tmp_path / "m.onnx", data)
    assert file.size_bytes == (tmp_path / "m.onnx").stat().st_size + data.stat().st_size
    assert file.zip_bytes == deflated_bytes(tmp_path / "m.onnx") + deflated_bytes(data)


@pytest.mark.parametrize("name", ["../secret", "/etc/hostname", "link", "folder/hostname"])
def test_weights_outside_the_folder_are_refused(tmp_path: Path, name: str) -> None:
    """A hostile file that names /etc/shadow as its weights must not be followed."""
    (tmp_path / "link").symlink_to("/etc/hostname")
    (tmp_path / "folder").symlink_to("/etc")
    with pytest.raises(KdcError, match="names weights outside its folder"):
        read_model_file(_outside(tmp_path / "m.onnx", name))


def test_missing_weights_are_named(tmp_path: Path) -> None:
    with pytest.raises(KdcError, match=r"incomplete: its weights 'gone\.data' are missing"):
        read_model_file(_outside(tmp_path / "m.onnx", "gone.data"))


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (lambda path: None, "there is no model at"),
        (lambda path: path.write_bytes(b""), "has no graph"),
        (lambda path: path.write_text("turn on the light\n"), "no ONNX model or is cut short"),
        (lambda path: path.write_bytes(make_model(path).read_bytes()[:-9]), "is cut short"),
    ],
)
def test_what_is_no_model_is_one_sentence(
    tmp_path: Path, spoil: Callable[[Path], object], told: str
) -> None:
    spoil(tmp_path / "m.onnx")
    with pytest.raises(KdcError, match=told):
        read_model_file(tmp_path / "m.onnx")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("kdc.lengths", []),
        ("kdc.lengths", [4, 0]),
        ("kdc.lengths", [4, True]),
        ("kdc.lengths", [4.5]),
        ("kdc.lengths", list(range(1, 66))),
        ("kdc.lengths", "4"),
        ("kdc.vocab", -1),
        ("kdc.vocab", 10**30),
        ("kdc.max_length", None),
    ],
)
def test_a_property_that_makes_no_sense_is_named(tmp_path: Path, name: str, value: object) -> None:
    """They come from a file: what is not checked here would be a traceback, or filled memory."""
    with pytest.raises(KdcError, match=f"carries a damaged property {name}: export it again"):
        read_model_file(make_model(tmp_path / "m.onnx", {**FACTS, name: value}))
