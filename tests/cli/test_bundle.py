import json
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from kdc.cli.main import build

MakePhone = Callable[[Path], Path]


def test_bundle_prints_the_sizes_and_tells_them_as_json(
    make_phone: MakePhone, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The defaults are the folders that `kdc export` writes: no argument is needed."""
    monkeypatch.chdir(tmp_path)
    make_phone(Path("phone"))
    done = CliRunner().invoke(build(), ["bundle", "--app", "web", "--json", "sizes.json"])
    assert done.exit_code == 0, done.output
    assert Path("app/index.html").is_file()
    result = json.loads(Path("sizes.json").read_text())
    sizes = {part["name"]: part["bytes"] for part in result["parts"]}
    assert sizes["model"] == Path("phone/onnx/model_quantized.onnx").stat().st_size
    total = sum(path.stat().st_size for path in Path("app").rglob("*") if path.is_file())
    assert f"{total / 1e6:.3f}" in done.stdout


def test_a_missing_phone_folder_is_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(build(), ["bundle"])
    assert done.exit_code == 1
    assert done.stderr == "kdc: there is no phone folder at phone\n"
