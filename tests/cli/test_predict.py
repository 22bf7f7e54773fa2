import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.commands import kdc
from tests.phones import LABELS, TEXTS

MakePhone = Callable[..., Path]


def answers(*words: str | Path, stdin: bytes | None = None) -> list[dict[str, Any]]:
    """What a command prints as JSON."""
    done = kdc("predict", "--json", "-", "--quiet", *words, stdin=stdin)
    assert done.exit_code == 0, done.output
    found: list[dict[str, Any]] = json.loads(done.stdout)["answers"]
    return found


def golden_of(phone: Path) -> dict[str, Any]:
    golden: dict[str, Any] = json.loads((phone / "golden.json").read_text())
    return golden


def test_a_phone_folder_answers_as_its_golden_texts_say(
    make_phone: MakePhone, tmp_path: Path
) -> None:
    """Bug: texts cut, padded or numbered otherwise than in the app that ships."""
    phone = make_phone(tmp_path / "phone")
    golden, found = golden_of(phone), answers("--model", phone, "--", *TEXTS)
    assert [row["text"] for row in found] == list(TEXTS)
    assert [row["answer"] for row in found] == golden["labels"]
    for row, logits in zip(found, golden["logits"], strict=True):
        shares = np.exp(logits) / np.exp(logits).sum()
        wanted = dict(zip(LABELS, shares, strict=True))
        found_shares = {one["class"]: one["probability"] for one in row["probabilities"]}
        assert found_shares == pytest.approx(wanted, abs=1e-4)


def test_pairs_are_answered_together(make_phone: MakePhone, tmp_path: Path) -> None:
    """Bug: the second text is left out, or meets another first one."""
    phone = make_phone(tmp_path / "phone", pair=True)
    golden = golden_of(phone)
    seconds = [word for text in golden["pairs"] for word in ("--pair", text)]
    found = answers("--model", phone, *seconds, "--", *TEXTS)
    assert [row["answer"] for row in found] == golden["labels"]
    assert [row["pair"] for row in found] == golden["pairs"]


def test_several_labels_and_none(make_phone: MakePhone, tmp_path: Path) -> None:
    phone = make_phone(tmp_path / "phone", kind="multi-label")
    found = answers("--model", phone, "--", *TEXTS)
    assert [row["answer"] for row in found] == golden_of(phone)["labels"]


def test_lines_of_standard_input(make_phone: MakePhone, tmp_path: Path) -> None:
    """Bug: the dash is taken for a text, or answers do not line up with the lines."""
    phone = make_phone(tmp_path / "phone")
    lines = "\ufeffwake me\r\nWáke,\u2028me!\x0c\n\nstop\n"
    found = answers("-", "--model", phone, stdin=lines.encode())
    assert [row["text"] for row in found] == ["wake me", "Wáke,\u2028me!\x0c", "", "stop"]
    mixed = answers("first", "-", "last", "--model", phone, stdin=b"wake me\nstop\n")
    assert [row["text"] for row in mixed] == ["first", "wake me", "stop", "last"]
    done = kdc("predict", "-", "-", "--model", phone, stdin=b"stop\n")
    assert "- is standard input, which can be read once" in done.stderr and done.exit_code == 1


def test_the_table_shows_each_text_on_a_line(make_phone: MakePhone, tmp_path: Path) -> None:
    phone = make_phone(tmp_path / "phone")
    done = kdc("predict", "wake\nme", "--model", phone, "--top", "1")
    assert done.exit_code == 0
    (line,) = [line for line in done.stdout.splitlines() if "wake me" in line]
    answer = golden_of(phone)["labels"][0]
    assert line.split()[2:4] == [answer, answer] and line.rstrip().endswith("%")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["a", "--pair", "b"], "single texts, and these are pairs of texts: leave --pair out"),
        (["a\udcff"], "a text is not UTF-8"),
        (["a", "b", "--pair", "c"], "2 texts, and --pair 1 time"),
        (["a", "--device", "cpu"], "--device is for model folders"),
        (["a", "--json", "phone/config.json"], "lies inside phone"),
    ],
)
def test_wrong_input_is_one_sentence(
    words: list[str],
    said: str,
    make_phone: MakePhone,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    make_phone(tmp_path / "phone")
    monkeypatch.chdir(tmp_path)
    done = kdc("predict", *words, "--model", "phone")
    assert done.exit_code == 1 and done.stdout == ""
    assert done.stderr.startswith("kdc: ") and said in done.stderr


def test_a_model_of_pairs_refuses_single_texts(make_phone: MakePhone, tmp_path: Path) -> None:
    """Bug: half a question gets an answer that looks like any other."""
    phone = make_phone(tmp_path / "phone", pair=True)
    done = kdc("predict", "a", "--model", phone)
    assert done.exit_code == 1 and "give the second text of each with --pair" in done.stderr


@pytest.mark.parametrize(("data", "said"), [(b"", "is empty"), (b"\xff\n", "is not UTF-8")])
def test_what_is_no_text_on_standard_input(data: bytes, said: str) -> None:
    done = kdc("predict", "-", stdin=data)
    assert done.exit_code == 1 and f"standard input {said}" in done.stderr


def test_nothing_distilled_yet_is_told_as_that(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Bug: the user is told to check the network."""
    monkeypatch.chdir(tmp_path)
    for words in (["predict", "a"], ["eval"]):
        done = kdc(*words)
        assert done.exit_code == 1
        assert "there is no folder student: run kdc distill, or name a model" in done.stderr
