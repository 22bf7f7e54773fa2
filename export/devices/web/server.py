"""A web server for one page: a few files and a task out, one answer in, to this machine alone."""

import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from secrets import token_urlsafe
from threading import Event, Thread

_HEADERS = {  # only a page that lets no other origin in may share memory between threads
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Embedder-Policy": "require-corp",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}
_TYPES = {".html": "text/html", ".js": "text/javascript", ".mjs": "text/javascript"}
_TYPES |= {".wasm": "application/wasm", ".css": "text/css", ".svg": "image/svg+xml"}
_MOST = 256 << 20  # bytes of an answer: ten hours of samples of a small model


class Site:
    """What the page was sent and what came back."""

    def __init__(self, url: str) -> None:
        """Start with nothing heard of the page."""
        self.url = url
        """Of the page; it holds a secret, so that no other page can ask or answer here."""
        self.answer: bytes | None = None
        """What the page posted."""
        self.visited = Event()
        """The page runs."""
        self.settled = Event()
        """The page has answered or is gone."""
        self.on_mark: Callable[[], None] = lambda: None
        """Called when the page is about to open its models; the page waits for it."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    site: Site
    root: str
    """What every path begins with."""
    files: Mapping[str, Path | bytes]


@contextmanager
def serve(files: Mapping[str, Path | bytes], page: str = "page.html") -> Iterator[Site]:
    """Serve a page on a free port of the loopback for as long as the block runs.

    Args:
        files: what is served, by its path.
        page: the path of the page itself; a fragment may follow.
    """
    with _Server(("127.0.0.1", 0), _Handler) as server:
        server.root, server.files = f"/{token_urlsafe(16)}/", files
        server.site = Site(f"http://127.0.0.1:{server.server_port}{server.root}{page}")
        Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        try:
            yield server.site
        finally:
            server.shutdown()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def do_GET(self) -> None:
        """Send a file, or keep a connection open to see when the page is gone."""
        name = self._name()
        if name is not None and name in self.server.files:
            self._send(self.server.files[name])
        elif name == "alive":
            self._outlive()
        else:
            self._refuse(HTTPStatus.NOT_FOUND)

    def do_POST(self) -> None:
        """Take the one answer, or the mark that comes before it."""
        name, size = self._name(), self.headers.get("Content-Length", "")
        if name not in ("answer", "mark"):
            self._refuse(HTTPStatus.NOT_FOUND)
        elif not (size.isascii() and size.isdigit() and int(size) <= _MOST):
            self._refuse(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
        else:
            self._take(name, self.rfile.read(int(size)))

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""

    def _name(self) -> str | None:
        """Return what is asked for, or None where the secret is not."""
        root = self.server.root
        return self.path[len(root) :] if self.path.startswith(root) else None

    def _take(self, name: str, body: bytes) -> None:
        site = self.server.site
        if name == "mark":
            site.on_mark()
        elif site.answer is None:
            site.answer = body
            site.settled.set()
        self._send(b"")

    def _send(self, content: Path | bytes) -> None:
        size = len(content) if isinstance(content, bytes) else content.stat().st_size
        self._start(HTTPStatus.OK, size)
        if isinstance(content, bytes):
            self.wfile.write(content)
        else:
            with content.open("rb") as file:
                shutil.copyfileobj(file, self.wfile, 1 << 20)

    def _outlive(self) -> None:
        """Wait until the browser closes the connection, as it does when the page ends or dies."""
        self.server.site.visited.set()
        self._start(HTTPStatus.OK, None)
        self.wfile.flush()
        try:
            while self.connection.recv(1024):
                pass
        except OSError:
            pass
        self.server.site.settled.set()

    def _refuse(self, status: HTTPStatus) -> None:
        self.close_connection = True  # what else was sent is not read
        self._start(status, 0)

    def _start(self, status: HTTPStatus, size: int | None) -> None:
        self.send_response(status)
        for name, value in _HEADERS.items():
            self.send_header(name, value)
        kind = _TYPES.get(Path(self.path).suffix, "application/octet-stream")
        self.send_header("Content-Type", kind)
        if size is None:
            self.send_header("Connection", "close")
        else:
            self.send_header("Content-Length", str(size))
        self.end_headers()
