import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from kdc.compress.errors import KdcError
from kdc.export.devices.aarch64.job_file import (
    Report,
    RunnerError,
    RunnerJob,
    drawn_texts,
    measure_job,
    plain,
    read_answer,
)
from kdc.export.jobs import SETTLING, Job
from kdc.export.options import DEFAULT, PHONE, SessionOptions

ANSWER = RunnerJob("answer", [("/m.onnx", DEFAULT)], [([7, 8], [0, 1]), ([9], [0])])
MEASURE = replace(ANSWER, mode="measure", runs=3)
COUNT = replace(ANSWER, mode="count")
_TIMES: dict[str, Any] = {"load_ms": 5.0, "first_ms": 2, "wall_ms": [1.5, 2], "cpu_ms": [1, 1.25]}
_SIZES: dict[str, Any] = {"peak_rss_bytes": 4096, "private_bytes": None}


def _one(**fields: Any) -> str:  # noqa: ANN401
    return json.dumps({"models": [{"onnxruntime": "1.31.1", **fields}]})


def test_a_job_is_written_line_by_line() -> None:
    options = SessionOptions("basic", arena=False, memory_pattern=False, prepacking=False)
    job = replace(ANSWER, models=[("/a b/m.onnx", options)], threads=2, seconds=0.5, limit=60)
    assert job.text().splitlines() == [
        "kdc-job 1",
        "mode answer",
        "threads 2",
        "runs 1",
        "seconds 0.500",
        "limit 60",
        "warmup 0",
        "warm_seconds 0.000",
        "settle 0",
        "model /a b/m.onnx",
        "level 1",
        "arena 0",
        "pattern 0",
        "entry session.disable_prepacking 1",
        "text 2 7 8 0 1",
        "text 1 9 0",
        "end",
    ]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"models": [("/m\nmode measure", DEFAULT)]}, "is no path that the runner can be given"),
        ({"models": [("", DEFAULT)]}, "is no path"),
        ({"models": []}, "0 models: the runner takes 1 to 16"),
        ({"models": [("/m", DEFAULT)] * 17}, "17 models"),
        ({"texts": [([1], [0]), ([], [])]}, "text 2 has 0 tokens"),
        ({"texts": [([1, 2], [0])]}, "text 1 has 2 tokens and 1 types"),
        ({"texts": [([1] * 65537, [0] * 65537)]}, "text 1 has 65537 tokens"),
    ],
)
def test_what_the_runner_cannot_be_told_is_refused(change: dict[str, Any], told: str) -> None:
    """A line break in a path would be a statement of its own."""
    with pytest.raises(KdcError, match=told):
        replace(ANSWER, **change).text()


def test_models_in_turns_share_their_texts_and_keep_their_options() -> None:
    first = Job("a.onnx", [4, 9], (5, 90), 2, 4.0, runs=50, session=PHONE.as_dict())
    second = replace(first, model="b.onnx", lengths=[1], session={})
    job = measure_job([first, second], ["/on/a.onnx", "/on/b.onnx"], limit=90)
    assert list(job.models) == [("/on/a.onnx", PHONE), ("/on/b.onnx", DEFAULT)]
    assert {len(ids) for ids, _ in job.texts} == {4, 9}
    assert (job.mode, job.threads, job.runs, job.seconds) == ("measure", 2, 50, 4.0)
    assert (job.warm_up, job.warm_seconds, job.limit) == (10, 1.0, 90)
    # one alone keeps its caches
    assert (job.settle, measure_job([first], ["/on/a.onnx"], 90).settle) == (SETTLING, 0)


def test_texts_are_drawn_anew_for_every_run_of_a_length() -> None:
    """The same ids again and again would find their rows of the word table in the cache."""
    job = Job("m.onnx", [6], (5, 2000), 1, 1.0)
    texts = drawn_texts(job, job.lengths)
    ids = np.array([ids for ids, _ in texts])
    assert len(ids) >= 64 and ids.shape[1] == 6 and ids.min() >= 5 and ids.max() < 2000
    assert len({tuple(row) for row in ids.tolist()}) == len(ids)
    assert texts == drawn_texts(job, job.lengths) != drawn_texts(replace(job, seed=1), [6])


