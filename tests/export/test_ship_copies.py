"""The copy of the model that an export leaves beside its folder, and what stood there before."""

from pathlib import Path

import pytest

from kdc.compress.errors import KdcError
from kdc.compress.locks import hold
from kdc.compress.progress import Silent
from tests.shipping import export


def test_another_layout_leaves_no_older_model_beside_it(
    student_folder: Path, tmp_path: Path
) -> None:
    """`kdc bench` would measure student.onnx, which is no longer what ships."""
    export(student_folder, tmp_path / "phone")
    export(student_folder, tmp_path / "phone", layout="ort")
    assert {path.name for path in tmp_path.iterdir()} == {"phone", "student.ort"}
    assert "kdc bench --model student.ort" in (tmp_path / "phone/README.md").read_text()


@pytest.mark.parametrize("name", ["student.onnx", "student.ort", "model.onnx_data"])
def test_a_file_that_no_export_wrote_is_not_replaced(
    student_folder: Path, tmp_path: Path, name: str
) -> None:
    """Bug: the user's own student.onnx is gone, without a word."""
    (tmp_path / name).write_bytes(b"precious")
    with pytest.raises(KdcError, match=f"{name} is no file that kdc exported"):
        export(student_folder, tmp_path / "phone", layout="mmap")
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert (tmp_path / name).read_bytes() == b"precious"


def test_two_exports_that_write_one_copy_do_not_run_at_once(
    student_folder: Path, tmp_path: Path
) -> None:
    """Bug: the graph of one stands beside the weights of the other."""
    killed = tmp_path / ".phone.abc_4567.tmp"
    killed.mkdir()
    advice = "student.onnx is in use by another run: .* choose an --out in another folder"
    with hold(tmp_path / "student.onnx"), pytest.raises(KdcError, match=advice):
        export(student_folder, tmp_path / "phone")  # another --out beside it writes the same copy
    assert list(tmp_path.iterdir()) == [killed]
    export(student_folder, tmp_path / "phone")
    assert not killed.exists()


@pytest.mark.parametrize("layout", ["single", "ort"])
def test_a_copy_that_was_another_folders_is_not_replaced_without_a_word(
    student_folder: Path, tmp_path: Path, layout: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Bug: `kdc bench --model student.onnx` measures the second of two exports as the first."""
    said: list[str] = []
    monkeypatch.setattr(Silent, "say", lambda _, text: said.append(text))
    export(student_folder, tmp_path / "a")
    export(student_folder, tmp_path / "a", vocab="100", max_drop=100.0)
    assert not [line for line in said if "replaced" in line]
    export(student_folder, tmp_path / "b", layout=layout)
    (told,) = [line for line in said if "replaced" in line]
    copy, loser = tmp_path / "student.onnx", tmp_path / "a"
    assert told.startswith(f"{copy} replaced, which was the copy of {loser}: ")


@pytest.mark.parametrize("name", ["student.onnx", "student.ort"])
def test_a_folder_in_the_copys_place_is_refused_before_any_work(
    student_folder: Path, tmp_path: Path, name: str
) -> None:
    with pytest.raises(KdcError, match="is where the model's copy goes"):
        export(student_folder, tmp_path / name)
    (tmp_path / name).mkdir()
    with pytest.raises(KdcError, match="is where the model's copy goes"):
        export(student_folder, tmp_path / "phone", layout="mmap")
    assert [path.name for path in tmp_path.iterdir()] == [name]
