"""A web app in a real browser: a static host for it, and a page that tests open, read and use."""

import base64
import hashlib
import json
import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from kdc.compress.errors import KdcError
from kdc.compress.progress import Silent
from kdc.export.devices.web.browser import find_browser
from kdc.export.web_runtime import web_runtime

TOOLS = Path(__file__).parent / "sample_apps" / "tools"
NEWER = ("alarm", "forecast", "song")  # labels of a newer model
ISOLATED = {
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Embedder-Policy": "require-corp",
}


class Host:
    """A static host on the loopback; one of no headers of its own, as most are."""

    def __init__(self, folder: Path, headers: Mapping[str, str] | None = None) -> None:
        given = dict(headers or {})

        class Handler(SimpleHTTPRequestHandler):
            def __init__(self, *args: Any) -> None:  # noqa: ANN401
                super().__init__(*args, directory=str(folder))

            def end_headers(self) -> None:
                for name, value in given.items():
                    self.send_header(name, value)
                super().end_headers()

            def log_message(self, format: str, *args: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/"
        Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def kill(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@contextmanager
def hosted(folder: Path, headers: Mapping[str, str] | None = None) -> Iterator[Host]:
    host = Host(folder, headers)
    try:
        yield host
    finally:
        host.kill()


class Page:
    """One page of a headless Chromium."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process

    def do(self, operation: str, *given: object) -> Any:  # noqa: ANN401
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write(json.dumps([operation, *given]) + "\n")
        self._process.stdin.flush()
        told = json.loads(self._process.stdout.readline() or '{"error": "the browser ended"}')
        assert "error" not in told, told["error"]
        return told["value"]

    def self_test(self) -> dict[str, Any]:
        """Wait for the page's self-test, or its refusal, and return its report."""
        self.do("wait", "document.documentElement.dataset.selftest !== undefined")
        report: dict[str, Any] = self.do("evaluate", "globalThis.kdcReport ?? null")
        return report

    def answer(self, text: str) -> str:
        """Type a text and return the answer once it is there."""
        self.do("evaluate", 'void (document.getElementById("answer").textContent = "")')
        self.do("fill", "#text", text)
        self.do("wait", 'document.getElementById("answer").textContent !== ""')
        said: str = self.do("text", "#answer")
        return said


@contextmanager
def browsing() -> Iterator[Page]:
    """Start a browser; skips the test where there is none, nor what drives it."""
    program, node = find_browser(), shutil.which("node")
    if program is None or node is None:
        pytest.skip("no Chromium" if program is None else "no node")
    command = [node, str(TOOLS / "browse.mjs"), str(_tools()), program]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        yield Page(process)
    finally:
        assert process.stdin is not None
        process.stdin.close()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@cache
def _tools() -> Path:
    """Install what drives the browser, once, by the lock file."""
    lock = TOOLS / "package-lock.json"
    root = Path(os.environ.get("XDG_CACHE_HOME") or Path("~/.cache").expanduser())
    folder = root / "kdc" / f"web-tests-{hashlib.sha256(lock.read_bytes()).hexdigest()[:16]}"
    modules = folder / "node_modules"
    if not (modules / ".package-lock.json").is_file():
        npm = shutil.which("npm")
        if npm is None:
            pytest.skip("no npm")
        folder.mkdir(parents=True, exist_ok=True)
        for name in ("package.json", "package-lock.json"):
            shutil.copyfile(TOOLS / name, folder / name)
        command = [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300)
        if done.returncode:
            pytest.skip(f"npm cannot fetch what drives a browser: {done.stderr[:200]}")
    return modules


def put_model(app: Path, other: Path) -> None:
    """Lay another model's files over an app's, as whoever runs its host does; app.json stays."""
    config = (app / "assets" / "app.json").read_bytes()
    shutil.rmtree(app / "assets")
    shutil.copytree(other / "assets", app / "assets")
    (app / "assets" / "app.json").write_bytes(config)


def change_model(app: Path, files: Mapping[str, str], /, **manifest: object) -> None:
    """Change an app's model and fields of its manifest, as a release of the app would."""
    assets = app / "assets"
    fields = json.loads((assets / "manifest.json").read_text()) | manifest
    for name, text in files.items():
        data = text.encode()
        (assets / name).write_bytes(data)
        fields["files"][name] = {"sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)}
    (assets / "manifest.json").write_text(json.dumps(fields))
    digest = hashlib.sha256((assets / "manifest.json").read_bytes()).hexdigest()
    config = json.loads((assets / "app.json").read_text())
    (assets / "app.json").write_text(json.dumps(config | {"manifest_sha256": digest}))


def sign_model(app: Path, key: Path, number: int) -> None:
    """Sign an app's manifest as it is now, by the format's own words."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    private = load_pem_private_key(key.read_bytes(), None)
    assert isinstance(private, Ed25519PrivateKey)
    digest = hashlib.sha256((app / "assets" / "manifest.json").read_bytes()).hexdigest()
    signature = private.sign(f"kdc.model/1\n{number}\n{digest}\n".encode())
    text = base64.b64encode(signature).decode()
    envelope = {"format": "kdc.signature/1", "number": number, "signature": text}
    (app / "assets" / "manifest.json.sig").write_text(json.dumps(envelope))


def require_runtime() -> None:
    """Skip a test of the real page where its runtime is not here and cannot be fetched."""
    try:
        web_runtime(Silent())
    except KdcError as error:
        pytest.skip(str(error))
