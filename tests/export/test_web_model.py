import json
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

import pytest

from kdc.export.bundle import BundleJob, bundle
from kdc.export.options import DEFAULT, Level, SessionOptions
from kdc.export.phone_model import read_phone
from tests.shipping import export

LEVELS = {"disable": "disabled", "basic": "basic", "extended": "extended", "all": "all"}
Script = Callable[[str], Any]


@pytest.fixture
def script(root: Path) -> Script:
    """Evaluate an expression with the page's model.js loaded; it comes back through JSON."""
    node = shutil.which("node")
    if node is None:
        pytest.skip("no node is installed")
    source = (root / "sample_apps" / "web" / "model.js").read_text(encoding="utf-8")

    def evaluate(expression: str) -> Any:  # noqa: ANN401
        say = f"console.log(JSON.stringify(await ({expression})));"
        command = [node, "--input-type=module", "--eval", f"{source}\n{say}"]
        run = subprocess.run(command, capture_output=True, text=True, timeout=60)
        if run.returncode:
            raise AssertionError(run.stderr)
        return json.loads(run.stdout)

    return evaluate


@pytest.mark.parametrize("level", get_args(Level))
@pytest.mark.parametrize("on", [True, False])
def test_the_page_opens_a_model_as_its_manifest_says(
    level: Level, on: bool, script: Script
) -> None:
    """ONNX Runtime Web has other names for the same options, and ignores those it does not know."""
    session = SessionOptions(level, arena=on, memory_pattern=not on, prepacking=on)
    options = script(f"sessionOptions({json.dumps(session.as_dict())})")
    assert options.pop("extra", None) == (None if on else {"session": {"disable_prepacking": "1"}})
    assert options == {
        "executionProviders": ["wasm"],
        "graphOptimizationLevel": LEVELS[level],
        "enableCpuMemArena": on,
        "enableMemPattern": not on,
    }


def test_a_manifest_without_options_means_the_defaults(script: Script) -> None:
    """Phone folders of before there were options must still open."""
    assert script("sessionOptions()") == script(f"sessionOptions({json.dumps(DEFAULT.as_dict())})")


def test_an_unknown_optimization_is_refused(script: Script) -> None:
    with pytest.raises(AssertionError, match="unknown optimization, toString"):
        script('sessionOptions({ optimization: "toString" })')


@pytest.mark.parametrize("layout", ["single", "mmap", "ort"])
def test_the_page_finds_the_model_in_every_layout(
    layout: str, script: Script, student_folder: Path, tmp_path: Path
) -> None:
    """A page that looks for .onnx alone calls an .ort damaged, and forgets weights beside it."""
    phone = read_phone(export(student_folder, tmp_path / "phone", layout=layout).folder)
    names = json.dumps(list(phone.manifest["files"]))
    found = script(f"modelFiles({names})")
    graph = phone.model.relative_to(phone.folder).as_posix()
    assert found == {"graph": graph, "weights": f"{graph}_data" if layout == "mmap" else None}
    given = script(f"externalData({json.dumps(found['weights'])}, [7])")
    wanted = {"externalData": [{"path": "model.onnx_data", "data": [7]}]}
    assert given == (wanted if layout == "mmap" else {})


def test_a_text_is_filled_up_to_the_length_of_a_model_that_has_one(script: Script) -> None:
    """A model of fixed shape refuses a shorter text."""
    runtime = "{ Tensor: class { constructor(kind, data) { this.data = [...data].map(Number); } } }"
    names = 'inputNames: ["input_ids", "attention_mask", "token_type_ids"]'

    def fed(shape: str, types: str) -> Any:  # noqa: ANN401
        session = f"{{ {names}, inputMetadata: [{{ shape: {shape} }}] }}"
        return script(f"feeds({runtime}, {session}, [5, 6, 7], {types}, 3)")

    free = fed('["batch", "length"]', "undefined")
    assert {name: tensor["data"] for name, tensor in free.items()} == {
        "input_ids": [5, 6, 7],
        "attention_mask": [1, 1, 1],
        "token_type_ids": [0, 0, 0],
    }
    fixed = fed("[1, 5]", "[0, 1, 1]")
    assert {name: tensor["data"] for name, tensor in fixed.items()} == {
        "input_ids": [5, 6, 7, 3, 3],
        "attention_mask": [1, 1, 1, 0, 0],
        "token_type_ids": [0, 1, 1, 0, 0],
    }


