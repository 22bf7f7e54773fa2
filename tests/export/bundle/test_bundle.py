import hashlib
import json
import re
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path

import onnx
import pytest

from kdc.compress.errors import GateFailed, KdcError
from kdc.compress.files import write_json
from kdc.export.bundle import APPS, bundle
from kdc.export.bundle.app import App, BundleJob, SelfTest
from kdc.export.model_file import read_model_file
from tests.onnx_model import make_model
from tests.phones import make_phone
from tests.student import remake

MODEL = "onnx/model_quantized.onnx"
Change = Callable[[Path], None]

pytestmark = pytest.mark.usefixtures("some_runtime")


@pytest.fixture(scope="module")
def ready_phone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_phone(tmp_path_factory.mktemp("ready") / "phone")


@pytest.fixture
def phone(ready_phone: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(ready_phone, tmp_path / "phone"))


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_the_app_holds_the_phone_folder_byte_for_byte(phone: Path, tmp_path: Path) -> None:
    """A model that was cut short or re-encoded on the way would ship."""
    bundle(BundleJob(phone, "web", tmp_path / "app"))
    for path in phone.rglob("*"):
        if path.is_file():
            copy = tmp_path / "app" / "assets" / path.relative_to(phone)
            assert copy.read_bytes() == path.read_bytes()
    manifest = json.loads((tmp_path / "app" / "manifest.json").read_text())
    assert manifest["format"] == "kdc.app/1"
    assert manifest["parent"]["sha256"] == sha256(phone / "manifest.json")
    for name, entry in manifest["files"].items():
        assert entry["sha256"] == sha256(tmp_path / "app" / name)


def test_the_app_is_told_what_it_is(phone: Path, tmp_path: Path) -> None:
    made = bundle(BundleJob(phone, "web", tmp_path / "app", "Kitchen <b>"))
    config = json.loads((tmp_path / "app" / "assets" / "app.json").read_text())
    assert made.name == config["name"] == "Kitchen <b>"
    assert config["format"] == "kdc.app-config/1"
    assert (config["labels"], config["max_length"]) == (["set_alarm", "weather", "music"], 64)
    assert config["public_key"] is None
    assert re.fullmatch("#[0-9a-f]{6}", config["colour"])


def test_files_that_no_digest_covers_stay_behind(phone: Path, tmp_path: Path) -> None:
    (phone / "notes.txt").write_text("private")
    bundle(BundleJob(phone, "web", tmp_path / "app"))
    assert not (tmp_path / "app" / "assets" / "notes.txt").exists()


def _corrupt(phone: Path) -> None:
    data = bytearray((phone / MODEL).read_bytes())
    data[77] ^= 1
    (phone / MODEL).write_bytes(data)


def _other_format(phone: Path) -> None:
    text = (phone / "manifest.json").read_text()
    (phone / "manifest.json").write_text(text.replace("kdc.phone/1", "kdc.phone/2"))


def _foreign_input(phone: Path) -> None:
    model = onnx.load(phone / MODEL)
    asked = model.graph.input.add()
    asked.CopyFrom(model.graph.input[0])
    asked.name = "pixel_values"
    onnx.save(model, phone / MODEL)
    remake(phone)


def _no_input(phone: Path) -> None:
    make_model(phone / MODEL, output="scores")
    remake(phone)


def _other_tokenizer(phone: Path) -> None:
    fields = json.loads((phone / "tokenizer.json").read_text())
    write_json(phone / "tokenizer.json", fields | {"model": {"type": "BPE", "vocab": {}}})
    remake(phone)


def _no_golden(phone: Path) -> None:
    (phone / "golden.json").unlink()
    remake(phone)


def _our_name(phone: Path) -> None:
    (phone / "app.json").write_text("{}")
    remake(phone)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (_corrupt, rf"is corrupted: {re.escape(MODEL)} does not match its sha256"),
        (_other_format, r"is no phone folder this version reads: 'kdc\.phone/2'"),
        (lambda phone: (phone / "vocab.txt").unlink(), r"is incomplete: vocab\.txt is missing"),
        (_foreign_input, r"model_quantized\.onnx is no text classifier: it takes .*pixel_values"),
        (_no_input, r"model_quantized\.onnx .*logits"),
        (_other_tokenizer, r'tokenizer\.json has the model "BPE", and the apps read BERT'),
        (_no_golden, r"has no golden\.json, which apps read"),
        (_our_name, r"holds a file named app\.json, which is the app's"),
    ],
)
def test_a_phone_folder_that_no_app_can_run_is_refused_and_nothing_is_written(
    change: Change, told: str, phone: Path, tmp_path: Path
) -> None:
    """The fault would show on a user's phone first, and an older app would be gone."""
    bundle(BundleJob(phone, "web", tmp_path / "app", "older"))
    change(phone)
    with pytest.raises(KdcError, match=told) as caught:
        bundle(BundleJob(phone, "web", tmp_path / "app", "newer"))
    assert "\n" not in str(caught.value) and caught.value.exit_code == 1
    assert json.loads((tmp_path / "app" / "manifest.json").read_text())["name"] == "older"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["app", "phone"]


