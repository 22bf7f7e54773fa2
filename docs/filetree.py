"""Writes the README's file tree from the first line of every file's docstring.

python docs/filetree.py    # also run by `make fix`
"""

import ast
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
README = ROOT / "README.md"
FOLDERS = ("compress", "export", "cli", "sample_apps", "benchmarks", "docs")
START, END = "<!-- tree -->\n", "<!-- /tree -->"
COMMENTED = (".js", ".java", ".kt", ".swift", ".smali")  # each begins by saying what it is
_WIDTH = 110  # characters of a line about a file
_DEPTH = 4
OTHER = {
    "sample_apps/unicode.txt": "Unicode as the models' tokenizer sees it, for every app",
    "sample_apps/web/index.html": "the page: an answer, a self-test, a model card",
    "sample_apps/web/package.json": "the packages that the page runs on, pinned",
    "sample_apps/web/style.css": "light and dark, for a phone's width",
    "sample_apps/web/panels.css": "how answers, checks and the card look",
    "sample_apps/android/README.md": "how to build the Kotlin app with Android Studio",
    "sample_apps/ios/README.md": "how to build the Swift app with Xcode",
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
        paths = sorted(root.rglob("*"), key=lambda p: (p.parent.as_posix(), p.name))
        rows = [(_shown(path.relative_to(root)), _what(path)) for path in paths]
        width = max(len(name) for name, about in rows if about is not None)
        lines += [f"  {name:{width}} {about}" for name, about in rows if about is not None]
    return "\n".join([*lines, "```\n"])


def _shown(path: Path) -> str:
    parts = path.parts
    if len(parts) > _DEPTH:  # Java's folders say nothing that the file's name does not
        parts = (*parts[:2], "...", *parts[-2:])
    return "/".join(parts)


def _what(path: Path) -> str | None:
    """Return a file's line; None for one that has none."""
    name = path.relative_to(ROOT).as_posix()
    if name in OTHER:
        return OTHER[name]
    if path.suffix == ".py" and path.name != "__init__.py":
        return _first_line(path)
    if path.suffix in COMMENTED:
        return _first_comment(path)
    return _about(path) if path.match("compress/*/*.toml") else None


def _first_line(path: Path) -> str:
    docstring = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    return docstring.split("\n")[0].rstrip(".")


def _first_comment(path: Path) -> str:
    """Return the first sentence of a file's first comment: of `//`, `/**` or, in smali, `#`."""
    text = path.read_text(encoding="utf-8")
    block = re.search(r"^(?: *(?://|/\*\*|\*|#)(?! swift-tools)[^\n]*\n)+", text, re.MULTILINE)
    lines = [line.strip(" /*#") for line in block[0].splitlines()] if block else []
    sentence = re.split(r"\.(?: (?=[A-Z(<])|$)|;", " ".join(filter(None, lines)))[0]
    sentence = re.sub(r"\{@code ([^}]*)\}", r"`\1`", sentence)
    return sentence if len(sentence) < _WIDTH else sentence.split(": ")[0]


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
