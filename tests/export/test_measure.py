import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from kdc.compress.errors import KdcError
from kdc.compress.progress import Silent
from kdc.export import measure
from kdc.export.devices import host
from kdc.export.jobs import Job, Reading
from kdc.export.lengths import Length
from kdc.export.measure import Bench, Percentiles
from kdc.export.options import SessionOptions
from tests.onnx_model import FACTS, VOCAB, make_model, make_phone_folder

READING = Reading(12.0, 3.0, [1.0, 2.0, 4.0], [0.5, 1.5, 1.0], 60_000_000, 9_000_000, "1.31.1")


@pytest.fixture
def jobs(monkeypatch: pytest.MonkeyPatch) -> list[Job]:
    """The jobs that a device, which answers `READING` to each, was given."""
    done: list[Job] = []

    def answer(job: Job, address: str) -> Reading:
        done.append(job)
        return READING

    pretender = replace(host.DEVICE, measure=answer)
    monkeypatch.setattr(measure, "find_device", lambda name: (pretender, ""))
    return done


def _bench(model: Path, *lengths: Length, threads: int = 1, device: str = "host") -> Bench:
    return measure.bench(model, lengths or None, threads, device, Silent(), seconds=0.05)


def test_percentiles_are_those_of_the_textbook() -> None:
    """Rank 1 + (n - 1) p between the sorted samples: 1 + 9 * 0.95 = 9.55 of ten."""
    samples = [10.0, 1.0, 9.0, 2.0, 8.0, 3.0, 7.0, 4.0, 6.0, 5.0]
    found = Percentiles.of(samples)
    assert found.n == 10
    assert (found.p50, found.p95, found.p99) == pytest.approx((5.5, 9.55, 9.91))


def test_the_json_is_what_scripts_rely_on(tmp_path: Path, jobs: list[Job]) -> None:
    """A renamed or added key breaks every reader of a bench file."""
    model = make_model(tmp_path / "m.onnx", FACTS)
    found = _bench(model, "natural", 16).as_dict()
    zipped = found["runs"][0].pop("zip_bytes")
    assert 0 < zipped < model.stat().st_size
    assert list(found) == ["format", "machine", "runs", "versus"]
    assert (found["format"], found["versus"]) == ("kdc.bench/1", [])
    assert [run["length"] for run in found["runs"]] == ["natural", 16]
    assert found["runs"][0] == {
        "model": str(model),
        "device": "host",
        "threads": 1,
        "length": "natural",
        "size_bytes": model.stat().st_size,
        "load_ms": 12.0,
        "first_ms": 3.0,
        "latency_ms": {"p50": 2.0, "p95": 3.8, "p99": 3.96, "n": 3},
        "cpu_ms": {"p50": 1.0, "p95": 1.45, "n": 3},
        "peak_rss_bytes": 60_000_000,
        "private_bytes": 9_000_000,
    }
    assert found["machine"]["onnxruntime"] == "1.31.1"


def test_each_length_is_a_job_of_its_own(tmp_path: Path, jobs: list[Job]) -> None:
    """One process for all lengths would report the memory of the longest for each."""
    _bench(make_model(tmp_path / "m.onnx", FACTS), threads=1)
    assert [job.lengths for job in jobs] == [[4, 6, 9], [64]]


def test_ids_come_from_the_models_own_vocabulary(tmp_path: Path, jobs: list[Job]) -> None:
    """An id beyond a trimmed vocabulary fails; one row over and over is faster than text."""
    for facts in (FACTS, FACTS | {"kdc.vocab": 30_522}, {}):
        _bench(make_model(tmp_path / "m.onnx", facts), 8)
    assert [job.ids for job in jobs] == [(60, VOCAB), (1000, 30_522), (5, 100)]