def test_a_copy_that_differs_is_refused(
    phone: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Checking before the copy alone would let a fault of the copy itself ship."""

    def faulty(source: Path, target: Path) -> None:
        data = bytearray(source.read_bytes())
        data[0] ^= int(source.name == "vocab.txt")
        target.write_bytes(data)

    monkeypatch.setattr("kdc.export.bundle.assets.shutil.copyfile", faulty)
    with pytest.raises(KdcError, match=r"vocab\.txt changed while it was copied"):
        bundle(BundleJob(phone, "web", tmp_path / "app"))
    assert [path.name for path in tmp_path.iterdir()] == ["phone"]


def test_an_older_app_is_replaced_and_anything_else_is_left_alone(
    phone: Path, tmp_path: Path
) -> None:
    out = tmp_path / "app"
    bundle(BundleJob(phone, "web", out, "older"))
    bundle(BundleJob(phone, "web", out, "newer"))
    assert json.loads((out / "manifest.json").read_text())["name"] == "newer"
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "thesis.txt").write_text("mine")
    with pytest.raises(KdcError, match="holds something else"):
        bundle(BundleJob(phone, "web", tmp_path / "home"))
    assert (tmp_path / "home" / "thesis.txt").read_text() == "mine"


@pytest.mark.parametrize("app", ["web", "ios"])
def test_no_app_is_written_into_its_phone_folder(app: str, phone: Path, tmp_path: Path) -> None:
    """Bug: the next kdc export refused to replace the folder: it "holds app/..., which would be
    lost"."""
    before = sorted(path for path in tmp_path.rglob("*"))
    (tmp_path / "link").symlink_to(phone)
    for out in (phone / "app", phone / "apps" / "new", tmp_path / "link" / "app"):
        with pytest.raises(KdcError, match=f"--out {out} lies inside {phone}, which is read: cho"):
            bundle(BundleJob(phone, app, out))
    (tmp_path / "link").unlink()
    assert sorted(path for path in tmp_path.rglob("*")) == before


def test_an_unknown_app_names_the_near_ones(phone: Path, tmp_path: Path) -> None:
    with pytest.raises(KdcError, match="unknown app 'wep': did you mean web"):
        bundle(BundleJob(phone, "wep", tmp_path / "app"))


def test_sizes_are_those_of_a_zip(phone: Path, tmp_path: Path) -> None:
    """Bug: zipped at another level than everywhere else, a model had one size in kdc export and
    another in kdc bundle."""
    parts = bundle(BundleJob(phone, "web", tmp_path / "app")).parts
    with zipfile.ZipFile(
        tmp_path / "app.zip", "w", zipfile.ZIP_DEFLATED, compresslevel=9
    ) as archive:
        for path in (tmp_path / "app").rglob("*"):
            if path.is_file():
                archive.write(path, path.relative_to(tmp_path / "app"))
        infos = archive.infolist()
    assert sum(part.bytes for part in parts) == sum(info.file_size for info in infos)
    assert sum(part.zip_bytes for part in parts) == sum(info.compress_size for info in infos)
    sizes = {part.name: part.bytes for part in parts}
    app = tmp_path / "app"
    zipped = {part.name: part.zip_bytes for part in parts}
    assert zipped["model"] == read_model_file(phone / MODEL).zip_bytes
    assert sizes["model"] == (phone / MODEL).stat().st_size
    assert sizes["runtime"] == sum(path.stat().st_size for path in (app / "vendor").iterdir())
    ours = ("tokenizer.js", "unicode.js", "unicode.txt")
    theirs = ("tokenizer.json", "tokenizer_config.json", "vocab.txt")
    wanted = sum((app / name).stat().st_size for name in ours)
    assert sizes["tokenizer"] == wanted + sum((phone / name).stat().st_size for name in theirs)


def test_an_app_that_fails_its_check_is_not_written(
    phone: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Exit code 3 means that nothing shippable was written."""

    def refuse(folder: Path) -> SelfTest:
        assert (folder / "assets" / MODEL).is_file()
        raise GateFailed("wrong label")

    monkeypatch.setattr("kdc.export.bundle.check.check_web", refuse)
    with pytest.raises(GateFailed, match="wrong label"):
        bundle(BundleJob(phone, "web", tmp_path / "app", check=True))
    assert [path.name for path in tmp_path.iterdir()] == ["phone"]


def test_an_app_that_cannot_be_opened_here_is_not_said_to_be_checked(
    phone: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    blind = App("for a test", APPS["web"].fill, APPS["web"].opens, {})
    monkeypatch.setitem(APPS, "blind", blind)
    with pytest.raises(KdcError, match="--check: an app for blind cannot be opened here"):
        bundle(BundleJob(phone, "blind", tmp_path / "app", check=True))
