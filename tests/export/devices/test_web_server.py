import http.client
import socket
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from kdc.export.devices.web.server import Site, serve


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    (tmp_path / "m.onnx").write_bytes(bytes(range(256)) * 9)
    files: dict[str, Path | bytes] = {
        "page.html": b"<html>",
        "models/0/0": tmp_path / "m.onnx",
        "a.wasm": b"\0asm",
    }
    with serve(files) as served:
        yield served


def _ask(
    site: Site, method: str, path: str, body: bytes | None = None, **headers: str
) -> tuple[int, bytes, dict[str, str]]:
    connection = http.client.HTTPConnection(urlsplit(site.url).netloc, timeout=10)
    connection.request(method, path, body, headers)
    response = connection.getresponse()
    return response.status, response.read(), dict(response.getheaders())


def _root(site: Site) -> str:
    return urlsplit(site.url).path.removesuffix("page.html")


def test_the_few_files_are_sent_whole_and_isolated(site: Site) -> None:
    """Without these headers a browser shares no memory: two threads silently become one."""
    status, body, headers = _ask(site, "GET", _root(site) + "models/0/0")
    assert (status, body) == (200, bytes(range(256)) * 9)
    assert headers["Cross-Origin-Opener-Policy"] == "same-origin"
    assert headers["Cross-Origin-Embedder-Policy"] == "require-corp"
    assert _ask(site, "GET", _root(site) + "page.html")[2]["Content-Type"] == "text/html"
    # a browser compiles WebAssembly as it arrives, but of this type alone
    assert _ask(site, "GET", _root(site) + "a.wasm")[2]["Content-Type"] == "application/wasm"


def test_it_listens_on_the_loopback_alone(site: Site) -> None:
    assert urlsplit(site.url).hostname == "127.0.0.1"


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/page.html",
        "/wrong-secret-of-22-chars/page.html",
        "{root}",
        "{root}favicon.ico",
        "{root}../../../../etc/passwd",
        "{root}models/0/../0/0",
        "{root}%70age.html",
        "{root}page.html?x",
        "http://example.org{root}page.html",
    ],
)
def test_nothing_else_is_served(site: Site, path: str) -> None:
    """A server of a folder would hand out whatever lies beside the model."""
    assert _ask(site, "GET", path.format(root=_root(site)))[:2] == (404, b"")


@pytest.mark.parametrize("method", ["HEAD", "PUT", "DELETE", "OPTIONS", "TRACE", "CONNECT"])
def test_other_methods_are_refused(site: Site, method: str) -> None:
    assert _ask(site, method, _root(site) + "page.html")[0] == 501


@pytest.mark.parametrize("path", ["/answer", "/x/answer", "{root}page.html", "{root}models/0/0"])
def test_only_the_page_can_answer(site: Site, path: str) -> None:
    """Another program on this machine finds the port; it does not know the secret."""
    status, _, _ = _ask(site, "POST", path.format(root=_root(site)), b"{}")
    assert status == 404 and site.answer is None and not site.settled.is_set()


def test_the_first_answer_counts(site: Site) -> None:
    for body in (b'{"a": 1}', b'{"a": 2}'):
        assert _ask(site, "POST", _root(site) + "answer", body)[0] == 200
    assert site.settled.is_set() and site.answer == b'{"a": 1}'


@pytest.mark.parametrize("size", ["-1", "1e3", "٣", "99999999999999"])
def test_an_answer_of_no_sensible_size_is_not_read(site: Site, size: str) -> None:
    connection = http.client.HTTPConnection(urlsplit(site.url).netloc, timeout=10)
    connection.putrequest("POST", _root(site) + "answer")
    connection.putheader("Content-Length", size.encode())
    connection.endheaders()
    assert connection.getresponse().status == 413 and site.answer is None


def test_a_mark_is_answered_once_it_has_been_noted(site: Site) -> None:
    """The page opens its models next: memory that is looked at later is theirs already."""
    noted: list[str] = []
    site.on_mark = lambda: noted.append("now")
    assert _ask(site, "POST", _root(site) + "mark")[0] == 200 and noted == ["now"]
    assert not site.settled.is_set()


def test_a_page_that_is_gone_is_noticed(site: Site) -> None:
    """A page whose process was killed says nothing, and its browser stays: the wait was minutes."""
    address = urlsplit(site.url)
    with socket.create_connection((address.hostname, address.port), timeout=10) as page:
        page.sendall(f"GET {_root(site)}alive HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        assert page.recv(20).startswith(b"HTTP/1.1 200")
        assert site.visited.is_set() and not site.settled.wait(0.2)
    assert site.settled.wait(10) and site.answer is None
