import json
from typing import Any

import pytest

from kdc.compress.errors import KdcError
from kdc.export.devices.web.browser import Memory
from kdc.export.devices.web.reply import answers, check_threads, parse, readings

WHERE = {"version": "1.30.0", "browser": "Chromium 150", "threads": 2, "workers": 1}
WHERE |= {"isolated": True, "simd": True, "clock_ms": 0.005, "runtime_ms": 400.0}
MODEL = {"load_ms": 9, "first_ms": 3.5, "wall_ms": [1, 2.5]}
NONSENSE = "answered with something else than figures"


def _found(**fields: Any) -> dict[str, Any]:  # noqa: ANN401
    return {"where": dict(WHERE), **fields}


def test_memory_is_what_it_grew_by() -> None:
    before, after = Memory(100, 40), Memory(300, 90)
    (reading,) = readings(_found(models=[MODEL]), 1, before, after)
    assert (reading.peak_rss_bytes, reading.private_bytes) == (300, 50)
    assert reading.wall_ms == [1.0, 2.5] and reading.where["threads"] == 2


@pytest.mark.parametrize("before", [None, Memory(None, None), Memory(1, None)])
def test_memory_that_is_not_told_is_not_made_up(before: Memory | None) -> None:
    (reading,) = readings(_found(models=[MODEL]), 1, before, Memory(None, 7))
    assert reading.private_bytes is None and reading.peak_rss_bytes is None


def test_memory_that_models_share_is_nobodys() -> None:
    """Two models in one page would each be told the memory of both."""
    both = readings(_found(models=[MODEL, MODEL]), 2, Memory(1, 1), Memory(9, 9))
    assert [reading.peak_rss_bytes for reading in both] == [None, None]
    assert [reading.private_bytes for reading in both] == [None, None]


@pytest.mark.parametrize(
    "wrong",
    [
        {"load_ms": None},
        {"load_ms": -1},
        {"first_ms": "3"},
        {"first_ms": True},
        {"wall_ms": []},
        {"wall_ms": {"0": 1}},
        {"wall_ms": [1, None]},
        {"wall_ms": [float("nan")]},
        {"wall_ms": [float("inf")]},
        {"wall_ms": [[1]]},
    ],
)
def test_figures_that_are_none_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(KdcError, match=NONSENSE):
        readings(_found(models=[{**MODEL, **wrong}]), 1, None, Memory(None, None))


@pytest.mark.parametrize("models", [None, [], [3], {}, [None], [MODEL, MODEL]])
def test_models_that_are_none_are_refused(models: object) -> None:
    with pytest.raises(KdcError, match=NONSENSE):
        readings(_found(models=models), 1, None, Memory(None, None))


@pytest.mark.parametrize("body", [b"", b"{", b"[" * 9999, b"\xff\xfe", b"3", b"[]", b"{}"])
def test_what_is_no_answer_is_refused(body: bytes) -> None:
    with pytest.raises(KdcError, match=NONSENSE):
        parse(body, ["m"])


def test_answers_are_checked_text_by_text() -> None:
    assert answers(_found(logits=[[1, 2.5], [3, 4]]), "m", 2).logits == [[1.0, 2.5], [3.0, 4.0]]
    for logits in (None, [], [[1.0]], [[1.0], []], [[1.0], [1.0, 2.0]], [[1.0], 3]):
        with pytest.raises(KdcError, match=NONSENSE):
            answers(_found(logits=logits), "m", 2)
    # JSON has no NaN: a page sends null for it
    with pytest.raises(KdcError, match=r"^m answers text 2 with no number: export it again"):
        answers(_found(logits=[[1.0], [None]]), "m", 2)


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (
            {"stage": "open", "model": 1, "message": "Can't create a session. ERROR_CODE: 7, "
             "ERROR_MESSAGE: Failed to load model because protobuf parsing failed."},
            r"^b\.onnx is no model that onnxruntime-web 1\.30\.0 can load "
            r"\(Failed to load model because protobuf parsing failed\): it may be cut short",
        ),
        (
            {"stage": "run", "model": 0, "tokens": 99, "message": "failed\n  to call"},
            r"^a\.onnx fails on texts of 99 tokens in the browser \(failed to call\): give it few",
        ),
        ({"stage": "page", "message": "no wasm"}, r"^the page cannot run .* browser \(no wasm\)$"),
        ({"stage": "run", "model": 7, "message": "x"}, "^the page cannot run"),
        ({"stage": "run", "model": True, "message": "x"}, "^the page cannot run"),
        ("boom", "^the page cannot run"),
        (None, "^the page cannot run"),
    ],
)  # fmt: skip
def test_what_went_wrong_in_the_page_is_one_sentence(error: object, told: str) -> None:
    with pytest.raises(KdcError, match=told) as caught:
        parse(json.dumps({"error": error}).encode(), ["a.onnx", "b.onnx"])
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("lost", [{"threads": 1}, {"isolated": False}, {"threads": None}])
def test_threads_that_the_browser_did_not_give_are_told(lost: dict[str, Any]) -> None:
    """Without shared memory the runtime takes one thread and says so to the console alone."""
    check_threads(_found(), 2)
    found = {"where": {**WHERE, **lost}}
    with pytest.raises(KdcError, match=r"gave the model .* thread\(s\) instead of 2"):
        check_threads(found, 2)
