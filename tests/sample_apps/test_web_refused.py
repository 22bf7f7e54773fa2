"""What the web app refuses, in one sentence, on hosts that fail in every usual way."""

import json
from pathlib import Path

import pytest

from tests.phones import LABELS, TEXTS
from tests.web_page import Page, change_model, hosted

pytestmark = pytest.mark.device


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
    change_model(app, {}, format="kdc.phone/2")
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
    change_model(app, {}, **damage)
    with hosted(app) as host:
        assert refusal(page, host.url).startswith("assets/manifest.json is damaged: its ")


def test_a_model_of_another_release_is_refused(app: Path, page: Page) -> None:
    """Nothing tells whose it is: an app without a key takes the model it came with."""
    path = app / "assets" / "manifest.json"
    path.write_text(path.read_text() + " ")
    with hosted(app) as host:
        told = refusal(page, host.url)
    assert told == "assets/manifest.json is not the one that this app came with"


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        ({"texts": []}, "assets/golden.json is damaged"),
        ({"logits": [[0.1, 0.2, 0.3]]}, "assets/golden.json is damaged"),
        ({"tolerance": None}, "assets/golden.json is damaged"),
        ({"pairs": list(TEXTS)}, "assets/golden.json is damaged"),
        (
            {"logits": [[0.1, 0.2]] * len(TEXTS)},
            "assets/golden.json has other answers than the task's labels: bundle again",
        ),
    ],
    ids=str,
)
def test_golden_texts_of_another_shape_are_refused(
    damage: dict[str, object], told: str, app: Path, page: Page
) -> None:
    """A self-test of no texts proves nothing, and one of half a text stops with an exception."""
    golden = json.loads((app / "assets" / "golden.json").read_text()) | damage
    change_model(app, {"golden.json": json.dumps(golden)})
    with hosted(app) as host:
        assert refusal(page, host.url) == told


def test_a_model_that_gives_more_than_the_labels_is_refused(app: Path, page: Page) -> None:
    """Its third answer would have no name."""
    config, golden = (
        json.loads((app / "assets" / f"{name}.json").read_text()) for name in ("app", "golden")
    )
    task = config["task"] | {"labels": list(LABELS[:2])}
    (app / "assets" / "app.json").write_text(json.dumps(config | {"task": task}))
    golden["logits"] = [row[:2] for row in golden["logits"]]
    change_model(app, {"golden.json": json.dumps(golden)}, task=task)
    with hosted(app) as host:
        page.do("open", host.url)
        report = page.self_test()
    assert report["outcome"] == "refused"
    assert report["sentence"] == "the model gives 3 numbers for a text, and its task has 2"


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
    damaged, absent = "assets/vocab.txt does not match its sha256", "assets/manifest.json could not"
    assert refusal(page, host.url) == f"{damaged}; and {absent} be loaded: is there a network?"


def test_a_refusal_keeps_nobody_out(app: Path, page: Page) -> None:
    (app / "assets" / "vocab.txt").write_text("other")
    with hosted(app) as host:
        refusal(page, host.url)
        assert [one for one in page.do("axe") if one[1] in ("serious", "critical")] == []


def test_a_script_that_is_missing_is_told(app: Path, page: Page) -> None:
    """An upload that was cut short would get ready for ever."""
    (app / "unicode.js").unlink()
    (app / "sw.js").unlink()
    with hosted(app) as host:
        told = "a script could not be loaded: is there a network, and is this browser new?"
        assert refusal(page, host.url) == told
