from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from kdc.compress.errors import KdcError
from kdc.compress.evaluate import predict
from kdc.compress.families import Sizes
from kdc.compress.heads import Heads, choose_heads
from kdc.compress.models import find_model, load_classifier
from kdc.compress.progress import Silent
from kdc.compress.reduction import Reduction, fill, reduce_teacher
from kdc.compress.start import start_from_teacher
from kdc.compress.students import build_student, choose_shape, shape_of
from kdc.compress.teacher_states import States, layers_of, measure, some_rows
from tests.families import FAMILIES, family_model
from tests.tiny import own_rng, tiny_config, tiny_data, tiny_rows, tiny_teacher

DATA = tiny_data()
ROWS = tiny_rows(DATA.train)
KNOWN = [family for family in FAMILIES if layers_of(family_model(family))]


def student_of(teacher: Any, size: str, **options: Any) -> Any:  # noqa: ANN401
    shape = choose_shape(size, shape_of(teacher.config), **options)
    with own_rng(9):
        return build_student(teacher.config, shape, dropout=0.0).eval()


def off(student: Any, teacher: Any) -> float:  # noqa: ANN401
    """Return the mean error of a student's logits in shares of their spread over texts."""
    ours, theirs = predict(student, ROWS, 0), predict(teacher, ROWS, 0)
    return float(np.abs(ours - theirs).mean() / theirs.std(axis=0).mean())


def sizes(hidden: int, heads: int) -> Sizes:
    config = tiny_config(hidden=hidden)
    config.num_attention_heads = heads
    return Sizes(config)


# -- heads -----------------------------------------------------------------------------------------


def states_with(heads: list[float], **parts: Tensor) -> States:
    return States(
        torch.zeros(()),
        heads={"layer": torch.tensor(heads)},
        **{name: {"layer": value} for name, value in parts.items()},
    )


def chosen(states: States, ours: Sizes, theirs: Sizes) -> Heads:
    found = choose_heads(states, "layer", nn.Linear(theirs.hidden, theirs.hidden), ours, theirs)
    assert found is not None
    return found


def test_the_heads_that_add_most_are_kept_in_order() -> None:
    states = states_with([5, 1, 9, 2], alike=torch.eye(4))
    found = chosen(states, sizes(16, 2), sizes(32, 4))
    assert found.scores.tolist() == found.values.tolist() == [*range(8), *range(16, 24)]
    assert found.factor == 1


def test_a_larger_head_takes_the_heads_that_look_at_the_same() -> None:
    """Bug: neighbours by number are joined, and their mean looks at nothing."""
    alike = torch.eye(4)
    alike[0, 3] = alike[3, 0] = 0.9
    alike[1, 2] = alike[2, 1] = 0.5
    states = states_with([4, 3, 2, 1], alike=alike * 7)
    found = chosen(states, sizes(32, 2), sizes(32, 4))
    order = found.scores.view(4, 8)[:, 0] // 8
    assert order.tolist() == [0, 3, 1, 2]
    assert found.factor == pytest.approx(2**-0.5)


def test_a_smaller_head_takes_the_dimensions_with_most_of_the_scores() -> None:
    queries, values = torch.arange(32.0), -torch.arange(32.0)
    states = states_with([1, 2], queries=queries, values=values)
    mix = nn.Linear(32, 32)
    nn.init.ones_(mix.weight)
    found = choose_heads(states, "layer", mix, sizes(16, 2), sizes(32, 2))
    assert found is not None
    assert found.scores.tolist() == [*range(8, 16), *range(24, 32)]
    assert found.values.tolist() == [*range(8), *range(16, 24)]
    assert found.factor == pytest.approx(2**-0.5)


@pytest.mark.parametrize(("hidden", "heads"), [(32, 8), (20, 2), (30, 3)])
def test_heads_that_fit_no_choice_are_left_to_the_plain_cut(hidden: int, heads: int) -> None:
    """Bug: more heads than the teacher has, or of odd sizes, stop the start."""
    states = states_with([1, 2, 3, 4], alike=torch.eye(4))
    theirs, mix = sizes(32, 4), nn.Linear(32, 32)
    assert choose_heads(states, "layer", mix, sizes(hidden, heads), theirs) is None


@pytest.mark.parametrize("family", KNOWN)
def test_two_heads_that_are_one_are_joined_exactly(family: str) -> None:
    """Bug: joined heads divide their scores by the wrong root, or mix the wrong entries."""
    teacher = family_model(family)
    for parts in layers_of(teacher).values():
        for part in ("query", "key"):
            if part in parts:
                with torch.no_grad():
                    parts[part].weight[16:] = parts[part].weight[:16]
                    parts[part].bias[16:] = parts[part].bias[:16]
    student = student_of(teacher, "4x32", heads=1)
    if family == "mpnet":  # its heads' biases by distance are not alike
        with torch.no_grad():
            for model in (teacher, student):
                model.mpnet.encoder.relative_attention_bias.weight.zero_()
    start_from_teacher(student, teacher, "every-other", ROWS)
    assert off(student, teacher) < 0.02


# -- neurons and activations -----------------------------------------------------------------------


