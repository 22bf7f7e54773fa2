import shutil
import subprocess
from pathlib import Path

import pytest

from kdc.compress.errors import KdcError
from kdc.export.bundle import apk_tools, bundle
from kdc.export.bundle.apk_tools import missing_packages, run_tool
from kdc.export.bundle.app import BundleJob
from tests.phones import make_phone

pytestmark = pytest.mark.usefixtures("some_runtime")


@pytest.fixture(scope="module")
def phone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_phone(tmp_path_factory.mktemp("ready") / "phone")


def test_what_is_missing_is_named_in_one_command(
    phone: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One missing program after the other would be five tries for a newcomer."""
    monkeypatch.setattr(shutil, "which", lambda name: None)
    monkeypatch.setattr(apk_tools, "FRAMEWORK", tmp_path / "none")
    monkeypatch.delenv("ANDROID_HOME", raising=False)
    monkeypatch.delenv("ANDROID_SDK_ROOT", raising=False)
    command = "apt-get install aapt libsmali-java apksigner default-jre-headless"
    with pytest.raises(KdcError, match=f"{command} android-framework-res$"):
        bundle(BundleJob(phone, "android", tmp_path / "app", apk=True))
    assert list(tmp_path.iterdir()) == []


def test_the_resources_of_an_sdk_do_as_well(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """35 is newer than 9, though its name sorts before."""
    for version in ("9", "34", "35"):
        jar = tmp_path / "platforms" / f"android-{version}" / "android.jar"
        jar.parent.mkdir(parents=True)
        jar.touch()
    monkeypatch.setattr(apk_tools, "FRAMEWORK", tmp_path / "none")
    monkeypatch.setenv("ANDROID_HOME", str(tmp_path))
    found = apk_tools.find_framework()
    assert found is not None
    assert found.parent.name == "android-35"


def test_options_of_android_are_for_android(phone: Path, tmp_path: Path) -> None:
    """An option that is ignored lets a user ship what the debug key has signed."""
    key, out = tmp_path / "key", tmp_path / "app"
    with pytest.raises(KdcError, match="are for --app android"):
        bundle(BundleJob(phone, "web", out, apk=True))
    with pytest.raises(KdcError, match="a page has no id"):
        bundle(BundleJob(phone, "web", out, package="org.example.demo"))
    with pytest.raises(KdcError, match="no APK is built without --apk"):
        bundle(BundleJob(phone, "android", out, keystore=key))


@pytest.mark.parametrize(
    ("script", "sentence"),
    [
        ("echo 'error: no such colour' >&2; exit 1", r"cannot link \(error: no such colour\)"),
        ("echo 'Picked up JAVA_TOOL_OPTIONS: x' >&2; exit 1", r"cannot link \(it does not say"),
        ("echo warn >&2; echo 'a.b.SomeException: bad' >&2; exit 2", "SomeException: bad"),
    ],
)
def test_a_program_that_refuses_is_quoted(script: str, sentence: str, tmp_path: Path) -> None:
    """Its first line is often about something else than what stopped it."""
    with pytest.raises(KdcError, match=sentence):
        run_tool(["sh", "-c", script], "link")


def test_a_program_that_hangs_is_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(apk_tools, "_TIME_LIMIT", 0.2)
    with pytest.raises(KdcError, match="sleep did not link"):
        run_tool(["sleep", "30"], "link")


def test_passwords_are_on_no_command_line() -> None:
    """Everybody on a machine can read the command lines of its programs."""
    assert run_tool(["sh", "-c", 'echo "$KDC_SECRET"'], "say", {"KDC_SECRET": "x"}) == "x\n"


@pytest.mark.skipif(bool(missing_packages()), reason=f"no {' '.join(missing_packages())}")
def test_a_keystore_of_the_users_own(
    phone: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An app that is published must bear its maker's key, not a machine's debug key."""
    keystore = tmp_path / "own.p12"
    job = BundleJob(phone, "android", tmp_path / "app", apk=True, keystore=keystore)
    with pytest.raises(KdcError, match="there is no keystore at"):
        bundle(job)
    command = ["keytool", "-genkeypair", "-keystore", str(keystore), "-storepass", "secret1"]
    command += ["-alias", "own", "-keyalg", "RSA", "-keysize", "2048", "-dname", "CN=Own Maker"]
    subprocess.run(command, check=True, capture_output=True, timeout=120)
    monkeypatch.delenv("KDC_KEYSTORE_PASSWORD", raising=False)
    with pytest.raises(KdcError, match="set KDC_KEYSTORE_PASSWORD to it"):
        bundle(job)
    monkeypatch.setenv("KDC_KEYSTORE_PASSWORD", "wrong")
    with pytest.raises(KdcError, match="apksigner cannot sign the APK"):
        bundle(job)
    assert not (tmp_path / "app").exists()
    monkeypatch.setenv("KDC_KEYSTORE_PASSWORD", "secret1")
    bundle(job)
    verify = ["apksigner", "verify", "--print-certs", str(tmp_path / "app" / "app.apk")]
    told = subprocess.run(verify, capture_output=True, text=True, timeout=120, check=True).stdout
    assert "CN=Own Maker" in told
