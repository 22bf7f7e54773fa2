from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from kdc.compress.class_heads import unnamed
from kdc.compress.errors import KdcError
from kdc.compress.metrics import score
from kdc.compress.preflight import align_labels, check_teacher, majority
from kdc.compress.task import Task
from tests.families import FAMILIES, family_model, some_ids

NAMES = ("no", "maybe", "yes")
TASK = Task("t", "classification", NAMES, False, "accuracy")
SCORES = Task("t", "regression", (), False, "pearson")


def named(family: str, *names: str) -> Any:  # noqa: ANN401
    model = family_model(family, len(names))
    model.config.id2label = dict(enumerate(names))
    model.config.label2id = {name: index for index, name in enumerate(names)}
    return model


# -- the order of the classes -------------------------------------------------------------------


@pytest.mark.parametrize("family", FAMILIES)
def test_a_teachers_classes_are_brought_into_the_datas_order(family: str) -> None:
    """Bug: the names are exchanged and the head is not, so the student learns the wrong classes."""
    model, ids = named(family, "yes", "no", "maybe"), some_ids(4, 6)
    with torch.no_grad():
        for tensor in model.parameters():  # the bias moves along
            if tensor.shape == (3,):
                tensor.copy_(torch.tensor([1.0, 2.0, 3.0]))
        before = model(input_ids=ids).logits
        assert align_labels(model, TASK) is True
        after = model(input_ids=ids).logits
    assert torch.equal(after, before[:, [1, 2, 0]])
    assert list(model.config.id2label.values()) == list(NAMES)
    assert model.config.label2id == {"no": 0, "maybe": 1, "yes": 2}


@pytest.mark.parametrize(
    "names",
    [
        NAMES,
        ("No", "MAYBE", "yes"),
        ("LABEL_0", "LABEL_1", "LABEL_2"),
        ("label_2", "label_0", "label_1"),
    ],
    ids=str,
)
def test_a_teacher_in_the_datas_order_or_without_names_is_left_alone(
    names: tuple[str, ...],
) -> None:
    """Bug: another case, or transformers' placeholders, counts as another task."""
    model, ids = named("bert", *names), some_ids(4, 6)
    with torch.no_grad():
        before = model(input_ids=ids).logits
        assert align_labels(model, TASK) is False
        assert torch.equal(model(input_ids=ids).logits, before)
    assert list(model.config.id2label.values()) == list(NAMES)


def test_classes_that_the_data_only_numbers_are_the_teachers_in_its_order() -> None:
    """Bug: NEGATIVE and POSITIVE are refused on the usual files of SST-2, which have 0 and 1."""
    task = replace(TASK, labels=("0", "1", "2"))
    model = named("bert", *NAMES)
    assert align_labels(model, task) is False
    assert list(model.config.id2label.values()) == ["0", "1", "2"]
    with pytest.raises(KdcError, match="not the data's"):
        align_labels(named("bert", *NAMES), replace(TASK, labels=("1", "2", "3")))


def test_the_first_class_that_differs_is_named_on_either_side() -> None:
    """Bug: of many classes four are listed, and the one that differs stands behind the dots."""
    many = [f"class {i}" for i in range(9)]
    theirs, ours = [*many[:7], "old", many[8]], (*many[:8], "new")
    with pytest.raises(KdcError) as caught:
        align_labels(named("bert", *theirs), replace(TASK, labels=ours))
    told = "; the data's 'class 7' is none of the teacher's, the teacher's 'old' none of the data's"
    mend = "so fine-tune it on this data with kdc teacher --model TEACHER --data DATA first"
    assert f"{told}: it was fine-tuned on another task, {mend}" in str(caught.value)
    with pytest.raises(
        KdcError, match=r"has 8 classes, the data 9 .*; the data's 'new' is none of"
    ):
        align_labels(named("bert", *many[:8]), replace(TASK, labels=ours))
    with pytest.raises(KdcError, match=r"has 1 class, the data 9 \([^)]*\): it was"):
        align_labels(named("bert", "LABEL_0"), replace(TASK, labels=ours))