@pytest.mark.parametrize("family", KNOWN)
def test_neurons_that_do_nothing_are_the_ones_that_go(family: str) -> None:
    """Bug: every other neuron goes, whatever it does."""
    teacher = family_model(family)
    for parts in layers_of(teacher).values():
        if "down" in parts:
            with torch.no_grad():
                parts["down"].weight[:, 5:37] *= 1e-4
    student = student_of(teacher, "4x32", ffn=32)
    start_from_teacher(student, teacher, "every-other", ROWS)
    assert off(student, teacher) < 0.02


@pytest.mark.parametrize("family", KNOWN)
def test_pooled_numbers_that_decide_nothing_are_the_ones_that_go(family: str) -> None:
    """Bug: BERT's pooler and classifier are not taken for one head, and a tanh is rotated."""
    teacher = family_model(family)
    parts = layers_of(teacher)[""]
    with torch.no_grad():
        parts["answer"].weight[:, 5:21] *= 1e-4
        if family == "distilbert":  # behind whose ReLU some numbers are always 0
            parts["head"].bias.add_(3)
    reduction = reduce_teacher(teacher, student_of(teacher, "4x16"), ROWS, 0)
    assert reduction.neurons[""].tolist() == [*range(5), *range(21, 32)]
    fitted = {name for name in reduction.linears if name.startswith("classifier")}
    assert len(fitted) == 1


def test_another_activation_is_made_up_for() -> None:
    """Bug: ReLU's students start with GELU's weights, which expect what is a little below 0."""
    teacher = family_model("bert")
    for parts in layers_of(teacher).values():
        if "up" in parts:
            with torch.no_grad():  # where the two differ most
                parts["up"].weight.mul_(3)
    fitted, plain = (student_of(teacher, "4x32", activation="relu") for _ in range(2))
    start_from_teacher(fitted, teacher, "every-other", ROWS)
    plain.load_state_dict(teacher.state_dict())
    assert off(fitted, teacher) < 0.7 * off(plain, teacher)


# -- the whole -------------------------------------------------------------------------------------


def test_a_narrower_student_knows_the_task_before_it_is_trained(tmp_path: Path) -> None:
    """Bug: any of the cuts does not fit the others, and training starts from noise."""
    teacher = load_classifier(find_model(str(tiny_teacher(tmp_path, DATA)), Silent())).eval()
    student, random = student_of(teacher, "2x16"), student_of(teacher, "2x16")
    start_from_teacher(student, teacher, "every-other", ROWS)
    right = [
        float((predict(model, ROWS, 0).argmax(1) == ROWS.labels).mean())
        for model in (teacher, student, random)
    ]
    assert right[0] > 0.9
    assert right[1] > 0.7 > right[2] + 0.2


def test_nothing_is_measured_for_a_student_of_the_same_shape(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Bug: the teacher is run for seconds although every tensor is copied as it is."""
    teacher = family_model("bert")
    monkeypatch.setattr("kdc.compress.reduction.measure", None)
    reduction = reduce_teacher(teacher, student_of(teacher, "2x32"), ROWS, 0)
    assert (reduction.basis, reduction.heads, reduction.norms) == (None, {}, {})


def test_the_same_rows_give_the_same_start() -> None:
    """Bug: a resumed run, or another process of it, starts from other weights."""
    found = []
    for _ in range(2):
        teacher = family_model("bert").train()
        student = student_of(teacher, "2x16", ffn=32)
        fill(student, teacher, (0, 3), reduce_teacher(teacher, student, ROWS, 0))
        assert teacher.training
        found.append(student.state_dict())
    assert all(torch.equal(found[0][key], found[1][key]) for key in found[0])


def test_what_is_measured_is_what_the_layers_do() -> None:
    """By hand for one row: attention as in Vaswani et al., the feed-forward half after it."""
    teacher = family_model("bert")
    states = measure(teacher, some_rows(ROWS), 0, nn.functional.gelu)
    layer = "bert.encoder.layer.0"
    heads, neurons = torch.zeros(2), torch.zeros(64)
    block = teacher.bert.encoder.layer[0]
    with torch.no_grad():
        for row in range(len(ROWS)):
            tokens, types = (torch.from_numpy(part)[None] for part in ROWS.row(row))
            x = teacher.bert.embeddings(input_ids=tokens, token_type_ids=types)[0]
            own = block.attention.self
            context = []
            for head in range(2):
                part = slice(16 * head, 16 * head + 16)
                q, k, v = (each(x)[:, part] for each in (own.query, own.key, own.value))
                context.append((q @ k.T / 4).softmax(-1) @ v)
                added = context[-1] @ block.attention.output.dense.weight[:, part].T
                heads[head] += added.square().sum()
            mixed = block.attention.output(torch.cat(context, -1), x)
            neurons += nn.functional.gelu(block.intermediate.dense(mixed)).abs().sum(0)
    torch.testing.assert_close(states.heads[layer], heads, rtol=1e-3, atol=1e-3)
    torch.testing.assert_close(states.neurons[layer], neurons, rtol=1e-3, atol=1e-3)


def test_a_start_that_copies_nothing_is_refused() -> None:
    """Bug: parameters of other names, and a student that is random though a teacher was named."""
    teacher = family_model("bert")
    with pytest.raises(KdcError, match="has no parameter in common with a BertModel"):
        fill(student_of(teacher, "1x32"), teacher.bert, [0], Reduction("bert"))
