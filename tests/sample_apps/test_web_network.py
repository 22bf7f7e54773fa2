"""A connection that is lost in the midst of a file: said as it is, whichever file it is."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from socket import SHUT_RDWR
from threading import Thread
from typing import Any

import pytest

from tests.web_page import Page

pytestmark = pytest.mark.device

SCRIPT = "a script could not be loaded: is there a network, and is this browser new?"


class _Torn(SimpleHTTPRequestHandler):
    """A host whose connection breaks in the midst of one file."""

    def __init__(self, *args: Any, folder: Path, torn: str) -> None:  # noqa: ANN401
        self._torn = torn
        super().__init__(*args, directory=str(folder))

    def do_GET(self) -> None:
        if self.path != f"/{self._torn}":
            super().do_GET()
            return
        self.send_response(200)
        kind = self.guess_type(self.path)  # a browser takes no script of another kind
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", "100000")
        self.end_headers()
        self.wfile.write(b"{" * 10)
        self.wfile.flush()
        self.connection.shutdown(SHUT_RDWR)
        self.close_connection = True

    def log_message(self, format: str, *args: object) -> None:
        pass


@contextmanager
def torn_host(folder: Path, torn: str) -> Iterator[str]:
    handler = partial(_Torn, folder=folder, torn=torn)
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/"
    finally:
        server.shutdown()
        server.server_close()


@pytest.mark.parametrize(
    "name",
    [
        "assets/app.json",
        "assets/manifest.json",
        "assets/onnx/model_quantized.onnx",
        "unicode.txt",
        "vendor/ort.wasm.bundle.min.mjs",
        "vendor/ort-wasm-simd-threaded.wasm",
    ],
)
def test_a_file_that_breaks_off_is_blamed_on_the_network(
    name: str, ready: Path, page: Page
) -> None:
    """Bug: "this browser cannot run the model: Failed to fetch" sent users to another browser."""
    with torn_host(ready, name) as url:
        page.do("open", url)
        report = page.self_test()
    assert report["outcome"] == "refused"
    assert report["sentence"] == f"{name} could not be loaded: is there a network?"


def test_a_script_of_the_worker_that_breaks_off_is_told(ready: Path, page: Page) -> None:
    """Bug: it was the browser's fault too. A script that is too new for it fails alike."""
    with torn_host(ready, "tokenizer.js") as url:
        page.do("open", url)
        assert page.self_test()["sentence"] == SCRIPT


def test_a_script_of_the_page_that_breaks_off_is_told(ready: Path, page: Page) -> None:
    """Bug: nothing was left that could say so, and the page got ready for ever."""
    with torn_host(ready, "views.js") as url:
        page.do("open", url)
        page.do("wait", "document.documentElement.dataset.selftest !== undefined")
        assert page.do("text", "#status") == f"Refused: {SCRIPT}"
