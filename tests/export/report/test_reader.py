import json
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from kdc.compress.errors import KdcError
from kdc.compress.progress import Silent
from kdc.export.measure import Plan, bench
from kdc.export.report.reader import read_document, read_report
from kdc.export.report.write import as_dict
from tests.bench_documents import document, run, write
from tests.onnx_model import make_phone_folder


def test_a_real_measurement_is_read_whole(tmp_path: Path) -> None:
    """What `kdc bench` writes and what reports read must be one format."""
    phone = make_phone_folder(tmp_path / "phone")
    plan = Plan(lengths=("natural", 8), seconds=0.05)
    measured = bench([phone], plan, Silent(), versus=[phone]).as_dict("kdc bench phone")
    report = read_document(json.loads(json.dumps(measured)), "it")
    assert [one.length for one in report.runs] == ["natural", 8]
    for mine, theirs in zip(report.runs, measured["runs"], strict=True):
        assert mine.latency_ms is not None
        assert mine.latency_ms.p50 == theirs["latency_ms"]["p50"]
        assert list(mine.latency_ms.intervals["p99"]) == theirs["latency_ms"]["intervals"]["p99"]
        assert list(mine.kept("cpu")) == theirs["samples"]["cpu_ms"]
        assert mine.private_bytes == theirs["private_bytes"]
    (model,) = report.models.values()
    assert model.shipped is not None and model.shipped.value == 0.9
    assert model.sha256 == measured["models"][str(phone)]["sha256"]
    assert sum(part.bytes for part in model.ledger) > 0
    assert report.sources[0].command == "kdc bench phone"


def test_what_is_written_again_is_read_as_the_same() -> None:
    """A field that is lost on the way would be missing from every merged report."""
    report = read_document(document(), "it")
    assert read_document(json.loads(json.dumps(as_dict(report))), "it") == report


def test_without_samples_every_figure_stays_and_no_text_does() -> None:
    """Results that are committed must hold nothing of a data set that is not ours."""
    whole = read_document(document(), "it")
    small = read_document(as_dict(whole, whole=False), "it")
    assert "wake me up" in json.dumps(as_dict(whole))
    assert "wake me up" not in json.dumps(as_dict(small))
    assert all(not one.samples for one in small.runs)
    assert [one.latency_ms for one in small.runs] == [one.latency_ms for one in whole.runs]
    assert small.quality[0].against["student"].flips == 9


def test_a_document_of_the_first_release_is_still_read() -> None:
    """Figures that were kept for a year must not be lost to a field that did not exist then."""
    fields = ("model", "device", "threads", "length", "size_bytes", "zip_bytes", "load_ms")
    old = {name: run("student.onnx", 0.5)[name] for name in fields}
    old |= {"latency_ms": {"p50": 1.0, "p95": 2.0, "p99": 3.0, "n": 9}}
    old |= {"cpu_ms": {"p50": 1.0, "p95": 2.0, "n": 9}}
    read = read_document({"format": "kdc.bench/1", "machine": {}, "runs": [old]}, "it")
    assert read.runs[0].cpu_ms is not None and read.runs[0].cpu_ms.p99 is None
    assert read.models["student.onnx"].size_bytes == 4_300_000
    assert read.sources[0].date is None


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("", "is not valid JSON"),
        ("{", "is not valid JSON"),
        ("[" * 100_000, "is not valid JSON"),
        ("\xff", "is not valid JSON"),
        ("[]", "is no bench document"),
        ("null", "is no bench document"),
        ('{"format": ["kdc.bench/1"]}', "is no bench document"),
        ('{"format": "kdc.phone/1"}', "is of another kind: 'kdc.phone/1'"),
        ('{"format": "kdc.bench/9"}', "is of another version: 'kdc.bench/9'"),
        (f'{{"format": "kdc.bench/1", "runs": [{"9" * 5000}]}}', "is not valid JSON"),
    ],
)
def test_another_file_is_refused_in_one_sentence(content: str, told: str, tmp_path: Path) -> None:
    path = tmp_path / "bench.json"
    path.write_bytes(content.encode("latin-1"))
    with pytest.raises(KdcError, match=r"bench\.json") as refused:
        read_report(path)
    assert told in str(refused.value) and "\n" not in str(refused.value)


