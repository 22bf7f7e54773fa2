"""What the documents say must be what the code is."""

import importlib.util
from pathlib import Path
from types import ModuleType

ROOT = Path(__file__).parents[1]


def _script(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, ROOT / "docs" / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_readme_tree_names_every_file() -> None:
    """A file that was added, moved or removed without `make fix`."""
    assert (ROOT / "README.md").read_text(encoding="utf-8") == _script("filetree").readme()


def test_every_file_of_the_tree_says_what_it_is() -> None:
    """A file without a docstring would stand in the tree without a word."""
    lines = [line for line in _script("filetree").tree().splitlines() if line.startswith("  ")]
    assert lines and all(len(line.split(None, 1)) == 2 for line in lines)
