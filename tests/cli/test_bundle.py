import json
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from kdc.cli.main import build

MakePhone = Callable[[Path], Path]

pytestmark = pytest.mark.usefixtures("some_runtime")


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
    assert done.stderr == (
        "kdc: there is no phone folder at phone: kdc export makes one, or give another path\n"
    )


def test_without_a_browser_nothing_is_called_checked(
    make_phone: MakePhone, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Exit code 0 after --check would let a release script ship what nobody has opened."""
    monkeypatch.chdir(tmp_path)
    make_phone(Path("phone"))
    monkeypatch.setenv("CHROME", "no-such-browser")
    done = CliRunner().invoke(build(), ["bundle", "--check"])
    assert done.exit_code == 1
    assert done.stderr.startswith("kdc: CHROME=no-such-browser is no program: apt-get install")
    assert not Path("app").exists()


@pytest.mark.parametrize("browser", ["sh", "no-such-browser"])
def test_a_project_that_is_built_elsewhere_cannot_be_checked(
    browser: str, make_phone: MakePhone, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was refused with a browser and taken without one."""
    monkeypatch.chdir(tmp_path)
    make_phone(Path("phone"))
    monkeypatch.setenv("CHROME", browser)
    done = CliRunner().invoke(build(), ["bundle", "--app", "android", "--check"])
    assert done.exit_code == 1 and "give --apk as well" in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["phone"]


def test_each_kind_of_app_has_a_folder_of_its_own(
    make_phone: MakePhone, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With one default for all, the page would take the place of a project that is worked on."""
    monkeypatch.chdir(tmp_path)
    make_phone(Path("phone"))
    for kind in ("web", "android", "ios"):
        done = CliRunner().invoke(build(), ["bundle", "--app", kind])
        assert done.exit_code == 0, done.output
    folders = sorted(path.name for path in tmp_path.iterdir())
    assert folders == ["app", "app-android", "app-ios", "phone"]


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("  ", "--name is empty"),
        ("x" * 61, "--name has 61 characters: give at most 60"),
        ("two\nlines", "holds characters that cannot be shown"),
        ("\u202eevil", "holds characters that cannot be shown"),
    ],
)
def test_a_name_that_no_phone_can_show_is_refused(
    name: str, told: str, make_phone: MakePhone, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    make_phone(Path("phone"))
    done = CliRunner().invoke(build(), ["bundle", "--name", name])
    assert done.exit_code == 1 and not Path("app").exists()
    assert told in done.stderr and done.stderr.count("\n") == 1
