from typing import Any

import pytest
import torch
from transformers import (
    AutoModelForSequenceClassification,
    BertConfig,
    BertForSequenceClassification,
)

from kdc.compress.errors import KdcError
from kdc.compress.students import (
    STUDENTS,
    Shape,
    build_student,
    choose_shape,
    describe_students,
    shape_of,
)
from tests.families import FAMILIES, family_config, some_ids

TEACHER = Shape(12, 768, 12, 3072, "gelu_new")


def real_bert(shape: Shape) -> Any:  # noqa: ANN401
    """Build the real model of a shape, without its memory."""
    config = BertConfig(
        hidden_size=shape.hidden,
        num_hidden_layers=shape.layers,
        num_attention_heads=shape.heads,
        intermediate_size=shape.ffn,
    )
    with torch.device("meta"):
        return BertForSequenceClassification(config)


@pytest.mark.parametrize(
    "name", ["bert-tiny", "bert-mini", "tinybert-4", "distilbert-6", "turc-12x768"]
)
def test_parameters_and_bytes_are_those_of_the_real_model(name: str) -> None:
    """Bug: the table promises sizes that no model of that shape has."""
    shape = STUDENTS[name][0]
    model = real_bert(shape)
    every = dict(model.named_parameters())
    assert shape.parameters == sum(parameter.numel() for parameter in every.values())
    tables = model.bert.embeddings.parameters()
    assert shape.embedding_parameters == sum(parameter.numel() for parameter in tables)
    linear = [module for module in model.modules() if isinstance(module, torch.nn.Linear)]
    scales = 4 * sum(module.out_features for module in linear)
    held = sum(p.numel() * (1 if p.dim() == 2 else 4) for p in every.values())
    assert shape.int8_bytes == held + scales


def test_the_table_lists_every_shape_with_its_source() -> None:
    """Bug: a row that the command takes and the table hides, or the other way round."""
    columns, rows = describe_students()
    assert [row[0] for row in rows] == [*STUDENTS, "LAYERSxHIDDEN"]
    assert all(len(row) == len(columns) and row[-1] for row in rows)
    tiny = dict(zip(columns, rows[0], strict=True))
    assert tiny["student"] == "bert-tiny"
    assert (tiny["layers"], tiny["hidden"], tiny["heads"], tiny["ffn"]) == ("2", "128", "2", "512")
    assert tiny["parameters"] == "4.4 M"  # as Turc et al. print it
    sizes = {row[0]: row[5] for row in rows}
    assert sizes["tinybert-4"].startswith("14.")  # 14.5 M in Jiao et al., who count no head


def test_every_shape_of_the_table_stands_under_a_bert_of_its_width() -> None:
    """Bug: a published shape whose heads do not divide its width."""
    for name in STUDENTS:
        assert choose_shape(name, TEACHER) == STUDENTS[name][0]


def test_a_free_shape_of_the_teachers_width_takes_the_teachers_layer() -> None:
    """Bug: other heads or another FFN width, so that no teacher layer fits."""
    assert choose_shape("3x768", TEACHER) == Shape(3, 768, 12, 3072, "gelu_new")


def test_a_narrower_free_shape_takes_heads_of_64_and_four_times_the_width() -> None:
    """Bug: twelve heads of width 16."""
    assert choose_shape("6x256", TEACHER) == Shape(6, 256, 4, 1024, "gelu_new")
    assert choose_shape("2x32", TEACHER).heads == 1


def test_one_head_is_told_as_one() -> None:
    assert str(Shape(2, 32, 1, 64)) == "2x32, 1 head, FFN 64, gelu"


def test_a_users_own_sizes_win() -> None:
    """Bug: --heads is checked against the usual number first."""
    assert choose_shape("3x312", TEACHER, heads=12, ffn=1200, activation="relu") == Shape(
        3, 312, 12, 1200, "relu"
    )
    assert choose_shape("bert-tiny", TEACHER, ffn=100).ffn == 100


@pytest.mark.parametrize(
    ("name", "options", "words"),
    [
        ("bert-tiiny", {}, "unknown student 'bert-tiiny': did you mean bert-tiny"),
        (
            "zz",
            {},
            r"'zz': `kdc list students` lists all \d+ \(any other is LAYERSxHIDDEN, ",
        ),
        (
            "3x384",
            {"activation": "foo"},
            r"unknown activation 'foo': did you mean gelu, .* or tanh\?$",
        ),
        ("3x384", {"activation": "rleu"}, r"unknown activation 'rleu': did you mean .*relu.*\?$"),
        ("3*384", {}, "unknown student"),
        ("3*384", {}, r"unknown student '3\*384': did you mean 3x384 .*\? \(any other is "),
        ("-3x384", {}, "unknown student"),
        ("0x384", {}, "size below 1"),
        ("3x0", {}, "size below 1"),
        ("3x384", {"heads": 0}, "size below 1"),
        ("3x384", {"ffn": -5}, "size below 1"),
        ("3x384", {"heads": 5}, "--heads 5 does not divide the student's width 384"),
        ("3x200", {"heads": 3}, "choose one of 1, 2, 4, 5, 8, 10"),
        ("3x1024", {}, r"wider \(1024\) than its teacher \(768\)"),
        ("9x999", {}, r"wider \(999\) than its teacher \(768\)"),
    ],
)
def test_what_builds_no_student_is_refused_in_a_sentence(
    name: str, options: dict[str, Any], words: str
) -> None:
    """Bug: an error from deep inside a model, minutes later."""
    with pytest.raises(KdcError, match=words):
        choose_shape(name, TEACHER, **options)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("size", ["2x32", "6x32", "2x16"])
def test_every_family_is_built_in_other_sizes_saved_and_read_again(
    family: str,
    size: str,
    tmp_path: Any,  # noqa: ANN401
) -> None:
    """Bug: a student trains for an hour and its folder then cannot be loaded."""
    config = family_config(family)
    heads = 2 if family == "mobilebert" else None
    shape = choose_shape(size, shape_of(config), heads=heads)
    student = build_student(config, shape, dropout=0.1)
    assert shape_of(student.config) == shape
    student.eval().save_pretrained(tmp_path)
    again = AutoModelForSequenceClassification.from_pretrained(tmp_path).eval()
    ids = some_ids(2, 6)
    assert torch.equal(again(input_ids=ids).logits, student(input_ids=ids).logits)
    assert again(input_ids=ids).logits.shape == (2, 3)
    assert shape_of(config) == Shape(4, 32, 2, 64, shape.activation)  # the teacher's is left alone


@pytest.mark.parametrize("activation", ["nope", ""])
def test_a_shape_that_a_family_cannot_be_built_in_is_named(activation: str) -> None:
    """Bug: KeyError: 'nope'."""
    with pytest.raises(KdcError, match="the family bert cannot be built as 2x32, 2 heads"):
        build_student(family_config("bert"), Shape(2, 32, 2, 64, activation), 0.1)


def test_a_student_without_room_in_memory_is_one_sentence() -> None:
    """Bug: torch's own text about its allocator."""
    with pytest.raises(KdcError, match=r"no memory for a student of 2x32, .* smaller sizes"):
        build_student(family_config("bert"), Shape(2, 32, 2, 10**14), 0.1)
