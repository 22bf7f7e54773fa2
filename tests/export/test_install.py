from pathlib import Path

import numpy as np
import pytest

from kdc.compress.errors import KdcError
from kdc.export.install import READ, install
from kdc.export.model_file import read_model_file
from kdc.export.session import open_session
from kdc.export.ship import Shipped
from tests.shipping import export
from tests.student import tiny_tokenizer


@pytest.mark.usefixtures("all_outside")
def test_an_installed_model_answers_the_same_from_mapped_weights(
    shipped: Shipped, tmp_path: Path
) -> None:
    """Packed weights that are read back in another order answer noise, and nothing warns."""
    (source,) = shipped.folder.glob("onnx/*.onnx")
    path = install(source, tmp_path / "installed.onnx")
    assert read_model_file(path).files == (path, tmp_path / "installed.onnx_data")
    assert sorted(tmp_path.iterdir()) == [path, tmp_path / "installed.onnx_data"]
    before, after = open_session(source), open_session(path, options=READ)
    for text in ("wake me up at ten", "stop", "play some loud music in the kitchen"):
        row = np.array(tiny_tokenizer().encode(text).ids)
        wanted = before.run(row, row * 0)
        np.testing.assert_allclose(after.run(row, row * 0), wanted, atol=1e-4, rtol=1e-4)


def test_names_do_as_well_as_paths(shipped: Shipped, tmp_path: Path) -> None:
    """Bug: AttributeError; and a phone folder was refused with the advice to name one."""
    for model in (shipped.copy, shipped.folder):
        path = install(str(model), str(tmp_path / "installed.onnx"))
        assert path == tmp_path / "installed.onnx" and path.is_file()


def test_what_is_no_model_leaves_nothing_behind(tmp_path: Path) -> None:
    (tmp_path / "m.onnx").write_text("turn on the light\n")
    with pytest.raises(KdcError, match="no ONNX model"):
        install(tmp_path / "m.onnx", tmp_path / "out.onnx")
    assert [path.name for path in tmp_path.iterdir()] == ["m.onnx"]


def test_a_model_of_small_tensors_is_installed_too(shipped: Shipped, tmp_path: Path) -> None:
    """The runtime writes no second file where nothing is worth one."""
    path = install(shipped.copy, tmp_path / "installed.onnx")
    row = np.array(tiny_tokenizer().encode("stop the music").ids)
    types = np.zeros_like(row)
    wanted = open_session(shipped.copy).run(row, types)
    np.testing.assert_allclose(open_session(path, options=READ).run(row, types), wanted, atol=1e-4)


def test_a_model_of_pairs_is_not_made_slower(student_folder: Path, tmp_path: Path) -> None:
    """Bug: quantize and dequantize were never joined again: 13 times slower, other answers."""
    done = export(student_folder, tmp_path / "phone", method="int8-static", max_drop=90.0)
    with pytest.raises(KdcError, match="to be opened with the optimization 'all'"):
        install(done.copy, tmp_path / "installed.onnx")
    assert not (tmp_path / "installed.onnx").exists()


def test_a_model_is_not_installed_over_itself(shipped: Shipped) -> None:
    before = shipped.copy.read_bytes()
    with pytest.raises(KdcError, match="is the model itself"):
        install(shipped.copy, shipped.copy)
    assert shipped.copy.read_bytes() == before


@pytest.mark.usefixtures("all_outside")
@pytest.mark.parametrize("out", ["model_quantized.onnx", "model_quantized.onnx_data", "link.onnx"])
def test_the_weights_of_a_model_are_not_installed_over(
    student_folder: Path, tmp_path: Path, out: str
) -> None:
    """Bug: the copy's own weights replaced those of the model it was made from."""
    options = {"method": "int8-dynamic", "max_drop": 60.0, "layout": "mmap"}
    done = export(student_folder, tmp_path / "phone", **options)
    (tmp_path / "link.onnx").symlink_to(done.copy)
    before = {path: path.read_bytes() for path in read_model_file(done.copy).files}
    with pytest.raises(KdcError, match="is the model itself"):
        install(done.copy, tmp_path / out)
    assert {path: path.read_bytes() for path in before} == before
