import json
import plistlib
from pathlib import Path

import pytest
from tokenizers import Tokenizer

from kdc.compress.errors import KdcError
from kdc.export.bundle import bundle
from kdc.export.bundle.app import BundleJob
from kdc.export.bundle.ios import VECTORS, bundle_id
from kdc.export.parity_vectors.vectors import as_utf8
from kdc.export.ship import Shipped

_HOSTILE = "A & B <\"x'> $HOME $ (1) 日本"


@pytest.fixture(scope="module")
def project(shipped: Shipped, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("ios") / "app"
    bundle(BundleJob(shipped.folder, "ios", out, name=_HOSTILE, number=7))
    return out


def test_the_project_holds_the_model_and_what_the_sources_read(
    project: Path, shipped: Shipped
) -> None:
    """The Swift code finds its files by name, and no compiler here would miss them."""
    manifest = json.loads((project / "assets" / "manifest.json").read_text())
    for name in [*manifest["files"], "manifest.json"]:
        assert (project / "assets" / name).read_bytes() == (shipped.folder / name).read_bytes()
    assert json.loads((project / "assets" / "app.json").read_text())["public_key"] is None
    assert (project / "App" / "unicode.txt").read_text().startswith("kdc.unicode/1\n")
    icon = project / "App" / "Assets.xcassets" / "AppIcon.appiconset" / "icon.png"
    assert icon.read_bytes()[16:24] == (1024).to_bytes(4, "big") * 2


def test_a_hostile_name_is_only_a_name(project: Path) -> None:
    """In a plist written by hand & and < would break it, a $ alone is a $."""
    info = plistlib.loads((project / "Info.plist").read_bytes())
    assert info["CFBundleDisplayName"] == _HOSTILE
    assert info["CFBundleVersion"] == "7"
    assert info["CFBundleIdentifier"] == "$(PRODUCT_BUNDLE_IDENTIFIER)"
    key, _, value = (project / "Model.xcconfig").read_text().strip().partition(" = ")
    assert key == "PRODUCT_BUNDLE_IDENTIFIER"
    assert value.startswith("app.kdc.")
    assert set(value) <= set("abcdefghijklmnopqrstuvwxyz0123456789-.")


@pytest.mark.parametrize("name", ["Of $(HOME)", "${USER}'s", "$($(A)", "a$("])
def test_a_name_with_a_variable_of_the_build_is_refused(
    name: str, shipped: Shipped, tmp_path: Path
) -> None:
    """Bug: Xcode expands $(HOME) and ${HOME} in an Info.plist, and the app is called by a path of
    the machine that built it."""
    with pytest.raises(KdcError, match=r"--name .* Xcode begins a setting"):
        bundle(BundleJob(shipped.folder, "ios", tmp_path / "app", name=name))
    assert not (tmp_path / "app").exists()
    bundle(BundleJob(shipped.folder, "android", tmp_path / "other", name=name))  # only a name there


def test_an_identifier_of_ones_own_is_taken(shipped: Shipped, tmp_path: Path) -> None:
    """Apple's identifiers belong to a team: the one that is given is the one that counts."""
    bundle(BundleJob(shipped.folder, "ios", tmp_path / "app", package="org.demo.sorter"))
    told = (tmp_path / "app" / "Model.xcconfig").read_text()
    assert told == "PRODUCT_BUNDLE_IDENTIFIER = org.demo.sorter\n"
    with pytest.raises(KdcError, match="--package"):
        bundle(BundleJob(shipped.folder, "ios", tmp_path / "other", package="a b; rm"))
    assert not (tmp_path / "other").exists()


def test_identifiers_follow_apples_rule_and_not_androids() -> None:
    """my_app became my-app in silence, which belongs to somebody else; my-app was refused."""
    assert bundle_id("org.example.my-app", "x") == "org.example.my-app"
    assert bundle_id("4u.example", "x") == "4u.example"
    assert bundle_id(None, "phone-commands") == "app.kdc.phone-commands"
    for wanted in (
        "org.example.my_app",
        "demo",
        "org.",
        "a..b",
        "org.x\n",
        "org.ü",
        "a." * 90 + "b",
    ):
        with pytest.raises(KdcError, match="is no identifier of an iOS app"):
            bundle_id(wanted, "x")


def test_the_vectors_are_this_models(project: Path) -> None:
    """Vectors of another vocabulary would fail every test of a right tokenizer."""
    tokenizer = Tokenizer.from_file(str(project / "assets" / "tokenizer.json"))
    lines = (project / "vectors.jsonl").read_text(encoding="ascii").splitlines()
    assert len(lines) == VECTORS
    for line in lines[::100]:
        vector = json.loads(line)
        other = as_utf8(vector["pair"]) if "pair" in vector else None
        assert tokenizer.encode(as_utf8(vector["text"]), other).ids == vector["ids"]
