import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest

from kdc.export.bundle import bundle
from kdc.export.bundle.app import BundleJob
from kdc.export.devices.web.browser import find_browser
from kdc.export.options import DEFAULT, Level, SessionOptions
from kdc.export.phone_model import read_phone
from tests.shipping import export
from tests.web_page import require_runtime

LEVELS = {"disable": "disabled", "basic": "basic", "extended": "extended", "all": "all"}
SCRIPTS = ("model.js", "meaning.js")  # they import nothing
Script = Callable[[str], Any]


@pytest.fixture
def script(root: Path) -> Script:
    """Evaluate an expression with the page's scripts loaded; it comes back through JSON."""
    node = shutil.which("node")
    if node is None:
        pytest.skip("no node is installed")
    web = root / "sample_apps" / "web"
    source = "\n".join((web / name).read_text(encoding="utf-8") for name in SCRIPTS)

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
        "logSeverityLevel": 4,
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


@pytest.mark.parametrize(
    ("states", "passed"),
    [
        (["exact"] * 20, True),
        (["exact"] * 16 + ["near"] * 4, True),
        (["exact"] * 15 + ["near"] * 5, False),
        (["exact"] * 19 + ["wrong"], False),
        ([], False),
    ],
)
def test_a_device_reproduces_most_texts_to_the_last_digit_and_all_labels(
    states: list[str], passed: bool, script: Script
) -> None:
    """Another kernel's rounding moves a few logits; a wrong model or tokenizer moves most."""
    told = script(f"judge({json.dumps([{'state': state} for state in states])})")
    assert told["passed"] is passed
    counts = {state: states.count(state) for state in ("exact", "near", "wrong")}
    assert {state: told[state] for state in counts} == counts


@pytest.mark.parametrize(
    ("kind", "found", "wanted", "state"),
    [
        ("classification", [1.0, 2.0, -1.0], [1.0, 2.01, -1.0], "exact"),
        ("classification", [1.0, 2.0, -1.0], [1.0, 2.1, -1.0], "near"),
        ("classification", [2.1, 2.0, -1.0], [1.0, 2.0, -1.0], "label"),
        ("classification", [2.01, 2.0, -1.0], [1.99, 2.0, -1.0], "exact"),  # a tie
        ("classification", [None, 2.0, -1.0], [1.0, 2.0, -1.0], "logits"),
        ("multi-label", [1.0, 2.0, -1.0], [1.0, 2.0, -1.0], "exact"),
        ("multi-label", [1.0, -2.0, -1.0], [1.0, 2.0, -1.0], "label"),
        ("multi-label", [1.0, 0.005, -1.0], [1.0, -0.005, -1.0], "exact"),  # a tie
        ("multi-label", [1.0, 0.3, -1.0], [1.0, 0.2, -1.0], "near"),
        ("regression", [0.5], [0.51], "exact"),
        ("regression", [0.5], [0.6], "near"),
    ],
    ids=str,
)
def test_a_text_is_judged_by_its_label_and_its_logits(
    kind: str, found: list[float | None], wanted: list[float], state: str, script: Script
) -> None:
    """The likeliest of several labels says nothing of the others, nor that none may hold."""
    numbers = json.dumps(found).replace("null", "NaN")
    answer = f"{{ ids: [2, 3], types: [0, 1], logits: {numbers} }}"
    asked = json.dumps({"ids": [2, 3], "types": [0, 1], "logits": wanted})
    golden = json.dumps({"logits": [wanted], "tolerance": 0.02})
    task = json.dumps({"kind": kind, "labels": ["a", "b", "c"][: len(wanted)]})
    told = script(f"judgeText({answer}, {asked}, {task}, {golden})")
    assert (told["wrong"] or [told["state"]]) == [state]
    for right, wrong in (("3]", "4]"), ("1]", "0]")):  # of a pair's texts the second is the second
        other = script(f"judgeText({answer.replace(right, wrong)}, {asked}, {task}, {golden})")
        assert other["state"] == "wrong" and other["wrong"][0] == "tokens"


def test_probabilities_are_those_of_the_task(script: Script) -> None:
    """A softmax over labels that do not exclude each other hides all but one."""
    logits = [1.0, -2.0, 300.0]
    powers = np.exp(np.array(logits) - 300)
    found = script(f"probabilities({logits}, 'classification')")
    assert found == pytest.approx(powers / powers.sum())
    found = script(f"probabilities({logits}, 'multi-label')")
    assert found == pytest.approx(1 / (1 + np.exp(-np.array(logits))))
    assert script(f"probabilities({logits}, 'regression')") == []


@pytest.mark.parametrize("share", [0.01, 0.5, 0.95, 1.0])
def test_quantiles_are_values_that_were_seen(share: float, script: Script) -> None:
    values = [float(value) for value in np.random.default_rng(1).integers(0, 99, 37)]
    wanted = np.quantile(values, share, method="inverted_cdf")
    assert script(f"quantile({values}, {share})") == wanted


@pytest.mark.device
@pytest.mark.parametrize("layout", ["single", "mmap", "ort"])
@pytest.mark.parametrize("method", ["int8-dynamic", "int8-embeddings4", "int4", "fp16"])
def test_the_app_passes_its_self_test_in_a_browser(
    method: str,
    layout: str,
    student_folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """An operator that the WebAssembly build lacks would show on a user's phone first."""
    require_runtime()
    if find_browser() is None:
        pytest.skip("no Chromium")
    if (method, layout) == ("int4", "ort"):
        pytest.skip("ONNX Runtime's own format has no 4-bit numbers; the export refuses")
    monkeypatch.setattr("kdc.export.layouts.INSIDE", 256)  # the student's weights are tiny
    phone = tmp_path / "phone"
    export(student_folder, phone, method=method, layout=layout, target="web", max_drop=100.0)
    made = bundle(BundleJob(phone, "web", tmp_path / "app", check=True))
    golden = json.loads((phone / "golden.json").read_text())
    assert made.self_test is not None and made.self_test.texts == len(golden["texts"])
