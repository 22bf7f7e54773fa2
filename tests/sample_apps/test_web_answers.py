"""What the web app shows of its answers, and when."""

import json
import math
import re
from pathlib import Path

import numpy as np
import pytest

from kdc.compress.task import Kind
from kdc.export.bundle import bundle
from kdc.export.bundle.app import BundleJob
from tests.phones import LABELS, make_phone
from tests.shipping import export
from tests.student import make_student, make_task
from tests.web_page import Page, hosted, require_runtime

pytestmark = pytest.mark.device


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


def test_an_emptied_text_has_no_answer(ready: Path, page: Page) -> None:
    """The old one stood there still, and one that was on its way was shown for no text at all."""
    seen = 'document.getElementById("result").hidden === false'
    late = """(async () => {
      const text = document.getElementById("text");
      text.value = "will it rain";
      document.getElementById("form").requestSubmit();
      text.value = "";
      text.dispatchEvent(new Event("input"));
      await new Promise((resolve) => setTimeout(resolve, 1000));
    })()"""
    with hosted(ready) as host:
        page.do("open", host.url)
        page.self_test()
        page.answer("will it rain")
        assert page.do("evaluate", seen) is True
        page.do("fill", "#text", "")
        assert page.do("evaluate", seen) is False
        assert page.do("evaluate", 'document.getElementById("share").disabled') is True
        page.do("evaluate", late)
        assert page.do("evaluate", seen) is False


def test_a_text_is_answered_while_the_page_measures(ready: Path, page: Page) -> None:
    """A hundred timed answers were one job, and whoever typed meanwhile waited for all of them."""
    watch = """(() => {
      const byId = (id) => document.getElementById(id);
      delete document.documentElement.dataset.selftest;
      byId("answer").textContent = "";
      const verdict = new MutationObserver(() => {
        if (byId("verdict").dataset.state !== "good") return;
        verdict.disconnect();
        byId("text").value = "will it rain";
        byId("form").requestSubmit();
      });
      byId("verdict").dataset.state = "busy";
      verdict.observe(byId("verdict"), { attributes: true });
      new MutationObserver(() => {
        globalThis.measuring ??= document.documentElement.dataset.selftest === undefined;
      }).observe(byId("answer"), { childList: true });
    })()"""
    with hosted(ready) as host:
        page.do("open", host.url)
        page.self_test()
        page.do("evaluate", watch)
        page.do("evaluate", 'document.getElementById("again").click()')
        page.self_test()
        page.do("wait", "globalThis.measuring !== undefined")
        assert page.do("evaluate", "globalThis.measuring") is True


@pytest.mark.parametrize(("words", "told"), [(62, "64 tokens,"), (63, "64 tokens, cut at 64,")])
def test_a_text_that_just_fits_is_not_said_to_be_cut(
    words: int, told: str, ready: Path, page: Page
) -> None:
    """Bug: a whole text of as many tokens as the model takes was said to have lost its end."""
    with hosted(ready) as host:
        page.do("open", host.url)
        page.self_test()
        page.answer("rain " * words)
        said = page.do("text", "#measure")
    assert re.fullmatch(rf"[\d.]+ ms, {told} \d threads?", said), said


def rewrite_worker(app: Path, before: str, after: str) -> None:
    """Let a line of the page's worker be another; nothing is kept of the one before."""
    worker = app / "worker.js"
    text = worker.read_text()
    assert before in text
    worker.write_text(text.replace(before, after))
    (app / "sw.js").unlink()


def test_a_text_that_fails_leaves_the_page_as_it_is(app: Path, page: Page) -> None:
    """Bug: one text that could not be answered hid the whole page until it was loaded again."""
    fails = """const ask = (asked) => {
      if (asked.text === "boom") throw new RangeError("out of memory");
      return answerText(here, asked);
    };"""
    rewrite_worker(app, "const ask = (asked) => answerText(here, asked);", fails)
    status = 'document.getElementById("status").textContent'
    with hosted(app) as host:
        page.do("open", host.url)
        page.self_test()
        before = page.do("text", "#status")
        page.answer("will it rain")
        page.do("fill", "#text", "boom")
        page.do("wait", f'{status}.startsWith("This text was not answered")')
        told = "This text was not answered (out of memory): try another, or reload the page"
        assert page.do("text", "#status") == told
        hidden = """["main", "refused", "result"].map((id) => document.getElementById(id).hidden)"""
        assert page.do("evaluate", hidden) == [False, True, True]
        page.answer("will it rain")
        assert page.do("text", "#status") == before
        assert page.do("evaluate", hidden) == [False, True, False]


def test_a_self_test_that_stops_can_be_run_again(app: Path, page: Page) -> None:
    """Bug: the button's self-test hid the page, with whatever text somebody was writing."""
    fails = """let asked = 0;
    const golden = ({ index }) => {
      asked += 1;
      if (asked === 8) throw new RangeError("out of memory");
      return replay(here, index);
    };"""
    rewrite_worker(app, "const golden = ({ index }) => replay(here, index);", fails)
    again = 'document.getElementById("again")'
    with hosted(app) as host:
        page.do("open", host.url)
        assert page.self_test()["outcome"] == "passed"  # of 6 texts
        page.do("evaluate", f"{again}.click()")
        page.do("wait", f"!{again}.disabled")
        told = "The self-test stopped (out of memory): run it again, or reload the page"
        assert page.do("text", "#verdict") == page.do("text", "#status") == told
        page.do("evaluate", f"{again}.click()")
        page.do("wait", f"!{again}.disabled")
        assert page.do("text", "#status") == "Ready: self-test passed"


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
