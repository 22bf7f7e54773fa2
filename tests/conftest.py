import signal
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

# a shell starts what it leaves in the background deaf to Ctrl-C, and children inherit that
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture
def root() -> Path:
    """The root of the repository."""
    return ROOT


@pytest.fixture
def shared_data() -> Path:
    """Real data that lies beside the repository on some machines."""
    folder = ROOT.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip(f"no real data at {folder}")
    return folder


@pytest.fixture
def make_phone() -> Callable[[Path], Path]:
    """A phone folder around a real classifier of a few nodes."""
    from tests.phones import make_phone

    return make_phone


@pytest.fixture
def some_runtime(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Let bundles of the web take small files for ONNX Runtime Web; nothing is fetched."""
    from tests.phones import take_some_runtime

    return take_some_runtime(tmp_path_factory.mktemp("runtime"), monkeypatch)


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A teacher and a corpus of two shards and one held out, each sequence masked twice."""
    from tests.shards import tiny_corpus, tiny_masked_lm

    folder = tmp_path_factory.mktemp("labels")
    tiny_masked_lm(folder / "teacher")
    tiny_corpus(folder / "shards", folder / "teacher")
    return folder
