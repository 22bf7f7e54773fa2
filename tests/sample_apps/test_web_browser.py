"""The web app in a real browser, around a real model, on hosts that fail in every usual way."""

import json
import math
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from kdc.compress.task import Kind
from kdc.export.bundle import bundle
from kdc.export.bundle.app import BundleJob
from tests.phones import LABELS, TEXTS, make_phone
from tests.shipping import export
from tests.student import make_student, make_task
from tests.web_page import ISOLATED, Page, browsing, hosted, require_runtime

pytestmark = pytest.mark.device


@pytest.fixture(scope="module")
def ready(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An app, made once; tests that change it copy it first."""
    require_runtime()
    folder = tmp_path_factory.mktemp("web")
    make_phone(folder / "phone")
    bundle(BundleJob(folder / "phone", "web", folder / "app", "Kitchen helper"))
    return folder / "app"


@pytest.fixture
def app(ready: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(ready, tmp_path / "app"))


@pytest.fixture(scope="module")
def browser() -> Iterator[Page]:
    with browsing() as page:
        yield page


@pytest.fixture
def page(browser: Page) -> Page:
    """A page in a browser that knows nothing of the tests before."""
    browser.do("fresh")
    return browser


def test_it_answers_and_passes_its_self_test(ready: Path, page: Page) -> None:
    with hosted(ready) as host:
        page.do("open", host.url)
        report = page.self_test()
        assert report["outcome"] == "passed", report
        assert [result["state"] for result in report["results"]] == ["exact"] * len(TEXTS)
        assert report["times"]["p50"] <= report["times"]["p95"]
        golden = json.loads((ready / "assets" / "golden.json").read_text())
        for text, label in zip(golden["texts"][:3], golden["labels"][:3], strict=True):
            assert page.answer(text) == label
        assert page.do("said") == []


def test_it_opens_after_the_server_is_gone(ready: Path, page: Page) -> None:
    """A page that fetches one forgotten file works in every test but this one."""
    with hosted(ready) as host:
        page.do("open", host.url)
        assert page.self_test()["kept"] is True
        page.do("wait", "navigator.serviceWorker.controller !== null")
    page.do("offline", True)
    page.do("open", host.url)
    assert page.self_test()["outcome"] == "passed"
    assert page.answer("will it rain") in LABELS


@pytest.mark.parametrize("threads", [1, 2])
def test_a_host_without_headers_gets_its_threads_from_the_service_worker(
    threads: int, ready: Path, page: Page
) -> None:
    with hosted(ready) as host:
        page.do("open", f"{host.url}?threads={threads}")
        report = page.self_test()
    assert (report["outcome"], report["threads"]) == ("passed", threads)
    assert report["isolated"] is True


def test_a_page_that_is_not_isolated_works_on_one_thread(app: Path, page: Page) -> None:
    """A private window has no service worker, and most hosts send no headers."""
    (app / "sw.js").unlink()
    with hosted(app) as host:
        page.do("open", host.url)
        report = page.self_test()
    assert (report["outcome"], report["threads"]) == ("passed", 1)
    assert report["isolated"] is False


def test_a_host_that_isolates_the_page_needs_no_reload(app: Path, page: Page) -> None:
    (app / "sw.js").unlink()
    with hosted(app, ISOLATED) as host:
        page.do("open", host.url)
        report = page.self_test()
    assert (report["outcome"], report["threads"]) == ("passed", 2)


def refusal(page: Page, url: str) -> str:
    page.do("open", url)
    report = page.self_test()
    assert report["outcome"] == "refused", report
    assert page.do("evaluate", 'document.getElementById("main").hidden') is True
    sentence: str = report["sentence"]
    assert page.do("text", "#refused") == f"Refused: {sentence}."
    return sentence


@pytest.mark.parametrize("name", ["onnx/model_quantized.onnx", "vocab.txt", "golden.json"])
def test_a_changed_file_is_refused_by_name(name: str, app: Path, page: Page) -> None:
    data = bytearray((app / "assets" / name).read_bytes())
    data[len(data) // 2] ^= 1
    (app / "assets" / name).write_bytes(data)
    with hosted(app) as host:
        assert refusal(page, host.url) == f"assets/{name} does not match its sha256"


def test_a_missing_file_is_refused_by_name(app: Path, page: Page) -> None:
    (app / "assets" / "vocab.txt").unlink()
    with hosted(app) as host:
        assert refusal(page, host.url) == "assets/vocab.txt is missing (HTTP 404)"


def test_another_format_is_refused(app: Path, page: Page) -> None:
    path = app / "assets" / "manifest.json"
    path.write_text(path.read_text().replace("kdc.phone/1", "kdc.phone/2"))
    with hosted(app) as host:
        assert refusal(page, host.url).endswith("is of another format than kdc.phone/1")


@pytest.mark.parametrize(
    "damage",
    [
        {"files": {"../../secret": {"sha256": "0" * 64, "bytes": 1}}},
        {"files": {}},
        {"files": None},
        {"task": {"kind": "classification", "labels": []}},
        {"task": {"kind": "magic", "labels": ["a"]}},
        {"max_length": "long"},
    ],
    ids=str,
)
def test_a_manifest_of_another_shape_is_refused(
    damage: dict[str, object], app: Path, page: Page
) -> None:
    path = app / "assets" / "manifest.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | damage))
    with hosted(app) as host:
        assert refusal(page, host.url).startswith("assets/manifest.json is damaged: its ")


def test_a_page_opened_from_a_file_says_how_to_open_it(ready: Path, page: Page) -> None:
    """Its scripts would not run, and it would get ready for ever."""
    page.do("open", (ready / "index.html").as_uri())
    told = "Refused: a browser does not let a page opened from a file read its model: serve this"
    assert str(page.do("text", "#status")).startswith(told)


def test_what_is_kept_and_goes_bad_is_fetched_again(ready: Path, page: Page) -> None:
    """A phone's storage that lost a bit would refuse the model until the app is removed."""
    spoil = """(async () => {
      const name = (await caches.keys()).find((one) => one.includes(" model "));
      const cache = await caches.open(name);
      const [entry] = (await cache.keys()).filter(({ url }) => url.endsWith("vocab.txt"));
      await cache.put(entry, new Response("spoilt"));
      return entry.url;
    })()"""
    with hosted(ready) as host:
        page.do("open", host.url)
        assert page.self_test()["outcome"] == "passed"
        assert str(page.do("evaluate", spoil)).endswith("assets/vocab.txt")
        page.do("reload")
        assert page.self_test()["outcome"] == "passed"
        page.do("evaluate", spoil)
    page.do("offline", True)
    assert refusal(page, host.url) == "assets/vocab.txt does not match its sha256"


@pytest.mark.parametrize("tab", ["try", "test", "about"])
@pytest.mark.parametrize("dark", [False, True])
def test_nothing_keeps_people_out(tab: str, dark: bool, ready: Path, page: Page) -> None:
    """Colours too faint, fields without names: axe finds what a screen reader's user would."""
    with hosted(ready) as host:
        page.do("dark", dark)
        page.do("open", host.url)
        assert page.self_test()["outcome"] == "passed"
        page.answer("will it rain")
        page.do("click", f"#tab-{tab}")
        found = page.do("axe")
    assert [violation for violation in found if violation[1] in ("serious", "critical")] == []


def test_a_refusal_keeps_nobody_out(app: Path, page: Page) -> None:
    (app / "assets" / "vocab.txt").write_text("other")
    with hosted(app) as host:
        refusal(page, host.url)
        assert [one for one in page.do("axe") if one[1] in ("serious", "critical")] == []


def test_the_tabs_follow_the_arrow_keys(ready: Path, page: Page) -> None:
    with hosted(ready) as host:
        page.do("open", host.url)
        page.self_test()
        page.do("click", "#tab-try")
        for key, panel in (
            ("Right", "test"),
            ("Right", "about"),
            ("Right", "try"),
            ("Left", "about"),
        ):
            page.do("press", f"Arrow{key}")
            shown = "[...document.querySelectorAll('[role=tabpanel]')].filter((one) => !one.hidden)"
            assert page.do("evaluate", f"{shown}.map((one) => one.id)") == [f"panel-{panel}"]
            assert page.do("evaluate", "document.activeElement.id") == f"tab-{panel}"


def test_a_result_is_shared_as_json(ready: Path, page: Page) -> None:
    with hosted(ready) as host:
        page.do("open", host.url)
        page.self_test()
        label = page.answer("will it rain")
        got = page.do("download", "#share")
    shared = json.loads(got["text"])
    assert (got["name"], shared["format"]) == ("answer.json", "kdc.answer/1")
    assert (shared["text"], shared["answer"]) == ("will it rain", label)
    assert shared["app"] == "Kitchen helper"
    assert sum(shared["probabilities"].values()) == pytest.approx(1)
    powers = np.exp(np.array(shared["logits"]))
    wanted = dict(zip(LABELS, powers / powers.sum(), strict=True))
    assert shared["probabilities"] == pytest.approx(wanted)


HOSTILE = ('<img src=x onerror="globalThis.hit=1">', "__proto__", "\u202ereversed")


@pytest.mark.parametrize("kind", ["classification", "multi-label"])
def test_names_and_labels_are_never_markup(kind: Kind, tmp_path: Path, page: Page) -> None:
    """A label comes with the data, and a page shows it in its own origin."""
    require_runtime()
    phone = make_phone(tmp_path / "phone", name=HOSTILE[0], labels=HOSTILE, kind=kind, pair=True)
    bundle(BundleJob(phone, "web", tmp_path / "app"))
    with hosted(tmp_path / "app") as host:
        page.do("open", host.url)
        report = page.self_test()
        assert report["outcome"] == "passed", report
        page.do("fill", "#pair", "<b>rain</b>")
        page.answer("<script>globalThis.hit=1</script>")
        assert page.do("text", "h1") == HOSTILE[0]
        shown = page.do(
            "evaluate", "[...document.querySelectorAll('#bars .name')].map((e) => e.textContent)"
        )
        assert sorted(shown) == sorted(HOSTILE)
        assert page.do("evaluate", "document.querySelectorAll('main img, main script').length") == 0
        assert page.do("evaluate", "globalThis.hit ?? null") is None


def test_a_score_stands_on_its_range(tmp_path: Path, page: Page) -> None:
    require_runtime()
    student = make_student(tmp_path / "student", task=make_task("regression"))
    export(student, tmp_path / "phone", exporter="torch", max_drop=100.0)
    bundle(BundleJob(tmp_path / "phone", "web", tmp_path / "app"))
    golden = json.loads((tmp_path / "app" / "assets" / "golden.json").read_text())
    with hosted(tmp_path / "app") as host:
        page.do("open", host.url)
        assert page.self_test()["outcome"] == "passed"
        assert float(page.answer(golden["texts"][0])) == pytest.approx(
            golden["labels"][0], abs=2e-3
        )
        scores = [row[0] for row in golden["logits"]]
        low, high = math.floor(min(scores)), math.ceil(max(scores))
        told = page.do("text", "#bars .name")
        assert told == f"on the golden texts' range, {low} to {high}"
        width = page.do("evaluate", "document.querySelector('#bars .fill').style.width")
        share = (golden["labels"][0] - low) / (high - low)
        assert float(width.rstrip("%")) == pytest.approx(100 * share, abs=0.2)


def test_a_script_that_is_missing_is_told(app: Path, page: Page) -> None:
    """An upload that was cut short would get ready for ever."""
    (app / "unicode.js").unlink()
    (app / "sw.js").unlink()
    with hosted(app) as host:
        assert refusal(page, host.url).startswith("this browser cannot run the model: ")
