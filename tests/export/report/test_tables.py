import pytest

from kdc.export.report.cells import Table
from kdc.export.report.detail_tables import (
    drift_table,
    ledger_table,
    ledgers_table,
    memory_table,
    versus_table,
)
from kdc.export.report.document import Report
from kdc.export.report.names import shortened
from kdc.export.report.pareto import settings
from kdc.export.report.quality_tables import flips_table, quality_table
from kdc.export.report.reader import read_document
from kdc.export.report.tables import models_table, pareto_table, runs_tables, sources_table, title
from tests.bench_documents import counted, document, quality, run, score, spread, versus


def _row(table: Table, index: int = 0) -> dict[str, str]:
    return dict(zip(table.columns, map(str, table.rows[index]), strict=True))


def _one(**fields: object) -> Report:
    usual = {"models": {}, "versus": [], "quality": [], "runs": [run("student.onnx", 0.5)]}
    return read_document(document(**{**usual, **fields}), "it")


def test_a_row_has_a_cell_for_each_column_in_its_unit() -> None:
    """A cell under the wrong heading is a wrong figure."""
    wall, cpu = spread([1.0, 2.0, 4.0]), {"p50": 1.0, "p95": 1.2, "p99": 1.4, "n": 3}
    wall["n"] = 60
    report = _one(runs=[run("student.onnx", 0.5, latency_ms=wall, cpu_ms=cpu)])
    (table,) = runs_tables(report).values()
    assert _row(table) == {
        "tokens": "natural (4 to 23)",
        "size MB": "4.30",
        "zipped MB": "2.46",
        "load ms": "12.00",
        "first ms": "3.00",
        "p50 ms": "2.00 (1.80 to 2.20)",
        "p95 ms": "3.80",
        "p99 ms": "3.96",
        "CPU ms": "1.00",
        "peak MB": "60.00",
        "private MB": "9.00",
        "runs": "60",
    }
    (page,) = runs_tables(report, page=True).values()
    assert _row(page)["p95 ms"] == "3.80 (3.42 to 4.18)"


@pytest.mark.parametrize(("name", "least"), [("p50", 6), ("p95", 59), ("p99", 299)])
def test_too_few_runs_have_no_interval(name: str, least: int) -> None:
    """Bug: `--runs 1` printed "0.0164 (0.0164 to 0.0164)", as if it were known to the digit."""
    for n, told in ((least - 1, "2.00"), (least, "2.00 (1.80 to 2.20)")):
        wall = {**spread([2.0]), "n": n}
        (page,) = runs_tables(_one(runs=[run("a", 0.5, latency_ms=wall)]), page=True).values()
        assert _row(page)[f"{name} ms"] == told


def test_the_title_names_the_machine() -> None:
    told = title(_one())
    assert told == "student.onnx on host (Some CPU, 2 cores, onnxruntime 1.31.1), 1 thread"
    assert title(_one(runs=[run("a", 1.0, threads=2)])).endswith(", 2 threads")


def test_accuracy_is_told_as_the_manifests() -> None:
    """Bench does not measure accuracy without --data: it must not look as if it did."""
    model = {"accuracy": {"shipped": score(0.9, n=50), "teacher": score(0.96, n=50)}}
    told = title(_one(models={"student.onnx": model}))
    assert told.endswith(
        "; accuracy 90.00 % (88.0 to 92.0, n = 50), 93.8 % of its teacher's, from its manifest"
    )


def test_a_teacher_that_scores_nothing_is_not_divided_by() -> None:
    nothing = {"metric": "matthews", "value": 0.0, "n": 50, "interval": [0.0, 0.0]}
    told = title(
        _one(models={"student.onnx": {"accuracy": {"shipped": nothing, "teacher": nothing}}})
    )
    assert "teacher" not in told and told.endswith("n = 50), from its manifest")


def test_each_device_has_a_table_of_what_it_tells() -> None:
    """An emulator gives no milliseconds: a table of dashes would hide what it does give."""
    found = runs_tables(read_document(document(), "it"))
    assert list(found) == ["host", "arm64:cortex-a76"]
    assert "M instructions" not in found["host"].columns
    assert _row(found["arm64:cortex-a76"]) == {
        "tokens": "natural (4 to 23)",
        "size MB": "4.30",
        "zipped MB": "2.46",
        "M instructions": "24.00",
        "runs": "5",
    }


def test_what_one_of_several_models_does_not_tell_is_a_dash() -> None:
    (table,) = runs_tables(_one(runs=[run("a", 1.0, load_ms=None), run("b", 1.0)])).values()
    assert [_row(table, index)["load ms"] for index in (0, 1)] == ["-", "12.00"]


def test_figures_keep_their_digits() -> None:
    """0.0049 ms as 0.00, or 123456.78 ms, would be no figures."""
    runs = [run("a", 1.0, load_ms=value) for value in (0.00491, 0.0, 9.999, 123_456.7)]
    (table,) = runs_tables(_one(runs=runs)).values()
    shown = [_row(table, index)["load ms"] for index in range(4)]
    assert shown == ["0.00491", "0.00", "10.00", "123,457"]


def test_a_refused_ratio_is_refused_and_its_reason_told() -> None:
    """A ratio whose control is off must not be printed, not even beside a warning."""
    report = _one(versus=[versus("a", "b", 1.5), versus("a", "c", None)])
    table = versus_table(report.versus)
    assert _row(table, 0)["ratio"] == "1.500 (1.470 to 1.530)"
    assert _row(table, 1)["ratio"] == "refused"
    assert "refused: the same model against itself came out as 1.2" in table.note


def test_a_refused_ratio_stays_refused_even_if_a_file_brings_one() -> None:
    forged = versus("a", "b", 9.9, refused="the control is off")
    assert _row(versus_table(_one(versus=[forged]).versus))["ratio"] == "refused"


