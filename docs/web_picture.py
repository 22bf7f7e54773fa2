"""Draws docs/web.png: the web app of a phone folder as a phone shows it, light and dark.

python docs/web_picture.py PHONE TEXT [NAME]    # after `make demo`: demo/phone
"""

import base64
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))  # what drives the browser is the tests'

from kdc.export.bundle import bundle  # noqa: E402 - after the path is set
from kdc.export.bundle.app import BundleJob  # noqa: E402
from tests.web_page import browsing, hosted  # noqa: E402

PICTURE = ROOT / "docs" / "web.png"
_VIEWS = (("try", False), ("test", False), ("try", True))  # tab, dark
_SHEET = (
    "document.open(); document.write(`<body style='margin:0;display:flex;gap:24px;padding:24px;"
    "background:#d9dbe0'>${PICTURES.map((one) => `<img src='data:image/png;base64,${one}' "
    "style='border-radius:28px;height:600px'>`).join('')}`); document.close();"
)


def main(phone: Path, text: str, name: str | None = None) -> None:
    """Bundle the app, use it, and put its pictures side by side."""
    with tempfile.TemporaryDirectory() as folder, browsing() as page:
        app = Path(folder) / "app"
        bundle(BundleJob(phone, "web", app, name))
        pictures = []
        with hosted(app) as host:
            page.do("fresh")
            page.do("open", host.url)
            page.self_test()
            page.answer(text)
            for tab, dark in _VIEWS:
                page.do("dark", dark)
                page.do("click", f"#tab-{tab}")
                page.do("evaluate", "void document.activeElement.blur()")
                page.do("picture", str(Path(folder) / "view.png"))
                pictures.append(base64.b64encode((Path(folder) / "view.png").read_bytes()).decode())
        page.do("open", "about:blank")
        page.do("size", 24 + len(_VIEWS) * (270 + 24), 648)
        page.do("evaluate", f"{{ const PICTURES = {pictures}; {_SHEET} }}")
        page.do("wait", "Array.from(document.images).every((one) => one.complete)")
        page.do("picture", str(PICTURE))


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:])
