from pathlib import Path

import onnxruntime
import pytest

from kdc.export.devices.aarch64 import bundle
from kdc.export.devices.aarch64.compilers import own_compiler


@pytest.fixture(scope="session")
def runner(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """The command up to the job's path."""
    compiler = own_compiler()
    capi = Path(onnxruntime.__file__).parent / "capi"
    found = sorted(capi.glob("libonnxruntime.so*"))
    if compiler is None or not found:
        pytest.skip("no C compiler, or no libonnxruntime.so in the installed wheel")
    path = tmp_path_factory.mktemp("runner") / "runner"
    compiler.build(bundle.SOURCES, path, ["-Wall", "-Wextra", "-Werror", "-ldl", "-lm"])
    return [str(path), str(found[0])]
