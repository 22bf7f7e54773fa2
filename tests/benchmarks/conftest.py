import importlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import pytest


@pytest.fixture
def benchmark_module(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[[str], ModuleType]]:
    """Import scripts of `benchmarks/` with their neighbours, as `python benchmarks/X.py` does."""
    folder, before = root / "benchmarks", set(sys.modules)
    monkeypatch.syspath_prepend(str(folder))
    yield importlib.import_module
    for name in set(sys.modules) - before:
        if (folder / f"{name}.py").is_file():  # their plain names are nobody else's to find
            del sys.modules[name]
