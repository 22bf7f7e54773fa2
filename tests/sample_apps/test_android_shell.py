import http.client
import json
import os
import shutil
import ssl
import subprocess
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Timer

import pytest

from kdc.export.bundle import bundle
from kdc.export.bundle.apk_tools import missing_packages
from kdc.export.bundle.app import BundleJob
from kdc.export.devices.web.browser import browse, find_browser
from tests.phones import make_phone

pytestmark = pytest.mark.device

HOST = "app.kdc.invalid"
TIME_LIMIT = 120.0  # seconds for the page to answer
# the browser's driver lets it reach no other machine; here one more name is this machine
BROWSER = """#!/bin/sh
for each; do
    shift
    case "$each" in --host-resolver-rules=*) each="{rule}" ;; esac
    set -- "$@" "$each"
done
exec "{program}" --ignore-certificate-errors "$@"
"""
STUBS = Path(__file__).parent / "android_stubs"


@dataclass
class Phone:
    """The shell's own code, out of the APK, on a JVM in a phone's place."""

    told: list[str]
    """What it saw while the shell started."""
    port: int
    process: "subprocess.Popen[str]"

    def get(
        self, path: str, host: str = HOST, method: str = "GET"
    ) -> tuple[int, str, bytes, dict[str, str]]:
        """Ask the shell as a WebView would; the path goes out as it is."""
        context = ssl._create_unverified_context()
        link = http.client.HTTPSConnection("127.0.0.1", self.port, context=context, timeout=60)
        link.putrequest(method, path, skip_host=True)
        link.putheader("Host", host)
        link.endheaders()
        answer = link.getresponse()
        headers = {name.lower(): value for name, value in answer.getheaders()}
        return answer.status, headers["content-type"], answer.read(), headers


@pytest.fixture(scope="module")
def apk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A signed APK around a tiny model, built as a user builds it."""
    if missing := missing_packages():
        pytest.skip(f"no tools for an APK: apt-get install {' '.join(missing)}")
    if shutil.which("npm") is None:
        pytest.skip("no npm is installed, which gets the page's runtime")
    folder = tmp_path_factory.mktemp("apk")
    os.environ["ANDROID_USER_HOME"] = str(folder / "keys")
    try:
        job = BundleJob(make_phone(folder / "phone"), "android", folder / "app", apk=True, number=7)
        bundle(job)
    finally:
        del os.environ["ANDROID_USER_HOME"]
    return folder / "app" / "app.apk"


def shell_classes(apk: Path, folder: Path) -> str:
    """Turn the APK's code into the JVM's and compile a phone's classes for it."""
    if shutil.which("enjarify") is None:
        pytest.skip("no enjarify is installed: apt-get install enjarify")
    with zipfile.ZipFile(apk) as archive:
        archive.extract("classes.dex", folder)
    # it is a program of the system's own Python
    run = {**os.environ, "PATH": f"/usr/bin:{os.environ['PATH']}"}
    command = ["enjarify", "-o", "shell.jar", "classes.dex"]
    subprocess.run(command, cwd=folder, check=True, capture_output=True, env=run, timeout=120)
    sources = [str(path) for path in STUBS.rglob("*.java")]
    command = ["javac", "-nowarn", "-d", str(folder / "stubs"), *sources]
    subprocess.run(command, check=True, capture_output=True, timeout=120)
    return f"{folder / 'stubs'}:{folder / 'shell.jar'}"


def make_key(folder: Path) -> Path:
    path = folder / "tls.p12"
    command = ["keytool", "-genkeypair", "-keystore", str(path), "-storetype", "PKCS12"]
    command += ["-storepass", "android", "-alias", "tls", "-keyalg", "EC", "-dname", f"CN={HOST}"]
    command += ["-ext", f"SAN=dns:{HOST}", "-validity", "30"]
    subprocess.run(command, check=True, capture_output=True, timeout=120)
    return path


@contextmanager
def switched_on(apk: Path, folder: Path) -> Iterator[Phone]:
    classes, key = shell_classes(apk, folder), make_key(folder)
    with zipfile.ZipFile(apk) as archive:
        names = [name for name in archive.namelist() if name.startswith("assets/")]
        archive.extractall(folder, names)
    (folder / "assets" / "secret.txt").write_text("beside the site, not in it")
    command = ["java", "-Xverify:all", f"-Dassets={folder / 'assets'}", "-cp", classes, "Phone"]
    pipe = subprocess.PIPE
    with subprocess.Popen([*command, str(key)], stdin=pipe, stdout=pipe, text=True) as process:
        assert process.stdin
        assert process.stdout
        told = []
        for line in process.stdout:
            told.append(line.rstrip("\n"))
            if line.startswith("port "):
                break
        try:
            yield Phone(told, int(told[-1].split()[1]), process)
        finally:
            process.kill()


@pytest.fixture(scope="module")
def phone(apk: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Phone]:
    with switched_on(apk, tmp_path_factory.mktemp("phone")) as phone:
        yield phone


