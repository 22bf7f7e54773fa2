from copy import deepcopy
from typing import Any

import numpy as np
import pytest
import torch

from kdc.compress.directions import principal_directions
from kdc.compress.errors import KdcError
from kdc.compress.families import layer_of
from kdc.compress.start import start_from_teacher
from kdc.compress.students import Shape, build_student, choose_shape, shape_of
from tests.families import FAMILIES, family_config, family_model, some_ids
from tests.tiny import own_rng, tiny_data, tiny_rows

ROWS = tiny_rows(tiny_data().train)
LAYERED = [family for family in FAMILIES if family != "albert"]


def student_of(teacher: Any, size: str, **options: Any) -> Any:  # noqa: ANN401
    shape = choose_shape(size, shape_of(teacher.config), **options)
    with own_rng(9):
        return build_student(teacher.config, shape, dropout=0.0).eval()


@pytest.mark.parametrize("family", LAYERED)
@pytest.mark.parametrize(
    ("layers", "chosen"),
    [("every-other", [0, 3]), ("first", [0, 1]), ("last", [2, 3]), ((3, 1), [3, 1])],
    ids=str,
)
def test_of_equal_width_every_tensor_is_the_chosen_teacher_layers(
    family: str, layers: str | tuple[int, ...], chosen: list[int]
) -> None:
    """Bug: a family's layers are not recognised, so that the student starts at random."""
    teacher = family_model(family)
    student = student_of(teacher, "2x32")
    start_from_teacher(student, teacher, layers, ROWS)
    source = teacher.state_dict()
    layered = 0
    for name, tensor in student.named_parameters():
        place = layer_of(name, 2)
        layered += place is not None
        origin = place[0].format(chosen[place[1]]) if place else name
        if origin not in source:  # ModernBERT's first layer has no norm before its attention
            assert family == "modernbert"
            assert "attn_norm" in name
            continue
        assert torch.equal(tensor, source[origin]), name
    assert layered >= 20 or family == "modernbert"


@pytest.mark.parametrize("family", FAMILIES)
def test_a_student_of_all_layers_answers_as_its_teacher(family: str) -> None:
    """Bug: something that belongs to no layer (embeddings, head, norms) is left at random."""
    teacher = family_model(family)
    student = student_of(teacher, "4x32")
    start_from_teacher(student, teacher, "every-other", ROWS)
    ids = some_ids(3, 9)
    assert torch.equal(student(input_ids=ids).logits, teacher(input_ids=ids).logits)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("size", ["2x32", "2x16", "6x32"])
def test_every_family_starts_finite_and_answers(family: str, size: str) -> None:
    """Bug: a shape that fits no teacher tensor stops the start, or leaves NaN behind."""
    teacher = family_model(family)
    before = deepcopy(teacher.state_dict())
    student = student_of(teacher, size, **({"heads": 2} if family == "mobilebert" else {}))
    drawn = deepcopy(student.state_dict())
    start_from_teacher(student, teacher, "every-other", ROWS)
    matrices = [name for name, tensor in student.named_parameters() if tensor.dim() == 2]
    kept = [name for name in matrices if torch.equal(student.state_dict()[name], drawn[name])]
    assert kept == []
    assert student(input_ids=some_ids(2, 7)).logits.isfinite().all()
    assert all(torch.equal(tensor, before[key]) for key, tensor in teacher.state_dict().items())


def states_of(model: Any) -> torch.Tensor:  # noqa: ANN401
    """Return the hidden states of every layer on all tokens of the rows, each layer as long."""
    layers: list[list[torch.Tensor]] = [[] for _ in range(5)]
    for row in range(len(ROWS)):
        tokens, types = (torch.from_numpy(part)[None] for part in ROWS.row(row))
        with torch.no_grad():
            out = model(input_ids=tokens, token_type_ids=types, output_hidden_states=True)
        for found, states in zip(layers, out.hidden_states, strict=True):
            found.append(states[0])
    each = [torch.cat(found).double() for found in layers]
    return torch.cat([found / found.norm() for found in each])


def test_the_states_of_the_text_choose_the_directions_that_are_kept() -> None:
    """Bug: directions of the table's 30,000 words, of which the text has few, are kept instead."""
    teacher = family_model("bert")
    student = student_of(teacher, "2x16")
    start_from_teacher(student, teacher, "every-other", ROWS)
    table = teacher.get_input_embeddings().weight.detach().double()
    cut = student.get_input_embeddings().weight.detach().double()
    basis = torch.linalg.lstsq(table, cut).solution
    torch.testing.assert_close(basis.T @ basis, torch.eye(16).double(), atol=1e-4, rtol=0)
    states = states_of(teacher)
    # Eckart and Young 1936: no 16 directions keep more of the states than the first singular ones
    best = torch.linalg.svdvals(states)[:16].square().sum()
    assert (states @ basis).square().sum() == pytest.approx(float(best), rel=1e-4)
    assert (states @ torch.eye(32).double()[:, :16]).square().sum() < 0.8 * best


