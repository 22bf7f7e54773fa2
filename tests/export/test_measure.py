import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from kdc.compress.errors import KdcError
from kdc.compress.files import sha256
from kdc.compress.progress import Silent
from kdc.export import measure
from kdc.export.devices import DEVICES, host
from kdc.export.devices.device import Device
from kdc.export.jobs import Job, Reading
from kdc.export.lengths import Length
from kdc.export.measure import Bench, Plan
from kdc.export.options import SessionOptions
from tests.onnx_model import FACTS, VOCAB, make_model, make_phone_folder

READING = Reading(12.0, 3.0, [1.0, 2.0, 4.0], [0.5, 1.5, 1.0], 60_000_000, 9_000_000, "1.31.1")


@pytest.fixture
def pretend(monkeypatch: pytest.MonkeyPatch) -> Callable[[Reading], list[Job]]:
    """Put a device in place that gives one answer to every job; it keeps the jobs."""

    def put(reading: Reading) -> list[Job]:
        done: list[Job] = []

        def answer(job: Job, address: str) -> Reading:
            done.append(job)
            return reading

        def turns(jobs: Sequence[Job], address: str) -> list[Reading]:
            done.extend(jobs)
            return [reading] * len(jobs)

        device: Device = replace(host.DEVICE, measure=answer, turns=turns)
        monkeypatch.setattr(measure, "find_device", lambda name: (device, ""))
        return done

    return put


@pytest.fixture
def jobs(pretend: Callable[[Reading], list[Job]]) -> list[Job]:
    """The jobs that a device, which answers `READING` to each, was given."""
    return pretend(READING)


def _bench(*models: Path, lengths: tuple[Length, ...] | None = None, **plan: Any) -> Bench:  # noqa: ANN401
    return measure.bench(models, Plan(lengths=lengths, seconds=0.05, **plan), Silent())


def test_the_json_is_what_scripts_rely_on(tmp_path: Path, jobs: list[Job]) -> None:
    """A renamed key breaks every reader of a bench file."""
    model = make_model(tmp_path / "m.onnx", FACTS)
    found = _bench(model, lengths=("natural", 16)).as_dict("kdc bench m.onnx")
    zipped = found["runs"][0].pop("zip_bytes")
    assert 0 < zipped < model.stat().st_size
    assert list(found) == [
        *("format", "date", "command", "machine", "models", "runs", "versus", "quality")
    ]
    assert (found["format"], found["command"]) == ("kdc.bench/1", "kdc bench m.onnx")
    assert found["versus"] == found["quality"] == []
    assert [run["length"] for run in found["runs"]] == ["natural", 16]
    run = found["runs"][0]
    for spread, (p50, p95, p99) in (("latency_ms", (2, 3.8, 3.96)), ("cpu_ms", (1, 1.45, 1.49))):
        low, high = run[spread].pop("intervals")["p50"]
        assert low <= p50 <= high
        assert run.pop(spread) == {"p50": p50, "p95": p95, "p99": p99, "n": 3}
    assert run == {
        "model": str(model),
        "device": "host",
        "threads": 1,
        "length": "natural",
        "tokens": [4, 9],
        "size_bytes": model.stat().st_size,
        "load_ms": 12.0,
        "first_ms": 3.0,
        "instructions": None,
        "peak_rss_bytes": 60_000_000,
        "private_bytes": 9_000_000,
        "memory": {},
        "where": {},
        "samples": {"wall_ms": [1.0, 2.0, 4.0], "cpu_ms": [0.5, 1.5, 1.0], "instructions": []},
        "drift": None,
    }
    assert found["machine"]["onnxruntime"] == "1.31.1"
    json.dumps(found, allow_nan=False)


def test_what_a_device_cannot_tell_is_null(
    tmp_path: Path, pretend: Callable[[Reading], list[Job]]
) -> None:
    """An emulator counts instructions; milliseconds of it would be taken for the phone's."""
    pretend(Reading(None, None, [], [], None, None, "1.31.1", instructions=[7, 9, 8]))
    model = make_model(tmp_path / "m.onnx", FACTS)
    (run,) = _bench(model, lengths=(8,)).as_dict()["runs"]
    missing = ("load_ms", "first_ms", "latency_ms", "cpu_ms", "peak_rss_bytes", "private_bytes")
    assert all(run[name] is None for name in missing)
    assert run["instructions"]["p50"] == 8 and run["samples"]["instructions"] == [7, 9, 8]


