"""The web app: a static page that installs itself, needs no network and no other file."""

import html
import json
import re
import shlex
import shutil
from base64 import b64encode
from hashlib import sha256
from importlib.resources import files
from pathlib import Path

from kdc.compress.progress import Progress
from kdc.export import web_runtime
from kdc.export.bundle.app import App, BundleJob, Content, SelfTest
from kdc.export.bundle.assets import ASSETS, CONFIG, write_assets
from kdc.export.bundle.copying import copy_app
from kdc.export.bundle.icon import draw_png, draw_svg
from kdc.export.bundle.size import asset_parts

PORT = 8000
_VENDOR = "vendor"
_PINS = ("package.json", "package-lock.json", "node_modules")  # for developers
_WORKER, _PLACE = "sw.js", '"__SHELL__"'
_SHORT = 12  # characters under an icon
_ICONS = (192, 512)


def fill_web(folder: Path, content: Content, job: BundleJob, progress: Progress) -> None:
    """Write the page with its runtime, and the model.

    Raises:
        KdcError: the runtime cannot be had, or a copy differs.
    """
    runtime = web_runtime.web_runtime(progress)
    copy_app("web", folder, leave=_PINS)
    unicode = files("kdc.sample_apps") / "unicode.txt"
    (folder / "unicode.txt").write_bytes(unicode.read_bytes())
    (folder / _VENDOR).mkdir()
    for name in web_runtime.FILES:
        shutil.copyfile(runtime / name, folder / _VENDOR / name)
    _name_page(folder / "index.html", content)
    _write_manifest(folder, content)
    write_assets(folder / ASSETS, content)
    _write_shell(folder)


def _name_page(page: Path, content: Content) -> None:
    values = {"{{name}}": content.name, "{{colour}}": content.colour}
    text = page.read_text(encoding="utf-8")
    # all at once: a name may hold what looks like a place
    text = re.sub("|".join(values), lambda found: html.escape(values[found[0]]), text)
    page.write_text(text, encoding="utf-8")


def _write_manifest(folder: Path, content: Content) -> None:
    """Write what a browser installs the page by, and its icons."""
    name, colour = content.name, content.colour
    (folder / "icon.svg").write_text(draw_svg(name, colour), encoding="utf-8")
    for size in _ICONS:
        (folder / f"icon-{size}.png").write_bytes(draw_png(name, colour, size))
    pixels = [
        {"src": f"icon-{size}.png", "sizes": f"{size}x{size}", "type": "image/png"}
        for size in _ICONS
    ]
    manifest = {
        "name": name,
        "short_name": name if len(name) <= _SHORT else name[: _SHORT - 1].rstrip() + "…",
        "start_url": "./",
        "scope": "./",
        "display": "standalone",
        "theme_color": colour,
        "background_color": colour,
        "icons": [
            {"src": "icon.svg", "sizes": "any", "type": "image/svg+xml"},
            *pixels,
            {**pixels[-1], "purpose": "maskable"},
        ],
    }
    text = json.dumps(manifest, indent=2, ensure_ascii=False) + "\n"
    (folder / "manifest.webmanifest").write_text(text, encoding="utf-8")


def _write_shell(folder: Path) -> None:
    """Tell the service worker which files to keep, with digests; their digest is the version.

    The model's files are not among them: another model may take their place.
    """
    kept = [
        path.relative_to(folder).as_posix()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != _WORKER
    ]
    digests = {
        name: f"sha256-{b64encode(sha256((folder / name).read_bytes()).digest()).decode()}"
        for name in kept
        if not name.startswith(f"{ASSETS}/") or name == f"{ASSETS}/{CONFIG}"
    }
    worker = folder / _WORKER
    text = worker.read_text(encoding="utf-8")
    version = sha256((json.dumps(digests) + text).encode()).hexdigest()
    shell = json.dumps({"version": version, "files": digests}, indent=2)
    worker.write_text(text.replace(_PLACE, shell), encoding="utf-8")


def _opens(folder: Path, job: BundleJob) -> str:
    return f"python3 -m http.server --directory {shlex.quote(str(folder))} {PORT}"


def _check(folder: Path) -> SelfTest:
    from kdc.export.bundle.check import check_web

    return check_web(folder)


WEB = App(
    "a page for any phone's browser: installable, offline, on any static host",
    fill_web,
    _opens,
    {
        **asset_parts(),
        f"{_VENDOR}/": "runtime",
        "tokenizer.js": "tokenizer",
        "unicode": "tokenizer",
    },
    _check,
)