def test_principal_directions_are_orthonormal_ordered_and_of_a_fixed_sign() -> None:
    """Bug: another machine's eigenvectors point the other way, and the run is not repeatable."""
    rows = torch.randn(200, 12, generator=torch.Generator().manual_seed(0)) * torch.arange(1, 13)
    basis = principal_directions(rows.T @ rows, 5)
    assert torch.allclose(basis.T @ basis, torch.eye(5), atol=1e-5)
    lengths = (rows @ basis).norm(dim=0)
    assert lengths.tolist() == sorted(lengths.tolist(), reverse=True)
    peaks = basis.gather(0, basis.abs().argmax(0, keepdim=True))
    assert (peaks > 0).all()


@pytest.mark.parametrize("family", ["bert", "roberta", "electra", "distilbert", "deberta-v2"])
def test_a_narrower_student_starts_nearer_to_its_teacher_than_a_random_one(family: str) -> None:
    """Bug: matrices and embeddings are cut in different bases, and all that is known is lost."""
    teacher, ids = family_model(family), torch.arange(5, 125).reshape(-1, 10)
    with torch.no_grad():  # words with meaning: few directions tell most of them apart
        table = teacher.get_input_embeddings().weight
        table.mul_(torch.linspace(3.0, 0.1, 32))

    def gram(model: Any) -> np.ndarray[Any, Any]:  # noqa: ANN401
        with torch.no_grad():
            states = model(input_ids=ids, output_hidden_states=True).hidden_states[1]
        flat = states.reshape(-1, states.shape[-1]).double()
        flat = flat - flat.mean(0)
        return np.asarray((flat @ flat.T).flatten())

    started, random = student_of(teacher, "2x16"), student_of(teacher, "2x16")
    start_from_teacher(started, teacher, "first", ROWS)
    theirs = gram(teacher)
    near, far = (np.corrcoef(gram(model), theirs)[0, 1] for model in (started, random))
    assert near > far + 0.2


def test_of_a_family_whose_parts_are_unknown_neurons_are_spread() -> None:
    """Bug: a family that is not in the table of parts cannot be cut at all."""
    teacher = family_model("deberta-v2")
    bias = teacher.deberta.encoder.layer[0].intermediate.dense.bias
    with torch.no_grad():
        bias.copy_(torch.arange(64.0))
    student = student_of(teacher, "4x16", ffn=32)
    start_from_teacher(student, teacher, "every-other", ROWS)
    spread = student.deberta.encoder.layer[0].intermediate.dense.bias
    assert spread.tolist() == np.linspace(0, 63, 32).round().tolist()


def test_a_map_that_does_not_fit_is_refused_before_anything_is_written() -> None:
    """Bug: half a student is filled."""
    teacher = family_model("bert")
    student = student_of(teacher, "2x32")
    drawn = deepcopy(student.state_dict())
    with pytest.raises(KdcError, match="must name 2 layers"):
        start_from_teacher(student, teacher, (0, 1, 2), ROWS)
    assert all(torch.equal(tensor, drawn[name]) for name, tensor in student.state_dict().items())


def test_a_student_with_a_wider_ffn_keeps_what_it_drew_there() -> None:
    """Bug: an FFN wider than the teacher's is an index out of range."""
    teacher = family_model("bert")
    student = build_student(teacher.config, Shape(2, 32, 2, 128), dropout=0.0)
    drawn = student.bert.encoder.layer[0].intermediate.dense.weight.clone()
    start_from_teacher(student, teacher, "first", ROWS)
    assert torch.equal(student.bert.encoder.layer[0].intermediate.dense.weight, drawn)
    query = "bert.encoder.layer.0.attention.self.query.weight"
    assert torch.equal(student.state_dict()[query], teacher.state_dict()[query])


def test_families_of_one_configuration_class_do_not_share_state() -> None:
    """Bug: building one student changes the teacher's configuration for the next."""
    config = family_config("bert")
    build_student(config, Shape(1, 16, 1, 16), 0.5)
    assert shape_of(config) == Shape(4, 32, 2, 64)
    assert config.hidden_dropout_prob != 0.5
