import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2] / "sample_apps" / "ios"
SOURCES = sorted(ROOT.rglob("*.swift"))


def _syntax_errors(source: bytes) -> list[str]:
    """Return what a Swift parser stumbles over; skip where there is no parser."""
    tree_sitter = pytest.importorskip("tree_sitter", reason="pip install tree-sitter")
    swift = pytest.importorskip("tree_sitter_swift", reason="pip install tree-sitter-swift")
    parser = tree_sitter.Parser(tree_sitter.Language(swift.language()))
    nodes, errors = [parser.parse(source).root_node], []
    while nodes:
        node = nodes.pop()
        if node.type == "ERROR" or node.is_missing:
            errors.append(f"line {node.start_point[0] + 1}: {node.text[:60]!r}")
        nodes += node.children
    return errors


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.name)
def test_every_source_is_swift(path: Path) -> None:
    """Nothing here compiles Swift, so a brace too few would be found by the first user."""
    assert _syntax_errors(path.read_bytes()) == []


def test_the_parser_finds_what_is_no_swift() -> None:
    """A parser that mends everything in silence would pass any file."""
    assert _syntax_errors(b"func a() { if x { return }")


def _objects() -> dict[str, Any]:
    """Return the objects of project.pbxproj by id; each is its text."""
    text = (ROOT / "App.xcodeproj" / "project.pbxproj").read_text()
    plain = re.sub(r"/\*.*?\*/", "", text.split("\n", 1)[1])
    parts = re.split(r"\n\t\t([0-9A-F]{24})\s*= \{", plain)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def _references(text: str) -> Iterator[str]:
    yield from re.findall(r"\b[0-9A-F]{24}\b", text)


def test_the_project_refers_to_what_is_there() -> None:
    """Xcode opens a project with a dangling id as damaged, or drops the file in silence."""
    objects = _objects()
    assert len(objects) > 20
    named = {other for text in objects.values() for other in _references(text)}
    assert named | {"A00000000000000000000001"} == set(objects)
    for name in ("App", "Core", "Info.plist"):
        assert (ROOT / name).exists()


def test_the_readme_says_that_it_was_not_built_and_what_is_pinned() -> None:
    """Two places tell the runtime's version, and the honest label must not get lost."""
    readme = (ROOT / "README.md").read_text()
    project = (ROOT / "App.xcodeproj" / "project.pbxproj").read_text()
    pinned = re.search(r"kind = exactVersion;\s*version = ([\d.]+);", project)
    assert pinned is not None
    assert f"pinned to {pinned[1]}" in readme
    assert "**Not built here.**" in readme


def test_only_one_file_knows_the_runtime() -> None:
    """The core is tested without a runtime, and another runtime is one file's work."""
    knowing = [path.name for path in SOURCES if "import OnnxRuntimeBindings" in path.read_text()]
    assert knowing == ["OnnxModel.swift"]
    core = [path for path in SOURCES if "Core/Sources" in path.as_posix()]
    imports = {
        name for path in core for name in re.findall(r"^import (\w+)", path.read_text(), re.M)
    }
    assert imports <= {"Foundation", "CryptoKit"}