def test_quality_tells_the_device_and_only_who_was_compared() -> None:
    table = quality_table(_one(quality=[quality("student.onnx", 0.88)]))
    row = _row(table)
    assert row["shipped %"] == "88.00 (86.0 to 90.0)" and row["device"] == "host"
    assert row["same as student"] == "99.00 % (cosine 0.9100)"
    assert "teacher %" not in row and "same as host" not in row


def test_flipped_texts_tell_who_was_right_and_how_many_there_are() -> None:
    (one,) = _one(quality=[quality("student.onnx", 0.88)]).quality
    table = flips_table(one, "student", 5)
    assert table.title.startswith("9 texts of 872 that student.onnx on host answers differently")
    assert table.title.endswith("from the student, the first 1")
    assert table.columns == ("text", "label", "shipped", "student")
    assert [cell.strong for cell in table.rows[0]] == [False, False, True, False]
    # a terminal and a pipe, where a legend spoke of bold, show none
    assert [str(cell).endswith(" (right)") for cell in table.rows[0]] == [False, False, True, False]
    assert not table.note


def test_a_second_text_has_a_column_only_for_pairs() -> None:
    flip = {"text": "a", "pair": "b", "label": "0.5", "shipped": 0.25, "other": 1}
    against = {"host": {"agree": 0.5, "cosine": None, "flipped": [flip]}}
    (one,) = _one(quality=[quality("student.onnx", 0.88, against=against)]).quality
    table = flips_table(one, "host", 5)
    assert table.columns == ("text", "second text", "label", "shipped", "host")
    assert [str(cell) for cell in table.rows[0]] == ["a", "b", "0.5", "0.25", "1"]


def test_the_front_is_marked_and_every_setting_has_a_column() -> None:
    report = shortened(read_document(document(), "it"))
    table = pareto_table(report, settings(report))
    assert [str(row[0]) for row in table.rows] == ["*", "*", ""]
    assert [str(row[1]) for row in table.rows] == ["small", "large", "foreign.onnx"]
    assert table.columns[-2:] == ("host, natural, ms", "arm64:cortex-a76, natural, M instructions")
    assert _row(table)["arm64:cortex-a76, natural, M instructions"] == "24.00"
    assert "size, latency and score (host, natural lengths, 1 thread)" in table.note


def test_one_device_on_two_machines_has_two_columns_with_their_names() -> None:
    """Two columns called `host` would be two figures for one thing."""
    sources = [{"machine": {"cpu": "One"}}, {"machine": {"cpu": "Other"}}]
    runs = [run("a", 1.0), run("b", 1.0), run("b", 2.0, source=1), run("c", 1.0, source=1)]
    report = _one(runs=runs, sources=sources)
    table = pareto_table(report, settings(report))
    assert table.columns[-2:] == ("host, One, natural, ms", "host, Other, natural, ms")
    assert [str(row[1]) for row in table.rows] == ["a", "b", "c"]


def test_memory_drift_and_bytes_have_their_units() -> None:
    report = read_document(document(), "it")
    assert _row(memory_table(report))["weights MB"] == "4.00"
    assert "prepacked MB" not in memory_table(report).columns
    assert _row(drift_table(report))["last / first"] == "1.100 (1.050 to 1.150)"
    bytes_ = ledger_table(report, "small/phone")
    assert [str(row[1]) for row in bytes_.rows] == ["2.40", "1.60", "4.00"]
    both = ledgers_table(report)
    assert both.columns == ("part", "small/phone, MB", "large/phone, MB", "")
    assert [str(row[2]) for row in both.rows] == ["7.20", "4.80", "12.00"]


def test_sources_and_models_can_be_traced() -> None:
    report = read_document(document(), "it")
    assert _row(sources_table(report))["command"].startswith("kdc bench small/phone")
    names = dict(zip(("small", "large", "foreign.onnx"), report.models, strict=True))
    table = models_table(shortened(report), names)
    assert _row(table)["path"] == "small/phone" and _row(table)["sha256"] == "1" * 64


def test_no_runs_at_all_are_no_crash() -> None:
    report = _one(runs=[], models={"a": {}}, quality=[quality("a", 0.9)])
    assert runs_tables(report) == {} and settings(report) == []
    assert title(report).startswith("a on ")


def test_counted_models_are_compared_in_millions() -> None:
    runs = [counted("a", 24_000_000), counted("b", 36_000_000, zip_bytes=1)]
    report = _one(runs=runs)
    table = pareto_table(report, settings(report))
    assert "arm64:cortex-a76, natural, M instructions" in table.columns


def test_the_title_names_the_device_that_was_measured() -> None:
    """The host's CPU beside a phone's figures reads as if the host had been measured."""
    phone = {"maker": "Google", "model": "Pixel 8", "soc": "Tensor G3", "cores": 9}
    told = title(_one(runs=[run("A", 1.0, device="adb", where=phone)]))
    assert told == "A on adb (Google, Pixel 8, Tensor G3, 9 cores), 1 thread"
    core = {"core": "cortex-a76", "emulator": "QEMU 7.2"}
    told = title(_one(runs=[run("A", 1.0, device="arm64", where=core)]))
    assert told == "A on arm64 (cortex-a76, QEMU 7.2), 1 thread"
    assert title(_one(runs=[run("A", 1.0, device="adb")])) == "A on adb, 1 thread"


def test_the_title_names_the_cpu_profile() -> None:
    where = {"cpu_profile": "phone: AMX refused to the process"}
    told = title(_one(runs=[run("A", 1.0, where=where)]))
    assert told.endswith("(Some CPU, 2 cores, onnxruntime 1.31.1, CPU profile phone), 1 thread")
