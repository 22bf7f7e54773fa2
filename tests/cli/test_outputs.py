import os
from collections.abc import Callable
from pathlib import Path

import onnx
import pytest
from typer.testing import CliRunner, Result

from kdc.cli.main import build
from kdc.cli.outputs import check_paths
from kdc.compress.errors import KdcError
from tests.bench_documents import document, write
from tests.onnx_model import make_model, make_phone_folder


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder with a model, a phone folder and a measurement."""
    monkeypatch.chdir(tmp_path)
    make_model(Path("m.onnx"))
    make_phone_folder(Path("phone"))
    Path("link.onnx").symlink_to("m.onnx")
    write(Path("monday.json"), document())
    os.mkfifo("pipe")
    Path("loop").symlink_to("loop")


def _contents() -> dict[str, bytes | None]:
    return {str(path): path.read_bytes() if path.is_file() else None for path in Path().rglob("*")}


def _bench(*options: str) -> Result:
    command = ["bench", "m.onnx", "--seconds", "0.05", "--length", "8", *options]
    return CliRunner().invoke(build(), command)


def _report(*options: str) -> Result:
    return CliRunner().invoke(build(), ["report", "monday.json", *options])


LONG = "x" * 300
UNUSABLE = [
    (("--json", "x", "--html", "x"), "--html x is in the way of --json x"),
    (("--json", "x", "--html", "new/../x"), "--html new/../x is in the way of --json x"),
    (("--json", "a", "--html", "a/b"), "--html a/b is in the way of --json a"),
    (("--html", "a", "--json", "a/b"), "--json a/b is in the way of --html a"),
    (("--json", "pipe"), "--json pipe is no regular file: choose another path; - is standard"),
    (("--html", "/dev/null"), "--html /dev/null is no regular file"),
    (("--html", ""), "--html . is no name for a file"),
    (("--html", "-"), "--html: - is standard output, where only --json can go: give the name of"),
    (("--json", "-", "--png", "-"), "--png: - is standard output, where only --json can go"),
    (("--html", "new/.."), "--html new/.. is no name for a file"),
    (("--json", "phone"), "--json phone is a folder"),
    (("--json", "m.onnx/x.json"), "--json m.onnx/x.json"),
    (("--json", "loop/x.json"), "--json loop/x.json"),
    (("--json", "/proc/x.json"), "cannot write /proc/x.json: no file can be made"),
    (("--html", LONG), f"cannot write {LONG}: the name is too long"),
    (("--html", f"{LONG}/x"), f"cannot write {LONG}/x: the name is too long"),
    (("--html", "y" * 250), f"cannot write {'y' * 250}: the name is too long"),
    (("--html", "new/r.md"), "--html new/r.md would hold HTML: give it a name that ends in .html"),
    (("--png", "r.svg"), "--png r.svg would hold PNG: give it a name that ends in .png"),
]


@pytest.mark.parametrize("kdc", [_bench, _report])
@pytest.mark.parametrize(("options", "told"), UNUSABLE)
def test_an_unusable_path_is_told_before_anything_is_measured(
    kdc: Callable[..., Result], options: tuple[str, ...], told: str
) -> None:
    """Bug: minutes of measuring, then an internal error, or a pipe replaced by a file."""
    before = _contents()
    done = kdc(*options)
    assert done.exit_code == 1, done.output
    assert done.stderr.startswith(f"kdc: {told}") and done.stderr.count("\n") == 1
    assert not done.stdout and _contents() == before and Path("pipe").is_fifo()


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (("--json", "m.onnx"), "--json m.onnx would replace m.onnx"),
        (("--html", "link.onnx"), "--html link.onnx would replace m.onnx"),
        (("--vs", "link.onnx", "--png", "./link.onnx"), "--png link.onnx would replace m.onnx"),
        (("--vs", "phone", "--json", "phone/b.json"), "--json phone/b.json lies inside phone"),
        (("--data", "monday.json", "--json", "monday.json"), "--json monday.json would replace"),
    ],
)
def test_bench_never_writes_over_what_it_reads(options: tuple[str, ...], told: str) -> None:
    """Bug: `kdc bench m.onnx --json m.onnx` left a JSON file where the model was."""
    before = _contents()
    done = _bench(*options)
    assert done.exit_code == 1 and done.stderr.startswith(f"kdc: {told}"), done.output
    assert _contents() == before


@pytest.mark.parametrize(
    ("command", "told"),
    [
        (["eval", "--data", "t.csv", "--json", "t.csv"], "--json t.csv would replace t.csv"),
        (["eval", "--model", "m.onnx", "--json", "m.onnx"], "--json m.onnx would replace m.onnx"),
        (["distill", "--dev", "t.csv", "--json", "./t.csv"], "--json t.csv would replace t.csv"),
        (["distill", "--json", "student"], "--json student is in the way of student, which is"),
        (["distill", "--json", "a", "--out", "a/b"], "--json a is in the way of a/b, which is"),
        (["teacher", "--data", "t.csv", "--json", "t.csv"], "--json t.csv would replace t.csv"),
        (["teacher", "--json", "teacher/x.json"], "--json teacher/x.json lies inside teacher"),
        (["label", "t.csv", "--teacher", "m", "--json", "t.csv"], "--json t.csv would replace"),
        (["export", "phone", "--json", "phone/b.json"], "--json phone/b.json lies inside phone"),
        (["bundle", "phone", "--json", "app/b.json"], "--json app/b.json lies inside app"),
        (["export", "--json", "student.onnx"], "--json student.onnx is in the way of student.onnx"),
        (["export", "--json", "./student.ort"], "--json student.ort is in the way of student.ort"),
        (
            ["export", "--out", "new/phone", "--json", "new/model_quantized.onnx_data"],
            "--json new/model_quantized.onnx_data is in the way of new/model_quantized.onnx_data",
        ),
    ],
    ids=" ".join,
)
def test_no_command_writes_its_result_over_what_it_reads_or_writes(
    command: list[str], told: str
) -> None:
    """Bug: `kdc eval --data test.csv --json test.csv` left the figures where the texts were."""
    Path("t.csv").write_text("text,label\na,b\n")
    before = _contents()
    done = CliRunner().invoke(build(), command)
    assert done.exit_code == 1 and done.stderr.startswith(f"kdc: {told}"), done.output
    assert _contents() == before


@pytest.mark.parametrize(
    "command",
    [
        ["bench", "--model", "m.onnx", "--length", "8", "--html"],
        ["bench", "phone", "--vs", "m.onnx", "--length", "8", "--json"],
        ["eval", "--model", "m.onnx", "--json"],
        ["predict", "wake me", "--model", "m.onnx", "--json"],
    ],
    ids=" ".join,
)
def test_the_weights_beside_a_model_are_not_written_over(command: list[str]) -> None:
    """Bug: exit code 0, and the weights were a page of figures about what they had been."""
    model = onnx.load("m.onnx")
    onnx.save(model, "m.onnx", save_as_external_data=True, location="w_data", size_threshold=0)
    before = _contents()
    done = CliRunner().invoke(build(), [*command, "w_data"])
    told = f"kdc: {command[-1]} w_data would replace w_data, which is read: choose another\n"
    assert done.exit_code == 1 and done.stderr == told, done.output
    assert _contents() == before


def test_report_never_writes_over_what_it_reads() -> None:
    before = _contents()
    done = _report("--html", "monday.json")
    assert done.exit_code == 1
    assert done.stderr.startswith("kdc: --html monday.json would replace monday.json")
    assert _contents() == before


def test_usable_paths_pass_and_nothing_is_left() -> None:
    """Older results are replaced, folders are made later, and `-` and unknown names are no file."""
    Path("old.json").write_text("{}")
    before = _contents()
    check_paths({"--json": "old.json", "--html": Path("new/deep/x.html")}, ["m.onnx", "phone"])
    check_paths({"--json": "-", "--html": Path("x.html"), "--png": None}, ["x.html"])
    assert _contents() == before


def test_a_folder_with_the_models_name_as_its_start_is_another() -> None:
    check_paths({"--json": "phone2/b.json"}, ["phone"])
    with pytest.raises(KdcError, match="lies inside phone"):
        check_paths({"--json": "./phone/new/b.json"}, ["phone"])
