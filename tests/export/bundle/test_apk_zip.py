import struct
import zipfile
from pathlib import Path

import pytest

from kdc.compress.errors import KdcError
from kdc.export.bundle.apk_zip import check_alignment, pack


def elf(page: int, bits: int = 64) -> bytes:
    """A native library of one segment that is loaded, as far as its headers go."""
    if bits == 64:
        head = b"\x7fELF\x02\x01\x01" + bytes(9) + struct.pack("<HHIQQQ", 3, 183, 1, 0, 64, 0)
        head += struct.pack("<IHHHHHH", 0, 64, 56, 1, 0, 0, 0)
        return head + struct.pack("<IIQQQQQQ", 1, 5, 0, 0, 0, 9, 9, page)
    head = b"\x7fELF\x01\x01\x01" + bytes(9) + struct.pack("<HHIIII", 3, 40, 1, 0, 52, 0)
    head += struct.pack("<IHHHHHH", 0, 52, 32, 1, 0, 0, 0)
    return head + struct.pack("<IIIIIIII", 1, 0, 0, 0, 9, 9, 5, page)


def base(folder: Path) -> Path:
    path = folder / "base.apk"
    with zipfile.ZipFile(path, "w") as archive:
        for name in ("resources.arsc", "AndroidManifest.xml", "res/icon.png"):
            archive.writestr(name, name * 9)
    return path


def files(folder: Path, **contents: bytes) -> dict[str, Path]:
    for name, content in contents.items():
        (folder / name).write_bytes(content)
    return {f"lib/arm64-v8a/{name}.so": folder / name for name in contents}


def places(apk: Path) -> dict[str, int]:
    """Where stored files begin, found by looking for their bytes."""
    whole = apk.read_bytes()
    with zipfile.ZipFile(apk) as archive:
        return {
            info.filename: whole.index(archive.read(info), info.header_offset)
            for info in archive.infolist()
            if info.compress_type == zipfile.ZIP_STORED
        }


@pytest.mark.parametrize("bits", [32, 64])
def test_stored_files_lie_where_a_phone_maps_them(bits: int, tmp_path: Path) -> None:
    """Android 11 refuses a resource table elsewhere; a library must begin at a page of 16 KB."""
    libraries = files(tmp_path, one=elf(16384, bits), two=elf(65536, bits) + bytes(5))
    apk = tmp_path / "app.apk"
    pack(apk, base(tmp_path), {**libraries, "assets/größe.txt": base(tmp_path)})
    found = places(apk)
    assert {name for name in found if not name.endswith(".so")} == {
        "resources.arsc",
        "res/icon.png",
    }
    for name, place in found.items():
        assert place % (16384 if name.endswith(".so") else 4) == 0
    assert check_alignment(apk) == 2
    with zipfile.ZipFile(apk) as archive:
        assert archive.testzip() is None
        assert "assets/größe.txt" in archive.namelist()


def test_the_same_files_give_the_same_bytes(tmp_path: Path) -> None:
    for name in ("one.apk", "two.apk"):
        pack(tmp_path / name, base(tmp_path), files(tmp_path, lib=elf(16384)))
    assert (tmp_path / "one.apk").read_bytes() == (tmp_path / "two.apk").read_bytes()


def test_a_library_for_small_pages_is_found(tmp_path: Path) -> None:
    """It loads on every phone that the developer has and crashes on those with 16 KB pages."""
    apk = tmp_path / "app.apk"
    pack(apk, base(tmp_path), files(tmp_path, old=elf(4096)))
    with pytest.raises(KdcError, match=r"old\.so is linked for pages of 4096 bytes"):
        check_alignment(apk)


def test_a_file_at_another_place_is_found(tmp_path: Path) -> None:
    apk = tmp_path / "app.apk"
    with zipfile.ZipFile(apk, "w") as archive:
        archive.writestr("x", "y")
        archive.writestr("lib/x86_64/a.so", elf(16384))
    with pytest.raises(KdcError, match=r"is not aligned to (4|16384) bytes"):
        check_alignment(apk)


@pytest.mark.parametrize("content", [b"", b"MZ", b"\x7fELF\x09"])
def test_what_is_no_library_is_refused(content: bytes, tmp_path: Path) -> None:
    apk = tmp_path / "app.apk"
    pack(apk, base(tmp_path), files(tmp_path, bad=content))
    with pytest.raises(KdcError, match="is no native library"):
        check_alignment(apk)
