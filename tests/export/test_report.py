from dataclasses import replace

from kdc.compress.metrics import Score
from kdc.export.lengths import Texts
from kdc.export.measure import Accuracy, Bench, Measurement
from kdc.export.report import COLUMNS, describe_bench
from kdc.export.runner import Reading

READING = Reading(12.0, 3.0, [1.0, 2.0, 4.0], [0.5, 1.5, 1.0], 60_000_000, 9_000_000, "1.31.1")
NATURAL = Measurement("host", 1, Texts("natural", (4, 23, 6)), READING)
BENCH = Bench(
    model="student.onnx",
    size_bytes=4_300_000,
    zip_bytes=2_460_000,
    accuracy=None,
    machine={"cpu": "Some CPU", "cores": 2, "onnxruntime": "1.31.1"},
    runs=(NATURAL, replace(NATURAL, texts=Texts(128, (128,)))),
)


def test_a_row_has_a_cell_for_each_column_in_its_unit() -> None:
    """A cell under the wrong heading is a wrong figure."""
    _, columns, rows = describe_bench(BENCH)
    assert columns == COLUMNS
    assert dict(zip(columns, rows[0], strict=True)) == {
        "tokens": "natural (4 to 23)",
        "size MB": "4.30",
        "zipped MB": "2.46",
        "load ms": "12.00",
        "first ms": "3.00",
        "p50 ms": "2.00",
        "p95 ms": "3.80",
        "p99 ms": "3.96",
        "CPU ms": "1.00",
        "peak MB": "60.00",
        "private MB": "9.00",
        "runs": "3",
    }
    assert rows[1][0] == "128"


def test_the_title_names_the_machine() -> None:
    title, _, _ = describe_bench(BENCH)
    assert title == "student.onnx on host (Some CPU, 2 cores, onnxruntime 1.31.1), 1 thread"
    two = replace(BENCH, runs=(replace(NATURAL, threads=2),))
    assert describe_bench(two)[0].endswith(", 2 threads")


def test_accuracy_is_told_as_the_manifests() -> None:
    """Bench does not measure accuracy: it must not look as if it did."""
    shipped, teacher = Score("accuracy", 0.9, 50, 0.8, 0.95), Score("accuracy", 0.96, 50, 0.9, 0.99)
    title, _, _ = describe_bench(replace(BENCH, accuracy=Accuracy(shipped, teacher)))
    assert title.endswith(
        "; accuracy 90.00 % (80.0 to 95.0, n = 50), 93.8 % of its teacher's, from its manifest"
    )


def test_a_teacher_that_scores_nothing_is_not_divided_by() -> None:
    nothing = Score("matthews", 0.0, 50, 0.0, 0.0)
    title, _, _ = describe_bench(replace(BENCH, accuracy=Accuracy(nothing, nothing)))
    assert "teacher" not in title and title.endswith("n = 50), from its manifest")
