import json
import re
import shutil
import subprocess
from pathlib import Path
from xml.etree import ElementTree

import pytest

from kdc.compress.errors import KdcError
from kdc.export.bundle import bundle
from kdc.export.bundle.app import BundleJob
from tests.phones import make_phone

HOSTILE = 'It\'s "<&>" \\n %s ${x} @y'


@pytest.fixture(scope="module")
def phone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_phone(tmp_path_factory.mktemp("ready") / "phone")


def test_the_project_holds_the_model_the_tables_and_its_own_id(phone: Path, tmp_path: Path) -> None:
    """An app without the Unicode tables would stop at its first text, on the phone only."""
    out = tmp_path / "app"
    made = bundle(BundleJob(phone, "android", out, name="kitchen", number=7))
    for path in phone.rglob("*"):
        if path.is_file():
            copy = out / "app/src/main/assets" / path.relative_to(phone)
            assert copy.read_bytes() == path.read_bytes()
    config = json.loads((out / "app/src/main/assets/app.json").read_text())
    assert config["name"] == "kitchen"
    lines = (out / "bundle.properties").read_text().split()
    assert lines[:2] == ["applicationId=app.kdc.kitchen", "versionCode=7"]
    assert lines[2].startswith("versionName=7-")
    tables = (out / "core/src/main/resources/kdc/unicode.txt").read_text()
    assert tables.startswith("kdc.unicode/1\n")
    assert not list(out.rglob("tools"))
    assert "it was not built here" in made.opens
    weights = {part.name: part.bytes for part in made.parts}
    assert weights["model"] == (phone / "onnx" / "model_quantized.onnx").stat().st_size


def test_every_resource_that_is_named_is_there(phone: Path, tmp_path: Path) -> None:
    """Android's build stops at the first name that nothing defines."""
    out = tmp_path / "app"
    bundle(BundleJob(phone, "android", out))
    main = out / "app" / "src" / "main"
    text = "".join(path.read_text() for path in main.rglob("*.xml"))
    text += "".join(path.read_text() for path in main.rglob("*.kt"))
    wanted = set(re.findall(r"(?:@|\bR\.)(string|layout|id|mipmap|color|style)[/.](\w+)", text))
    defined = set(re.findall(r'<(string|color|style) name="(\w+)"', text))
    defined |= {("id", name) for name in re.findall(r'"@\+id/(\w+)"', text)}
    for path in (main / "res").rglob("*"):
        defined.add((path.parent.name.split("-")[0], path.stem))
    assert wanted
    assert wanted <= defined


def test_hostile_names_stay_texts(phone: Path, tmp_path: Path) -> None:
    """A name is written into XML; nothing of it may reach Gradle's scripts."""
    out = tmp_path / "app"
    bundle(BundleJob(phone, "android", out, name=HOSTILE))
    root = ElementTree.parse(out / "app/src/main/res/values/app.xml").getroot()
    text = root.findtext("string")
    assert text is not None
    assert re.sub(r"\\(.)", r"\1", text[1:-1]) == HOSTILE
    assert (out / "bundle.properties").read_text().isascii()
    for path in [*out.glob("*.kts"), *out.glob("*/*.kts"), *out.glob("*.properties")]:
        assert "It's" not in path.read_text()


@pytest.mark.parametrize("package", ["demo", "org.x\nversionCode=9", "org.$(id)"])
def test_an_id_that_is_none_is_refused_and_nothing_written(
    package: str, phone: Path, tmp_path: Path
) -> None:
    with pytest.raises(KdcError, match="is no id of an Android app"):
        bundle(BundleJob(phone, "android", tmp_path / "app", package=package))
    assert list(tmp_path.iterdir()) == []


def test_versions_are_pinned(root: Path) -> None:
    """A version with a + or a range builds another app every month."""
    text = (root / "sample_apps/android/gradle/libs.versions.toml").read_text()
    versions = re.findall(r'^\w+ = "(.+)"$', text, re.MULTILINE)
    assert len(versions) == 3
    assert all(re.fullmatch(r"\d+\.\d+\.\d+", version) for version in versions)


def test_the_resources_compile_and_link(phone: Path, tmp_path: Path) -> None:
    """What Android Studio's first step would refuse: a bad reference, a bad attribute."""
    framework = Path("/usr/share/android-framework-res/framework-res.apk")
    if shutil.which("aapt2") is None or not framework.is_file():
        pytest.skip("no aapt2: apt-get install aapt android-framework-res")
    out = tmp_path / "app"
    bundle(BundleJob(phone, "android", out, name=HOSTILE))
    main = out / "app" / "src" / "main"
    manifest = tmp_path / "AndroidManifest.xml"
    text = (main / "AndroidManifest.xml").read_text()  # Gradle adds the package
    manifest.write_text(text.replace("<manifest ", '<manifest package="kdc.android" ', 1))
    compiled, linked = tmp_path / "res.zip", tmp_path / "base.apk"
    first: list[str | Path] = ["aapt2", "compile", "--dir", main / "res", "-o", compiled]
    link: list[str | Path] = ["aapt2", "link", "-o", linked, "-I", framework]
    link += ["--manifest", manifest, compiled]
    link += ["--min-sdk-version", "24", "--target-sdk-version", "35"]
    for command in (first, link):
        done = subprocess.run(command, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stderr
    dump = ["aapt2", "dump", "strings", str(linked)]
    told = subprocess.run(dump, capture_output=True, text=True, timeout=60, check=True).stdout
    assert f": {HOSTILE}\n" in told
