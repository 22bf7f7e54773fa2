import json
from pathlib import Path

import numpy as np
import pytest
from transformers import PretrainedConfig

from kdc.compress.data.dataset import Split
from kdc.compress.errors import KdcError
from kdc.compress.judge import (
    chosen_rows,
    folder_answers,
    in_data_order,
    kind_of,
    names_in_data_order,
    truth,
)
from kdc.compress.metrics import score
from kdc.compress.models import find_model
from kdc.compress.progress import Silent
from kdc.compress.task import Task
from tests.tiny import POSITIONS, tiny_data, tiny_encoder, tiny_teacher

TASK = Task("t", "classification", ("no", "yes"), False, "accuracy")
SCORES = Task("t", "regression", (), False, "pearson")
ROWS = Split(["a", "b", "c"], None, np.array([0, 1, 1]))


# -- the truth, as a model numbers it -----------------------------------------------------------


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        (("no", "yes"), [0, 1, 1]),
        (("yes", "no"), [1, 0, 0]),
        (("YES", "No"), [1, 0, 0]),
        (("other", "yes", "maybe", "no"), [3, 1, 1]),
        (("LABEL_0", "LABEL_1"), [0, 1, 1]),
        (("label_0", "label_1"), [0, 1, 1]),
        (("Yes", "YES", "no", "yes"), [2, 3, 3]),
    ],
    ids=str,
)
def test_the_truth_is_told_in_the_models_numbers(
    labels: tuple[str, ...], expected: list[int]
) -> None:
    """Bug: a model with its classes in another order, or with further ones, is scored as wrong."""
    assert truth(TASK, labels, ROWS).tolist() == expected


@pytest.mark.parametrize(
    ("task", "labels", "words"),
    [
        (TASK, ("no", "maybe"), "class 'yes' is none of the model's"),
        (TASK, ("LABEL_0", "LABEL_1", "LABEL_2"), "class 'no' is none of the model's"),
        (TASK, ("Yes", "YES", "no"), "class 'yes' is none"),
        (TASK, (), "one has classes, the other scores"),
        (SCORES, ("no", "yes"), "one has classes, the other scores"),
    ],
)
def test_data_of_another_task_is_refused(task: Task, labels: tuple[str, ...], words: str) -> None:
    """Bug: a made-up score, or a KeyError."""
    with pytest.raises(KdcError, match=words):
        truth(task, labels, ROWS)


@pytest.mark.parametrize("labels", [("no", "yes"), ("yes", "no"), ("yes", "more", "no")], ids=str)
def test_f1_is_of_the_datas_second_class(labels: tuple[str, ...]) -> None:
    """Bug: F1 of the other class for a model that has its classes in another order."""
    theirs = {"no": [3, 1, 0], "yes": [1, 3, 2], "more": [0, 0, 0]}
    logits = np.array([theirs[name] for name in labels], dtype=np.float32).T
    found, gold = in_data_order(TASK, labels, logits, ROWS)
    assert gold.tolist() == [0, 1, 1]
    assert found[:, :2].tolist() == [[3, 1], [1, 3], [0, 2]]
    assert found.shape == logits.shape


@pytest.mark.parametrize(
    ("data", "model", "names"),
    [
        (("Music", "alarm"), ("alarm", "music", "stop"), ("music", "alarm", "stop")),
        (("0", "1"), ("alarm", "music"), ("alarm", "music")),
        (("no", "yes"), ("LABEL_0", "LABEL_1"), ("no", "yes")),
    ],
)
def test_classes_are_called_as_the_model_calls_them(
    data: tuple[str, ...], model: tuple[str, ...], names: tuple[str, ...]
) -> None:
    """Bug: 0, 1, ... in a table of classes whose names are known."""
    task = Task("t", "classification", data, False, "accuracy")
    assert names_in_data_order(task, model) == names


def test_scores_stay_as_they_are() -> None:
    """Bug: scores are numbered like classes."""
    rows = Split(["a", "b"], None, np.array([0.5, 3.25], np.float32))
    assert truth(SCORES, (), rows).tolist() == [0.5, 3.25]


# -- which rows ---------------------------------------------------------------------------------


@pytest.mark.parametrize("pair", [False, True])
def test_all_is_every_row_of_every_split_once(pair: bool) -> None:
    """Bug: second texts or labels of `all` shift against the first texts."""
    data = tiny_data(pair=pair)
    assert chosen_rows(data, "train") is data.train
    assert chosen_rows(data, "dev") is data.dev
    assert chosen_rows(data, "test") is data.test
    every, splits = chosen_rows(data, "all"), [data.train, data.dev, data.test]
    known = [
        (s.texts[i], s.pairs and s.pairs[i], s.labels[i])
        for s in splits
        if s
        for i in range(len(s))
    ]
    found = [
        (every.texts[i], every.pairs and every.pairs[i], every.labels[i]) for i in range(len(every))
    ]
    assert found == known


