import xml.etree.ElementTree as ET

import numpy as np
import pytest

from kdc.export.report.bars import Bar, stacked
from kdc.export.report.distribution import density, distribution
from kdc.export.report.drift import drift_lines
from kdc.export.report.figures import distributions, ledger_stack, memory_stack, model_colours
from kdc.export.report.names import shortened
from kdc.export.report.pareto import settings
from kdc.export.report.ratios import ratios
from kdc.export.report.reader import read_document
from kdc.export.report.svg import Picture, Scale
from kdc.export.report.tradeoff import side_by_side, tradeoff
from tests.bench_documents import document, drift, run, versus

REPORT = shortened(read_document(document(), "it"))
COLOURS = model_colours(REPORT)


def _parts(picture: Picture, name: str, kind: str = "") -> list[ET.Element]:
    found = ET.fromstring(str(picture)).iter(name)
    return [part for part in found if kind in (part.get("class") or "").split() or not kind]


def _texts(picture: Picture) -> list[str]:
    return [part.text or "" for part in _parts(picture, "text")]


def test_every_scored_model_is_a_point_with_its_name() -> None:
    setting = settings(REPORT)[0]
    size, latency = tradeoff(setting)
    for picture in (size, latency):
        assert len(_parts(picture, "circle")) == 2
        assert {"small", "large"} <= set(_texts(picture))
        assert "accuracy %" in _texts(picture)
    assert "model size, zipped, MB" in _texts(size) and "latency p50, ms" in _texts(latency)


def test_better_is_higher_and_cheaper_is_further_left() -> None:
    setting = settings(REPORT)[0]
    for picture in tradeoff(setting):
        small, large = _parts(picture, "circle")
        assert float(small.get("cx", "")) < float(large.get("cx", ""))
        assert float(small.get("cy", "")) > float(large.get("cy", ""))


def test_whiskers_are_as_long_as_the_intervals() -> None:
    """Four points of interval beside five points of distance: both on one axis."""
    size, _ = tradeoff(settings(REPORT)[0])
    low, high = (float(part.get("cy", "")) for part in _parts(size, "circle"))
    each = [
        float(p.get("y2", "")) - float(p.get("y1", "")) for p in _parts(size, "line", "whisker")
    ]
    assert each == pytest.approx([(low - high) * 4 / 5] * 2, abs=0.05)


def test_dominated_models_are_hollow_and_off_the_line() -> None:
    runs = [run("a", 1.0, zip_bytes=5), run("b", 2.0, zip_bytes=3), run("c", 3.0, zip_bytes=4)]
    (setting,) = settings(read_document(document(models={}, quality=[], runs=runs), "it"))
    (picture,) = tradeoff(setting)
    assert [part.get("class") for part in _parts(picture, "circle")] == ["best", "best", "other"]
    (steps,) = _parts(picture, "path", "front")
    assert steps.get("d", "").count("L") == 2
    c = _parts(picture, "circle")[2]
    assert f"{c.get('cx')} {c.get('cy')}" not in steps.get("d", "")


def test_pictures_side_by_side_do_not_overlap() -> None:
    both = side_by_side(tradeoff(settings(REPORT)[0]), "how it was measured")
    assert both.width > 2 * 460 and "how it was measured" in _texts(both)


def test_a_density_is_where_the_samples_are() -> None:
    """Against a sum of normal densities, written out."""
    rng = np.random.default_rng(0)
    samples = np.concatenate([rng.normal(2, 0.2, 600), rng.normal(5, 0.4, 300)])
    found = density(samples.tolist(), Scale(0.0, 8.0, 0.0, 100.0))
    assert found is not None and found.max() == 1.0
    xs = (np.arange(160) + 0.5) * 8 / 160
    spread = min(samples.std(), np.subtract(*np.percentile(samples, [75, 25])) / 1.34)
    width = 0.9 * spread * 900**-0.2
    wanted = np.exp(-0.5 * ((xs[:, None] - samples[None]) / width) ** 2).sum(axis=1)
    assert np.abs(found - wanted / wanted.max()).max() < 0.03