def test_names_that_differ_in_case_alone_are_two_classes() -> None:
    """Bug: both of the data's classes get the row of one of the teacher's."""
    task = replace(TASK, labels=("us", "US", "them"))
    model = named("bert", "US", "them", "us")
    with torch.no_grad():
        before = model(input_ids=some_ids(2, 5)).logits
        assert align_labels(model, task) is True
        assert torch.equal(model(input_ids=some_ids(2, 5)).logits, before[:, [2, 0, 1]])


def test_classes_that_only_look_like_placeholders_are_matched_by_name() -> None:
    """Bug: `label_a` is taken for transformers' `LABEL_0`, and the classes stay exchanged."""
    task = replace(TASK, labels=("label_a", "label_b", "label_c"))
    assert align_labels(named("bert", "label_c", "label_a", "label_b"), task) is True
    task = replace(TASK, labels=("LABEL_1", "LABEL_0", "LABEL_2"))
    assert align_labels(named("bert", "LABEL_0", "LABEL_1", "LABEL_2"), task) is True
    assert unnamed(["LABEL_0", "label_10"])
    assert not unnamed(["label_a", "LABEL_0"])


@pytest.mark.parametrize(
    ("names", "task", "words"),
    [
        (("no", "yes"), TASK, "has 2 classes, the data 3"),
        (("positive", "neutral", "negative"), TASK, "are not the data's \\(no, maybe, yes\\)"),
        (
            ("no", "maybe", "Yes", "YES"),
            replace(TASK, labels=("no", "maybe", "yes", "so")),
            "are not",
        ),
        (("no", "no", "yes"), TASK, "are not the data's"),
        (("no", "yes"), SCORES, "2 classes, but the data holds scores"),
    ],
    ids=str,
)
def test_a_teacher_of_another_task_is_refused(
    names: tuple[str, ...], task: Task, words: str
) -> None:
    """Bug: a student learns the answers to another question."""
    with pytest.raises(KdcError, match=words):
        align_labels(named("bert", *names), task)


def test_a_teacher_of_scores_fits_data_of_scores() -> None:
    """Bug: its one output, `LABEL_0`, counts as another class."""
    assert align_labels(named("bert", "LABEL_0"), SCORES) is False


# -- what the teacher knows ---------------------------------------------------------------------


def answers(predicted: np.ndarray, classes: int = 3) -> np.ndarray:
    return np.asarray(np.eye(classes, dtype=np.float32)[predicted])


def gold(rows: int, shares: tuple[float, ...] = (0.4, 0.3, 0.3)) -> np.ndarray:
    return np.random.default_rng(0).choice(len(shares), rows, p=shares)


def test_a_good_teacher_passes_with_its_score() -> None:
    """Bug: nobody passes."""
    labels = gold(300)
    said = labels.copy()
    said[:30] = (said[:30] + 1) % 3
    found = check_teacher(TASK, answers(said), labels, majority(TASK, labels, labels))
    assert found == score("accuracy", answers(said), labels)
    assert found.value == 0.9


@pytest.mark.parametrize("order", [(1, 2, 0), (2, 1, 0), (0, 2, 1)], ids=str)
def test_unnamed_classes_in_another_order_are_found_out_and_named(order: tuple[int, ...]) -> None:
    """Bug: with two of three classes exchanged, a teacher still beats chance and passes."""
    labels = gold(400)
    said = np.argsort(order)[labels]  # output i means class order[i]
    with pytest.raises(KdcError) as caught:
        check_teacher(TASK, answers(said), labels, majority(TASK, labels, labels))
    wanted = ", ".join(NAMES[index] for index in order)
    assert f"in the order {wanted} (100.0 % right)" in str(caught.value)
    assert "id2label" in str(caught.value)


@pytest.mark.parametrize("truth", [(1, 2, 0), (0, 1, 2), (2, 1, 0)], ids=str)
@pytest.mark.parametrize(
    "claimed", [("yes", "no", "maybe"), ("maybe", "no", "yes"), NAMES], ids=str
)
def test_the_order_that_is_told_is_the_one_to_write_into_the_teachers_own_file(
    claimed: tuple[str, ...], truth: tuple[int, ...]
) -> None:
    """Bug: its outputs were moved by the wrong names, and the advice makes them wrong once more."""
    labels, names = gold(400), ", ".join(NAMES[index] for index in truth)
    own = answers(np.argsort(truth)[labels])  # the file's output j means class truth[j]
    aligned = own[:, [claimed.index(name) for name in NAMES]]
    floor = majority(TASK, labels, labels)
    if claimed == tuple(NAMES[index] for index in truth):
        assert check_teacher(TASK, aligned, labels, floor, names=claimed).value == 1
        return
    with pytest.raises(KdcError, match=rf"in the order {names} \(100.0 % right\)"):
        check_teacher(TASK, aligned, labels, floor, names=claimed)


