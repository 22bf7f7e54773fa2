import json
import mmap
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import pytest

from kdc.export import runner
from kdc.export.jobs import Job, Reading
from kdc.export.runner import measure
from tests.onnx_model import Array, make_model

linux = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")


class Recorder:
    """Stands where the open model would: notes what it is asked and works as told."""

    load_ms = 1.0

    def __init__(self, work: Callable[[], object] = lambda: None) -> None:
        self.tokens: list[Array] = []
        self._work = work

    def run(self, tokens: Array, types: Array) -> None:
        assert tokens.shape == types.shape and not types.any()
        self.tokens.append(tokens)
        self._work()


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> Callable[[Recorder], Recorder]:
    def put(recorder: Recorder) -> Recorder:
        monkeypatch.setattr(runner, "open_session", lambda path, threads, options: recorder)
        return recorder

    return put


def _job(**changes: Any) -> Job:  # noqa: ANN401
    return replace(Job("m.onnx", [8], (5, 100), 1, 9.0, runs=5), **changes)


def _child(job: Job, *command: str) -> subprocess.CompletedProcess[str]:
    command = command or (sys.executable, "-m", "kdc.export.runner")
    return subprocess.run(command, input=json.dumps(asdict(job)), capture_output=True, text=True)


def test_one_job_in_one_line_out(tmp_path: Path) -> None:
    """The child's standard output is parsed: nothing else may be printed there."""
    child = _child(_job(model=str(make_model(tmp_path / "m.onnx"))))
    assert child.stderr == "" and child.stdout.count("\n") == 1
    reading = Reading(**json.loads(child.stdout))
    assert len(reading.wall_ms) == len(reading.cpu_ms) == 5
    assert reading.load_ms is not None and reading.first_ms is not None
    assert min(*reading.wall_ms, reading.load_ms, reading.first_ms) > 0


def test_nothing_heavy_is_imported_into_the_process_that_is_measured(tmp_path: Path) -> None:
    """torch alone would add 200 MB to the peak that is reported of the model."""
    code = (
        "import json, sys\nfrom kdc.export.runner import Job, measure\n"
        "measure(Job(**json.load(sys.stdin)))\n"
        "print(*{name.partition('.')[0] for name in sys.modules})"
    )
    job = _job(model=str(make_model(tmp_path / "m.onnx")))
    loaded = set(_child(job, sys.executable, "-c", code).stdout.split())
    assert {"numpy", "onnxruntime"} <= loaded
    assert not loaded & {"torch", "transformers", "onnx", "typer", "rich", "tokenizers", "google"}


def test_an_expected_error_is_answered_as_a_sentence(tmp_path: Path) -> None:
    child = _child(_job(model=str(tmp_path / "none.onnx")))
    assert child.returncode == 0
    assert json.loads(child.stdout)["error"].startswith("there is no model at ")


def test_the_warm_up_is_not_measured(opened: Callable[[Recorder], Recorder]) -> None:
    """The first runs allocate and are slower: one first, ten to warm up, then those that count."""
    pauses = iter([0.02] * 11 + [0.0] * 5)
    recorder = opened(Recorder(lambda: time.sleep(next(pauses))))
    reading = measure(_job())
    assert len(recorder.tokens) == 16
    assert reading.first_ms is not None
    assert reading.first_ms >= 20 and median(reading.wall_ms) < 20


def test_each_length_gets_as_many_runs_as_any_other(
    opened: Callable[[Recorder], Recorder],
) -> None:
    """Drawn lengths would make two runs of one bench differ by their luck."""
    recorder = opened(Recorder())
    measure(_job(lengths=[4, 9, 30], runs=29))
    lengths = [len(tokens) for tokens in recorder.tokens[-30:]]
    assert [lengths.count(length) for length in (4, 9, 30)] == [10, 10, 10]


def test_ids_stay_in_their_range_and_change(opened: Callable[[Recorder], Recorder]) -> None:
    """An id outside the embedding fails; the same text again runs from warm caches."""
    recorder = opened(Recorder())
    measure(_job(lengths=[50], ids=(7, 10), runs=20))
    assert set(np.concatenate(recorder.tokens).tolist()) == {7, 8, 9}
    assert len({tokens.tobytes() for tokens in recorder.tokens}) == len(recorder.tokens)


