from kdc.export.report.names import short_names, shortened
from kdc.export.report.reader import read_document
from tests.bench_documents import document


def test_what_every_export_is_called_is_left_out() -> None:
    """Eight rows called model.onnx tell nothing."""
    paths = ["runs/int4/phone", "peers/tiny/onnx/model_quantized.onnx", "student.onnx"]
    assert list(short_names(paths).values()) == ["int4", "tiny", "student.onnx"]


def test_as_much_of_a_path_is_shown_as_tells_it_apart() -> None:
    paths = ["a/x/phone", "b/x/phone", "b/y/phone"]
    assert list(short_names(paths).values()) == ["a/x", "b/x", "y"]


def test_folders_that_hold_several_files_keep_the_files_names() -> None:
    """`a/phone` and `a/student.onnx` would both be `a`."""
    assert list(short_names(["a/phone", "a/student.onnx"]).values()) == ["phone", "student.onnx"]


def test_a_path_that_ends_another_is_told_from_it() -> None:
    found = list(short_names(["x.onnx", "a/x.onnx", "b/a/x.onnx"]).values())
    assert len(set(found)) == 3


def test_long_names_are_cut_in_the_middle_and_stay_apart() -> None:
    """A picture has room for some thirty letters; ends are where versions stand."""
    found = short_names([f"{'x' * 60}{'y' * 20}{number}{'z' * 20}.onnx" for number in range(3)])
    assert all(len(name) <= 38 and "…" in name for name in found.values())
    assert len(set(found.values())) == 3


def test_a_shortened_report_says_the_same_of_the_same_models() -> None:
    report = read_document(document(), "it")
    short = shortened(report)
    names = short_names(report.models)
    assert [one.model for one in short.runs] == [names[one.model] for one in report.runs]
    assert short.versus[0].against == "foreign.onnx"
    assert short.models["small"].sha256 == report.models["small/phone"].sha256


def test_roots_and_dots_are_names_too() -> None:
    assert short_names(["phone"])["phone"] == "phone"
    assert short_names(["/phone"])["/phone"] == "phone"
    assert short_names(["../phone"])["../phone"] == "phone"
    assert short_names([""])[""] == ""
