import base64
import hashlib
import html
import json
import re
import shlex
import shutil
import struct
import subprocess
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import pytest

from kdc.export import web_runtime
from kdc.export.bundle import bundle
from kdc.export.bundle.app import BundleJob

HOSTILE = '"><script>alert(1)</script>&{{colour}}'
Make = Callable[..., Path]

pytestmark = pytest.mark.usefixtures("some_runtime")


@pytest.fixture
def make(make_phone: Callable[[Path], Path], tmp_path: Path) -> Make:
    phone = make_phone(tmp_path / "phone")

    def app(name: str | None = None) -> Path:
        bundle(BundleJob(phone, "web", tmp_path / "app", name))
        return tmp_path / "app"

    return app


def shell(app: Path) -> dict[str, dict[str, str]]:
    """What the service worker keeps, read as its browser reads it."""
    text = (app / "sw.js").read_text(encoding="utf-8")
    found = re.search(r"^const SHELL = (\{.*?^\});", text, re.DOTALL | re.MULTILINE)
    assert found is not None
    value: dict[str, dict[str, str]] = json.loads(found[1])
    return value


def test_the_service_worker_keeps_all_but_the_model(make: Make) -> None:
    """A forgotten file is missed without a network alone; a kept model could not be replaced."""
    app = make()
    there = {path.relative_to(app).as_posix() for path in app.rglob("*") if path.is_file()}
    kept = shell(app)["files"]
    rest = {name for name in there if name.startswith("assets/")} - {"assets/app.json"}
    assert set(kept) == there - rest - {"sw.js", "manifest.json"}
    for name, integrity in kept.items():
        digest = hashlib.sha256((app / name).read_bytes()).digest()
        assert integrity == f"sha256-{base64.b64encode(digest).decode()}"


def test_another_page_is_another_version(make: Make) -> None:
    """Browsers keep the older app for as long as sw.js has not changed."""
    one, same, other = (shell(make(name))["version"] for name in ("A", "A", "B"))
    assert one == same != other


class Elements(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def read(page: Path) -> Elements:
    elements = Elements()
    elements.feed(page.read_text(encoding="utf-8"))
    return elements


def test_a_hostile_name_is_only_a_name(make: Make, root: Path) -> None:
    """A name from a task's file would run as a script in the app's own origin."""
    plain, hostile = read(make("Plain") / "index.html"), read(make(HOSTILE) / "index.html")
    assert [tag for tag, _ in hostile.found] == [tag for tag, _ in plain.found]
    assert hostile.text.count(HOSTILE) == plain.text.count("Plain") == 2
    manifest = json.loads((make(HOSTILE) / "manifest.webmanifest").read_text(encoding="utf-8"))
    assert manifest["name"] == HOSTILE and len(manifest["short_name"]) <= 12
    assert html.escape("<script>")[:4] not in (make(HOSTILE) / "icon.svg").read_text()


def test_the_page_can_be_installed(make: Make) -> None:
    """A browser offers it only with a name, a start, a display and icons of the sizes it says."""
    app = make("Kitchen helper")
    manifest = json.loads((app / "manifest.webmanifest").read_text(encoding="utf-8"))
    assert manifest["name"] == "Kitchen helper"
    assert manifest["short_name"] == "Kitchen hel…"
    assert (manifest["display"], manifest["start_url"]) == ("standalone", "./")
    sizes = {}
    for icon in manifest["icons"]:
        if icon["type"] == "image/png":
            sizes[icon["sizes"]] = struct.unpack(">II", (app / icon["src"]).read_bytes()[16:24])
    assert sizes == {"192x192": (192, 192), "512x512": (512, 512)}
    assert any(icon.get("purpose") == "maskable" for icon in manifest["icons"])


def test_a_page_needs_nothing_but_itself(make: Make, root: Path) -> None:
    """A font or script from elsewhere would break the page offline and tell others of its use."""
    app = make()
    for _, attributes in read(app / "index.html").found:
        for name in (attributes.get("src"), attributes.get("href")):
            assert name is None or (app / name).is_file()
    for path in (root / "sample_apps" / "web").iterdir():
        if path.suffix in (".js", ".css", ".html"):
            assert re.findall(r"https?://(?!localhost)[\w.]+", path.read_text()) == []


def test_scripts_import_what_is_there(root: Path) -> None:
    """A file or a name that was moved stops the page with an exception, in the browser alone."""
    web = root / "sample_apps" / "web"
    for path in web.glob("*.js"):
        for names, source in re.findall(r'import \{([^}]+)\} from "\./(.+?)"', path.read_text()):
            exported = re.findall(
                r"^export (?:async )?(?:function|const|class) (\w+)",
                (web / source).read_text(),
                re.MULTILINE,
            )
            wanted = {name.split(" as ")[0].strip() for name in names.split(",")}
            assert wanted <= set(exported), (path.name, source)


def test_the_scripts_find_every_element_they_fill(root: Path) -> None:
    """An id that was renamed in the page alone would stop the page with an exception."""
    web = root / "sample_apps" / "web"
    scripts = "".join(path.read_text() for path in web.glob("*.js"))
    wanted = set(re.findall(r'(?:byId|getElementById|list|say)\("([\w-]+)"', scripts))
    there = {fields["id"] for _, fields in read(web / "index.html").found if "id" in fields}
    assert len(wanted) > 15
    assert wanted <= there


def test_no_script_makes_markup_of_text(root: Path) -> None:
    """Labels and texts are foreign: as markup they would run."""
    for path in (root / "sample_apps" / "web").glob("*.js"):
        assert (
            re.findall(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write", path.read_text())
            == []
        )


def test_what_is_pinned_for_developers_is_what_is_bundled(root: Path, make: Make) -> None:
    """npm audit would look at another version than users run."""
    web = root / "sample_apps" / "web"
    lock = json.loads((web / "package-lock.json").read_text())
    entry = lock["packages"][f"node_modules/{web_runtime.PACKAGE}"]
    assert entry["version"] == web_runtime.VERSION
    assert entry["integrity"] == web_runtime.RUNTIME.integrity
    for folder in (web, root / "tests" / "sample_apps" / "tools"):
        text = (folder / "package-lock.json").read_text()
        assert '"resolved"' not in text and "registry" not in text
    assert not list(make().glob("package*"))


def test_the_command_that_opens_it_is_one_for_a_shell(
    make_phone: Callable[[Path], Path], tmp_path: Path
) -> None:
    """A folder with a space would be served in part, or another one."""
    out = tmp_path / "my app; echo"
    made = bundle(BundleJob(make_phone(tmp_path / "phone"), "web", out))
    assert shlex.split(made.opens)[:5] == ["python3", "-m", "http.server", "--directory", str(out)]


@pytest.mark.parametrize("name", ["app", "worker", "sw", "before"])
def test_scripts_are_sound(name: str, root: Path) -> None:
    """Node reads them as a browser does; a stray bracket would be found by users alone."""
    node = shutil.which("node")
    if node is None:
        pytest.skip("no node is installed")
    path = root / "sample_apps" / "web" / f"{name}.js"
    kind = "commonjs" if name in ("sw", "before") else "module"
    command = [node, "--check", f"--experimental-default-type={kind}", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
