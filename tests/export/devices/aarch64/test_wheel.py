import subprocess
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from kdc.compress.errors import KdcError
from kdc.compress.files import sha256
from kdc.export.devices.aarch64.wheel import fetch_runtime

Pip = Callable[[dict[str, bytes] | None], None]


@pytest.fixture
def pip(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Pip:
    """Let pip fetch a wheel with these files, or nothing for None."""

    def answer(files: dict[str, bytes] | None) -> None:
        def run(words: list[str], **_: Any) -> None:  # noqa: ANN401
            assert "--platform=manylinux_2_28_aarch64" in words and "onnxruntime==1.2.3" in words
            if files is None:
                raise OSError("no network")
            folder = Path(words[words.index("--dest") + 1])
            for path in (folder / "onnxruntime-1.2.3.whl", tmp_path / "copy.whl"):
                with zipfile.ZipFile(path, "w") as wheel:
                    for name, content in files.items():
                        wheel.writestr(zipfile.ZipInfo(name), content)

        monkeypatch.setattr(subprocess, "run", run)

    return answer


def test_the_library_is_taken_out_of_the_wheel(pip: Pip, tmp_path: Path) -> None:
    found = {"onnxruntime/capi/libonnxruntime.so.1.2.3": b"runtime", "onnxruntime/a.py": b""}
    pip(found | {"onnxruntime/capi/libonnxruntime_providers_shared.so": b"other"})
    noted = fetch_runtime("1.2.3", tmp_path / "lib.so")
    assert (tmp_path / "lib.so").read_bytes() == b"runtime"
    assert noted == {"wheel": "onnxruntime-1.2.3.whl", "sha256": sha256(tmp_path / "copy.whl")}


def test_a_wheel_that_does_not_come_is_told_with_the_command(pip: Pip, tmp_path: Path) -> None:
    pip(None)
    with pytest.raises(KdcError, match="cannot be fetched; see why: pip download --quiet"):
        fetch_runtime("1.2.3", tmp_path / "lib.so")


@pytest.mark.parametrize(
    "files", [{"onnxruntime/a.py": b""}, {"../libonnxruntime.so": b"x"}, {}], ids=str
)
def test_a_wheel_without_the_library_is_refused(
    pip: Pip, tmp_path: Path, files: dict[str, bytes]
) -> None:
    pip(files)
    with pytest.raises(KdcError, match="holds no ONNX Runtime"):
        fetch_runtime("1.2.3", tmp_path / "lib.so")
    assert not (tmp_path / "lib.so").exists()
