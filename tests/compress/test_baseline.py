"""The baseline against formulas written a second time, in dense float64."""

import os
import subprocess
import sys
from collections import Counter
from math import log
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from kdc.compress.baseline import fit_bag_of_words
from kdc.compress.data.dataset import Split
from kdc.compress.data.load import load_data
from kdc.compress.metrics import score
from kdc.compress.task import Kind, Task

Floats = npt.NDArray[np.float64]
TRAIN = [
    "wake me at six",
    "please wake me",
    "wake wake wake me now",
    "play some music",
    "play music now please",
    "stop the music",
    "stop it now",
    "please stop",
]
ASKED = ["wake me please", "play the music", "stop now", "wholly unknown words", ""]


def _task(kind: Kind, labels: tuple[str, ...] = (), *, pair: bool = False) -> Task:
    metric = "accuracy" if kind == "classification" else "pearson"
    return Task("test", kind, labels, pair, metric)


def _terms(text: str) -> list[str]:
    words = text.split()
    return words + [f"{words[i]} {words[i + 1]}" for i in range(len(words) - 1)]


def _tfidf(train: list[str], texts: list[str]) -> Floats:
    """(1 + ln tf) (1 + ln((1 + N) / (1 + df))), rows of length 1, as a dense matrix."""
    names = sorted({term for text in train for term in _terms(text)})
    df = [sum(name in _terms(text) for text in train) for name in names]
    rows = []
    for text in texts:
        tf = Counter(_terms(text))
        row = [
            (1 + log(tf[name])) * (1 + log((1 + len(train)) / (1 + n))) if tf[name] else 0.0
            for name, n in zip(names, df, strict=True)
        ]
        rows.append(np.array(row) / (np.linalg.norm(row) or 1))
    return np.array(rows)


def _softmax(scores: Floats) -> Floats:
    grown = np.exp(scores - scores.max(axis=1, keepdims=True))
    return np.asarray(grown / grown.sum(axis=1, keepdims=True))


def test_classes_match_plain_gradient_descent() -> None:
    """Bug: a wrong idf, count, norm or penalty, or a fit that stops before its minimum."""
    gold = np.array([0, 0, 0, 1, 1, 2, 2, 2])
    answers = fit_bag_of_words(Split(TRAIN, None, gold), _task("classification", ("a", "b", "c")))(
        Split(ASKED, None, np.zeros(5, np.int64))
    )
    x, y = _tfidf(TRAIN, TRAIN), np.eye(3)[gold]
    weights, bias = np.zeros((x.shape[1], 3)), np.zeros(3)
    for _ in range(20_000):
        error = _softmax(x @ weights + bias) - y
        weights -= 0.3 * (x.T @ error + weights / 10)
        bias -= 0.3 * error.sum(axis=0)
    expected = _softmax(_tfidf(TRAIN, ASKED) @ weights + bias)
    np.testing.assert_allclose(_softmax(answers.astype(np.float64)), expected, atol=0.01)


def test_scores_match_the_normal_equations() -> None:
    """Bug: a regression whose bias is penalised or whose penalty is of another size."""
    gold = np.array([4.5, 4.0, 5.0, 2.0, 2.5, 0.5, 0.0, 1.0], dtype=np.float32)
    answers = fit_bag_of_words(Split(TRAIN, None, gold), _task("regression"))(
        Split(ASKED, None, np.zeros(5, np.float32))
    )
    x = np.column_stack([_tfidf(TRAIN, TRAIN), np.ones(len(TRAIN))])
    penalty = 0.05 * np.diag([*np.ones(x.shape[1] - 1), 0.0])
    solution = np.linalg.solve(x.T @ x + penalty, x.T @ gold)
    expected = np.column_stack([_tfidf(TRAIN, ASKED), np.ones(5)]) @ solution
    assert answers.shape == (5, 1)
    np.testing.assert_allclose(answers[:, 0], expected, atol=0.02)


def test_the_two_texts_of_a_pair_are_kept_apart() -> None:
    """Bug: both texts in one bag, so that a pair and its mirror image get one answer."""
    texts, pairs = ["good day", "bad day"] * 4, ["bad day", "good day"] * 4
    rows = Split(texts, pairs, np.array([0, 1] * 4))
    task = _task("classification", ("first", "second"), pair=True)
    answers = fit_bag_of_words(rows, task)(rows)
    assert score("accuracy", answers, rows.labels).value == 1


def test_texts_without_a_known_word_get_the_prior() -> None:
    """Bug: a row of length zero is divided by its length and the metric refuses the NaN."""
    gold = np.array([0, 0, 0, 0, 0, 0, 1, 1])
    rows = Split(["", "?!", "unheard"], None, np.zeros(3, np.int64))
    answers = fit_bag_of_words(Split(TRAIN, None, gold), _task("classification", ("a", "b")))(rows)
    assert np.isfinite(answers).all()
    assert (answers == answers[0]).all() and answers[0].argmax() == 0


def test_training_texts_without_any_word() -> None:
    """Bug: an empty vocabulary makes an empty matrix and a traceback."""
    rows = Split(["?!", "", "...", "-"], None, np.array([1, 1, 1, 0]))
    answers = fit_bag_of_words(rows, _task("classification", ("a", "b")))(rows)
    assert (answers.argmax(axis=1) == 1).all()


def test_the_same_bytes_in_every_process() -> None:
    """Bug: columns numbered in a set's order, so that sums differ from one process to the next."""
    command = (
        "import sys, numpy as np\n"
        "from kdc.compress.baseline import fit_bag_of_words\n"
        "from kdc.compress.data.dataset import Split\n"
        "from kdc.compress.task import Task\n"
        f"rows = Split({TRAIN!r}, None, np.array([0, 0, 0, 1, 1, 2, 2, 2]))\n"
        "task = Task('t', 'classification', ('a', 'b', 'c'), False, 'accuracy')\n"
        "sys.stdout.buffer.write(fit_bag_of_words(rows, task)(rows).tobytes())\n"
    )
    outputs = {
        subprocess.run(
            [sys.executable, "-W", "ignore", "-c", command],
            capture_output=True,
            check=True,
            env={**os.environ, "PYTHONHASHSEED": seed},
        ).stdout
        for seed in ("1", "2")
    }
    assert len(outputs) == 1 and len(outputs.pop()) == 8 * 3 * 4


@pytest.mark.slow
def test_real_intents_within_a_point_of_scikit_learn(shared_data: Path) -> None:
    """Bug: a fit that is right on toys and stops early on 151 classes.

    TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True) and LogisticRegression(C=10) of
    scikit-learn 1.9 answer 90.98 % of the in-scope test rows right; its words have two letters.
    """
    data = load_data(str(shared_data / "clinc150" / "data_full.json"))
    assert data.test is not None
    inside = [
        Split([split.texts[i] for i in kept], None, split.labels[kept])
        for split in (data.train, data.test)
        if (kept := np.flatnonzero(split.labels != data.task.labels.index("oos"))).size
    ]
    answers = fit_bag_of_words(inside[0], data.task)(inside[1])
    assert abs(score("accuracy", answers, inside[1].labels).value - 0.9098) < 0.01
