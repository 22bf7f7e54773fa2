import json
import re
import sys
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import onnx
import pytest
from packaging.version import Version
from typer.testing import CliRunner, Result

from kdc.cli.main import build
from kdc.compress.errors import KdcError
from kdc.export.exporters import EXPORTERS
from kdc.export.exporters import optimum_exporter as module
from kdc.export.phone_model import read_phone
from kdc.export.session import open_session
from tests.answers import assert_answers_as_torch
from tests.student import FAMILIES, make_student, tiny_model


def why_not() -> str:
    """Say why this environment cannot run optimum's exporter; empty where it can."""
    try:
        version("optimum-onnx")
    except PackageNotFoundError:
        return "needs optimum-onnx: make test-457"
    here = version("transformers")
    return "" if Version(here) < Version("4.58") else f"transformers {here} is too new for optimum"


needs_optimum = pytest.mark.skipif(bool(why_not()), reason=why_not() or "optimum is here")


def export(student: Path, out: Path) -> Result:
    arguments = ["export", str(student), "--exporter", "optimum", "--out", str(out)]
    return CliRunner().invoke(build(), [*arguments, "--json", str(out.with_suffix(".json"))])


@needs_optimum
@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_answers_as_torch_does_at_any_batch_and_length(
    family: str, tmp_path: Path
) -> None:
    """The tracer behind optimum keeps as a constant whatever the model computed in Python."""
    tiny_model(family, outputs=3).save_pretrained(tmp_path)
    EXPORTERS["optimum"].export(tmp_path, tmp_path / "model.onnx", True)
    assert_answers_as_torch(open_session(tmp_path / "model.onnx"), family)


@needs_optimum
@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_becomes_a_phone_folder(family: str, tmp_path: Path) -> None:
    """The gate, the golden answers and the digests hold whoever wrote the graph."""
    student = make_student(tmp_path / "student", family, rows=20)
    done = export(student, tmp_path / "phone")
    assert done.exit_code == 0, done.output
    phone = read_phone(tmp_path / "phone")
    assert phone.manifest["parity"]["export"]["largest"] < 1e-3
    assert json.loads((tmp_path / "phone.json").read_text())["tried"][0]["drop"]["points"] == 0


@needs_optimum
def test_its_file_looks_like_ours(
    student_folder: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """optimum logs and validates at length, and its files carry its own names of axes."""
    for name in ("one.onnx", "two.onnx"):
        EXPORTERS["optimum"].export(student_folder, tmp_path / name, False)
    assert capfd.readouterr() == ("", "")
    assert (tmp_path / "one.onnx").read_bytes() == (tmp_path / "two.onnx").read_bytes()
    model = onnx.load(tmp_path / "one.onnx")
    shapes = {
        value.name: [axis.dim_param or axis.dim_value for axis in value.type.tensor_type.shape.dim]
        for value in (*model.graph.input, *model.graph.output)
    }
    names = ("input_ids", "attention_mask", "token_type_ids")
    assert shapes == {**{name: ["batch", "length"] for name in names}, "logits": ["batch", 3]}
    assert {node.domain for node in model.graph.node} == {""}
    assert b"site-packages" not in (tmp_path / "one.onnx").read_bytes()


@needs_optimum
def test_what_optimum_cannot_follow_is_one_sentence(
    student_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a family that it does not know, optimum tells in a page of advice to developers."""

    def fail(*_: object, **__: object) -> None:
        raise ValueError("no onnx config for odd-bert\nsee the 80 lines below")

    monkeypatch.setattr("optimum.exporters.onnx.onnx_export_from_model", fail)
    with pytest.raises(KdcError, match=r"BertForSequenceClassification.*odd-bert") as caught:
        EXPORTERS["optimum"].export(student_folder, tmp_path / "model.onnx", False)
    assert "80 lines" not in str(caught.value)


def installed(**versions: str) -> Callable[[str], str]:
    def look(name: str) -> str:
        if name not in versions:
            raise PackageNotFoundError(name)
        return versions[name]

    return look


def test_without_optimum_the_command_to_get_it_is_told_and_nothing_is_written(
    student_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Installed into the environment at hand, it would take that one's transformers away."""
    monkeypatch.setattr(module, "version", installed(transformers="5.23.0"))
    done = export(student_folder, tmp_path / "phone")
    assert done.exit_code == 1
    assert re.search(r"pip install 'kdc\[optimum\]' in an environment of its own", done.stderr)
    assert "5.23.0" in done.stderr and done.stderr.count("\n") == 2, done.stderr
    assert not list(tmp_path.iterdir())
    assert "optimum.exporters.onnx" not in sys.modules or not why_not()


@pytest.mark.parametrize("too_new", ["4.58.0", "5.23.0"])
def test_a_transformers_that_optimum_cannot_read_is_refused(
    too_new: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Forced together they fail at import, on names that are gone."""
    both = installed(**{"transformers": too_new, "optimum-onnx": "0.1.0"})
    monkeypatch.setattr(module, "version", both)
    with pytest.raises(KdcError, match=rf"transformers {too_new}.*pip install 'kdc\[optimum\]'"):
        module.check_optimum()


def test_the_transformers_that_optimum_reads_is_let_through(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    both = installed(**{"transformers": "4.57.6", "optimum-onnx": "0.1.0"})
    monkeypatch.setattr(module, "version", both)
    module.check_optimum()
