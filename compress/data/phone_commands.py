"""The built-in task: what an assistant on a phone hears, as intents and an out-of-scope class.

Nothing is downloaded: the rows are drawn from a grammar that ships beside this file, one TOML file
for each split. A template is plain text with `{slot}` (a value of that slot) and `(a|b|)` (one of
several, or nothing); a value may have groups of its own. The splits share no template, slot value,
filler or mishearing, so that a model is scored on wordings it has not seen. What is drawn is then
made as untidy as speech and thumbs make it.
"""

import re
import tomllib
from collections.abc import Iterator, Sequence
from importlib.resources import files
from itertools import cycle
from random import Random
from typing import Any

import numpy as np

from kdc.compress.data.dataset import Dataset, Split
from kdc.compress.task import Task

NAME = "phone-commands"
OUT_OF_SCOPE = "out_of_scope"
# rows of each intent, rows out of scope
_SIZES = {"train": (126, 472), "dev": (31, 132), "test": (47, 184)}
_CHOICE = re.compile(r"\((?P<any>[^()]*)\)|\{(?P<slot>\w+)\}")
_LETTERS = "abcdefghijklmnopqrstuvwxyz"


def load() -> Dataset:
    """Draw the task's rows: 4,000 train, 1,000 dev and 1,500 test, always the same ones."""
    grammars = {split: _grammar(split) for split in _SIZES}
    labels = tuple(sorted(grammars["train"]["intents"]))
    task = Task(NAME, "classification", labels, pair=False, metric="accuracy")
    seen: set[str] = set()
    train, dev, test = (_draw(split, grammars[split], labels, seen) for split in _SIZES)
    return Dataset(task, train, dev, test)


def _grammar(split: str) -> dict[str, Any]:
    path = files(__package__).joinpath(f"phone_commands_{split}.toml")
    return tomllib.loads(path.read_text(encoding="utf-8"))


def _draw(split: str, grammar: dict[str, Any], labels: Sequence[str], seen: set[str]) -> Split:
    """Draw one split; `seen` holds every text so far, and none is drawn twice."""
    rng = Random(f"{NAME} {split}")
    each, outside = _SIZES[split]
    rows: list[tuple[str, int]] = []
    for label, intent in enumerate(labels):
        wanted = len(rows) + (outside if intent == OUT_OF_SCOPE else each)
        for text in _texts(grammar, grammar["intents"][intent], rng):
            if text.lower() not in seen:
                seen.add(text.lower())
                rows.append((text, label))
            if len(rows) == wanted:
                break
    rows.sort(key=lambda row: rng.random())
    return Split(
        texts=[text for text, _ in rows],
        pairs=None,
        labels=np.array([label for _, label in rows], dtype=np.int64),
    )


def _texts(grammar: dict[str, Any], templates: list[str], rng: Random) -> Iterator[str]:
    for template in cycle(templates):
        words = _expand(template, grammar["slots"], rng).split()
        yield _untidy(words, grammar["fillers"], grammar["misheard"], rng)


def _pick(options: Sequence[str], rng: Random) -> str:
    # of all that Random offers, only random() is promised to stay the same between Pythons
    return options[int(rng.random() * len(options))]


def _expand(template: str, slots: dict[str, list[str]], rng: Random) -> str:
    while found := _CHOICE.search(template):
        options = slots[found["slot"]] if found["slot"] else found["any"].split("|")
        template = template[: found.start()] + _pick(options, rng) + template[found.end() :]
    return template


def _untidy(words: list[str], fillers: list[str], misheard: dict[str, str], rng: Random) -> str:
    """Add what happens to words on their way into a phone, each with its own chance."""
    words = list(words)
    if rng.random() < 0.12:
        words.insert(int(rng.random() * len(words)), _pick(fillers, rng))
    if rng.random() < 0.10:
        sounds = [at for at, word in enumerate(words) if word in misheard]
        for at in sounds[int(rng.random() * len(sounds)) :][:1]:
            words[at] = misheard[words[at]]
    if rng.random() < 0.15:
        at = int(rng.random() * len(words))
        words[at] = _mistype(words[at], rng)
    text = " ".join(words)
    if rng.random() < 0.5:
        text = text.replace("'", "")
    case = rng.random()
    if case < 0.05:
        return text.upper()
    return text[0].upper() + text[1:] if case < 0.35 else text


def _mistype(word: str, rng: Random) -> str:
    """Swap two letters, or drop, double or replace one; short words are typed right."""
    if len(word) < 4:
        return word
    at = 1 + int(rng.random() * (len(word) - 2))
    before, letter, after = word[:at], word[at], word[at + 1 :]
    swapped = before + after[0] + letter + after[1:]
    wrong = before + _pick(_LETTERS, rng) + after
    return _pick((swapped, before + after, before + letter + letter + after, wrong), rng)