def test_every_length_has_as_many_turns() -> None:
    drawn = drawn_texts(Job("m.onnx", [], (5, 9), 1, 1.0), [3, 3, 8], at_least=10)
    assert sorted(len(ids) for ids, _ in drawn) == [3] * 8 + [8] * 4


@pytest.mark.parametrize(
    ("job", "told", "expected"),
    [
        (
            ANSWER,
            _one(logits=[[1.5, -2], [0, None]]),
            Report("1.31.1", logits=[[1.5, -2], [0, None]]),
        ),
        (COUNT, _one(counted=2), Report("1.31.1", counted=2)),
        (MEASURE, _one(**_TIMES, **_SIZES), Report("1.31.1", **_TIMES, **_SIZES)),
    ],
)
def test_an_answer_is_read(job: RunnerJob, told: str, expected: Report) -> None:
    assert read_answer(told, job) == [expected]


@pytest.mark.parametrize(
    ("job", "told"),
    [
        (ANSWER, ""),
        (ANSWER, "Segmentation fault"),
        (ANSWER, _one(logits=[[1.5, 2], [0, 1]])[:-4]),
        (ANSWER, "[" * 100_000),
        (ANSWER, "[1]"),
        (ANSWER, '{"models": 3}'),
        (ANSWER, '{"models": []}'),
        (ANSWER, '{"models": [3]}'),
        (ANSWER, '{"models": [{"logits": [[1], [2]]}]}'),
        (ANSWER, _one(logits=[[1.5, -2]])),
        (ANSWER, _one(logits=[[1.5, -2], [0]])),
        (ANSWER, _one(logits=[[], []])),
        (ANSWER, _one(logits=[["1"], ["2"]])),
        (ANSWER, _one(logits=[[True], [False]])),
        (ANSWER, _one(logits=[[1.0], [2.0]]).replace("2.0", "NaN")),
        (ANSWER, _one(logits=[[1.0], [2.0]]).replace("2.0", "1e999")),
        (ANSWER, _one(logits=[[1.0], [2.0]]).replace("2.0", "9" * 5000)),
        (COUNT, _one(counted=1)),
        (COUNT, _one(counted="2")),
        (MEASURE, _one(**_TIMES | {"wall_ms": [], "cpu_ms": []})),
        (MEASURE, _one(**_TIMES | {"wall_ms": [1.0]})),
        (MEASURE, _one(**_TIMES | {"wall_ms": [1.0] * 4, "cpu_ms": [1.0] * 4})),
        (MEASURE, _one(**_TIMES | {"load_ms": -1})),
        (MEASURE, _one(**_TIMES | {"load_ms": None})),
        (MEASURE, _one(**_TIMES | {"cpu_ms": "fast"})),
        (MEASURE, _one(**_TIMES, private_bytes="all")),
    ],
)
def test_what_is_no_answer_is_told_in_one_sentence(job: RunnerJob, told: str) -> None:
    """It comes from another machine, where anything can stand in for the runner."""
    with pytest.raises(RunnerError, match=r"^what the runner answered is damaged$"):
        read_answer(told, job)


@pytest.mark.parametrize(("said", "model"), [(1, 1), (0, 0), (2, 0), (-1, 0), ("x", 0), (None, 0)])
def test_an_error_names_the_model_at_fault(said: object, model: int) -> None:
    job = replace(MEASURE, models=[("/a", DEFAULT), ("/b", DEFAULT)])
    with pytest.raises(RunnerError, match=r"^it takes foo$") as caught:
        read_answer(json.dumps({"error": "it takes foo", "model": said}), job)
    assert caught.value.model == model


def test_a_reason_is_one_short_line() -> None:
    """ONNX Runtime's speak of nodes and of its own source; a hostile one drives the terminal."""
    said = "Non-zero status code returned while running X. Status Message: idx=9\x1b[2J\nbad."
    assert plain(said) == "idx=9 [2J bad"
    said = (
        "/onnxruntime_src/core/bfc_arena.cc:360 void* Arena::Alloc(size_t, bool) Failed to allocate"
    )
    assert plain(said) == "Failed to allocate"
    assert len(plain("x" * 9999)) == 200
