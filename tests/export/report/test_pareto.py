import numpy as np

from kdc.export.report.pareto import front, settings
from kdc.export.report.reader import read_document
from tests.bench_documents import MACHINE, document, quality, run


def test_the_front_is_what_no_other_point_beats() -> None:
    """Against the definition, written out with numpy, on points with many ties."""
    points = np.random.default_rng(0).integers(0, 5, (60, 3))
    no_worse = (points[:, None] <= points[None]).all(axis=2)
    better = (points[:, None] < points[None]).any(axis=2)
    dominated = (no_worse & better).any(axis=0)
    assert front([tuple(map(float, point)) for point in points]) == (~dominated).tolist()
    assert 0 < dominated.sum() < 60


def test_equal_points_are_both_on_the_front() -> None:
    assert front([(1.0, 2.0), (1.0, 2.0), (1.0, 3.0)]) == [True, True, False]


def test_models_are_compared_only_where_they_were_measured_alike() -> None:
    """An emulator's instructions beside milliseconds would crown whoever was counted."""
    first, second = settings(read_document(document(), "it"))
    assert (first.device, first.unit, len(first.points)) == ("host", "ms", 3)
    assert (second.device, second.unit) == ("arm64:cortex-a76", "instructions")
    assert [point.p50 for point in second.points] == [24_000_000]


def test_another_machine_is_another_setting() -> None:
    """A fast machine's figures beside a slow one's would say nothing of the models."""
    sources = [
        {"date": "2026-11-20", "machine": MACHINE},
        {"date": "2026-11-21", "machine": {**MACHINE, "cpu": "Another CPU"}},
    ]
    runs = [run("a.onnx", 1.0), run("b.onnx", 1.0, source=1)]
    found = settings(read_document(document(sources=sources, runs=runs, models={}), "it"))
    assert [len(setting.points) for setting in found] == [1, 1]
    same = [{**source, "machine": MACHINE} for source in sources]
    (one,) = settings(read_document(document(sources=same, runs=runs, models={}), "it"))
    assert len(one.points) == 2


def test_a_phone_is_the_same_phone_on_any_machine() -> None:
    sources = [{"machine": MACHINE}, {"machine": {**MACHINE, "cpu": "Another CPU"}}]
    runs = [run("a.onnx", 1.0, device="adb:X"), run("b.onnx", 1.0, device="adb:X", source=1)]
    (one,) = settings(read_document(document(sources=sources, runs=runs, models={}), "it"))
    assert len(one.points) == 2


def test_scores_are_those_measured_for_most_models() -> None:
    """A score from another data set or from a manifest beside a measured one is no comparison."""
    measured = [quality("small/phone", 0.8), quality("large/phone", 0.9)]
    other = quality("foreign.onnx", 0.99, data="another task")
    (setting, _) = settings(read_document(document(quality=[*measured, other]), "it"))
    scores = {point.model: point.score and point.score.value for point in setting.points}
    assert scores == {"small/phone": 0.8, "large/phone": 0.9, "foreign.onnx": None}
    assert setting.basis == "accuracy on demo dev (n = 872), measured on host"


def test_without_a_measured_score_the_manifests_count() -> None:
    (setting, _) = settings(read_document(document(quality=[]), "it"))
    scores = {point.model: point.score and point.score.value for point in setting.points}
    assert scores == {"small/phone": 0.88, "large/phone": 0.93, "foreign.onnx": None}
    assert setting.basis == "accuracy on dev (n = 872), from the manifests"


def test_a_model_without_a_score_is_on_no_front_beside_those_with_one() -> None:
    (setting, _) = settings(read_document(document(), "it"))
    assert {point.model for point in setting.points if point.front} == {
        "small/phone",
        "large/phone",
    }


def test_without_any_score_the_front_is_of_size_and_latency() -> None:
    runs = [
        run("a.onnx", 1.0, zip_bytes=5),
        run("b.onnx", 2.0, zip_bytes=3),
        run("c.onnx", 3.0, zip_bytes=4),
    ]
    (setting,) = settings(read_document(document(models={}, quality=[], runs=runs), "it"))
    assert [point.front for point in setting.points] == [True, True, False]


def test_of_a_model_measured_twice_the_last_counts() -> None:
    runs = [
        run("a.onnx", 1.0, latency_ms={"p50": 1.0}),
        run("a.onnx", 2.0, latency_ms={"p50": 2.0}),
    ]
    (setting,) = settings(read_document(document(models={}, quality=[], runs=runs), "it"))
    assert [point.p50 for point in setting.points] == [2.0]


def test_sizes_are_zipped_only_where_all_are() -> None:
    """One zipped size beside a plain one would be half a fair comparison."""
    runs = [run("a.onnx", 1.0, zip_bytes=None, size_bytes=7), run("b.onnx", 1.0, size_bytes=9)]
    (setting,) = settings(read_document(document(models={}, quality=[], runs=runs), "it"))
    assert not setting.zipped and [point.bytes for point in setting.points] == [7, 9]


def _where(device: str, *places: dict[str, object]) -> list[str]:
    """Return the machines of the settings of one model for each place."""
    runs = [
        run(f"{index}.onnx", 1.0, device=device, where=place) for index, place in enumerate(places)
    ]
    return [one.machine for one in settings(read_document(document(runs=runs, models={}), "it"))]


def test_different_phones_are_different_settings() -> None:
    """`adb` alone names whichever phone was attached: a slow one beside a fast one ranks phones."""
    pixel = {"maker": "Google", "model": "Pixel 8", "soc": "Tensor G3", "cores": 9}
    other = {"maker": "Google", "model": "Pixel 4a", "soc": "SM7150", "cores": 8}
    told = ["Google, Pixel 8, Tensor G3, 9 cores", "Google, Pixel 4a, SM7150, 8 cores"]
    assert _where("adb", pixel, other) == told
    warm = [{**pixel, "before": {"battery_celsius": celsius}} for celsius in (20, 40)]
    assert _where("adb", *warm) == told[:1]


def test_a_cpu_profile_is_a_setting_of_its_own() -> None:
    """Without AMX int8 is several times as slow: no front may hold both."""
    native, phone = _where("host", {}, {"cpu_profile": "phone: AMX refused to the process"})
    assert phone == f"{native}, CPU profile phone"
    assert _where("host", {}, {"cpu_profile": "native"}, {"cpu_profile": [1]}) == [native]