def test_a_slow_model_ends(opened: Callable[[Recorder], Recorder]) -> None:
    """A thousand runs of a model that needs a second each would take a quarter of an hour."""
    opened(Recorder(lambda: time.sleep(0.02)))
    assert 1 <= len(measure(_job(seconds=0.1, runs=1000)).wall_ms) <= 5
    assert len(measure(_job(seconds=0.0, runs=1000)).wall_ms) == 1


def test_cpu_time_leaves_out_waiting(opened: Callable[[Recorder], Recorder]) -> None:
    """Wall time doubles on a busy machine; CPU time must not."""
    opened(Recorder(lambda: time.sleep(0.02)))
    reading = measure(_job(seconds=0.2))
    assert min(reading.wall_ms) >= 20 and max(reading.cpu_ms) < 10


def test_cpu_time_counts_the_other_threads(opened: Callable[[Recorder], Recorder]) -> None:
    """The calling thread's own clock misses what a pool of threads does for it."""

    def burn() -> None:
        end = time.thread_time() + 0.02
        while time.thread_time() < end:
            pass

    def work() -> None:
        thread = threading.Thread(target=burn)
        thread.start()
        thread.join()

    opened(Recorder(work))
    assert min(measure(_job(seconds=0.2)).cpu_ms) >= 15


@linux
def test_memory_the_model_keeps_is_seen(opened: Callable[[Recorder], Recorder]) -> None:
    kept: list[mmap.mmap] = []  # malloc would hand out what earlier tests gave back

    def keep() -> None:
        kept.append(mmap.mmap(-1, 1_000_000, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS))
        kept[-1].write(b"x" * 1_000_000)

    opened(Recorder(keep))
    grown = measure(_job(runs=9)).private_bytes
    assert grown is not None
    assert len(kept) == 20 and 18e6 < grown < 24e6


@linux
def test_samples_of_a_long_run_are_not_the_models_memory(tmp_path: Path) -> None:
    """Ten minutes of a small model were 64 bytes for each of millions of runs in its memory."""
    model = str(make_model(tmp_path / "m.onnx"))
    short, long = (
        json.loads(_child(_job(model=model, seconds=60.0, runs=runs)).stdout)
        for runs in (100, 30_000)
    )
    assert (len(short["wall_ms"]), len(long["cpu_ms"])) == (100, 20_000)
    assert long["private_bytes"] - short["private_bytes"] < 0.5e6
    assert long["peak_rss_bytes"] - short["peak_rss_bytes"] < 1e6


@linux
def test_pages_of_files_are_not_the_process_own(
    tmp_path: Path, opened: Callable[[Recorder], Recorder]
) -> None:
    """The system drops them at will; whether they count as private depends on other readers."""
    (tmp_path / "weights").write_bytes(bytes(range(256)) * 80_000)
    touched: list[int] = []
    with (tmp_path / "weights").open("rb") as file:
        weights = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    opened(Recorder(lambda: touched.append(sum(weights[::4096]))))
    grown = measure(_job(runs=3)).private_bytes
    assert grown is not None
    assert grown < 5e6 and touched


@linux
def test_a_large_parent_does_not_show_in_the_childs_peak(tmp_path: Path) -> None:
    """`ru_maxrss` is handed from parent to child across exec: it said 400 MB for a 60 MB child."""
    ballast = b"x" * 300_000_000
    child = _child(_job(model=str(make_model(tmp_path / "m.onnx"))))
    assert 20e6 < json.loads(child.stdout)["peak_rss_bytes"] < len(ballast) / 2


def test_the_child_keeps_some_of_very_many_samples(
    opened: Callable[[Recorder], Recorder], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Bug: every sample of a run of minutes went to the parent, which kept 20,000 of them."""
    monkeypatch.setattr("kdc.export.thinning.KEPT", 200)
    opened(Recorder())
    found = measure(_job(runs=1000))
    assert len(found.wall_ms) == len(found.cpu_ms) == 200
    assert found.whole["wall_ms"]["n"] == found.whole["cpu_ms"]["n"] == 1000
