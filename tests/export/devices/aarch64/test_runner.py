"""The runner's C source, compiled for this machine: the same program without an emulator."""

import json
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from kdc.compress.errors import KdcError
from kdc.export.devices.aarch64.job_file import RunnerError, read_answer
from kdc.export.options import DEFAULT, SessionOptions
from tests.onnx_model import HEAD, INPUTS, PLACES, WORDS, by_hand, make_model
from tests.runner import TEXTS, constant, job_of, run_job

_ONES = np.ones((1, 2), np.float32)


@pytest.mark.parametrize(
    "inputs", [INPUTS, INPUTS[:2], (INPUTS[0], INPUTS[2]), INPUTS[:1]], ids=str
)
def test_texts_are_answered_whatever_inputs_there_are(
    runner: list[str], tmp_path: Path, inputs: tuple[str, ...]
) -> None:
    """A model without token types must not be given any."""
    job = job_of(make_model(tmp_path / "a model.onnx", inputs=inputs))
    (report,) = read_answer(run_job(runner, job, tmp_path), job)
    for (ids, types), logits in zip(TEXTS, report.logits, strict=True):
        if "token_type_ids" in inputs:
            expected = by_hand(np.array(ids), np.array(types))
        else:  # its formula has no type at all
            expected = (WORDS[ids] + PLACES[: len(ids)]).mean(axis=0) @ HEAD
        np.testing.assert_allclose(np.array(logits, float), expected, rtol=1e-5)
    assert report.onnxruntime == onnxruntime.__version__


def test_logits_keep_every_bit(runner: list[str], tmp_path: Path) -> None:
    """With six digits, the printf default, two devices would differ by the printing."""
    path = make_model(tmp_path / "m.onnx")
    job = job_of(path)
    (report,) = read_answer(run_job(runner, job, tmp_path), job)
    feeds = {name: np.array([TEXTS[0][0]]) for name in INPUTS}
    feeds |= {INPUTS[1]: np.ones((1, 3), np.int64), INPUTS[2]: np.array([TEXTS[0][1]])}
    options = DEFAULT.build(1)
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    (wanted,) = session.run(["logits"], feeds)
    np.testing.assert_array_equal(np.array(report.logits[0], np.float32), wanted[0])


def test_half_precision_is_widened_exactly(runner: list[str], tmp_path: Path) -> None:
    values = np.array([[0.0, -0.0, 1.5, -2.25, 65504, 6e-8, 6.1e-5, -3.3e-5]], np.float16)
    job = job_of(constant(tmp_path / "m.onnx", values, ["b", "t"]))
    (report,) = read_answer(run_job(runner, job, tmp_path), job)
    np.testing.assert_array_equal(
        np.array(report.logits[0], np.float32), values[0].astype(np.float32)
    )


def test_no_number_is_null_and_not_broken_json(runner: list[str], tmp_path: Path) -> None:
    values = np.array([[np.nan, np.inf, 1.0, -np.inf]], np.float32)
    job = job_of(constant(tmp_path / "m.onnx", values, ["b", "t"]))
    (report,) = read_answer(run_job(runner, job, tmp_path), job)
    assert report.logits == [[None, None, 1.0, None]] * 2


def _padded(path: Path, length: int) -> Path:
    """The classifier, declared for one length, whose padding is token 3."""
    model = onnx.load(make_model(path))
    for given in model.graph.input:
        given.type.tensor_type.shape.dim[1].dim_value = length
    helper.set_model_props(model, {"kdc.padding": "3"})
    onnx.save(model, path)
    return path


def test_a_fixed_length_is_filled_up_and_masked(runner: list[str], tmp_path: Path) -> None:
    job = job_of(_padded(tmp_path / "m.onnx", 6))
    (report,) = read_answer(run_job(runner, job, tmp_path), job)
    for (ids, types), logits in zip(TEXTS, report.logits, strict=True):
        expected = by_hand(np.array(ids), np.array(types))
        np.testing.assert_allclose(np.array(logits, float), expected, rtol=1e-5)
    with pytest.raises(RunnerError, match="exactly 2 tokens, not 3"):
        job = job_of(_padded(tmp_path / "m.onnx", 2))
        read_answer(run_job(runner, job, tmp_path), job)


def test_the_models_session_options_are_taken(runner: list[str], tmp_path: Path) -> None:
    """They are what keeps memory low: without prepacking the weights are not copied."""
    width = 1500
    product = helper.make_node("MatMul", ["row", "weights"], ["logits"])
    cast = helper.make_node("Cast", ["input_ids"], ["row"], to=TensorProto.FLOAT)
    weights = numpy_helper.from_array(np.ones((width, width), np.float32), "weights")
    graph = helper.make_graph(
        [cast, product],
        "wide",
        [helper.make_tensor_value_info("input_ids", TensorProto.INT64, ["b", "t"])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["b", width])],
        [weights],
    )
    opset = [helper.make_opsetid("", 20)]
    model = helper.make_model(graph, opset_imports=opset, ir_version=10)
    # a file of its own is mapped, so that only the copy in the kernels' order is private memory
    onnx.save(model, tmp_path / "m.onnx", save_as_external_data=True, location="m.onnx_data")
    text = [([1] * width, [0] * width)]
    job = job_of(tmp_path / "m.onnx", mode="measure", texts=text)
    plain = replace(job, models=[(str(tmp_path / "m.onnx"), SessionOptions(prepacking=False))])
    packed, unpacked = (
        read_answer(run_job(runner, each, tmp_path), each)[0].private_bytes for each in (job, plain)
    )
    assert packed is not None and unpacked is not None
    assert packed - unpacked > 0.8 * 4 * width * width


