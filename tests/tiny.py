"""Tiny real models and tables, made on the spot: a BERT that trains in a second."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any, Unpack

import numpy as np
import torch
from transformers import BertConfig, BertForSequenceClassification, BertModel

from kdc.compress.data.dataset import Dataset, Split
from kdc.compress.encode import encode
from kdc.compress.examples import Examples, calibration_rows
from kdc.compress.files import write_json
from kdc.compress.job import StudentJob
from kdc.compress.losses.objective import Widths
from kdc.compress.models import PROBLEM_TYPES
from kdc.compress.objectives import build_objectives
from kdc.compress.progress import Advance, Silent
from kdc.compress.recipe import Recipe, load_recipe
from kdc.compress.run import Leg, Run
from kdc.compress.signals import KeptTeacher
from kdc.compress.task import Kind, Task
from tests.changes import JobChanges
from tests.student import SPECIAL, WORDS, tiny_tokenizer

VOCABULARY = 128
POSITIONS = 32
KEYWORDS = {"alarm": "wake", "music": "play", "silence": "stop", "room": "kitchen"}
METRICS = {"classification": "accuracy", "multi-label": "micro_f1", "regression": "pearson"}
FILLERS = [word for word in WORDS if word not in KEYWORDS.values()]


def tiny_data(
    kind: Kind = "classification", *, pair: bool = False, rows: int = 96, seed: int = 0
) -> Dataset:
    """Make texts of 3 to 9 words whose keyword decides the class, or whose count of it the score.

    Of several labels, each holds where its keyword stands, and some rows have none. In pairs the
    second text holds the keyword. Dev and test have half as many rows as train.
    """
    labels = () if kind == "regression" else tuple(KEYWORDS)
    task = Task("tiny", kind, labels, pair, METRICS[kind])
    sizes = (rows, rows // 2, rows // 2)
    splits = (_split(task, size, np.random.default_rng([seed, i])) for i, size in enumerate(sizes))
    train, dev, test = splits
    return Dataset(task, train, dev, test)


def _split(task: Task, rows: int, rng: np.random.Generator) -> Split:
    told: list[str] = []
    others: list[str] = []
    labels: list[Any] = []
    for index in range(rows):
        text, label = _several(rng) if task.kind == "multi-label" else _one(task, index, rng)
        told.append(text)
        others.append(" ".join(rng.choice(FILLERS, 3)))
        labels.append(label)
    classes = task.kind == "classification"
    gold = np.array(labels, np.int64) if classes else np.array(labels, np.float32)
    return Split(others if task.pair else told, told if task.pair else None, gold)


def _one(task: Task, index: int, rng: np.random.Generator) -> tuple[str, int]:
    """Return a text and its class, or its score."""
    chosen = index % len(KEYWORDS)
    words = list(rng.choice(FILLERS, int(rng.integers(2, 8))))
    repeats = 1 if task.labels else chosen
    keyword = list(KEYWORDS.values())[chosen if task.labels else 0]
    for _ in range(repeats):
        words.insert(int(rng.integers(0, len(words) + 1)), keyword)
    return " ".join(words), chosen


def _several(rng: np.random.Generator) -> tuple[str, list[int]]:
    """Return a text and which keywords stand in it."""
    holds = [int(holds) for holds in rng.random(len(KEYWORDS)) < 0.4]
    words = [word for word, one in zip(KEYWORDS.values(), holds, strict=True) if one]
    words += list(rng.choice(FILLERS, int(rng.integers(2, 6))))
    return " ".join(words[place] for place in rng.permutation(len(words))), holds


def save_model(folder: Path, model: Any) -> Path:  # noqa: ANN401 - any transformers model
    """Save a model of `VOCABULARY` tokens with the tiny WordPiece tokenizer beside it."""
    model.save_pretrained(folder)
    tokenizer = tiny_tokenizer()
    tokenizer.no_truncation()
    tokenizer.save(str(folder / "tokenizer.json"))
    names = ("pad_token", "unk_token", "cls_token", "sep_token", "mask_token")
    special = dict(zip(names, SPECIAL, strict=True))
    write_json(folder / "tokenizer_config.json", {**special, "tokenizer_class": "BertTokenizer"})
    ids = tokenizer.get_vocab()
    (folder / "vocab.txt").write_text("\n".join(sorted(ids, key=ids.__getitem__)) + "\n")
    return folder


def tiny_config(outputs: int = 4, layers: int = 2, hidden: int = 32) -> BertConfig:
    """Return the configuration of a BERT of two heads."""
    return BertConfig(
        vocab_size=VOCABULARY,
        hidden_size=hidden,
        num_hidden_layers=layers,
        num_attention_heads=2,
        intermediate_size=2 * hidden,
        max_position_embeddings=POSITIONS,
        num_labels=outputs,
        initializer_range=0.1,
    )


def tiny_model(outputs: int = 4, layers: int = 2, hidden: int = 32, seed: int = 0) -> Any:  # noqa: ANN401
    """Return a BERT classifier of random weights, in training mode."""
    with own_rng(seed):
        return BertForSequenceClassification(tiny_config(outputs, layers, hidden)).train()


def tiny_encoder(folder: Path, *, layers: int = 2, hidden: int = 32, seed: int = 0) -> Path:
    """Write a bare encoder of random weights: it has no head for classification."""
    with own_rng(seed):
        return save_model(folder, BertModel(tiny_config(layers=layers, hidden=hidden)))


def tiny_teacher(
    folder: Path, data: Dataset | None = None, *, layers: int = 2, hidden: int = 32
) -> Path:
    """Write a BERT that has learnt `data` (`tiny_data()` if None) nearly by heart."""
    task = (data or tiny_data()).task
    return save_model(folder, _taught(task.kind, task.pair, layers, hidden))


@cache
def _taught(kind: Kind, pair: bool, layers: int, hidden: int) -> Any:  # noqa: ANN401
    """Train a classifier for a second, outside of kdc's own loop."""
    data = tiny_data(kind, pair=pair)
    config = tiny_config(data.task.outputs, layers, hidden)
    config.id2label = dict(enumerate(data.task.labels or ("score",)))
    config.label2id = {name: index for index, name in config.id2label.items()}
    config.problem_type = PROBLEM_TYPES[kind]
    with own_rng():
        model = BertForSequenceClassification(config)
        optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3)
        tokenizer = tiny_tokenizer()
        tokenizer.enable_padding()
        texts, others = data.train.texts, data.train.pairs
        batch = tokenizer.encode_batch(list(zip(texts, others, strict=True)) if others else texts)
        inputs = {
            "input_ids": torch.tensor([row.ids for row in batch]),
            "attention_mask": torch.tensor([row.attention_mask for row in batch]),
            "token_type_ids": torch.tensor([row.type_ids for row in batch]),
            "labels": torch.from_numpy(data.train.labels),
        }
        for _ in range(60):
            model(**inputs).loss.backward()
            optimizer.step()
            optimizer.zero_grad()
    return model.eval()


