import resource
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from kdc.compress.errors import KdcError
from kdc.export import process_memory
from kdc.export.devices import host
from kdc.export.jobs import Asked, Job
from kdc.export.process_memory import free_bytes, told_memory
from tests.onnx_model import make_model

linux = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")


def greedy(path: Path, megabytes: int) -> Path:
    """Write a classifier that wants so much memory for each run."""
    constants = {"count": np.array([megabytes * 250_000]), "shape": np.array([1, 2])}  # float32
    nodes = [
        helper.make_node("Cast", ["input_ids"], ["ids"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMean", ["ids"], ["mean"], keepdims=0),
        helper.make_node("Expand", ["mean", "count"], ["filled"]),
        helper.make_node("ReduceSum", ["filled"], ["sum"], keepdims=0),
        helper.make_node("Expand", ["sum", "shape"], ["logits"]),
    ]
    graph = helper.make_graph(
        nodes,
        "greedy",
        [helper.make_tensor_value_info("input_ids", TensorProto.INT64, ["batch", "length"])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, [1, 2])],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    onnx.save(model, path)
    return path


@pytest.fixture
def capped(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the host's processes take 600 MB each."""
    for name in ("RUNNER", "WEIGHING", "ANSWERING", "TURNING"):
        command = ["/bin/sh", "-c", 'ulimit -d 600000; exec "$@"', "-", *getattr(host, name)]
        monkeypatch.setattr(host, name, command)


@linux
@pytest.mark.usefixtures("capped")
def test_a_model_that_wants_too_much_ends_alone(tmp_path: Path) -> None:
    """Without a limit it takes the machine's memory, and Linux kills whom it likes."""
    model = greedy(tmp_path / "m.onnx", 2000)
    told = r"^.*m\.onnx ran out of the 0\.6 GB of memory that it may take: try a smaller model"
    job = Job(str(model), [8], (5, 100), 1, 0.1, runs=3)
    with pytest.raises(KdcError, match=told):
        host.measure(job)
    with pytest.raises(KdcError, match=told):
        host.turns([job, job])
    with pytest.raises(KdcError, match=told):
        host.answer(Asked(str(model), [[5, 6]], [[0, 0]]))


@linux
@pytest.mark.usefixtures("capped")
def test_a_model_that_wants_less_is_measured(tmp_path: Path) -> None:
    """A limit on addresses would stop models of a few MB: ONNX Runtime maps more than it takes."""
    job = Job(str(greedy(tmp_path / "m.onnx", 100)), [8], (5, 100), 1, 0.1, runs=3)
    reading = host.measure(job)
    assert reading.memory["arena"] > 90e6 and len(reading.wall_ms) >= 1


@linux
def test_linux_takes_the_child_first(tmp_path: Path) -> None:
    """Where memory runs out all the same, the parent and everybody else must live."""
    code = (
        "from kdc.export.process_memory import confine\nconfine()\n"
        "import resource\nprint(open('/proc/self/oom_score_adj').read().strip())\n"
        "print(resource.getrlimit(resource.RLIMIT_DATA)[0])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    score, limit = map(int, done.stdout.split())
    free = free_bytes()
    assert score == 1000 and free is not None and 0.5 * free < limit < 2 * free


@linux
def test_a_containers_limit_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A container of 1 GB on a machine of 64 has 1 GB."""
    (tmp_path / "memory.max").write_text("1000000\n")
    (tmp_path / "memory.current").write_text("400000\n")
    (tmp_path / "meminfo").write_text("MemTotal:  9 kB\nMemAvailable:  5000 kB\n")
    places = {"/proc/meminfo": tmp_path / "meminfo", "/sys/fs/cgroup": tmp_path}
    monkeypatch.setattr(process_memory, "Path", lambda name: places[name])
    assert free_bytes() == 600_000
    # bug: files that had been read counted as taken, and every model "ran out of 0.0 GB"
    (tmp_path / "memory.current").write_text("990000\n")
    stat = "anon 90000\nfile 900000\nshmem 100000\ninactive_file 500000\nactive_file 300000\n"
    (tmp_path / "memory.stat").write_text(stat)
    assert free_bytes() == 810_000
    (tmp_path / "memory.max").write_text("max\n")
    assert free_bytes() == 5_120_000
    (tmp_path / "meminfo").unlink()
    assert free_bytes() is None


def test_other_errors_keep_their_sentence() -> None:
    assert told_memory(KdcError("m.onnx is no model"), "m.onnx") == "m.onnx is no model"
    told = told_memory(KdcError("m.onnx fails (std::bad_alloc)"), "m.onnx")
    assert told.startswith("m.onnx ran out of")


def test_what_a_process_holds_is_seen(tmp_path: Path) -> None:
    """Both are read of this very process, whatever its parent held."""
    before = process_memory.private_bytes()
    held = np.ones(5_000_000)
    assert process_memory.private_bytes() - before >= 30e6
    assert process_memory.peak_rss_bytes() >= held.nbytes


@pytest.mark.parametrize(("platform", "unit"), [("darwin", 1), ("freebsd14", 1024)])
def test_without_proc_the_peak_has_the_systems_unit(
    monkeypatch: pytest.MonkeyPatch, platform: str, unit: int
) -> None:
    """macOS counts bytes where the others count KiB: a factor of 1,024."""
    monkeypatch.setattr(process_memory, "_proc", lambda name, prefix: [])
    monkeypatch.setattr(sys, "platform", platform)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert process_memory.peak_rss_bytes() >= peak * unit
    assert process_memory.private_bytes() < peak * unit * 1.5


def test_a_weighed_model_has_a_part_for_everything(tmp_path: Path) -> None:
    """Memory that nobody accounts for is looked for in the wrong place."""
    job = Job(str(make_model(tmp_path / "m.onnx")), [8], (5, 100), 1, 0.1, runs=3)
    memory = host.measure(job).memory
    assert list(memory) == ["runtime", "weights", "prepacked", "arena"]
    assert memory["runtime"] > 1e6 and min(memory.values()) >= 0
