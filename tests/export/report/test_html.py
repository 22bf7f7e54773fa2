import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path

import pytest

from kdc.export.report.html import page
from kdc.export.report.reader import read_document
from tests.bench_documents import (
    Document,
    counted,
    document,
    drift,
    model,
    quality,
    run,
    versus,
)

VOID = {"meta", "br", "line", "rect", "circle", "path"}
NASTY = "<script>alert(1)</script>\"'&amp;</style><img src=x onerror=alert(1)>"


class Reader(HTMLParser):
    """Every element with its attributes and every text; fails where tags do not match."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.feed(text)
        self.close()
        assert not self.open, self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        if tag in VOID and (not self.open or self.open[-1] != tag):
            return
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def _page(**fields: object) -> str:
    return page(read_document(document(**fields), "it"))


def _headings(text: str) -> list[str]:
    return re.findall(r"<h2>(.*?)</h2>", text)


def test_a_whole_report_has_every_section_and_well_formed_markup() -> None:
    text = _page()
    read = Reader(text)
    assert _headings(text) == [
        "Accuracy, size and latency",
        "All runs",
        "In turns",
        "Accuracy where it runs",
        "Where the bytes are",
        "Where the memory goes",
        "Long runs",
        "How it was measured",
    ]
    shown = " ".join(read.texts)
    for told in (
        "kdc bench small/phone large/phone foreign.onnx",
        "Some CPU",
        "2026-11-21",
        "qemu",
    ):
        assert told in shown


def test_what_was_not_measured_has_no_section() -> None:
    only = {"runs": [run("a.onnx", 1.0, memory={})], "models": {}, "versus": [], "quality": []}
    assert _headings(_page(**only)) == ["All runs", "How it was measured"]


def test_nothing_is_loaded_and_nothing_runs() -> None:
    """A report that is mailed around must be the same offline, and must tell nobody it was read."""
    read = Reader(_page())
    assert not {"script", "link", "img", "iframe", "object", "image", "use", "foreignobject"} & {
        tag for tag, _ in read.elements
    }
    names = {name for _, attributes in read.elements for name in attributes}
    assert not {"src", "href", "srcset", "style", "xlink:href"} & names
    assert not any(name.startswith("on") for name in names)
    assert "url(" not in _page() and "@import" not in _page()
    policy = [a["content"] for tag, a in read.elements if a.get("http-equiv")]
    assert policy == ["default-src 'none'; style-src 'unsafe-inline'"]


def test_every_text_that_was_given_is_escaped() -> None:
    """A phone folder of somebody else's, or a text of a data set, must not become markup."""
    plain = {tag for tag, _ in Reader(_page()).elements}
    flip = {"text": NASTY, "pair": NASTY, "label": NASTY, "shipped": NASTY, "other": NASTY}
    against = {NASTY: {"agree": 0.5, "flipped": [flip]}}
    own = model("1", 4.0, 0.9)
    own["ledger"] = [{"part": NASTY, "bytes": 5, "zip_bytes": 5, "about": NASTY}]
    own["quantization"] = NASTY
    nasty: Document = {
        "models": {NASTY: own, "b": model("2", 3.0)},
        "runs": [
            run(NASTY, 1.0, device=NASTY, memory={NASTY: 5}, drift=drift(1.0)),
            run("b", 1.0, device=NASTY),
            counted(NASTY, 5, where={NASTY: [NASTY]}),
        ],
        "versus": [versus(NASTY, "b", 2.0), versus("b", NASTY, None, refused=NASTY)],
        "quality": [quality(NASTY, 0.9, data=NASTY, metric=NASTY, against=against)],
        "machine": {NASTY: NASTY, "cpu": NASTY, "features": [NASTY]},
        "command": NASTY,
        "date": NASTY,
    }
    text = _page(**nasty)
    read = Reader(text)
    assert {tag for tag, _ in read.elements} <= plain
    assert "<script" not in text and "<img" not in text
    assert sum(NASTY in told for told in read.texts) > 15


@pytest.mark.parametrize(
    "fields",
    [
        {"runs": [], "versus": [], "quality": []},
        {"runs": [], "models": {}, "versus": [], "quality": []},
        {"runs": [run("a", 1e-9)], "models": {}},
        {"runs": [run("a", 1.0, latency_ms={"p50": 0})], "models": {}},
        {"runs": [run("a", 1.0, samples={"wall_ms": [0.0] * 50}, memory={"weights": 0})]},
        {"runs": [run("a", 1.0, samples={"wall_ms": [1.0] * 50})], "models": {}},
        {"runs": [run("a", 1.0, drift={**drift(1.0), "by_minute": []})], "models": {}},
        {"runs": [run("a", 1.0, drift={**drift(1.0), "by_minute": [[0, None, None]]})]},
        {"runs": [run("a", 1.0, drift={**drift(1.0), "by_minute": [[0, 0, 0]]})]},
        {"versus": [versus("a", "b", 1e-300, interval=None)]},
        {"versus": [versus("a", "b", None)]},
        {"models": {str(n): model("a", 1.0, 0.9) for n in range(30)}, "quality": []},
        {"sources": [{"machine": {}}, {"date": "2026", "machine": {"cores": "x"}}]},
    ],
)
def test_odd_measurements_still_make_a_page(fields: dict[str, object]) -> None:
    """Zeros, one sample, no samples: never a division by zero in a picture."""
    read = Reader(_page(**fields))
    values = [value or "" for _, attributes in read.elements for value in attributes.values()]
    assert not any(re.search(r"\b(nan|inf)\b", value) for value in values)


def test_many_models_and_samples_stay_small() -> None:
    """A page of tens of MB is opened on no phone; a hill has 160 points, however many samples."""
    samples = [1.0 + index % 97 / 100 for index in range(20_000)]
    runs = [
        run(f"model {index}.onnx", 1.0, samples={"wall_ms": samples, "cpu_ms": samples})
        for index in range(40)
    ]
    assert len(_page(models={}, runs=runs, versus=[], quality=[])) < 1_000_000


@pytest.mark.device
@pytest.mark.parametrize("width", [412, 1280])
def test_a_browser_shows_the_page_without_scrolling_sideways(width: int, tmp_path: Path) -> None:
    """A table that is wider than a phone must scroll by itself, not push the page."""
    browser = next(filter(None, map(shutil.which, ("chromium", "google-chrome"))), None)
    if browser is None:
        pytest.skip("no chromium on this machine: apt-get install chromium")
    probe = "<script>document.title=document.documentElement.scrollWidth</script>"
    text = _page().replace("default-src 'none'", "script-src 'unsafe-inline'")
    (tmp_path / "report.html").write_text(text.replace("</body>", f"{probe}</body>"))
    flags = ["--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--dump-dom"]
    flags += [f"--window-size={width},900", f"--user-data-dir={tmp_path / 'profile'}"]
    command = [browser, *flags, (tmp_path / "report.html").as_uri()]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    found = re.search(r"<title>(\d+)</title>", done.stdout)
    assert found is not None and int(found[1]) <= max(width, 500)  # its least window


def test_each_phone_is_described() -> None:
    """By device name alone the last phone's facts would stand for all of them."""
    runs = [
        run(f"{index}.onnx", 1.0, device="adb", source=index, where={"model": model})
        for index, model in enumerate(("Pixel 8", "Pixel 4a"))
    ]
    shown = Reader(_page(sources=[{"machine": {}}] * 2, runs=runs, models={})).texts
    assert {"adb #1", "Pixel 8", "adb #2", "Pixel 4a"} <= set(shown)
