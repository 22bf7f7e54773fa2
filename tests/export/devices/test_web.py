"""The device `web` in a real Chromium; each test starts one, which takes a few seconds."""

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from time import monotonic, sleep
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import pytest
from onnx import TensorProto, helper

from kdc.compress.errors import KdcError
from kdc.compress.progress import Silent
from kdc.export.devices import find_device, host, web
from kdc.export.devices.web import browser
from kdc.export.jobs import Asked, Job
from kdc.export.machine import cores
from kdc.export.model_file import read_model_file
from kdc.export.web_runtime import web_runtime
from tests.onnx_model import VOCAB, by_hand, make_model
from tests.shipping import export

pytestmark = pytest.mark.device
Array = npt.NDArray[Any]
THREADS = [1, pytest.param(2, marks=pytest.mark.skipif(cores() < 2, reason="only one core"))]


@pytest.fixture(autouse=True)
def temporary(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The folder for temporary files; skips where there is no browser or no runtime for it."""
    try:
        browser.require_browser()
        web_runtime(Silent())
    except KdcError as error:
        pytest.skip(str(error))
    # pytest's own folders are too deep for Chromium's socket
    with tempfile.TemporaryDirectory(prefix="web-", dir="/tmp") as name:
        monkeypatch.setattr(tempfile, "tempdir", name)
        yield Path(name)


def _texts(count: int, longest: int, vocabulary: int) -> tuple[list[list[int]], list[list[int]]]:
    rng = np.random.default_rng(3)
    sizes = rng.integers(1, longest + 1, size=count)
    tokens = [rng.integers(0, vocabulary, size=size).tolist() for size in sizes]
    return tokens, [rng.integers(0, 2, size=size).tolist() for size in sizes]


def _logits(asked: Asked) -> Array:
    return np.array(web.answer(asked).logits)


@pytest.mark.parametrize("threads", THREADS)
@pytest.mark.parametrize("layout", ["single", "mmap", "ort"])
@pytest.mark.parametrize("method", ["none", "int8-dynamic"])
def test_a_browser_answers_as_this_machine_does(
    method: str,
    layout: str,
    threads: int,
    student_folder: Path,
    tmp_path: Path,
    all_outside: None,
    temporary: Path,
) -> None:
    """Another build of the kernels, weights mounted wrongly, or threads that share too little."""
    options = {"method": method, "layout": layout, "max_drop": 100.0}
    phone = export(student_folder, tmp_path / "phone", **options).folder
    (model,) = (path for path in (phone / "onnx").iterdir() if path.suffix in (".onnx", ".ort"))
    file = read_model_file(model)
    asked = Asked(str(model), *_texts(25, 24, 128), threads, file.session.as_dict())
    assert (len(file.files) > 1) == (layout == "mmap")
    ours, theirs = _logits(asked), np.array(host.answer(asked).logits)
    assert ours.shape == (25, 3) and np.abs(theirs).max() > 0.5
    # logits of this student go to 27, where numbers of 32 bits lie 2e-6 apart
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-5 * np.abs(theirs).max())
    assert list(temporary.iterdir()) == []


@pytest.mark.parametrize("inputs", [("input_ids", "attention_mask"), ("input_ids",)])
def test_models_that_take_less_are_given_less(inputs: tuple[str, ...], tmp_path: Path) -> None:
    model = make_model(tmp_path / "m.onnx", inputs=inputs)
    tokens, types = _texts(4, 20, VOCAB)
    whole = make_model(tmp_path / "whole.onnx")
    expected = [by_hand(*map(np.array, row)) for row in zip(tokens, types, strict=True)]
    np.testing.assert_allclose(_logits(Asked(str(whole), tokens, types)), expected, atol=1e-5)
    without = host.answer(Asked(str(model), tokens, types)).logits
    np.testing.assert_allclose(_logits(Asked(str(model), tokens, types)), without, atol=1e-5)


def test_a_model_of_one_length_is_filled_up(student_folder: Path, tmp_path: Path) -> None:
    phone = export(student_folder, tmp_path / "phone", length=12, max_drop=100.0).folder
    asked = Asked(str(phone / "onnx" / "model.onnx"), [[2, 9, 3], [2] * 12], [[0] * 3, [0] * 12])
    np.testing.assert_allclose(_logits(asked), host.answer(asked).logits, rtol=0, atol=1e-5)


@pytest.mark.parametrize("threads", THREADS)
def test_a_measurement_tells_where_it_was_made(threads: int, tmp_path: Path) -> None:
    device, address = find_device("web")
    model = str(make_model(tmp_path / "m.onnx"))
    reading = device.measure(Job(model, [8, 4], (5, 100), threads, 5.0, runs=30), address)
    assert len(reading.wall_ms) == 30 and min(reading.wall_ms) > 0
    assert reading.load_ms and reading.first_ms and reading.cpu_ms == []
    assert reading.onnxruntime == "web 1.30.0"
    where = reading.where
    assert where["browser"].startswith(("Chromium ", "Google Chrome "))
    assert (where["threads"], where["workers"]) == (threads, threads - 1)
    assert where["isolated"] is True and where["simd"] is True
    # isolated pages read the clock in steps of 5 us, others of 100
    assert 0.004 <= where["clock_ms"] <= 0.02 and where["runtime_ms"] > 1
    if sys.platform == "linux":
        assert reading.peak_rss_bytes and 50e6 < reading.peak_rss_bytes < 2e9
        assert reading.private_bytes is not None


def test_models_in_turns_are_told_apart(tmp_path: Path) -> None:
    """Readings in another order than the jobs' would name the loser the winner."""
    slow = _slow(tmp_path / "slow.onnx")
    fast = str(make_model(tmp_path / "fast.onnx"))
    jobs = [Job(model, [8], (5, 100), 1, 5.0, runs=20) for model in (fast, slow, fast)]
    assert web.DEVICE.turns is not None
    first, other, control = web.DEVICE.turns(jobs, "")
    assert [len(one.wall_ms) for one in (first, other, control)] == [20] * 3
    assert np.median(other.wall_ms) > 4 * max(np.median(first.wall_ms), np.median(control.wall_ms))
    assert first.peak_rss_bytes is None  # they share it


def _slow(path: Path) -> str:
    """Write the classifier with a product of matrices beside it that costs some milliseconds."""
    model = onnx.load(make_model(path))
    size = helper.make_tensor("size", TensorProto.INT64, [2], [300, 300])
    model.graph.initializer.append(size)
    one = helper.make_tensor("value", TensorProto.FLOAT, [1], [1e-9])
    nodes = [helper.make_node("Shape", ["input_ids"], ["shape"])]
    nodes += [helper.make_node("ReduceMin", ["shape"], ["least"], keepdims=1)]
    nodes += [helper.make_node("Mul", ["size", "least"], ["square"])]  # 1 text: as large as size
    nodes += [helper.make_node("ConstantOfShape", ["square"], ["filled"], value=one)]
    nodes += [helper.make_node("MatMul", ["filled", "filled"], ["product"])]
    nodes += [helper.make_node("ReduceMax", ["product"], ["most"], keepdims=0)]
    nodes += [helper.make_node("Add", ["plain", "most"], ["logits"])]
    model.graph.node[-1].output[0] = "plain"
    model.graph.node.extend(nodes)
    onnx.save(model, path)
    return str(path)


def test_a_corrupted_model_is_told_in_the_runtimes_words(tmp_path: Path, temporary: Path) -> None:
    model = make_model(tmp_path / "m.onnx")
    proto = onnx.load(model)
    proto.graph.node[0].op_type = "NoSuchOperator"
    onnx.save(proto, model)
    told = r"m\.onnx is no model that onnxruntime-web 1\.30\.0 can load \(.*NoSuchOperator"
    with pytest.raises(KdcError, match=told) as caught:
        web.answer(Asked(str(model), [[5]], [[0]]))
    assert "\n" not in str(caught.value) and list(temporary.iterdir()) == []


def test_an_ort_that_is_none_is_told(tmp_path: Path) -> None:
    """Only the runtime looks into this format: a page must not hang on it."""
    model = tmp_path / "m.ort"
    model.write_bytes(b"\x20\0\0\0ORTM" + bytes(500))
    with pytest.raises(KdcError):
        web.answer(Asked(str(model), [[5]], [[0]]))


def test_a_text_that_the_model_cannot_run_is_told(tmp_path: Path) -> None:
    model = str(make_model(tmp_path / "m.onnx"))
    with pytest.raises(KdcError, match=r"m\.onnx fails on texts of 3 tokens in the browser \(.*i"):
        web.answer(Asked(model, [[5, VOCAB + 9, 6]], [[0, 0, 0]]))


def test_a_model_that_wants_all_memory_takes_only_its_page_along(
    tmp_path: Path, temporary: Path
) -> None:
    """A page has 4 GiB at most; the machine goes on."""
    path = Path(_slow(tmp_path / "m.onnx"))
    model = onnx.load(path)
    size = next(tensor for tensor in model.graph.initializer if tensor.name == "size")
    size.CopyFrom(helper.make_tensor("size", TensorProto.INT64, [2], [50_000, 50_000]))
    onnx.save(model, path)
    with pytest.raises(KdcError, match=r"m\.onnx (fails on texts of 1 tok|brought the browser)"):
        web.answer(Asked(str(path), [[5]], [[0]]))
    assert list(temporary.iterdir()) == []


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
def test_a_page_that_is_killed_is_told_at_once(
    tmp_path: Path, temporary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its browser lives on and shows a sad face; the wait for an answer was five minutes."""
    seen = browser.Browser.memory

    def kill(shown: browser.Browser) -> browser.Memory:
        for process in browser._members(shown):
            if process.shows_a_page():
                os.kill(int(process.folder.name), signal.SIGSEGV)
        return seen(shown)

    monkeypatch.setattr(browser.Browser, "memory", kill)
    start = monotonic()
    with pytest.raises(KdcError, match="brought the browser's page down"):
        web.measure(Job(str(make_model(tmp_path / "m.onnx")), [8], (5, 100), 1, 60.0))
    assert monotonic() - start < 60 and list(temporary.iterdir()) == []


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
def test_a_browser_does_not_outlive_a_killed_command(tmp_path: Path, temporary: Path) -> None:
    """It would take the CPU of whatever is measured next, for as long as the job lasts."""
    job = f"Job({str(make_model(tmp_path / 'm.onnx'))!r}, [8], (5, 100), 1, 300.0, runs=10**9)"
    code = (
        f"from kdc.export.devices import web; from kdc.export.jobs import Job; web.measure({job})"
    )
    child = subprocess.Popen(
        [sys.executable, "-c", code], env={**os.environ, "TMPDIR": str(temporary)}
    )
    end = monotonic() + 60
    while not _told_of(temporary) and monotonic() < end:
        sleep(0.05)
    assert _told_of(temporary), "no browser has started"
    child.kill()
    child.wait()
    end = monotonic() + 30
    while _told_of(temporary) and monotonic() < end:
        sleep(0.05)
    assert _told_of(temporary) == []


def _told_of(folder: Path) -> list[str]:
    """Return the processes that have a folder in their command line."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if str(folder) in (process / "cmdline").read_bytes().decode("utf-8", "replace"):
                found.append(process.name)
        except OSError:
            continue
    return found
