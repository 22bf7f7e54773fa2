import errno
import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from kdc.compress.artifact import read_student
from kdc.compress.errors import GateFailed, KdcError
from kdc.compress.files import sha256
from kdc.compress.metrics import score
from kdc.compress.progress import Silent
from kdc.export import ship as module
from kdc.export.card import card
from kdc.export.phone_model import find_phone, read_phone
from kdc.export.session import answer, open_session
from kdc.export.ship import Shipped
from tests.folders import digests
from tests.shipping import export
from tests.student import LABELS, MAX_LENGTH, remake

INT8 = {"method": "int8-dynamic", "max_drop": 30.0}


def test_the_phone_folder_has_the_files_of_the_contract(shipped: Shipped) -> None:
    names = {p.relative_to(shipped.folder).as_posix() for p in shipped.folder.rglob("*")}
    assert names == {
        "README.md",
        "config.json",
        "golden.json",
        "manifest.json",
        "onnx",
        "onnx/model_quantized.onnx",
        "tokenizer.json",
        "tokenizer_config.json",
        "vocab.txt",
    }
    beside = {path.name for path in shipped.folder.parent.iterdir() if path.name.startswith(".")}
    assert not beside


def test_the_copy_has_the_bytes_of_the_model_and_finds_its_folder(shipped: Shipped) -> None:
    """`kdc bench --model student.onnx` looks for the tokenizer through the digest."""
    assert shipped.copy.name == "student.onnx"
    assert shipped.copy.parent == shipped.folder.parent
    phone = find_phone(shipped.copy)
    assert phone.model.read_bytes() == shipped.copy.read_bytes()


def test_the_manifest_says_where_it_comes_from_and_how_good_it_is(
    shipped: Shipped, student_folder: Path
) -> None:
    phone, student = read_phone(shipped.folder), read_student(student_folder)
    fields = phone.manifest
    assert fields["format"] == "kdc.phone/1"
    assert fields["parent"]["student"] == sha256(student_folder / "manifest.json")
    assert fields["parent"]["teacher"] == "a" * 64
    assert fields["labels"] == list(LABELS)
    assert (fields["max_length"], fields["quantization"]) == (MAX_LENGTH, "int8-dynamic")
    assert phone.task == student.task
    dev = student.dev()
    logits = answer(open_session(phone.model), dev, Silent())
    assert fields["metrics"]["shipped"] == score("accuracy", logits, dev.labels).as_dict()
    assert fields["metrics"]["student"] == student.student.as_dict()
    assert fields["parity"]["export"]["largest"] < 1e-4
    assert 0 < fields["parity"]["shipped"]["agreement"] <= 1
    assert {"kdc", "onnx", "onnxruntime", "torch"} <= set(fields["made_with"])
    assert json.loads(json.dumps(shipped.as_dict()))["method"] == "int8-dynamic"


@pytest.mark.usefixtures("ready_export")
def test_the_same_student_gives_the_same_folder(
    student_folder: Path, shipped: Shipped, tmp_path: Path
) -> None:
    """A digest that changes from run to run cannot be checked by anybody else."""
    again = export(student_folder, tmp_path / "phone", exporter="torch", **INT8)
    assert sha256(again.folder / "manifest.json") == sha256(shipped.folder / "manifest.json")


@pytest.fixture
def earlier(shipped: Shipped, tmp_path: Path) -> Path:
    """A folder with the results of an earlier export in it."""
    shutil.copytree(shipped.folder, tmp_path / "phone")
    shutil.copyfile(shipped.copy, tmp_path / "student.onnx")
    return tmp_path


@pytest.mark.usefixtures("ready_export")
def test_without_quantization_the_model_is_called_model_onnx(
    student_folder: Path, earlier: Path
) -> None:
    """transformers.js looks for that name, and an older quantized file must not stay."""
    done = export(student_folder, earlier / "phone", exporter="torch")
    assert [path.name for path in (earlier / "phone" / "onnx").iterdir()] == ["model.onnx"]
    assert done.outcome.shipped.drop.points == 0.0
    assert (earlier / "student.onnx").read_bytes() == (
        earlier / "phone/onnx/model.onnx"
    ).read_bytes()


