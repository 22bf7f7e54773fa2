"""The copy of the model that an export leaves beside its folder, and what stood there before."""

import shutil
from pathlib import Path

import pytest
from safetensors.torch import load_file, save_file

from kdc.compress.errors import KdcError
from kdc.compress.examples import save_examples
from kdc.compress.locks import hold
from kdc.compress.progress import Silent
from kdc.export.phone_model import find_phone
from tests.shipping import export
from tests.student import make_task, remake, tiny_examples, tiny_model


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


@pytest.mark.usefixtures("all_outside")
def test_a_copy_that_differs_in_the_weights_beside_it_is_another(
    student_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Bug: two students of one shape have one graph, and the second's was taken for the first's."""
    other = Path(shutil.copytree(student_folder, tmp_path / "other"))
    weights = load_file(other / "model.safetensors")
    weights["bert.embeddings.word_embeddings.weight"] *= 0.9
    save_file(weights, other / "model.safetensors", {"format": "pt"})
    model = tiny_model("Bert", 3)
    model.load_state_dict(weights)
    save_examples(other / "dev.npz", tiny_examples(model, make_task(), 60, seed=1))
    remake(other)
    said: list[str] = []
    monkeypatch.setattr(Silent, "say", lambda _, text: said.append(text))
    first = export(student_folder, tmp_path / "a", layout="mmap").copy.read_bytes()
    second = export(other, tmp_path / "b", layout="mmap")
    assert second.copy.read_bytes() == first
    assert len([line for line in said if f"which was the copy of {tmp_path / 'a'}:" in line]) == 1
    assert find_phone(second.copy).folder.name == "b"


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
