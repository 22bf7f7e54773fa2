from itertools import permutations

from kdc.export.report.merge import merge
from kdc.export.report.reader import read_document
from kdc.export.report.write import as_dict
from tests.bench_documents import Document, document, model, quality, run, versus


def _one(name: str, digit: str, date: str, **fields: object) -> Document:
    own = {"date": date, "models": {name: model(digit, 4.0)}, "runs": [run(name, 1.0)]}
    return document(**{**own, "versus": [], "quality": [], **fields})


def test_the_same_bytes_under_two_paths_are_one_model() -> None:
    """Two rows for one file would look like two models of equal size."""
    days = [_one("phone", "a", "2026-11-20"), _one("other/phone", "a", "2026-11-21")]
    merged = merge([read_document(one, "it") for one in days])
    assert list(merged.models) == ["phone"]
    assert [one.model for one in merged.runs] == ["phone", "phone"]
    assert [one.source for one in merged.runs] == [0, 1]


def test_two_models_of_one_path_stay_two() -> None:
    """student.onnx of Monday is not that of Tuesday: their figures must not be mixed."""
    days = [
        _one("student.onnx", "a", "2026-11-20", quality=[quality("student.onnx", 0.8)]),
        _one(
            "student.onnx",
            "b",
            "2026-11-21",
            quality=[quality("student.onnx", 0.9)],
            versus=[versus("student.onnx", "student.onnx", 1.5)],
        ),
    ]
    merged = merge([read_document(one, "it") for one in days])
    assert list(merged.models) == ["student.onnx", "student.onnx (bbbbbb)"]
    assert [one.model for one in merged.runs] == list(merged.models)
    assert {one.model: one.score.value for one in merged.quality} == {
        "student.onnx": 0.8,
        "student.onnx (bbbbbb)": 0.9,
    }
    assert merged.versus[0].against == "student.onnx (bbbbbb)"


def test_models_without_a_digest_are_told_apart_by_size() -> None:
    old = [run("student.onnx", 1.0, size_bytes=size) for size in (1, 2, 1)]
    reports = [
        read_document({"format": "kdc.bench/1", "date": f"2026-11-2{day}", "runs": [one]}, "it")
        for day, one in enumerate(old)
    ]
    merged = merge(reports)
    assert [one.model for one in merged.runs] == [
        "student.onnx",
        "student.onnx (2)",
        "student.onnx",
    ]


def test_a_merged_report_merges_again_with_its_parts() -> None:
    """Whoever adds a day to last week's report must not count last week twice."""
    first = read_document(_one("phone", "a", "2026-11-20"), "it")
    second = read_document(document(), "it")
    both = merge([first, second])
    again = merge([read_document(as_dict(both), "it"), first, second, second])
    assert again == both


def test_the_order_of_the_files_does_not_matter() -> None:
    reports = [
        read_document(_one("phone", digit, f"2026-11-2{day}"), "it")
        for day, digit in enumerate("abc")
    ]
    assert len({str(merge(order)) for order in permutations(reports)}) == 1


def test_what_one_report_does_not_know_of_a_model_another_may() -> None:
    bare = {**model("a", 4.0), "ledger": None, "quantization": None}
    days = [
        _one("phone", "a", "2026-11-20", models={"phone": bare}),
        _one("phone", "a", "2026-11-21", models={"phone": model("a", 4.0, 0.9)}),
    ]
    (found,) = merge([read_document(one, "it") for one in days]).models.values()
    assert found.quantization == "int8-dynamic" and found.ledger and found.shipped is not None
