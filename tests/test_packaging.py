import os
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from importlib.metadata import version
from itertools import chain
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement

FOLDERS = ("compress", "export", "cli", "sample_apps")
OLDER = {"datasets", "huggingface_hub", "optimum", "optimum-onnx", "tokenizers", "transformers"}
VERBS = {"install", "test", "test-457", "test-web", "test-clients", "check", "fix", "demo"}


@pytest.fixture
def pyproject(root: Path) -> dict[str, Any]:
    return tomllib.loads((root / "pyproject.toml").read_text())


def sources(root: Path) -> set[str]:
    """Every file that an installed kdc must have, by its path in the repository."""
    return {
        path.relative_to(root).as_posix()
        for folder in FOLDERS
        for path in (root / folder).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }


def test_every_package_is_listed(root: Path, pyproject: dict[str, Any]) -> None:
    """A forgotten one works in the editable install and is missing from the wheel."""
    inits = {Path(name).parent for name in sources(root) if name.endswith("/__init__.py")}
    assert sorted(pyproject["tool"]["setuptools"]["packages"]) == sorted(
        ".".join(["kdc", *folder.parts]) for folder in inits
    )


@pytest.mark.parametrize("folder", FOLDERS)
def test_every_folder_is_typed_and_seen_by_the_type_checker(folder: str, root: Path) -> None:
    assert (root / folder / "py.typed").is_file()
    assert (root / ".typing" / "kdc" / folder).resolve() == root / folder


def test_the_wheel_holds_every_module_and_data_file(root: Path, tmp_path: Path) -> None:
    """Recipes or the sample app left out of the wheel are missed by users alone."""
    tree = tmp_path / "tree"
    for folder in FOLDERS:
        ignore = shutil.ignore_patterns("__pycache__")
        shutil.copytree(root / folder, tree / folder, ignore=ignore)
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(root / name, tree / name)
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", "dist"]
    subprocess.run(command, cwd=tree, check=True, capture_output=True)
    (wheel,) = (tree / "dist").glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        (entry_points,) = (name for name in names if name.endswith("entry_points.txt"))
        scripts = archive.read(entry_points).decode()
    assert {f"kdc/{name}" for name in sources(tree)} <= names
    assert {name.split("/")[0] for name in names} == {"kdc", f"kdc-{version('kdc')}.dist-info"}
    assert "kdc = kdc.cli.entry:main" in scripts


def test_the_version_is_the_same_everywhere(root: Path, pyproject: dict[str, Any]) -> None:
    number = pyproject["project"]["version"]
    assert version("kdc") == number, "run make install"
    assert f"\n## [{number}]" in (root / "CHANGELOG.md").read_text()


def pins(path: Path) -> dict[str, str]:
    lines = path.read_text().splitlines()
    return dict(line.split("==") for line in lines if line and not line.startswith("#"))


@pytest.mark.parametrize("constraints", ["constraints.txt", "constraints-457.txt"])
def test_every_dependency_is_pinned_within_its_range(
    constraints: str, root: Path, pyproject: dict[str, Any]
) -> None:
    """An unpinned torch takes gigabytes of CUDA libraries; an unpinned tool fails at random."""
    pinned, extras = pins(root / constraints), dict(pyproject["project"]["optional-dependencies"])
    if constraints == "constraints.txt":  # the extra wants an older transformers than these
        del extras["optimum"]
    asked = [*pyproject["project"]["dependencies"], *chain.from_iterable(extras.values())]
    for requirement in map(Requirement, asked):
        assert requirement.specifier.contains(pinned[requirement.name]), requirement


def test_the_environments_differ_in_what_the_optimum_exporter_needs(root: Path) -> None:
    """A pin raised in one file alone makes the second run test something else."""
    newest, older = pins(root / "constraints.txt"), pins(root / "constraints-457.txt")
    assert {name for name in older if older[name] != newest.get(name)} == OLDER
    assert newest.keys() <= older.keys()


def test_make_has_its_verbs_and_prints_them(root: Path) -> None:
    if shutil.which("make") is None:
        pytest.skip("no make on this machine")
    done = subprocess.run(["make"], cwd=root, capture_output=True, text=True, check=True)
    printed = set(re.findall(r"^  make ([\w-]+) +\S", done.stdout, re.MULTILINE))
    assert printed == VERBS | {"help"}


def test_ci_runs_the_tests(root: Path) -> None:
    script = root / ".ci" / "run"
    assert os.access(script, os.X_OK)
    assert "\nmake test\n" in script.read_text()
