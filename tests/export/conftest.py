import shutil
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest

from kdc.export.exporters import EXPORTERS, Exporter
from kdc.export.exporters.torch_exporter import export_torch
from kdc.export.ship import Shipped
from tests.shipping import export
from tests.student import make_student, tiny_model


@pytest.fixture(scope="session")
def student_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny BERT of three labels; tests that change it copy it first."""
    return make_student(tmp_path_factory.mktemp("walk") / "student")


@pytest.fixture(scope="session")
def fp32(student_folder: Path) -> Path:
    """The tiny BERT as an fp32 `.onnx`."""
    path = student_folder.parent / "fp32.onnx"
    export_torch(student_folder, path, False)
    return path


@pytest.fixture
def ready_export(fp32: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the exporter hand out the tiny BERT's export: seconds for tests of what comes after."""

    def hand_out(student: Path, out: Path, standard: bool) -> None:
        shutil.copyfile(fp32, out)

    monkeypatch.setitem(EXPORTERS, "torch", Exporter("for a test", hand_out))


@pytest.fixture(scope="session")
def shipped(student_folder: Path) -> Shipped:
    """The tiny BERT as a phone folder in int8; its gate is wide, for its weights are random."""
    phone = student_folder.parent / "phone"
    return export(student_folder, phone, method="int8-dynamic", exporter="torch", max_drop=30.0)


@pytest.fixture
def all_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the layout mmap move the weights of tiny models out too."""
    monkeypatch.setattr("kdc.export.layouts.INSIDE", 1024)
    monkeypatch.setattr("kdc.export.install.INSIDE", 1024)


@pytest.fixture(scope="session")
def family_folder(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """A tiny model of each family with its export, `model.onnx`, beside the weights."""

    @cache
    def make(family: str) -> Path:
        folder = tmp_path_factory.mktemp(family)
        tiny_model(family, outputs=3).save_pretrained(folder)
        export_torch(folder, folder / "model.onnx", False)
        return folder

    return make
