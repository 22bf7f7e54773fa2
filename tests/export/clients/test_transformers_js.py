"""transformers.js (of another maker, with a tokenizer and an ONNX Runtime of its own)."""

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from tokenizers import Tokenizer

from kdc.export.devices.web.browser import browse, find_browser
from kdc.export.devices.web.server import serve
from tests.node_modules import node_modules
from tests.student import MAX_LENGTH

pytestmark = pytest.mark.device

HERE = Path(__file__).parent
_SEP = 3
_EXACT = 0.8  # of the texts: kernels round the activations of int8 models each in their way
_TIME_LIMIT = 120.0  # seconds


def _golden(phone: Path) -> dict[str, Any]:
    golden: dict[str, Any] = json.loads((phone / "golden.json").read_text())
    return golden


def _in_node(phone: Path, dtype: str) -> list[dict[str, Any]]:
    node = shutil.which("node") or pytest.skip("no node: apt-get install npm")
    modules = node_modules(HERE)
    command = [node, str(HERE / "replay_node.mjs"), str(modules), str(phone.parent), dtype]
    done = subprocess.run(command, capture_output=True, text=True, timeout=_TIME_LIMIT)
    assert done.returncode == 0, done.stderr[-2000:]
    rows: list[dict[str, Any]] = json.loads(done.stdout.splitlines()[-1])["rows"]
    return rows


def _in_chromium(phone: Path, dtype: str) -> list[dict[str, Any]]:
    program = find_browser() or pytest.skip("no Chromium: apt-get install chromium")
    modules = node_modules(HERE)
    files = {name: HERE / name for name in ("page.html", "replay.mjs")}
    dist = modules / "@huggingface" / "transformers" / "dist"
    files["transformers.js"] = dist / "transformers.web.min.js"
    files |= _under(modules / "onnxruntime-web" / "dist", "ort")
    files |= _under(modules / "onnxruntime-common" / "dist" / "esm", "common")
    files |= _under(phone, "models/phone")
    with serve(files, f"page.html#{dtype}") as site, browse(program, site.url):
        assert site.settled.wait(_TIME_LIMIT), "the page does not answer"
        told = json.loads(site.answer or b"{}")
    assert "error" not in told, told["error"]
    rows: list[dict[str, Any]] = told["rows"]
    return rows


def _under(folder: Path, root: str) -> dict[str, Path]:
    paths = (path for path in folder.rglob("*") if path.is_file())
    return {f"{root}/{path.relative_to(folder).as_posix()}": path for path in paths}


def _too_long(phone: Path) -> set[int]:
    """Return the places of the golden texts that the model's length cuts."""
    tokenizer = Tokenizer.from_file(str(phone / "tokenizer.json"))
    tokenizer.no_truncation()
    texts = _golden(phone)["texts"]
    return {i for i, text in enumerate(texts) if len(tokenizer.encode(text)) > MAX_LENGTH}


def _compare(phone: Path, rows: list[dict[str, Any]]) -> float:
    """Check what must agree of every text that fits; return the share whose logits do.

    transformers.js cuts a text that is too long after it has put [CLS] and [SEP] around it, so
    that [SEP] is lost: of such a text the other ids must agree, and nothing more is asked.
    """
    golden, too_long, same = _golden(phone), _too_long(phone), 0
    assert len(rows) == len(golden["texts"]) > 2 * len(too_long)
    for place, row in enumerate(rows):
        ids, logits = golden["input_ids"][place], golden["logits"][place]
        if place in too_long:
            assert (row["ids"][:-1], ids[-1]) == (ids[:-1], _SEP)
            continue
        assert row["ids"] == ids
        off = max(abs(one - other) for one, other in zip(logits, row["logits"], strict=True))
        same += off <= golden["tolerance"]
        first, second = sorted(logits)[:-3:-1]
        if first - second > 2 * golden["tolerance"]:
            assert row["label"] == golden["labels"][place]
    return same / (len(rows) - len(too_long))


@pytest.mark.parametrize("client", [_in_node, _in_chromium])
def test_it_loads_the_folder_as_it_is(plain: Path, client: Any) -> None:  # noqa: ANN401
    """A name or a setting that only our own apps know would shut everybody else out."""
    assert _compare(plain, client(plain, "fp32")) == 1


@pytest.mark.parametrize("client", [_in_node, _in_chromium])
def test_it_runs_the_quantized_model(quantized: Path, client: Any) -> None:  # noqa: ANN401
    """`dtype: "q8"` is how its users ask for the small file, by the name that it has there."""
    assert _compare(quantized, client(quantized, "q8")) >= _EXACT
