import importlib.util
import os
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from kdc.compress.errors import KdcError
from kdc.export.devices import DEVICES, arm64, find_device, host
from kdc.export.devices.aarch64.bundle import runner_bundle
from kdc.export.devices.aarch64.emulator import find_emulator
from kdc.export.jobs import Asked, Job
from kdc.export.phone_model import read_phone
from kdc.export.ship import Shipped
from tests.onnx_model import by_hand, make_model


@pytest.fixture(scope="session")
def real() -> None:
    """A machine that can emulate: skips where it cannot, with the reason."""
    missing = [need for need in arm64.needs() if not need.there and need.what != "counter"]
    if missing:
        pytest.skip(f"{missing[0].found}: {missing[0].mend}")
    try:
        runner_bundle()
    except KdcError as error:
        pytest.skip(str(error))


def _job(model: Path, *lengths: int, runs: int = 1000) -> Job:
    return Job(str(model), list(lengths or (4, 6, 9)), (5, 100), 1, seconds=1.0, runs=runs)


def test_the_address_is_the_core() -> None:
    assert find_device("arm64:cortex-a53") == (DEVICES["arm64"], "cortex-a53")
    assert DEVICES["arm64"].unit == "instructions"


def test_an_unknown_core_is_told_before_anything_is_made(tmp_path: Path) -> None:
    model = make_model(tmp_path / "m.onnx")
    with pytest.raises(KdcError, match="unknown arm64 core 'cortex-a35'"):
        arm64.measure(_job(model), "cortex-a35")
    with pytest.raises(KdcError, match="unknown arm64 core 'max'"):
        arm64.answer(Asked(str(model), [[5]], [[0]]), "max")


def test_waiting_threads_are_not_counted(tmp_path: Path) -> None:
    """They spin: the count would grow with the machine's load."""
    job = Job(str(tmp_path / "m.onnx"), [4], (5, 100), 2, 1.0)
    with pytest.raises(KdcError, match=r"--threads 2: .* give --threads 1"):
        arm64.measure(job)


@pytest.mark.parametrize(
    ("lengths", "expected"),
    [
        ([9], [9]),
        ([6, 4, 9], [4, 6, 9]),
        (list(range(101, 0, -1)), [1, 8, 15, 22, 30, 37, 44, 51, 58, 65, 72, 80, 87, 94, 101]),
    ],
)
def test_a_few_lengths_stand_for_all(lengths: list[int], expected: list[int]) -> None:
    """The median one must be among them: it gives the count that is told."""
    chosen = arm64._lengths(Job("m", lengths, (5, 9), 1, 1.0))
    assert len(chosen) == len(expected) and np.abs(np.subtract(chosen, expected)).max() <= 1
    assert {chosen[0], chosen[-1]} == {min(lengths), max(lengths)}
    assert float(np.median(lengths)) in chosen


@pytest.mark.parametrize(
    ("texts", "most", "sizes"),
    [(1, 8, [1]), (31, 8, [31]), (32, 8, [16, 16]), (100, 3, [33, 33, 34]), (100, 1, [100])],
)
def test_texts_are_shared_in_their_order(texts: int, most: int, sizes: list[int]) -> None:
    every = [([number], [0]) for number in range(texts)]
    parts = arm64._parts(every, most)
    assert [len(part) for part in parts] == sizes
    assert [text for part in parts for text in part] == every


def test_a_model_that_is_none_is_told_before_anything_is_made(tmp_path: Path) -> None:
    for name, told in {"none.onnx": "there is no model", "none.ort": "there is no model"}.items():
        with pytest.raises(KdcError, match=told):
            arm64.measure(_job(tmp_path / name))
    (tmp_path / "bad.onnx").write_bytes(b"no model")
    with pytest.raises(KdcError, match=r"bad\.onnx is no ONNX model"):
        arm64.answer(Asked(str(tmp_path / "bad.onnx"), [[5]], [[0]]))


