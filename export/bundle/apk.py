"""The web app as an APK, built here and signed: a WebView and the page in its assets."""

import os
import tempfile
import zipfile
from pathlib import Path

from kdc.compress.disk import disk_errors
from kdc.compress.errors import KdcError
from kdc.compress.files import whole_file
from kdc.compress.progress import Progress
from kdc.export.bundle.android_names import package_id
from kdc.export.bundle.android_resources import write_resources
from kdc.export.bundle.apk_tools import require_tools, run_tool
from kdc.export.bundle.apk_zip import check_alignment, pack
from kdc.export.bundle.app import BundleJob, Content, SelfTest
from kdc.export.bundle.copying import copy_app
from kdc.export.bundle.size import measure
from kdc.export.bundle.web import WEB, fill_web

APK = "app.apk"
PASSWORD = "KDC_KEYSTORE_PASSWORD"
"""Environment variable with the password of the keystore that the user names."""
SITE = "assets/www"
"""Where the page lies in the APK."""
_OLDEST, _TARGET = "24", "35"  # versions of Android's API: the oldest phones, and the one meant
_DEBUG = {"password": "android", "alias": "androiddebugkey"}  # as all of Android's tools know it
_SCHEMES = ("v2", "v3")


def build_apk(folder: Path, content: Content, job: BundleJob, progress: Progress) -> None:
    """Build, sign and check the APK, `app.apk`.

    Args:
        folder: where it goes.
        content: what goes into it.
        job: the app's id and the keystore.
        progress: told what is inside.

    Raises:
        KdcError: a program is missing or fails, or the keystore cannot be used.
    """
    framework = require_tools()
    package = package_id(job.package, content.name)
    with tempfile.TemporaryDirectory(prefix="kdc-apk-") as name:
        scratch = Path(name)
        site, shell = scratch / "www", scratch / "shell"
        fill_web(site, content, job, progress)
        copy_app("android_shell", shell)
        write_resources(shell / "res", content)
        base = _link(shell, framework, package, content)
        dex = scratch / "classes.dex"
        # one job: several write the classes in the order in which they end
        command = ["smali", "assemble", "--jobs", "1", "--api", _OLDEST, "-o", str(dex)]
        run_tool([*command, str(shell / "smali")], "assemble the app's code")
        files = {
            f"{SITE}/{path.relative_to(site).as_posix()}": path
            for path in site.rglob("*")
            if path.is_file()
        }
        pack(scratch / "unsigned.apk", base, {"classes.dex": dex, **files})
        _sign(scratch / "unsigned.apk", folder / APK, job.keystore)
        progress.say(f"{package}: the page inside is {_inside(site)}")
    check_alignment(folder / APK)


def check_apk(folder: Path) -> SelfTest:
    """Pull the page out of the signed APK again and wait for its self-test.

    Raises:
        GateFailed: it failed.
        KdcError: there is no Chromium, or no answer came from it.
    """
    from kdc.export.bundle.check import check_web

    with tempfile.TemporaryDirectory(prefix="kdc-apk-") as name:
        return check_web(unpack_site(folder / APK, Path(name)))


def unpack_site(apk: Path, folder: Path) -> Path:
    """Write the page of an APK that was built here into a folder; return where it lies."""
    with zipfile.ZipFile(apk) as archive:
        archive.extractall(folder, [n for n in archive.namelist() if n.startswith(f"{SITE}/")])
    return folder / SITE


def _link(shell: Path, framework: Path, package: str, content: Content) -> Path:
    """Compile the resources and the manifest; return the APK that holds nothing else."""
    compiled, base = shell / "res.zip", shell / "base.apk"
    run_tool(
        ["aapt2", "compile", "--dir", shell / "res", "-o", compiled], "compile the app's resources"
    )
    manifest = shell / "AndroidManifest.xml"
    command = ["aapt2", "link", "-o", str(base), "-I", str(framework), "--manifest", str(manifest)]
    command += ["--rename-manifest-package", package, "--version-code", str(content.build)]
    command += ["--version-name", content.version, "--min-sdk-version", _OLDEST]
    run_tool([*command, "--target-sdk-version", _TARGET, str(compiled)], "link the app's resources")
    return base


def _sign(unsigned: Path, signed: Path, keystore: Path | None) -> None:
    """Sign with schemes v2 and v3, which every Android since 7 reads, and verify.

    Raises:
        KdcError: the keystore cannot be used, or the signature does not verify.
    """
    password = os.environ.get(PASSWORD)
    if keystore is None:
        keystore, password = _debug_keystore(), _DEBUG["password"]
    elif not keystore.is_file():
        raise KdcError(f"there is no keystore at {keystore}: make one with keytool -genkeypair")
    elif not password:
        raise KdcError(f"the keystore {keystore} has a password: set {PASSWORD} to it")
    command: list[str | Path] = ["apksigner", "sign", "--ks", keystore]
    command += ["--ks-pass", f"env:{PASSWORD}", "--min-sdk-version", _OLDEST]
    command += ["--v1-signing-enabled", "false", "--v4-signing-enabled", "false"]
    command += [part for v in _SCHEMES for part in (f"--{v}-signing-enabled", "true")]
    run_tool([*command, "--in", unsigned, "--out", signed], "sign the APK", {PASSWORD: password})
    verify = ["apksigner", "verify", "--verbose", "--min-sdk-version", _OLDEST, str(signed)]
    said = run_tool(verify, "verify the APK's signature")
    for scheme in _SCHEMES:
        line = next((x for x in said.splitlines() if f"using {scheme} scheme" in x), "")
        if not line.endswith("true"):
            raise KdcError(f"apksigner signed the APK without scheme {scheme}: use a newer one")


def _debug_keystore() -> Path:
    """Return this machine's key for apps that are not published, which all Android tools share.

    An app can only be updated by one that the same key has signed, so it is made once.
    """
    home = os.environ.get("ANDROID_USER_HOME") or Path("~/.android").expanduser()
    keystore = Path(home) / "debug.keystore"
    if keystore.is_file():
        return keystore
    with tempfile.TemporaryDirectory(prefix="kdc-key-") as name, disk_errors(keystore):
        new = Path(name) / keystore.name
        command = ["keytool", "-genkeypair", "-keystore", str(new), "-storetype", "PKCS12"]
        command += ["-alias", _DEBUG["alias"], "-storepass:env", PASSWORD]
        command += ["-keyalg", "RSA", "-keysize", "2048", "-validity", "10950"]
        command += ["-dname", "CN=Android Debug,O=Android,C=US"]
        run_tool(command, "make a debug key", {PASSWORD: _DEBUG["password"]})
        with whole_file(keystore) as path:
            path.write_bytes(new.read_bytes())
    return keystore


def _inside(site: Path) -> str:
    parts = [part for part in measure(site, WEB.parts) if part.zip_bytes]
    total = sum(part.zip_bytes for part in parts)
    listed = ", ".join(f"{part.name} {part.zip_bytes / 1e6:.2f}" for part in parts)
    return f"{total / 1e6:.2f} MB deflated ({listed})"
