"""The built-in task keeps its promises: the same rows everywhere, nothing in two splits."""

import os
import re
import subprocess
import sys
from collections import Counter
from itertools import combinations, product
from random import Random

import numpy as np
import pytest

from kdc.compress.baseline import fit_bag_of_words
from kdc.compress.data import phone_commands
from kdc.compress.data.dataset import Dataset, Split
from kdc.compress.data.phone_commands import OUT_OF_SCOPE, load
from kdc.compress.metrics import score

SPLITS = ("train", "dev", "test")
GRAMMARS = {split: phone_commands._grammar(split) for split in SPLITS}
DIGEST = "19422a204e9e4b566f1561c2ec65d6aefe53a47fd0bbe28779e9dcddb035b7a5"


@pytest.fixture(scope="module")
def data() -> Dataset:
    return load()


def _splits(data: Dataset) -> dict[str, Split]:
    assert data.test is not None
    return {"train": data.train, "dev": data.dev, "test": data.test}


def _wordings(template: str) -> set[str]:
    """Every choice of a template's groups, its slots left as they are, by a second parser."""
    parts = re.split(r"(\([^()]*\))", template.replace("{ask}", " "))
    choices = [part[1:-1].split("|") if part.startswith("(") else [part] for part in parts]
    return {" ".join("".join(chosen).split()) for chosen in product(*choices)}


def _all_wordings(templates: list[str]) -> set[str]:
    return set().union(*(_wordings(template) for template in templates))


def test_the_same_rows_in_every_process_and_on_every_python() -> None:
    """Bug: a set's or hash's order, or a generator that changed, moves every published figure."""
    command = "from kdc.compress.data.phone_commands import load; print(load().digest())"
    for seed in ("1", "2"):
        environment = {**os.environ, "PYTHONHASHSEED": seed}
        done = subprocess.run(
            [sys.executable, "-c", command], capture_output=True, check=True, env=environment
        )
        assert done.stdout.decode().strip() == DIGEST


def test_sizes_and_balance(data: Dataset) -> None:
    """Bug: a class runs dry, or its rows stop one early, and accuracy leans to the others."""
    assert [len(split) for split in _splits(data).values()] == [4000, 1000, 1500]
    outside = data.task.labels.index(OUT_OF_SCOPE)
    for split in _splits(data).values():
        counts = np.bincount(split.labels, minlength=len(data.task.labels))
        assert len(set(np.delete(counts, outside))) == 1
        assert counts[outside] > 3 * np.delete(counts, outside).max()
        assert split.labels.dtype == np.int64


def test_task_is_what_the_labels_say(data: Dataset) -> None:
    """Bug: labels in the file's order instead of sorted, so that two versions number them apart."""
    assert data.task.labels == tuple(sorted(GRAMMARS["train"]["intents"]))
    assert (data.task.kind, data.task.pair, data.task.metric) == (
        "classification",
        False,
        "accuracy",
    )


def test_no_text_twice(data: Dataset) -> None:
    """Bug: a dev or test text was trained on, in other letters or spaces."""
    texts = [" ".join(t.lower().split()) for s in _splits(data).values() for t in s.texts]
    twice = [text for text, n in Counter(texts).items() if n > 1]
    assert not twice


@pytest.mark.parametrize(("one", "other"), list(combinations(SPLITS, 2)))
def test_splits_share_no_wording(one: str, other: str) -> None:
    """Bug: a template stands in two splits, outright or as one choice of a group."""
    templates = [
        [template for intent in GRAMMARS[split]["intents"].values() for template in intent]
        for split in (one, other)
    ]
    assert not _all_wordings(templates[0]) & _all_wordings(templates[1])


@pytest.mark.parametrize(("one", "other"), list(combinations(SPLITS, 2)))
def test_splits_share_no_values(one: str, other: str) -> None:
    """Bug: a contact, song or filler of dev or test was seen in training."""
    first, second = GRAMMARS[one], GRAMMARS[other]
    for name, values in first["slots"].items():
        common = _all_wordings(values) & _all_wordings(second["slots"][name])
        assert common <= {""}, name
    assert not set(first["fillers"]) & set(second["fillers"])
    assert not set(first["misheard"].values()) & set(second["misheard"].values())


@pytest.mark.parametrize(("split", "templates"), [("train", 12), ("dev", 5), ("test", 6)])
def test_grammar_is_whole(split: str, templates: int) -> None:
    """Bug: an intent with few wordings, a slot nobody uses, a name that no slot has."""
    grammar = GRAMMARS[split]
    assert grammar["intents"].keys() == GRAMMARS["train"]["intents"].keys()
    assert min(len(set(intent)) for intent in grammar["intents"].values()) >= templates
    text = "\n".join(template for intent in grammar["intents"].values() for template in intent)
    assert set(re.findall(r"\{(.*?)\}", text)) == set(grammar["slots"])
    values = [value for slot in grammar["slots"].values() for value in slot]
    assert not [value for value in values if "{" in value]


def test_groups_and_slots_expand_to_every_choice() -> None:
    """Bug: a choice that is never drawn, or an empty one that drops its neighbour."""
    slots = {"who": ["mom", "(uncle|aunt) bob"]}
    rng = Random(0)
    drawn = {phone_commands._expand("call {who}(| now)", slots, rng) for _ in range(200)}
    people, endings = ("mom", "uncle bob", "aunt bob"), ("", " now")
    assert drawn == {f"call {who}{end}" for who in people for end in endings}


def _common_start(one: str, other: str) -> int:
    differ = (at for at, (a, b) in enumerate(zip(one, other, strict=False)) if a != b)
    return next(differ, min(len(one), len(other)))


def test_mistyped_words_stay_near() -> None:
    """Bug: a typo that changes nothing it should not: the first letter, or more than one place."""
    rng = Random(0)
    for _ in range(200):
        typed = phone_commands._mistype("weather", rng)
        assert typed[0] == "w" and abs(len(typed) - len("weather")) <= 1
        same_front = _common_start(typed, "weather")
        same_back = _common_start(typed[::-1], "rehtaew")
        assert same_front + same_back >= len("weather") - 2
    assert phone_commands._mistype("off", rng) == "off"


def test_texts_are_as_untidy_as_speech(data: Dataset) -> None:
    """Bug: the rows come out clean (or all broken), and the task measures nothing of the phone."""
    texts = data.train.texts
    upper = sum(text.isupper() for text in texts) / len(texts)
    assert 0.03 < upper < 0.08
    words = {
        word.lower()
        for part in ("slots", "intents")
        for values in GRAMMARS["train"][part].values()
        for value in values
        for word in re.findall(r"[\w']+", value)
    }
    known = {*words, *(word.replace("'", "") for word in words)}
    touched = [not known.issuperset(re.findall(r"[\w']+", text.lower())) for text in texts]
    assert 0.10 < np.mean(touched) < 0.35
    assert not [text for text in texts if re.search(r"[(){}|]|  |^\s|\s$", text)]


def test_a_bag_of_words_learns_it_but_not_well(data: Dataset) -> None:
    """Bug: labels that no longer match the texts, or wordings that repeat across the splits."""
    assert data.test is not None
    answers = fit_bag_of_words(data.train, data.task)(data.test)
    value = score("accuracy", answers, data.test.labels).value
    assert 0.6 < value < 0.88
