from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from kdc.compress import objectives as building
from kdc.compress.encode import Batches
from kdc.compress.errors import KdcError
from kdc.compress.learner import Learner
from kdc.compress.losses import LOSSES
from kdc.compress.losses.objective import Widths
from kdc.compress.losses.soft_labels import SoftLabels
from kdc.compress.objectives import build_objectives, needs, widths_between
from kdc.compress.recipe import load_recipe, recipe_names
from kdc.compress.signals import HEADS, HIDDEN, LOGITS, MASKED, SCORES, OnlineTeacher
from kdc.compress.stages import Stage, Training
from tests.families import family_config, family_model
from tests.tiny import tiny_data, tiny_model, tiny_rows

WIDTHS = Widths(tiny_data().task, 2, 16, 4, 32)


def build(losses: dict[str, dict[str, Any]]) -> Any:  # noqa: ANN401
    return build_objectives(Stage("hinton", losses), WIDTHS)


@pytest.mark.parametrize("name", recipe_names())
def test_every_recipe_that_ships_fits_a_narrower_student(name: str) -> None:
    """Bug: a shipped recipe names an option that its loss does not have."""
    recipe = load_recipe(name)
    gives = WIDTHS.gives | ({MASKED} if recipe.for_corpus else set())
    for stage in recipe.stages:
        found = build_objectives(stage, replace(WIDTHS, gives=gives))
        weights = {key: options.get("weight", 1.0) for key, options in stage.losses.items()}
        assert {key: weight for key, (weight, _) in found.items()} == weights


def test_options_reach_the_loss_and_the_weight_does_not() -> None:
    """Bug: every temperature trains as 2."""
    ((weight, loss),) = build({"soft_labels": {"weight": 0.25, "temperature": 5.0}}).values()
    assert weight == 0.25
    assert isinstance(loss, SoftLabels)
    assert loss.temperature == 5.0
    assert build({"hard_labels": {}})["hard_labels"][0] == 1.0


@pytest.mark.parametrize(
    ("losses", "words"),
    [
        ({"soft_lables": {}}, "loss in hinton 'soft_lables': did you mean soft_labels"),
        ({"soft_labels": {"temprature": 2}}, "option of soft_labels.*did you mean temperature"),
        ({"hard_labels": {"wieght": 2}}, "did you mean weight"),
        ({"soft_labels": {"temperature": "hot"}}, "wrong type .temperature = 'hot'.:"),
        ({"relations": {"pairs": 3}}, "hinton: relations: .* the wrong type .pairs = 3.:"),
        ({"dist": {"inter": "much", "intra": 1}}, "type .inter = 'much', intra = 1.:"),
        ({"soft_labels": {"temperature": None}}, "wrong type .temperature = None.:"),
        ({"hidden_states": {"layers": 3}}, "wrong type .layers = 3.:"),
        ({"hidden_states": {"layers": ["a", "b"]}}, "list of whole numbers"),
        ({"hidden_states": {"layers": "evry-other"}}, "did you mean every-other"),
        ({"hidden_states": {"layers": [0, 1, 2]}}, "must name 2 layers"),
        (
            {"hard_labels": {}, "hidden_states": {"layers": [0, 4]}},
            "^hinton: hidden_states: the layer map names layer 4: the teacher has 0 to 3$",
        ),
        ({"relations": {"teacher_layer": 4}}, "^hinton: relations: teacher_layer must be last or"),
        ({"patient": {"layers": [0, 1]}}, "^hinton: patient: the layer map .* must name 1 layer,"),
        (
            {"soft_labels": {"temperature": 0}},
            "^hinton: soft_labels: temperature must be from",
        ),
    ],
    ids=str,
)
def test_a_loss_or_option_that_is_unknown_or_wrong_is_named(
    losses: dict[str, dict[str, Any]], words: str
) -> None:
    """Bug: a misspelt option is left out without a word, or nobody knows whose layer 4 it is."""
    with pytest.raises(KdcError, match=words):
        build(losses)


def test_what_a_recipe_asks_a_teacher_for_is_known_beforehand() -> None:
    """Bug: the teacher runs for every batch where its kept logits would do."""
    assert needs(load_recipe("hinton").losses) == {LOGITS}
    assert needs(load_recipe("layers").losses) == {LOGITS, HIDDEN}
    assert needs(load_recipe("finetune").losses) == set()


def test_asking_about_an_unknown_loss_names_it() -> None:
    """Bug: KeyError: `kdc teacher --recipe mine.toml` asks before anything is built."""
    with pytest.raises(KdcError, match="unknown loss 'hard_lables': did you mean hard_labels"):
        needs(["hard_lables"])


def test_what_two_models_are_is_read_from_their_configurations() -> None:
    """Bug: student and teacher change places, or a family's own names are not understood."""
    student, teacher = family_config("distilbert"), family_config("bert")
    teacher.update({"num_hidden_layers": 6, "hidden_size": 48, "num_attention_heads": 4})
    teacher.vocab_size = 200
    found = widths_between(tiny_data().task, student, teacher)
    assert (found.student_layers, found.student_hidden, found.student_heads) == (4, 32, 2)
    assert (found.teacher_layers, found.teacher_hidden, found.teacher_heads) == (6, 48, 4)
    assert (found.student_tokens, found.teacher_tokens) == (128, 200)
    assert found.gives == {LOGITS, HIDDEN, HEADS, SCORES}
    words = widths_between(tiny_data().task, student, teacher, masked_lm=True)
    assert words.gives == {MASKED, HIDDEN, HEADS, SCORES}