def test_no_texts_are_told(tmp_path: Path) -> None:
    with pytest.raises(KdcError, match="there is no text to run"):
        arm64.answer(Asked(str(make_model(tmp_path / "m.onnx")), [], []))


def test_needs_name_what_an_empty_path_lacks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    monkeypatch.setattr("kdc.export.devices.aarch64.libraries.FOLDERS", ())
    needs = {need.what: need for need in arm64.needs()}
    assert not any(need.there for need in needs.values())
    assert needs["emulator"].mend == "apt-get install qemu-user"
    assert "gcc-aarch64-linux-gnu" in needs["compiler"].mend
    assert "pip install ziglang" in needs["compiler"].mend
    assert "cannot be counted" in needs["counter"].found and "gcc" in needs["counter"].mend
    assert "libc6-arm64-cross" in needs["libraries"].mend


@pytest.mark.parametrize("body", ["exit 1", "kill -9 $$", "printf '\\377'", "exec /nowhere"])
def test_needs_survive_broken_tools(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, body: str
) -> None:
    for name in ("qemu-aarch64", "aarch64-linux-gnu-gcc", "cc", "zig"):
        (tmp_path / name).write_text(f"#!/bin/sh\n{body}\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert len(list(arm64.needs())) == 4


@pytest.mark.device
@pytest.mark.usefixtures("real")
@pytest.mark.parametrize("core", ["", "cortex-a53", "neoverse-n1"])
def test_texts_are_answered_by_the_models_formula(tmp_path: Path, core: str) -> None:
    model = make_model(tmp_path / "a, model.onnx")
    tokens, types = [[7, 8, 9], [5]], [[0, 1, 1], [0]]
    answers = arm64.answer(Asked(str(model), tokens, types), core)
    for ids, kinds, logits in zip(tokens, types, answers.logits, strict=True):
        np.testing.assert_allclose(logits, by_hand(np.array(ids), np.array(kinds)), rtol=1e-5)
    assert answers.where["core"] == (core or "cortex-a76")


@pytest.mark.device
@pytest.mark.usefixtures("real")
def test_a_shipped_model_answers_as_on_the_host(shipped: Shipped) -> None:
    """Its session options and its weights' own file must come along."""
    rng = np.random.default_rng(0)
    tokens = [rng.integers(5, 60, size=n).tolist() for n in (3, 9, 12)]
    types = [[0] * len(row) for row in tokens]
    phone = read_phone(shipped.folder)
    asked = Asked(str(phone.model), tokens, types, session=phone.manifest["session"])
    here, there = (np.array(device.answer(asked).logits) for device in (host, arm64))
    np.testing.assert_allclose(there, here, atol=0.05)
    assert (there.argmax(axis=1) == here.argmax(axis=1)).all()


def _product(path: Path, width: int) -> Path:
    """The logits are a text's ids, as a row of eight, times a matrix and a square one."""
    nodes = [
        helper.make_node("Cast", ["input_ids"], ["ids"], to=TensorProto.FLOAT),
        helper.make_node("MatMul", ["ids", "spread"], ["wide"]),
        helper.make_node("MatMul", ["wide", "square"], ["logits"]),
    ]
    rng = np.random.default_rng(0)
    shapes = {"spread": (8, width), "square": (width, width)}
    graph = helper.make_graph(
        nodes,
        "product",
        [helper.make_tensor_value_info("input_ids", TensorProto.INT64, ["b", "t"])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["b", width])],
        [
            numpy_helper.from_array(rng.standard_normal(shape).astype(np.float32), name)
            for name, shape in shapes.items()
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    onnx.save(model, path)
    return path


@pytest.mark.device
@pytest.mark.usefixtures("real")
def test_instructions_are_the_runs_own_and_repeat(tmp_path: Path) -> None:
    """Opening the larger model costs more too: only the difference between runs is told."""
    counter = next(need for need in arm64.needs() if need.what == "counter")
    if not counter.there:
        pytest.skip(counter.found)
    paths = [_product(tmp_path / f"{width}.onnx", width) for width in (512, 1024, 1536)]
    readings = arm64.turns([_job(path, 8) for path in (*paths, paths[0])], "cortex-a53")
    assert [len(reading.instructions) for reading in readings] == [3] * 4
    first, second, third, again = (float(np.median(r.instructions)) for r in readings)
    # what is not the product is the same for all, and a product grows with the width's square
    assert abs((third - second) / (second - first) / (5 / 3) - 1) < 0.05
    # four lanes of fp32 to an instruction, and loads beside it
    assert 1024**2 * 3 / 4 / 4 < second - first < 1024**2 * 3 / 4
    assert abs(again / first - 1) < 0.002
    for reading in readings:
        assert reading.wall_ms == reading.cpu_ms == []
        assert reading.load_ms is reading.first_ms is reading.peak_rss_bytes is None


@pytest.mark.device
@pytest.mark.usefixtures("real")
def test_an_emulator_that_cannot_count_still_answers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Debian 13's is linked statically and knows no `-plugin`."""
    real = find_emulator()
    assert real is not None
    fake = tmp_path / "bin" / "qemu-aarch64"
    fake.parent.mkdir()
    help_ = '[ "$1" = --help ] && exec echo usage'
    fake.write_text(f'#!/bin/sh\n{help_}\nexec {real.path} "$@"\n')
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", f"{fake.parent}:{os.environ['PATH']}")
    model = make_model(tmp_path / "m.onnx")
    with pytest.raises(KdcError, match="loads no plugins, so it cannot count instructions"):
        arm64.measure(_job(model))
    assert len(arm64.answer(Asked(str(model), [[5]], [[0]])).logits) == 1


@pytest.mark.device
@pytest.mark.usefixtures("real")
def test_a_core_without_dot_product_runs_other_kernels(tmp_path: Path) -> None:
    """On it, two products of -128 overflow 16 bits; the host and newer cores sum in 32.

    The reason to run a file where it ships: this one is right wherever it is developed.
    """
    rows = {"left": np.zeros((4, 64), np.uint8), "right": np.full((64, 8), -128, np.int8)}
    rows |= {"left.zero": np.array(128, np.uint8), "right.zero": np.array(0, np.int8)}
    nodes = [
        helper.make_node("Gather", ["left", "input_ids"], ["row"]),
        helper.make_node("MatMulInteger", ["row", "right", "left.zero", "right.zero"], ["sums"]),
        helper.make_node("Cast", ["sums"], ["floats"], to=TensorProto.FLOAT),
        helper.make_node("ReduceSum", ["floats", "axis"], ["logits"], keepdims=0),
    ]
    graph = helper.make_graph(
        nodes,
        "saturated",
        [helper.make_tensor_value_info("input_ids", TensorProto.INT64, ["b", "t"])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["b", 8])],
        [numpy_helper.from_array(v, name) for name, v in {**rows, "axis": np.array([1])}.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    onnx.save(model, tmp_path / "m.onnx")
    asked = Asked(str(tmp_path / "m.onnx"), [[1]], [[0]])
    right = 64 * (0 - 128) * -128
    assert host.answer(asked).logits == [[right] * 8]
    assert arm64.answer(asked, "cortex-a76").logits == [[right] * 8]
    assert arm64.answer(asked, "cortex-a53").logits != [[right] * 8]


@pytest.mark.device
@pytest.mark.usefixtures("real")
def test_what_the_runner_refuses_names_the_model(tmp_path: Path) -> None:
    model = make_model(tmp_path / "m.onnx", output="scores")
    with pytest.raises(
        KdcError, match=r"m\.onnx cannot be run on arm64:cortex-a76: it gives no lo"
    ):
        arm64.measure(_job(model))
    with pytest.raises(KdcError, match=r"m\.onnx cannot be run on arm64:.*idx=999"):
        arm64.answer(Asked(str(make_model(tmp_path / "m.onnx")), [[999]], [[0]]))