def test_a_split_that_is_not_there_is_named() -> None:
    """Bug: without a test split, dev is scored under its name."""
    data = tiny_data()
    without = type(data)(data.task, data.train, data.dev, None)
    with pytest.raises(KdcError, match="no labelled test split"):
        chosen_rows(without, "test")
    with pytest.raises(KdcError, match="unknown split 'tset': did you mean test"):
        chosen_rows(data, "tset")
    assert len(chosen_rows(without, "all")) == len(data.train) + len(data.dev)


# -- a folder's answers -------------------------------------------------------------------------


@pytest.fixture
def teacher(tmp_path: Path) -> Path:
    return tiny_teacher(tmp_path / "teacher")


def test_a_folder_is_scored_by_its_own_answers(teacher: Path) -> None:
    """Bug: a model that knows the rows by heart scores no better than chance."""
    data = tiny_data()
    names, logits = folder_answers(find_model(str(teacher), Silent()), data.train, Silent(), "cpu")
    assert names == data.task.labels
    assert score("accuracy", logits, truth(data.task, names, data.train)).value > 0.95


def test_several_scores_are_no_classes() -> None:
    """Bug: a softmax over scores, each of which stands for itself."""
    labels = {0: "joy", 1: "fear"}
    config = PretrainedConfig(id2label=labels, problem_type="regression")
    with pytest.raises(KdcError, match="far/away gives a text 2 scores"):
        kind_of("far/away", config)
    assert kind_of("it", PretrainedConfig(id2label=labels)) == "classification"


def test_a_model_of_scores_has_no_classes(tmp_path: Path) -> None:
    """Bug: one output is taken for one class, which every row has."""
    data = tiny_data("regression")
    folder = tiny_teacher(tmp_path / "teacher", data)
    names, logits = folder_answers(find_model(str(folder), Silent()), data.train, Silent(), "cpu")
    assert names == ()
    assert score("pearson", logits, truth(data.task, names, data.train)).value > 0.9


def test_a_bare_encoder_is_told_to_be_fine_tuned(tmp_path: Path) -> None:
    """Bug: its missing head is reported as damaged weights."""
    folder = tiny_encoder(tmp_path / "encoder")
    with pytest.raises(KdcError, match="has no head for classification: fine-tune it"):
        folder_answers(find_model(str(folder), Silent()), tiny_data().dev, Silent(), "cpu")


@pytest.mark.parametrize("found", ["x", None, [1], 10_000])
def test_a_foreign_manifest_cannot_choose_a_length_that_the_model_lacks(
    teacher: Path, found: object
) -> None:
    """Bug: ValueError, or an IndexError from the table of positions."""
    (teacher / "manifest.json").write_text(json.dumps({"max_length": found}))
    long = Split(["wake " * 100], None, np.array([0]))
    _, logits = folder_answers(find_model(str(teacher), Silent()), long, Silent(), "cpu")
    assert logits.shape == (1, 4)
    short = Split([" ".join(["wake"] * (POSITIONS - 2))], None, np.array([0]))
    _, same = folder_answers(find_model(str(teacher), Silent()), short, Silent(), "cpu")
    np.testing.assert_allclose(logits, same, atol=1e-6)


def test_a_tokenizer_of_another_model_is_refused(teacher: Path) -> None:
    """Bug: an IndexError from the embedding."""
    path = teacher / "tokenizer.json"
    state = json.loads(path.read_text())
    state["model"]["vocab"]["zebra"] = 5000
    path.write_text(json.dumps(state))
    (teacher / "vocab.txt").unlink()
    with pytest.raises(KdcError, match="it belongs to another model"):
        folder_answers(
            find_model(str(teacher), Silent()),
            Split(["zebra"], None, np.array([0])),
            Silent(),
            "cpu",
        )


def test_the_truth_of_several_labels_moves_into_the_models_columns() -> None:
    """Bug: columns stay where the data has them, so that each label is scored as another."""
    task = Task("t", "multi-label", ("no", "yes"), False, "micro_f1")
    rows = Split(["a", "b", "c"], None, np.array([[1, 0], [1, 1], [0, 0]], np.float32))
    assert truth(task, ("no", "yes"), rows).tolist() == [[1, 0], [1, 1], [0, 0]]
    found = truth(task, ("yes", "other", "no"), rows)
    assert found.tolist() == [[0, 0, 1], [1, 0, 1], [0, 0, 0]]
    with pytest.raises(KdcError, match="class 'yes' is none of the model's"):
        truth(task, ("no", "maybe"), rows)