@pytest.mark.usefixtures("ready_export")
@pytest.mark.parametrize("fault", ["gate", "interrupt", "full disk", "nan"])
def test_whatever_fails_leaves_everything_as_it_was(
    fault: str, student_folder: Path, earlier: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A new model beside an old phone folder, or half of one, would ship."""

    def stop(*_: object) -> None:
        if fault == "interrupt":
            raise KeyboardInterrupt
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    options: dict[str, Any] = {"exporter": "torch"}
    expected: type[BaseException] = {"interrupt": KeyboardInterrupt, "full disk": KdcError}.get(
        fault, GateFailed
    )
    if fault == "gate":
        options["method"] = "int8-dynamic"
        monkeypatch.setattr("kdc.export.trials.answer", lambda _, dev, __: -dev.logits)
    elif fault == "nan":
        monkeypatch.setattr(
            "kdc.export.trials.answer", lambda _, dev, __: dev.logits * float("nan")
        )
    else:
        monkeypatch.setattr(module, "write_golden", stop)
    before = digests(earlier)
    with pytest.raises(expected) as caught:
        export(student_folder, earlier / "phone", **options)
    assert digests(earlier) == before
    if fault == "full disk":
        assert "the disk is full" in str(caught.value)


def test_a_folder_of_something_else_is_left_alone(student_folder: Path, tmp_path: Path) -> None:
    (tmp_path / "phone").mkdir()
    (tmp_path / "phone" / "holiday.jpg").write_bytes(b"x")
    with pytest.raises(KdcError, match="already holds something else"):
        export(student_folder, tmp_path / "phone")
    assert digests(tmp_path) == {"phone/holiday.jpg": sha256(tmp_path / "phone/holiday.jpg")}


@pytest.mark.parametrize("place", ["student/phone", "student/new/phone", "student/./phone"])
def test_nothing_is_written_into_the_student(
    place: str, student_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Bug: the next kdc distill refused its own student, which held a phone folder and a model."""
    monkeypatch.chdir(tmp_path)
    before = digests(Path(shutil.copytree(student_folder, "student")))
    told = f"--out {Path(place)} lies inside student, which is read: choose another --out"
    with pytest.raises(KdcError, match=told):
        export(Path("student"), Path(place))
    monkeypatch.chdir("student")
    with pytest.raises(KdcError, match=r"--out phone lies inside \., which is read"):
        export(Path(), Path("phone"))
    assert digests(tmp_path / "student") == before


def test_a_corrupted_student_is_refused_by_file(student_folder: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(student_folder, tmp_path / "student")
    data = bytearray((folder / "model.safetensors").read_bytes())
    data[-3] ^= 1
    (folder / "model.safetensors").write_bytes(data)
    with pytest.raises(KdcError, match=r"corrupted: model.safetensors"):
        export(folder, tmp_path / "phone")
    assert not (tmp_path / "phone").exists()


def test_a_student_that_was_trained_on_is_refused(student_folder: Path, tmp_path: Path) -> None:
    """Its dev.npz, and so its score, are those of other weights."""
    from safetensors.torch import load_file, save_file

    folder = shutil.copytree(student_folder, tmp_path / "student")
    weights = load_file(folder / "model.safetensors")
    weights["classifier.bias"] += 0.01
    save_file(weights, folder / "model.safetensors", {"format": "pt"})
    remake(folder)
    with pytest.raises(GateFailed, match=r"differ from the student's own by up to 0\.01"):
        export(folder, tmp_path / "phone")
    assert not (tmp_path / "student.onnx").exists()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"method": "int8"}, r"unknown quantization method 'int8'.*int8-dynamic"),
        ({"exporter": "troch"}, r"unknown exporter 'troch'.*torch"),
        ({"layout": "map"}, r"unknown layout 'map'.*mmap"),
        ({"target": "arm"}, r"unknown target 'arm'.*arm64"),
    ],
)
def test_unknown_names_are_refused_before_any_work(
    options: dict[str, str], said: str, tmp_path: Path
) -> None:
    with pytest.raises(KdcError, match=said):
        export(tmp_path / "no-such-student", tmp_path / "phone", **options)


@pytest.mark.parametrize("gone", [False, True])
@pytest.mark.usefixtures("ready_export")
def test_a_student_that_is_replaced_meanwhile_is_not_named_as_parent(
    gone: bool, student_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Bug: the digest was taken at the end, and the model was of the student before."""
    student = shutil.copytree(student_folder, tmp_path / "student")
    before = read_student(student).digest

    def replaces(*given: Any) -> str:  # noqa: ANN401
        text = card(*given)
        assert f"* student sha256: {before}\n" in text
        (student / "manifest.json").write_text("{}")
        if gone:
            shutil.rmtree(student)
        return text

    monkeypatch.setattr(module, "card", replaces)
    with pytest.raises(KdcError, match="student was replaced while it was exported"):
        export(student, tmp_path / "phone", exporter="torch")
    assert not (tmp_path / "phone").exists() and not (tmp_path / "student.onnx").exists()