@pytest.mark.parametrize("constant", [0, 1])
def test_a_teacher_that_always_says_the_same_is_refused_without_a_hint(constant: int) -> None:
    """Bug: always the wrong class looks like the right class in another order."""
    labels = gold(400, (0.8, 0.1, 0.1))
    said = np.full(400, constant)
    with pytest.raises(KdcError, match=r"no better than always.*fine-tune it on this task first"):
        check_teacher(TASK, answers(said), labels, majority(TASK, labels, labels))


def test_a_teacher_that_was_fine_tuned_in_vain_is_not_sent_to_be_fine_tuned() -> None:
    """Bug: kdc fine-tunes for an hour, and then says that it should be fine-tuned with kdc."""
    labels = gold(400, (0.8, 0.1, 0.1))
    floor = majority(TASK, labels, labels)
    with pytest.raises(KdcError, match=r"on more rows, for longer .*--metric macro_f1"):
        check_teacher(TASK, answers(np.zeros(400, int)), labels, floor, fine_tuned=True)


@pytest.mark.parametrize("classes", [2, 6, 20])
def test_an_untrained_teacher_gets_no_hint_of_another_order(classes: int) -> None:
    """Bug: the best of 720 orders looks good by chance."""
    task = replace(TASK, labels=tuple(f"c{i}" for i in range(classes)))
    rng = np.random.default_rng(1)
    labels, said = rng.integers(0, classes, 60), rng.integers(0, classes, 60)
    beyond = replace(majority(task, labels, labels), value=0.9)
    with pytest.raises(KdcError, match="fine-tune it on this task first"):
        check_teacher(task, answers(said, classes), labels, beyond)


def test_the_least_that_is_told_is_the_one_that_was_asked_for() -> None:
    """Bug: a correlation of 3 % is said to be no better than the 0 % of a constant."""
    truth = np.linspace(0, 5, 50, dtype=np.float32)
    said = truth[::-1, None].copy()
    with pytest.raises(KdcError, match=r"the most frequent answer \(5\.0 %\)"):
        check_teacher(SCORES, said, truth, majority(SCORES, truth, truth))


def test_a_teacher_of_scores_has_to_go_along_with_the_truth() -> None:
    """Bug: a constant score, or one that falls where the truth rises, passes."""
    truth = np.linspace(0, 5, 50, dtype=np.float32)
    floor = majority(SCORES, truth, truth)
    noise = np.random.default_rng(0).normal(0, 1, 50).astype(np.float32)
    assert check_teacher(SCORES, (truth + noise)[:, None], truth, floor).value > 0.8
    for said in (np.zeros(50, np.float32), -truth):
        with pytest.raises(KdcError, match="fine-tune it"):
            check_teacher(SCORES, said[:, None], truth, floor)


def test_dev_rows_of_one_class_do_not_tell() -> None:
    """Bug: a teacher that is always right is refused as no better than the usual class."""
    labels = np.ones(5, dtype=np.int64)
    logits = np.eye(3, dtype=np.float32)[labels]
    floor = score("accuracy", logits, labels)
    assert check_teacher(TASK, logits, labels, floor).value == 1


def test_a_teacher_that_answers_nan_is_refused() -> None:
    """Bug: NaN is never larger, so argmax quietly gives class 0."""
    logits = np.full((10, 3), np.nan, np.float32)
    with pytest.raises(KdcError, match="NaN"):
        check_teacher(TASK, logits, gold(10), majority(TASK, gold(10), gold(10)))


def test_the_floor_is_the_training_rows_most_frequent_answer() -> None:
    """Bug: the floor peeks at dev's most frequent class."""
    train, dev = np.array([1, 1, 0]), np.array([0, 0, 0, 1])
    assert majority(TASK, train, dev).value == 0.25
    scores = np.array([1.0, 3.0], np.float32)
    assert majority(SCORES, scores, scores).value == 0.0