@pytest.mark.parametrize("samples", [[], [float("nan")], [1.0, float("inf")], [-1.0]])
def test_what_was_not_measured_is_no_measurement(
    tmp_path: Path, pretend: Callable[[Reading], list[Job]], samples: list[float]
) -> None:
    """A percentile of nothing is NaN, which no JSON has and nobody sees in a table."""
    pretend(replace(READING, wall_ms=samples, cpu_ms=[]))
    with pytest.raises(KdcError, match=r"m\.onnx"):
        _bench(make_model(tmp_path / "m.onnx", FACTS))


def test_each_length_is_a_job_of_its_own(tmp_path: Path, jobs: list[Job]) -> None:
    """One process for all lengths would report the memory of the longest for each."""
    _bench(make_model(tmp_path / "m.onnx", FACTS), threads=1)
    assert [job.lengths for job in jobs] == [[4, 6, 9], [64]]


def test_several_models_are_measured_one_after_the_other(tmp_path: Path, jobs: list[Job]) -> None:
    """A model that is named twice is one model: twice the rows would look like two."""
    one, two = (make_model(tmp_path / name, FACTS) for name in ("1.onnx", "2.onnx"))
    found = _bench(one, two, one, lengths=(8,)).as_dict()
    assert list(found["models"]) == [str(one), str(two)]
    assert [run["model"] for run in found["runs"]] == [str(one), str(two)]
    turns = measure.bench([one, one], Plan(lengths=(8,)), Silent(), [two, two]).versus
    assert [(pair.model, pair.against) for pair in turns] == [(str(one), str(two))]


def test_ids_come_from_the_models_own_vocabulary(tmp_path: Path, jobs: list[Job]) -> None:
    """An id beyond a trimmed vocabulary fails; one row over and over is faster than text."""
    for facts in (FACTS, FACTS | {"kdc.vocab": 30_522}, {}):
        _bench(make_model(tmp_path / "m.onnx", facts), lengths=(8,))
    assert [job.ids for job in jobs] == [(60, VOCAB), (1000, 30_522), (5, 100)]


def test_a_real_model_is_measured(tmp_path: Path) -> None:
    """From the file to the figures, with nothing replaced."""
    found = _bench(make_model(tmp_path / "m.onnx", FACTS)).as_dict()
    for run in found["runs"]:
        assert 0 < run["latency_ms"]["p50"] <= run["latency_ms"]["p95"] <= run["latency_ms"]["p99"]
        assert run["latency_ms"]["n"] == run["cpu_ms"]["n"] >= 1
        assert run["load_ms"] > 0 and run["peak_rss_bytes"] > run["private_bytes"] > 0
        assert set(run["memory"]) == {"runtime", "weights", "prepacked", "arena"}


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"device": "hots"}, "unknown device 'hots'"),
        ({"device": "host:here"}, "--device host:here: this machine has no address"),
        ({"threads": 0}, "--threads 0: give a whole number from 1"),
        ({"threads": -2}, "--threads -2: give a whole number from 1"),
        ({"runs": 0}, "--runs 0: give a whole number from 1"),
        ({"seconds": 0.0}, "--seconds 0: give more than 0"),
        ({"seconds": float("nan")}, "--seconds nan: give more than 0"),
        ({"minutes": float("nan")}, "--minutes nan: give more than 0"),
        ({"minutes": float("inf")}, "--minutes inf: give more than 0"),
        ({"minutes": -1.0}, "--minutes -1: give more than 0"),
        ({"cpu_profile": "fone"}, "unknown CPU profile 'fone': did you mean phone"),
        ({"device": "arm64", "minutes": 3.0, "seconds": 4.0}, "--minutes 3 is for devices that"),
        ({"device": "arm64:cortex-a53", "seconds": 9.0}, "--seconds 9 is for devices that tell"),
        ({"device": "arm64", "threads": 2, "seconds": 4.0}, "--threads 2: arm64 counts the instr"),
        ({"device": "web", "cpu_profile": "phone"}, "--cpu-profile phone is for --device host"),
    ],
)
def test_wrong_options_are_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, changes: dict[str, Any], told: str
) -> None:
    monkeypatch.setitem(DEVICES, "web", host.DEVICE)
    model = make_model(tmp_path / "m.onnx", FACTS)
    with pytest.raises(KdcError, match=told):
        measure.bench([model], Plan(**{"seconds": 0.05, **changes}), Silent())