def test_a_real_model_is_measured(tmp_path: Path) -> None:
    """From the file to the figures, with nothing replaced."""
    found = _bench(make_model(tmp_path / "m.onnx", FACTS)).as_dict()
    for run in found["runs"]:
        assert 0 < run["latency_ms"]["p50"] <= run["latency_ms"]["p95"] <= run["latency_ms"]["p99"]
        assert run["latency_ms"]["n"] == run["cpu_ms"]["n"] >= 1
        assert run["load_ms"] > 0 and run["peak_rss_bytes"] > run["private_bytes"] > 0


def test_a_phone_folder_brings_its_models_accuracy(tmp_path: Path, jobs: list[Job]) -> None:
    found = _bench(make_phone_folder(tmp_path / "phone"), 8)
    assert found.accuracy is not None and found.accuracy.shipped.value == 0.9
    assert jobs[0].model.endswith("onnx/model_quantized.onnx")
    assert found.size_bytes == Path(jobs[0].model).stat().st_size


def test_a_copy_beside_the_phone_folder_has_its_accuracy(tmp_path: Path, jobs: list[Job]) -> None:
    phone = make_phone_folder(tmp_path / "phone")
    copy = tmp_path / "student.onnx"
    shutil.copyfile(phone / "onnx" / "model_quantized.onnx", copy)
    assert _bench(copy, 8).accuracy is not None
    assert jobs[0].model == str(copy)


@pytest.mark.parametrize("place", ["student.onnx", "phone/onnx/other.onnx"])
def test_another_file_does_not_borrow_the_accuracy(
    tmp_path: Path, jobs: list[Job], place: str
) -> None:
    """Accuracy belongs to bytes, not to a place: a file dropped into the folder is another."""
    make_phone_folder(tmp_path / "phone")
    other = make_model(tmp_path / place, {**FACTS, "kdc.max_length": 32})
    assert _bench(other, 8).accuracy is None


def test_a_changed_phone_folder_is_not_measured(tmp_path: Path, jobs: list[Job]) -> None:
    phone = make_phone_folder(tmp_path / "phone")
    make_model(phone / "onnx" / "model_quantized.onnx", {**FACTS, "kdc.max_length": 32})
    with pytest.raises(KdcError, match=r"corrupted: onnx/model_quantized\.onnx"):
        _bench(phone)
    assert jobs == []


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"device": "hots"}, "unknown device 'hots'"),
        ({"threads": 0}, "--threads 0: give a whole number from 1"),
        ({"threads": -2}, "--threads -2: give a whole number from 1"),
    ],
)
def test_wrong_options_are_refused_before_anything_is_read(
    tmp_path: Path, changes: dict[str, Any], told: str
) -> None:
    with pytest.raises(KdcError, match=told):
        _bench(tmp_path / "none.onnx", **changes)


def test_a_model_is_opened_as_it_asks(tmp_path: Path, jobs: list[Job]) -> None:
    """Measured with other options than apps use, memory and load time are another model's."""
    asked = {"optimization": "basic", "memory_pattern": False}
    _bench(make_model(tmp_path / "m.onnx", {**FACTS, "kdc.session": asked}), 8)
    _bench(make_model(tmp_path / "plain.onnx", FACTS), 8)
    assert jobs[0].session == SessionOptions(**asked).as_dict()  # type: ignore[arg-type]
    assert jobs[1].session == SessionOptions().as_dict()


def test_the_phone_folders_own_word_counts_first(tmp_path: Path, jobs: list[Job]) -> None:
    phone = make_phone_folder(tmp_path / "phone")
    manifest = json.loads((phone / "manifest.json").read_text())
    for said in ({"prepacking": False}, {"prepacking": "no"}):
        (phone / "manifest.json").write_text(json.dumps({**manifest, "session": said}))
        if said["prepacking"] is False:
            _bench(phone, 8)
            assert jobs[0].session == SessionOptions(prepacking=False).as_dict()
        else:
            with pytest.raises(KdcError, match=r"manifest\.json carries session options"):
                _bench(phone, 8)