@pytest.mark.parametrize(
    ("family", "loss", "words"),
    [
        (
            "bert",
            "masked_lm",
            "hinton: masked_lm: only a masked-LM head .* on a corpus",
        ),
        ("modernbert", "relations", "hinton: relations: queries, keys .* the family modernbert"),
        ("deberta-v2", "attention", "hinton: attention: attention scores .* the family deberta-v2"),
    ],
)
def test_a_loss_that_asks_for_what_the_models_lack_is_refused(
    family: str, loss: str, words: str
) -> None:
    """Bug: an AttributeError in the first step, after a teacher was fine-tuned for an hour."""
    config = family_config(family, tiny_data().task.outputs)
    with pytest.raises(KdcError, match=words):
        build_objectives(
            Stage("hinton", {loss: {}}), widths_between(tiny_data().task, config, config)
        )


def test_the_one_of_two_models_that_lacks_something_is_named() -> None:
    """Bug: a student that cannot be asked for queries is told as its teacher's fault."""
    student, teacher = family_config("modernbert", 4), family_config("bert", 4)
    widths = widths_between(tiny_data().task, student, teacher)
    with pytest.raises(KdcError, match="cannot be had of the family modernbert, only of bert,"):
        build_objectives(Stage("s", {"relations": {}}), widths)


def test_a_weight_of_0_switches_a_loss_off_as_if_it_were_not_there() -> None:
    """Bug: switched off, it still asks for heads that the student lacks, or runs the teacher."""
    stage = Stage("s", {"soft_labels": {}, "attention": {"weight": 0}, "patient": {"weight": 0.0}})
    three_heads = replace(WIDTHS, student_heads=2, teacher_heads=3)
    assert list(build_objectives(stage, three_heads)) == ["soft_labels"]
    assert needs(stage.used) == {LOGITS}
    with pytest.raises(KdcError, match="did you mean attention"):
        build({"soft_labels": {}, "attenion": {"weight": 0}})


def test_a_loss_of_whole_batches_is_not_taught_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Bug: in parts of a row each, DIST has no gradient, and a run learns nothing in silence."""
    parts = Stage("s", {"dist": {}}, Training(accumulate=4))
    with pytest.raises(KdcError, match=r"^s: dist: .* in 4 parts \(accumulate\): leave these out"):
        build_objectives(parts, WIDTHS)
    off = Stage("s", {"dist": {"weight": 0}, "soft_labels": {}}, Training(accumulate=4))
    assert list(build_objectives(off, WIDTHS)) == ["soft_labels"]
    monkeypatch.setattr(building, "processes", lambda: 2)
    with pytest.raises(KdcError, match=r"^hinton: dist: .* by several processes: leave these out"):
        build({"dist": {}})


@pytest.mark.parametrize("name", [name for name in LOSSES if MASKED not in LOSSES[name].needs])
def test_every_objective_trains_a_real_student_of_another_shape(name: str) -> None:
    """Bug: what `observe` gives does not fit the loss, or the teacher learns along."""
    data = tiny_data()
    student, teacher = tiny_model(), tiny_model(layers=4, hidden=48, seed=1)
    stage = Stage("alone", {name: {}}, Training(dropout=0.0))
    objectives = build_objectives(stage, widths_between(data.task, student.config, teacher.config))
    source = OnlineTeacher(teacher, wants=LOSSES[name].needs)
    before = {key: value.clone() for key, value in teacher.state_dict().items()}
    device = torch.device("cpu")
    learner = Learner(student, objectives, stage.train, device)
    batch = Batches(tiny_rows(data.train), padding=0, device=device).make(np.arange(12))
    values = [float(learner.step(batch, source, 3e-3)) for _ in range(10)]
    assert values[-1] < 0.9 * values[0]
    assert all(torch.equal(value, before[key]) for key, value in teacher.state_dict().items())


@pytest.mark.parametrize("family", ["roberta", "electra", "distilbert", "albert"])
def test_relations_and_attention_train_students_of_the_usual_families(family: str) -> None:
    """Bug: only BERT's names of queries, keys and values are known."""
    data = tiny_data()
    student, teacher = family_model(family, 4), family_model(family, 4)
    with torch.no_grad():
        for parameter in teacher.parameters():
            parameter.mul_(1.2)
    stage = Stage("both", {"relations": {"pairs": ["qk", "vv"]}, "attention": {}})
    objectives = build_objectives(stage, widths_between(data.task, student.config, teacher.config))
    source = OnlineTeacher(teacher, wants=needs(stage.losses))
    learner = Learner(student, objectives, stage.train, torch.device("cpu"))
    batch = Batches(tiny_rows(data.train), padding=0, device=torch.device("cpu")).make(np.arange(8))
    values = [learner.step(batch, source, 3e-3) for _ in range(8)]
    assert (values[-1] < values[0]).all()