@contextmanager
def own_rng(seed: int = 0) -> Iterator[None]:
    """Draw from a seed inside the block, and leave the generators of everybody else alone."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        yield


def tiny_recipe(name: str = "hinton", **train: float | str) -> Recipe:
    """Load a recipe that ships and shorten its stages: 12 steps of 16 rows and 3 evaluations."""
    recipe = load_recipe(name)
    short: dict[str, Any] = {"epochs": 2.0, "min_steps": 0, "batch": 16, "evaluations": 3}
    short |= train
    stages = [replace(stage, train=replace(stage.train, **short)) for stage in recipe.stages]
    return replace(recipe, stages=tuple(stages))


def tiny_rows(split: Split) -> Examples:
    """Tokenise a split with the tiny tokenizer."""
    return encode(tiny_tokenizer(), split, Silent(), "rows")


def tiny_run(
    state: Path, *, seed: int = 0, recipe: str | Recipe = "hinton", **train: float | str
) -> Run:
    """Make a run of 12 steps: a random student with dropout, a teacher of made-up logits."""
    chosen = recipe if isinstance(recipe, Recipe) else tiny_recipe(recipe, **train)
    data = tiny_data()
    with own_rng():
        answers = 3 * torch.randn(len(data.train), data.task.outputs)
    rows, widths = tiny_rows(data.train), Widths(data.task, 2, 32, 2, 32)
    return Run(
        model=tiny_model(),
        legs=tuple(
            Leg(
                stage.name,
                build_objectives(stage, widths),
                KeptTeacher(answers),
                rows,
                stage.train,
                keep_best=number == len(chosen.stages),
            )
            for number, stage in enumerate(chosen.stages, start=1)
        ),
        task=data.task,
        dev=tiny_rows(data.dev),
        padding=0,
        seed=seed,
        device=torch.device("cpu"),
        state=state,
        calibration=calibration_rows(rows),
        identity={"seed": seed},
        recipe=chosen.as_dict(),
    )


def rows_of(leg: Leg) -> Examples:
    """Return the rows of a stage that learns from a table, as every stage of a tiny run does."""
    assert isinstance(leg.rows, Examples)
    return leg.rows


def dev_of(run: Run) -> Examples:
    """Return the rows that judge a run that learns a task, as every tiny run does."""
    assert isinstance(run.dev, Examples)
    return run.dev


def tiny_job(teacher: Path, out: Path, **changes: Unpack[JobChanges]) -> StudentJob:
    """Ask for a student of one layer, in 12 steps that learn something."""
    recipe = tiny_recipe(learning_rate=2e-3)
    job = StudentJob((str(teacher),), tiny_data(), "tiny", "1x32", recipe, out, device="cpu")
    job = replace(job, controls=False)
    return replace(job, **changes)


class Recorder:
    """A Progress that keeps what was said, and may be told to fail after some units of a bar."""

    def __init__(self, fail_in: str = "", after: int = 0) -> None:
        self.said: list[str] = []
        self.bars: list[str] = []
        self._fail_in, self._after = fail_in, after

    def say(self, text: str) -> None:
        self.said.append(text)

    @contextmanager
    def bar(self, what: str, total: int, done: int = 0) -> Iterator[Advance]:
        self.bars.append(what)
        count = 0

        def advance(units: int) -> None:
            nonlocal count
            count += units
            if self._fail_in and self._fail_in in what and count >= self._after:
                raise Stopped(f"{what} at {count}")

        yield advance


class Stopped(Exception):
    """What a Recorder raises: an end that nothing in kdc expects."""