@pytest.mark.parametrize(("wrong", "state"), [(0, "good"), (4, "good"), (5, "bad"), (20, "bad")])
def test_a_browser_reproduces_most_texts_or_is_told_apart(
    wrong: int, state: str, script: Script
) -> None:
    """Another kernel's rounding moves a few texts; a wrong model or tokenizer moves most."""
    golden = {"tolerance": 0.02, "labels": ["no"] * 20}
    moved = [{"logits": [1.0, 2.0], "off": 1.5, "ms": 4.0}] * wrong
    kept = [{"logits": [1.0, 0.0], "off": 0.001, "ms": 2.0}] * (20 - wrong)
    told = script(f'judge({json.dumps(moved + kept)}, {json.dumps(golden)}, ["no", "yes"], 9)')
    assert told["state"] == state
    assert f"answers {20 - wrong} of 20 texts as it must" in told["sentence"]


@pytest.mark.parametrize(
    ("logits", "wanted", "same"),
    [
        ([1.0, 2.0, -1.0], ["no", "yes"], True),
        ([1.0, 2.0, -1.0], ["yes"], False),
        ([1.0, -2.0, -1.0], ["no", "yes"], False),
        ([-1.0, -2.0, -3.0], [], True),
        ([-1.0, -2.0, 3.0], [], False),
        ([1.0, 2.0, -1.0], "yes", True),
        ([1.0, 2.0, -1.0], "no", False),
    ],
    ids=str,
)
def test_the_page_tells_one_label_from_several(
    logits: list[float], wanted: list[str] | str, same: bool, script: Script
) -> None:
    """The likeliest of several labels says nothing of the others, nor that none may hold."""
    given = f"{json.dumps(logits)}, {json.dumps(wanted)}"
    assert script(f'sameLabels({given}, ["no", "yes", "maybe"])') is same
    golden = {"tolerance": 0.02, "labels": [wanted]}
    answers = json.dumps([{"logits": logits, "off": 0.0, "ms": 1.0}])
    told = script(f'judge({answers}, {json.dumps(golden)}, ["no", "yes", "maybe"], 9)')
    assert told["state"] == ("good" if same else "bad")


@pytest.mark.device
@pytest.mark.parametrize("layout", ["single", "mmap", "ort"])
@pytest.mark.parametrize("method", ["int8-dynamic", "int8-embeddings4", "int4", "fp16"])
def test_onnx_runtime_web_reproduces_the_golden_texts(
    method: str,
    layout: str,
    script: Script,
    student_folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """An operator that the WebAssembly build lacks would show on a user's phone first.

    Wants the folder `dist` of the npm package onnxruntime-web in ONNXRUNTIME_WEB.
    """
    dist = os.environ.get("ONNXRUNTIME_WEB")
    if dist is None:
        pytest.skip("ONNXRUNTIME_WEB names no folder of onnxruntime-web")
    if (method, layout) == ("int4", "ort"):
        pytest.skip("ONNX Runtime's own format has no 4-bit numbers; the export refuses")
    monkeypatch.setattr("kdc.export.layouts.INSIDE", 256)  # the student's weights are tiny
    phone, app = tmp_path / "phone", tmp_path / "app"
    export(student_folder, phone, method=method, layout=layout, target="web", max_drop=100.0)
    bundle(BundleJob(phone, "web", app))
    reading = """(async () => {
      const { readFile } = await import("node:fs/promises");
      const read = (name) => readFile(`${FOLDER}/${name}`);
      const manifest = JSON.parse(await read("manifest.json"));
      const golden = JSON.parse(await read("golden.json"));
      const files = new Map();
      for (const name of Object.keys(manifest.files)) {
        if (name.startsWith("onnx/")) files.set(name, new Uint8Array(await read(name)));
      }
      const runtime = await import(`${DIST}/ort.wasm.min.mjs`);
      const model = await openModel(manifest, files, runtime);
      return judge(await askGolden(model, golden, 0), golden, manifest.task.labels, model.ms);
    })()"""
    reading = reading.replace("${FOLDER}", str(app / "assets")).replace("${DIST}", dist)
    told = script(reading)
    assert told["state"] == "good", told["sentence"]