def test_a_model_is_opened_as_it_asks(tmp_path: Path, jobs: list[Job]) -> None:
    """Measured with other options than apps use, memory and load time are another model's."""
    asked = {"optimization": "basic", "memory_pattern": False}
    _bench(make_model(tmp_path / "m.onnx", {**FACTS, "kdc.session": asked}), lengths=(8,))
    _bench(make_model(tmp_path / "plain.onnx", FACTS), lengths=(8,))
    assert jobs[0].session == SessionOptions("basic", memory_pattern=False).as_dict()
    assert jobs[1].session == SessionOptions().as_dict()


def test_the_phone_folders_own_word_counts_first(tmp_path: Path, jobs: list[Job]) -> None:
    phone = make_phone_folder(tmp_path / "phone")
    manifest = json.loads((phone / "manifest.json").read_text())
    for said in ({"prepacking": False}, {"prepacking": "no"}):
        (phone / "manifest.json").write_text(json.dumps({**manifest, "session": said}))
        if said["prepacking"] is False:
            _bench(phone, lengths=(8,))
            assert jobs[0].session == SessionOptions(prepacking=False).as_dict()
        else:
            with pytest.raises(KdcError, match=r"manifest\.json carries session options"):
                _bench(phone, lengths=(8,))


def test_minutes_lift_the_limit_of_runs(tmp_path: Path, jobs: list[Job]) -> None:
    """A thousand runs of a fast model are over before a phone gets warm."""
    _bench(make_model(tmp_path / "m.onnx", FACTS), lengths=(8,), minutes=3.0)
    assert jobs[0].seconds == 180 and jobs[0].runs >= 10_000_000


def test_a_real_run_of_a_moment_tells_its_drift(tmp_path: Path) -> None:
    model = make_model(tmp_path / "m.onnx", FACTS)
    (run,) = _bench(model, lengths=(8,), minutes=0.01).as_dict()["runs"]
    drift = run["drift"]
    assert 0.005 < drift["minutes"] < 0.02 and len(drift["by_minute"]) == 5
    assert drift["interval"][0] <= drift["ratio"] <= drift["interval"][1]


def test_a_long_runs_samples_are_thinned_after_the_percentiles(
    tmp_path: Path, pretend: Callable[[Reading], list[Job]]
) -> None:
    """Ten minutes of a fast model are a million samples: 30 MB of JSON, and a page as large."""
    many = [float(index) for index in range(100_000)]
    pretend(replace(READING, wall_ms=many, cpu_ms=many))
    (run,) = _bench(make_model(tmp_path / "m.onnx", FACTS), lengths=(8,)).as_dict()["runs"]
    kept = run["samples"]["wall_ms"]
    assert len(kept) == 20_000 and (kept[0], kept[-1]) == (0, 99_999)
    assert run["latency_ms"]["n"] == 100_000 and run["latency_ms"]["p50"] == 49_999.5


def test_a_model_of_shorter_texts_is_compared_on_those(tmp_path: Path, jobs: list[Job]) -> None:
    """Bug: everything was measured, then the comparison failed and nothing was kept."""
    long = make_model(tmp_path / "long.onnx", FACTS)
    short = make_model(tmp_path / "short.onnx", {**FACTS, "kdc.lengths": [5], "kdc.max_length": 8})
    found = measure.bench([long], Plan(seconds=0.05), Silent(), [short])
    assert [pair.length for pair in found.versus] == ["natural", 8]
    assert max(max(job.lengths) for job in jobs if job.model == str(short)) == 8
    jobs.clear()
    with pytest.raises(KdcError, match="reads at most 8 tokens"):
        measure.bench([long], Plan(lengths=("natural",)), Silent(), [short])
    assert not jobs


def test_a_model_that_is_replaced_meanwhile_is_told_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Bug: digest and sizes were taken at the end, and so of a file that was never measured."""
    model = make_model(tmp_path / "m.onnx", FACTS)
    wanted, said = (sha256(model), model.stat().st_size), list[str]()

    def replaces(job: Job, address: str) -> Reading:
        make_model(model, {**FACTS, "kdc.lengths": [4, 5, 6, 7, 8, 9]})
        return READING

    device: Device = replace(host.DEVICE, measure=replaces)
    monkeypatch.setattr(measure, "find_device", lambda name: (device, ""))
    monkeypatch.setattr(Silent, "say", lambda _, text: said.append(text))
    (told,) = _bench(model, lengths=(8,)).as_dict()["models"].values()
    assert (told["sha256"], told["size_bytes"]) == wanted != (sha256(model), model.stat().st_size)
    assert "m.onnx was replaced while it was measured" in said[-1]