def test_the_signature_is_v2_and_v3_and_every_file_is_aligned(apk: Path) -> None:
    """Android 7 asks for v2, rotating a key for v3; a phone refuses an APK that is neither."""
    command = ["apksigner", "verify", "--verbose", "--print-certs", str(apk)]
    told = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True).stdout
    assert "Verified using v2 scheme (APK Signature Scheme v2): true" in told
    assert "Verified using v3 scheme (APK Signature Scheme v3): true" in told
    assert "CN=Android Debug" in told
    if shutil.which("zipalign"):
        subprocess.run(["zipalign", "-c", "-p", "4", str(apk)], check=True, timeout=120)
    changed = apk.with_name("changed.apk")
    data = bytearray(apk.read_bytes())
    data[len(data) // 3] ^= 1
    changed.write_bytes(data)
    done = subprocess.run(["apksigner", "verify", str(changed)], capture_output=True, timeout=120)
    assert done.returncode != 0


def test_the_page_may_call_what_shares_alone(apk: Path) -> None:
    """Android gives a page no method without the annotation, which the JVM's copy has lost."""
    with zipfile.ZipFile(apk) as archive:
        code = archive.read("classes.dex")
    assert b"Landroid/webkit/JavascriptInterface;" in code


def test_the_app_asks_for_no_permission_and_says_what_it_is(apk: Path) -> None:
    command = ["aapt2", "dump", "badging", str(apk)]
    told = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout
    assert "uses-permission" not in told
    assert "package: name='app.kdc.demo' versionCode='7'" in told
    assert "sdkVersion:'24'" in told
    assert "targetSdkVersion:'35'" in told
    assert "application-label:'demo'" in told
    assert "launchable-activity: name='kdc.shell.MainActivity'" in told


def test_the_same_model_gives_the_same_apk(apk: Path, tmp_path: Path) -> None:
    """Who builds it again, with its number, can tell that nothing was slipped in."""
    model = apk.parent.parent / "phone"
    os.environ["ANDROID_USER_HOME"] = str(apk.parent.parent / "keys")
    try:
        bundle(BundleJob(model, "android", tmp_path / "again", apk=True, number=7))
    finally:
        del os.environ["ANDROID_USER_HOME"]
    assert (tmp_path / "again" / "app.apk").read_bytes() == apk.read_bytes()


def test_the_shell_starts_and_shows_the_page_alone(phone: Phone) -> None:
    """The APK's code, run by a JVM that verifies it: one page, no files, back and share."""
    assert phone.told[:-1] == [
        f"url https://{HOST}/",
        "fits true",
        "script true",
        "files false false",
        "back in the page true, left false",
        "back again, left true",
        "share kdcShell android.intent.action.SEND text/plain {android.intent.extra.TEXT=a report}",
    ]


def test_the_shell_answers_like_a_server(phone: Phone) -> None:
    """A wrong type stops a module or WebAssembly; without the headers there are no threads."""
    status, kind, body, headers = phone.get("/")
    assert (status, kind) == (200, "text/html")
    assert b"<html" in body
    assert headers["cross-origin-opener-policy"] == "same-origin"
    assert headers["cross-origin-embedder-policy"] == "require-corp"
    assert headers["cross-origin-resource-policy"] == "same-origin"
    types = {"/app.js": "text/javascript", "/assets/manifest.json": "application/json"}
    types |= {
        "/vendor/ort-wasm-simd-threaded.wasm": "application/wasm",
        "/unicode.txt": "text/plain",
    }
    types["/assets/onnx/model_quantized.onnx"] = "application/octet-stream"
    assert {path: phone.get(path)[:2] for path in types} == {p: (200, t) for p, t in types.items()}


@pytest.mark.parametrize(
    ("path", "host", "method", "status"),
    [
        ("/nothing.js", HOST, "GET", 404),
        ("/assets/", HOST, "GET", 404),
        ("/../secret.txt", HOST, "GET", 403),
        ("/%2e%2e/secret.txt", HOST, "GET", 403),
        ("/x/..%2f../secret.txt", HOST, "GET", 403),
        ("/", "example.org", "GET", 403),
        ("/", f"{HOST}.example.org", "GET", 403),
        ("/", f"{HOST}:444", "GET", 403),
        ("/", HOST, "POST", 403),
        ("/", HOST, "PUT", 403),
    ],
)
def test_nothing_else_is_answered(
    path: str, host: str, method: str, status: int, phone: Phone
) -> None:
    """A path out of the site's folder, another host: an answer of its own, never the network."""
    found, _, body, _ = phone.get(path, host, method)
    assert (found, body) == (status, b"")


def test_the_assets_of_the_apk_pass_their_self_test_in_a_browser(
    phone: Phone, tmp_path: Path
) -> None:
    """The whole app under its own origin: Chromium in the WebView's place, the shell answering."""
    program = find_browser()
    if program is None:
        pytest.skip("no Chromium is installed")
    rule = f"--host-resolver-rules=MAP {HOST}:443 127.0.0.1:{phone.port}"
    script = tmp_path / "browser"
    script.write_text(BROWSER.format(rule=rule, program=program))
    script.chmod(0o755)
    late = Timer(TIME_LIMIT, phone.process.kill)
    late.start()
    with browse(str(script), f"https://{HOST}/#check"):
        assert phone.process.stdout
        line = next((x for x in phone.process.stdout if x.startswith("answer ")), None)
    late.cancel()
    assert line is not None, "the page did not answer"
    report = json.loads(line.removeprefix("answer "))
    assert report["outcome"] == "passed", report
    assert len(report["results"]) == 6
    assert all(result["state"] == "exact" for result in report["results"])
