"""Phone folders whose model is no single `.onnx`: whole, found, measured, bundled, checked."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from kdc.compress.errors import KdcError
from kdc.compress.files import whole_file
from kdc.compress.progress import Silent
from kdc.export.bundle import bundle
from kdc.export.bundle.app import BundleJob
from kdc.export.job import ExportJob
from kdc.export.measure import Plan, bench
from kdc.export.model_file import read_model_file
from kdc.export.phone_model import find_phone, read_phone
from kdc.export.ship import Shipped, ship
from kdc.export.subject import Subject
from tests.shipping import export

pytestmark = pytest.mark.usefixtures("all_outside")
FILES = {
    "mmap": ["model_quantized.onnx", "model_quantized.onnx_data"],
    "ort": ["model_quantized.ort", "required_operators.config"],
}


@pytest.fixture(scope="module", params=FILES)
def laid_out(
    request: pytest.FixtureRequest, student_folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> Shipped:
    options = {"method": "int8-dynamic", "max_drop": 60.0, "layout": request.param}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("kdc.export.layouts.INSIDE", 1024)
        return export(student_folder, tmp_path_factory.mktemp("laid") / "phone", **options)


def flip(path: Path) -> None:
    """Change one bit in the middle of a file."""
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def test_the_folder_and_its_copy_are_whole(laid_out: Shipped) -> None:
    """A model beside which its weights are missing opens nowhere."""
    layout = read_phone(laid_out.folder).manifest["layout"]
    inside = laid_out.folder / "onnx"
    assert sorted(path.name for path in inside.iterdir()) == FILES[layout]
    assert laid_out.copy.name == {"mmap": "student.onnx", "ort": "student.ort"}[layout]
    files = read_model_file(laid_out.copy).files
    assert [path.parent for path in files] == [laid_out.folder.parent] * len(files)
    twins = [path.read_bytes() for path in files]
    assert twins == [path.read_bytes() for path in read_model_file(find_model(laid_out)).files]


def _benched(model: Path) -> Subject:
    return bench([model], Plan(lengths=(8,), seconds=0.05), Silent()).subjects[0]


def find_model(laid_out: Shipped) -> Path:
    return find_phone(laid_out.copy).model


def test_the_bytes_that_are_told_are_those_of_what_ships(laid_out: Shipped) -> None:
    """Bug: weights that grew as they were converted were told with the bytes of the .onnx."""
    file = read_model_file(find_model(laid_out))
    told = laid_out.as_dict()["tried"][-1]
    assert (told["bytes"], told["zip_bytes"]) == (file.size_bytes, file.zip_bytes)
    assert f"({file.size_bytes} bytes)" in (laid_out.folder / "README.md").read_text()


def test_a_layout_that_grows_the_model_says_so(
    student_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """ONNX Runtime folds fp16 weights into fp32 as it converts: twice the bytes, unannounced."""
    job = ExportJob(student_folder, tmp_path / "phone", "fp16", layout="ort", vocab="keep")
    said: list[str] = []
    monkeypatch.setattr(Silent, "say", lambda _, text: said.append(text))
    done = ship(job, Silent())
    grown = done.outcome.shipped.bytes
    assert grown == (tmp_path / "student.ort").stat().st_size
    assert f" in {grown / 1e6:.2f} MB: --layout single is" in said[-1]


def test_it_is_measured_with_its_accuracy_and_bundled(laid_out: Shipped, tmp_path: Path) -> None:
    found = _benched(laid_out.copy)
    assert found.size_bytes == read_model_file(find_model(laid_out)).size_bytes
    assert found.accuracy is not None
    assert found.accuracy.shipped.as_dict() == laid_out.outcome.shipped.score.as_dict()
    bundle(BundleJob(laid_out.folder, "web", tmp_path / "app"))
    for path in (laid_out.folder / "onnx").iterdir():
        copied = tmp_path / "app" / "assets" / "onnx" / path.name
        assert copied.read_bytes() == path.read_bytes()


def test_every_file_of_the_model_is_under_a_digest(laid_out: Shipped) -> None:
    """Weights of their own are as good a place for a changed bit as the graph."""
    for path in (laid_out.folder / "onnx").iterdir():
        whole = path.read_bytes()
        flip(path)
        with pytest.raises(KdcError, match=f"corrupted: onnx/{path.name}"):
            read_phone(laid_out.folder)
        path.write_bytes(whole)
    read_phone(laid_out.folder)


def test_a_changed_copy_is_not_given_the_folders_accuracy(
    student_folder: Path, tmp_path: Path
) -> None:
    """The graph beside other weights is another model, though its own bytes are the same."""
    options = {"method": "int8-dynamic", "max_drop": 60.0, "layout": "mmap"}
    done = export(student_folder, tmp_path / "phone", **options)
    flip(tmp_path / "model_quantized.onnx_data")
    assert _benched(done.copy).accuracy is None
    shutil.copyfile(done.folder / "onnx" / "model_quantized.onnx_data", tmp_path / "whole")
    (tmp_path / "whole").replace(tmp_path / "model_quantized.onnx_data")
    done.copy.write_bytes(done.copy.read_bytes() + b"\x0a\x00")
    with pytest.raises(KdcError, match="no phone folder with"):
        find_phone(done.copy)


@pytest.mark.parametrize("name", ["student.onnx", "model_quantized.onnx_data"])
def test_an_export_that_was_killed_on_the_way_does_not_block_the_next(
    name: str, student_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Bug: weights without their model were taken for a file of the user's, for ever."""
    options = {"method": "int8-dynamic", "max_drop": 60.0, "layout": "mmap"}

    @contextmanager
    def killed(path: Path) -> Iterator[Path]:
        with whole_file(path) as temporary:
            yield temporary
            if path.name == name:
                raise KeyboardInterrupt

    export(student_folder, tmp_path / "phone", vocab="100", **{**options, "max_drop": 100.0})
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr("kdc.export.ship.whole_file", killed)
        export(student_folder, tmp_path / "phone", **options)
    assert not (tmp_path / "student.onnx").exists()
    assert (tmp_path / "model_quantized.onnx_data").exists() == (name == "student.onnx")
    done = export(student_folder, tmp_path / "phone", **options)
    assert len(read_model_file(done.copy).files) == 2


def test_another_layout_replaces_the_copies_of_the_last(
    student_folder: Path, tmp_path: Path
) -> None:
    options = {"method": "int8-dynamic", "max_drop": 60.0}
    export(student_folder, tmp_path / "phone", layout="mmap", **options)
    done = export(student_folder, tmp_path / "phone", **options)
    assert [path.name for path in (done.folder / "onnx").iterdir()] == ["model_quantized.onnx"]
    assert read_model_file(done.copy).files == (done.copy,)
    assert {path.name for path in tmp_path.iterdir()} == {"phone", "student.onnx"}