@pytest.mark.parametrize("mode", ["answer", "measure", "count"])
@pytest.mark.parametrize(
    ("make", "told"),
    [
        (lambda path: path.write_bytes(b"no model"), "Protobuf parsing failed"),
        (lambda path: None, r"^Load model from .*m.onnx failed"),
        (
            lambda path: make_model(path, kind=TensorProto.INT32),
            "input_ids otherwise than as int64",
        ),
        (lambda path: make_model(path, output="scores"), "gives no logits"),
        (lambda path: make_model(path, pooled=False), "are no float"),
        (lambda path: constant(path, np.ones((1, 2), np.int64), ["b", "t"]), "are no float"),
        (
            lambda path: constant(path, _ONES, ["t"]),
            "otherwise than as int64",
        ),
        (lambda path: constant(path, _ONES, ["b", 1 << 20]), "more than 65536 tokens"),
    ],
    ids=range(8),
)
def test_a_model_that_cannot_be_run_is_told(
    runner: list[str],
    tmp_path: Path,
    make: Any,  # noqa: ANN401
    told: str,
    mode: Any,  # noqa: ANN401
) -> None:
    """The runner must say why; a crash would be blamed on ONNX Runtime."""
    path = tmp_path / "m.onnx"
    make(path)
    job = job_of(path, mode=mode)
    with pytest.raises(RunnerError, match=told):
        read_answer(run_job(runner, job, tmp_path), job)


def test_a_token_that_the_model_does_not_know_is_told(runner: list[str], tmp_path: Path) -> None:
    job = job_of(make_model(tmp_path / "m.onnx"), texts=[([5], [0]), ([999], [0])])
    with pytest.raises(RunnerError, match=r"^indices element out of data bounds, idx=999"):
        read_answer(run_job(runner, job, tmp_path), job)


def test_the_model_at_fault_is_named(runner: list[str], tmp_path: Path) -> None:
    good = (str(make_model(tmp_path / "m.onnx")), DEFAULT)
    job = job_of(tmp_path, mode="measure", models=[good, (str(tmp_path / "none"), DEFAULT)])
    with pytest.raises(RunnerError, match=r"^Load model from .*none failed") as caught:
        read_answer(run_job(runner, job, tmp_path), job)
    assert caught.value.model == 1


def test_a_runner_that_takes_too_long_ends_itself(runner: list[str], tmp_path: Path) -> None:
    """On a phone nobody can end it once the cable is out; its workers must end with it."""
    job = job_of(
        make_model(tmp_path / "m.onnx"), mode="measure", runs=10_000_000, seconds=50, limit=1
    )
    (tmp_path / "job").write_text(job.text())
    words = [*runner, str(tmp_path / "job")]
    # the workers hold the pipe too: it ends when the last of them has
    done = subprocess.run(words, stdout=subprocess.PIPE, timeout=20)
    assert done.returncode < 0 and not done.stdout


_HEAD = "kdc-job 1\nmode answer\n"


@pytest.mark.parametrize(
    ("job", "told"),
    [
        ("", "incomplete"),
        ("kdc-job 2\n", "no job of this runner"),
        (_HEAD, "incomplete"),
        (_HEAD + "model /m\ntext 1 5 0\n", "incomplete"),
        (_HEAD + "model\nend\n", "line 3 of the job is cut short"),
        (_HEAD + "text 2 1 2 0\nend\n", "line 3 of the job holds no number"),
        (_HEAD + "text 70000 1\nend\n", "holds no number from 1 to 65536"),
        (_HEAD + "text 1 99999999999999999999 0\nend\n", "line 3 of the job holds no number"),
        (_HEAD + "threads 0\nend\n", "holds no number from 1 to 1024"),
        (_HEAD + "seconds nan\nend\n", "no number of seconds"),
        (_HEAD + "level 1\nend\n", "names no model first"),
        (_HEAD + "model /m\nentry lonely\nend\n", "is no entry"),
        (_HEAD + "model /m\n" * 17 + "end\n", "one model too many"),
        (_HEAD + "shell rm\nend\n", "begins with 'shell'"),
        (_HEAD + "mode " + "x" * 99 + "\nend\n", "begins with 'mode'"),
        ("kdc-job 1\nmode dance\nmodel /m\ntext 1 5 0\nend\n", "mode 'dance' is none"),
        (_HEAD + 'model /a\nmodel /"b\\\ntext 1 5 0\nend\n', "mode 'answer' is none for 2"),
    ],
)
def test_a_damaged_job_is_told(runner: list[str], tmp_path: Path, job: str, told: str) -> None:
    """A job that was cut short on its way must not be done in part."""
    answer = json.loads(run_job(runner, job, tmp_path))
    assert told in answer["error"]


def test_what_the_writer_refuses_never_reaches_the_runner(tmp_path: Path) -> None:
    with pytest.raises(KdcError):
        job_of(tmp_path, texts=[([], [])]).text()