def test_no_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(KdcError, match="there is no bench document at"):
        read_report(tmp_path / "missing.json")
    with pytest.raises(KdcError, match="there is no bench document at"):
        read_report(tmp_path)


HOSTILE: list[tuple[str, Any]] = [
    ("runs", {}),
    ("runs", [1]),
    ("runs", [{}] * 3000),
    ("runs.0.model", 7),
    ("runs.0.model", None),
    ("runs.0.length", -1),
    ("runs.0.length", True),
    ("runs.0.length", 1e300),
    ("runs.0.threads", 1.5),
    ("runs.0.latency_ms.p50", float("nan")),
    ("runs.0.latency_ms.p50", float("inf")),
    ("runs.0.latency_ms.p50", -0.1),
    ("runs.0.latency_ms.p50", True),
    ("runs.0.latency_ms.p50", "<b>"),
    ("runs.0.latency_ms.p50", None),
    ("runs.0.latency_ms.intervals.p50", [2, 1]),
    ("runs.0.latency_ms.intervals.p50", [1]),
    ("runs.0.latency_ms.intervals", []),
    ("runs.0.samples.wall_ms", [1, "2"]),
    ("runs.0.samples.wall_ms", [float("nan")]),
    ("runs.0.samples", 3),
    ("runs.0.private_bytes", 10**30),
    ("runs.0.memory", {"weights": -5}),
    ("runs.0.drift", {"minutes": 1}),
    ("runs.0.drift.by_minute", [[1, 2]]),
    ("runs.0.source", 5),
    ("models", []),
    ("models.small/phone", "x"),
    ("models.small/phone.sha256", "../../etc"),
    ("models.small/phone.accuracy.shipped", {}),
    ("models.small/phone.accuracy.shipped.value", 40),
    ("models.small/phone.ledger", [{"part": "x"}]),
    ("versus.0.clock", "sundial"),
    ("versus.0.latency_ratio", None),
    ("versus.0.model", {}),
    ("quality.0.value", None),
    ("quality.0.against.student.agree", 1.5),
    ("quality.0.against.student.flipped", [{"text": []}]),
    ("machine", "fast"),
    ("date", 20261121),
    ("sources", [3]),
]


@pytest.mark.parametrize(
    ("place", "value"), HOSTILE, ids=[f"{p}={str(v)[:20]}" for p, v in HOSTILE]
)
def test_values_that_make_no_sense_are_told_by_their_place(
    place: str, value: object, tmp_path: Path
) -> None:
    """A NaN that got through would be drawn at the edge of a picture as if it were a figure."""
    changed: Any = deepcopy(document())
    *path, last = place.split(".")
    part: Any = changed
    for name in path:
        part = part[int(name)] if isinstance(part, list) else part[name]
    part[int(last) if isinstance(part, list) else last] = value
    with pytest.raises(KdcError) as refused:
        read_report(write(tmp_path / "bench.json", changed))
    told = str(refused.value)
    assert "\n" not in told and len(told) < 300
    assert path[0] in told if path else last in told


def test_texts_lose_what_hides_or_reorders_them() -> None:
    """A name that turns the direction of writing makes a row read as another model's."""
    name = "a\u202eb\x1b[31m\x00\ud800<i>\n"
    report = read_document(document(models={}, runs=[run(name, 1.0)], versus=[], quality=[]), "it")
    assert list(report.models) == ["ab[31m?<i> "]


def test_texts_keep_what_joins_their_letters() -> None:
    """Bug: a Persian name lost the mark inside its words, and an emoji fell into two."""
    name = "می\u200cخواهم 👩\u200d🍳"  # noqa: RUF001
    report = read_document(document(models={}, runs=[run(name, 1.0)], versus=[], quality=[]), "it")
    assert list(report.models) == [name]


def test_a_machine_may_say_what_it_likes_but_not_for_ever() -> None:
    deep: Any = {}
    for _ in range(50):
        deep = {"a": deep, "nan": float("nan"), "long": "x" * 100_000}
    machine = {**{str(number): number for number in range(5000)}, "deep": deep}
    (source,) = read_document(document(machine=machine), "it").sources
    assert len(source.machine) == 200
    (source,) = read_document(document(machine=deep), "it").sources
    assert len(json.dumps(source.machine)) < 200_000
    assert source.machine["nan"] is None
