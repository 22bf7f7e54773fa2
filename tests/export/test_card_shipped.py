import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import onnxruntime
import pytest

from kdc.export.card import card
from kdc.export.options import DEFAULT, PHONE, SessionOptions
from kdc.export.ship import Shipped
from kdc.export.snippets import javascript, javascript_runtime, python
from tests.shipping import export
from tests.student import make_task

FRUGAL = SessionOptions("basic", memory_pattern=False, prepacking=False)
FIELDS: dict[str, Any] = {
    "exporter": "lean",
    "target": "web",
    "layout": "single",
    "vocabulary": {"rows": 5000, "rows_before": 30522},
    "session": PHONE.as_dict(),
    "made_with": {"onnx": "1.23.2"},
}


def made(shipped: Shipped, **fields: Any) -> str:  # noqa: ANN401
    student, trial = shipped.prepared.student, shipped.outcome.shipped
    return card(student, trial, "onnx/model_quantized.onnx", {**FIELDS, **fields})


def blocks(text: str, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)


def test_the_card_says_how_the_student_became_this_file(shipped: Shipped) -> None:
    text = made(shipped)
    assert "* exporter: lean\n" in text
    assert "* quantization: int8-dynamic (int8 matrices, a scale per channel;" in text
    assert "* meant for: web (browsers" in text
    assert "* vocabulary: 5,000 of the student's 30,522 tokens\n" in text
    assert "* layout: single (one .onnx" in text
    assert "* opened with: optimization basic, memory pattern off\n" in text
    assert "* vocabulary: all of the student's tokens\n" in made(shipped, vocabulary=None)
    assert "* opened with: ONNX Runtime's defaults\n" in made(shipped, session=DEFAULT.as_dict())


def test_the_card_of_an_export_says_what_its_manifest_says(shipped: Shipped) -> None:
    """A card written before the manifest's fields were known would describe another file."""
    text = (shipped.folder / "README.md").read_text(encoding="utf-8")
    manifest = json.loads((shipped.folder / "manifest.json").read_text())
    assert f"* exporter: {manifest['exporter']}\n" in text
    assert f"* meant for: {manifest['target']} (" in text
    assert f"* layout: {manifest['layout']} (" in text
    assert "* exported with: kdc " in text


@pytest.mark.parametrize(
    "session", [DEFAULT, PHONE, FRUGAL, SessionOptions("disable", arena=False)]
)
def test_the_python_opens_the_model_with_its_own_options(
    session: SessionOptions, shipped: Shipped, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A 4-bit model that is opened with the defaults takes several times its memory at load."""
    code = python(shipped.prepared.student.task, "onnx/model_quantized.onnx", session=session)
    seen: list[Any] = []
    real = onnxruntime.InferenceSession

    def spy(path: str, options: Any = None) -> Any:  # noqa: ANN401
        seen.append(options or onnxruntime.SessionOptions())
        return real(path, options)

    monkeypatch.setattr(onnxruntime, "InferenceSession", spy)
    monkeypatch.chdir(shipped.folder)
    exec(blocks(code, "python")[0], {})
    (found,), wanted = seen, session.build(1)
    for name in ("graph_optimization_level", "enable_cpu_mem_arena", "enable_mem_pattern"):
        assert getattr(found, name) == getattr(wanted, name)
    key = "session.disable_prepacking"
    if session.prepacking:
        with pytest.raises(RuntimeError):
            found.get_session_config_entry(key)
    else:
        assert found.get_session_config_entry(key) == "1"


def test_the_javascript_opens_the_model_with_its_own_options() -> None:
    """Without them transformers.js rewrites the graph as far as it goes."""
    code = javascript(make_task(), session=replace(FRUGAL, arena=False))
    assert "env.allowLocalModels = true;" in code  # without it browsers refuse to start
    options = re.search(r'"phone", (\{.*?\})\);', code, re.DOTALL)
    assert options is not None
    assert json.loads(options[1]) == {
        "session_options": {
            "graphOptimizationLevel": "basic",
            "enableCpuMemArena": False,
            "enableMemPattern": False,
            "extra": {"session": {"disable_prepacking": "1"}},
        }
    }
    assert 'pipeline("text-classification", "phone");' in javascript(make_task())


def test_the_javascript_finds_weights_in_a_file_of_their_own(shipped: Shipped) -> None:
    """transformers.js looks for model.onnx_data only when it is told to."""
    (code,) = blocks(made(shipped, layout="mmap"), "js")
    assert '"use_external_data_format": true' in code
    assert "use_external_data_format" not in made(shipped)
    assert "with its weights in `onnx/model_quantized.onnx_data`" in made(shipped, layout="mmap")


def test_ort_files_are_given_to_the_one_library_that_reads_them(
    student_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """transformers.js asks for an .onnx by name and would find none."""
    folder = export(student_folder, tmp_path / "phone", layout="ort").folder
    text = (folder / "README.md").read_text(encoding="utf-8")
    (code,) = blocks(text, "js")
    assert "@huggingface/transformers" not in code
    assert 'create("phone/onnx/model.ort", {' in code
    assert javascript_runtime("onnx/model.ort", DEFAULT).count("{") == 1
    golden = json.loads((folder / "golden.json").read_text(encoding="utf-8"))
    monkeypatch.chdir(folder)
    names: dict[str, Any] = {}
    exec(blocks(text, "python")[0].replace('"some text"', repr(golden["texts"][0])), names)
    assert names["answer"] == golden["labels"][0]


def test_the_card_of_an_int8_model_says_what_older_x86_needs(
    shipped: Shipped, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Bug: on a processor without VNNI the card's own code answered wrongly, and nothing said so.

    What the card says is what kdc does there.
    """
    text, trial = made(shipped), shipped.outcome.shipped
    monkeypatch.setattr("kdc.export.machine.int8_overflows", lambda: True)
    built = PHONE.build(1)
    assert built.get_session_config_entry("session.x64quantprecision") == "1"
    assert built.graph_optimization_level.name == "ORT_ENABLE_EXTENDED"
    assert '`options.add_session_config_entry("session.x64quantprecision", "1")`' in text
    assert "`ORT_ENABLE_EXTENDED`" in text
    fp32 = replace(trial, method="none")
    assert "x64quantprecision" not in card(shipped.prepared.student, fp32, "onnx/model.onnx", {})
