"""Writes the README's file tree from the first line of every file's docstring.

python docs/filetree.py    # also run by `make fix`
"""

import ast
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
README = ROOT / "README.md"
FOLDERS = ("compress", "export", "cli", "sample_apps", "benchmarks", "docs")
START, END = "<!-- tree -->\n", "<!-- /tree -->"
OTHER = {
    "sample_apps/web/index.html": "the page: model card, checks and golden texts",
    "sample_apps/web/app.js": "checks every file's sha256 in the browser before it is shown",
    "sample_apps/web/model.js": "opens the model as its manifest says and asks it the golden texts",
    "sample_apps/web/style.css": "light and dark, for a phone's width",
    "compress/common_words.txt": "common English words in order of frequency, for `--vocab`",
    "compress/data/phone_commands_train.toml": "the built-in task's grammar for training",
    "compress/data/phone_commands_dev.toml": "its grammar for dev: other templates, other values",
    "compress/data/phone_commands_test.toml": "its grammar for test: others again",
}


def tree() -> str:
    """Return the tree as a Markdown code block, one line a file."""
    lines = ["```"]
    for folder in FOLDERS:
        root = ROOT / folder
        lines.append(f"{folder}/")
        for path in sorted(root.rglob("*"), key=lambda p: (p.parent.as_posix(), p.name)):
            name = path.relative_to(ROOT).as_posix()
            if path.suffix == ".py" and path.name != "__init__.py":
                lines.append(_line(name, _first_line(path)))
            elif name in OTHER or path.suffix == ".toml":
                lines.append(_line(name, OTHER.get(name) or _about(path)))
    return "\n".join([*lines, "```\n"])


def _line(name: str, about: str) -> str:
    return f"  {name.split('/', 1)[1]:34} {about}"


def _first_line(path: Path) -> str:
    docstring = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    return docstring.split("\n")[0].rstrip(".")


def _about(path: Path) -> str:
    lines = path.read_text(encoding="utf-8").splitlines()
    about = [line for line in lines if line.startswith("about = ")]
    return about[0].removeprefix("about = ").strip('"') if about else ""


def readme() -> str:
    """Return the README with the tree as it is now."""
    head, rest = README.read_text(encoding="utf-8").split(START)
    return head + START + tree() + END + rest.split(END, 1)[1]


if __name__ == "__main__":
    README.write_text(readme(), encoding="utf-8")