@pytest.mark.parametrize("samples", [[], [1.0], [1.0] * 4, [9.0] * 50])
def test_too_few_samples_or_none_in_sight_have_no_hill(samples: list[float]) -> None:
    assert density(samples, Scale(0.0, 5.0, 0.0, 100.0)) is None


def test_equal_samples_are_a_peak_and_no_crash() -> None:
    found = density([2.0] * 50, Scale(0.0, 5.0, 0.0, 100.0))
    assert found is not None and found.argmax() == 64


def test_percentiles_stand_where_the_axis_says() -> None:
    fields = {"latency_ms": {"p50": 2.0, "p95": 3.0, "p99": 4.0}, "samples": {}}
    report = read_document(document(runs=[run("a", 1.0, **fields)], models={}), "it")
    picture = distribution(report.runs, "wall", {"a": "s0"})
    assert picture is not None
    (p50,) = (float(part.get("x1", "")) for part in _parts(picture, "line", "middle"))
    p95, p99 = (float(part.get("x1", "")) for part in _parts(picture, "line", "tail"))
    assert p95 - p50 == pytest.approx(p99 - p95, abs=0.05) and p50 < p95
    assert "2.00 ms, p99 4.00" in _texts(picture)
    assert not _parts(picture, "path")


def test_distributions_are_apart_by_device_length_and_clock() -> None:
    found = distributions(REPORT)
    assert [figure.title for figure in found] == [
        "host, natural lengths",
        "host, natural lengths",
        "arm64:cortex-a76, natural lengths",
    ]
    assert "instructions of a text: a proxy, no time" in _texts(found[2].picture)


def test_stacked_bars_are_as_long_as_their_parts() -> None:
    bars = [Bar("a", {"x": 1.0, "y": 2.0}, "3"), Bar("b", {"y": 1.5}, "1.5")]
    picture = stacked(bars, {"x": "s0", "y": "s1"}, "MB")
    widths = [float(part.get("width", "")) for part in _parts(picture, "rect", "bar")]
    assert widths == pytest.approx([444 / 3, 444 * 2 / 3, 444 / 2], abs=0.02)
    assert [part.get("class") for part in _parts(picture, "rect")] == ["bar s0", "bar s1", "bar s1"]


def test_bytes_and_memory_have_a_colour_for_each_part() -> None:
    bytes_, memory = ledger_stack(REPORT), memory_stack(REPORT)
    assert bytes_ is not None and memory is not None
    assert set(bytes_.legend) == {"vocabulary", "ffn"}
    assert len(set(bytes_.legend.values())) == 2
    assert set(memory.legend) == {"runtime", "weights", "arena"}


def test_a_refused_ratio_is_not_drawn() -> None:
    """A picture of it would be the very figure that was refused."""
    pairs = read_document(document(versus=[versus("a", "b", 2.0), versus("a", "c", None)]), "it")
    picture = ratios(pairs.versus)
    assert picture is not None
    assert len(_parts(picture, "circle", "ratio")) == 1
    assert not any("c" in text.split() for text in _texts(picture))
    assert ratios(pairs.versus[1:]) is None


def test_drift_is_drawn_from_zero() -> None:
    """An axis that begins at the least value makes a slope of any noise."""
    report = read_document(document(runs=[run("a", 1.0, drift=drift(1.0))], models={}), "it")
    picture = drift_lines(report.runs, {"a": "s0"})
    assert picture is not None
    assert "0" in _texts(picture)
    wall, cpu = _parts(picture, "path", "trend")
    assert "dashed" in (cpu.get("class") or "") and wall.get("d", "").count("L") == 2
    assert drift_lines(REPORT.runs[1:], COLOURS) is None


def test_a_model_has_one_colour_in_all_pictures() -> None:
    assert COLOURS == {"small": "s0", "large": "s1", "foreign.onnx": "s2"}
