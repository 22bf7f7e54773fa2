import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from transformers import AutoModelForMaskedLM

from kdc.compress.encode import Batch, Batches, Masked
from kdc.compress.errors import KdcError
from kdc.compress.signals import (
    HEADS,
    HIDDEN,
    LOGITS,
    MASKED,
    SCORES,
    KeptTeacher,
    NoTeacher,
    OnlineTeacher,
    check_wants,
    gives,
    observe,
)
from tests.families import FAMILIES, family_config, family_model
from tests.tiny import own_rng, tiny_data, tiny_model, tiny_rows

ATTENTIVE = [family for family in FAMILIES if HEADS in gives(family_config(family))]


@pytest.fixture
def batch() -> Batch:
    examples = tiny_rows(tiny_data(pair=True).train)
    return Batches(examples, padding=0, device=torch.device("cpu")).make(np.arange(5))


@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_gives_logits_and_the_states_of_all_layers(family: str, batch: Batch) -> None:
    """Bug: a family that takes no token types, or has one type only, fails on pairs of texts."""
    model = family_model(family)
    said = observe(model, batch, wants=frozenset({HIDDEN}))
    assert said.logits.shape == (5, 3)
    assert said.logits.dtype == torch.float32
    assert [state.shape for state in said.hidden] == [(5, *batch.mask.shape[1:], 32)] * 5
    assert observe(model, batch).hidden == ()


def test_the_second_text_is_told_from_the_first(batch: Batch) -> None:
    """Bug: token types are not handed over, so a pair reads as one text."""
    model = tiny_model().eval()
    direct = model(
        input_ids=batch.input_ids, attention_mask=batch.mask, token_type_ids=batch.types
    ).logits
    assert torch.equal(observe(model, batch).logits, direct)
    without = model(input_ids=batch.input_ids, attention_mask=batch.mask).logits
    assert not torch.allclose(direct, without, atol=1e-4)


def test_an_online_teacher_is_frozen_and_has_no_dropout(batch: Batch) -> None:
    """Bug: the teacher learns along, or answers at random."""
    model = tiny_model()
    model.config.hidden_dropout_prob = 0.5
    teacher = OnlineTeacher(model.train(), wants=frozenset({HIDDEN}))
    first, second = teacher(batch), teacher(batch)
    assert torch.equal(first.logits, second.logits)
    assert not first.logits.requires_grad
    assert len(first.hidden) == 3
    assert not any(parameter.requires_grad for parameter in model.parameters())
    assert OnlineTeacher(model)(batch).hidden == ()


def test_kept_answers_are_those_of_the_batchs_rows() -> None:
    """Bug: logits in the order of the batch instead of the order of the table."""
    examples = tiny_rows(tiny_data().train)
    batch = Batches(examples, padding=0, device=torch.device("cpu")).make(np.array([7, 2, 30]))
    logits = torch.arange(len(examples) * 4, dtype=torch.float32).reshape(-1, 4)
    assert KeptTeacher(logits)(batch).logits.tolist() == logits[[7, 2, 30]].tolist()


@pytest.mark.parametrize("kind", [torch.int64, torch.float32])
def test_no_teacher_says_nothing(batch: Batch, kind: torch.dtype) -> None:
    """Bug: an objective that needs a teacher trains on made-up answers."""
    labels = batch.labels.to(kind)
    said = NoTeacher()(Batch(batch.input_ids, batch.mask, batch.types, labels, batch.index))
    assert said.logits.numel() == 0
    assert said.hidden == ()
    assert said.mask is batch.mask


def test_the_families_whose_attention_can_be_read_are_known() -> None:
    """Bug: a row of the table that no model answers to, or the usual families missing."""
    assert {"bert", "roberta", "xlm-roberta", "electra", "distilbert", "albert"} < set(ATTENTIVE)
    scored = [family for family in ATTENTIVE if SCORES in gives(family_config(family))]
    assert set(ATTENTIVE) - set(scored) == {"mpnet"}  # its scores hold a term of positions


@pytest.mark.parametrize("family", ATTENTIVE)
def test_queries_keys_and_values_are_those_the_model_attends_with(
    family: str, batch: Batch
) -> None:
    """Bug: layers out of order, heads cut across, or keys taken for queries.

    The softmax of the scores is compared with the attention that the model itself gives back.
    """
    model: Any = family_model(family)
    said = observe(model, batch, wants=frozenset({HEADS}))
    assert [len(part) for part in (said.queries, said.keys, said.values)] == [4, 4, 4]
    assert all(tensor.shape == (5, *batch.mask.shape[1:], 2, 16) for tensor in said.values)
    if family == "mpnet":  # its attention has a term of positions too
        return
    model.set_attn_implementation("eager")
    inputs = {"input_ids": batch.input_ids, "attention_mask": batch.mask}
    if getattr(model.config, "type_vocab_size", 0) > 1:
        inputs["token_type_ids"] = batch.types
    for layer, attention in enumerate(model(**inputs, output_attentions=True).attentions):
        q, k = (x[layer].transpose(1, 2) for x in (said.queries, said.keys))
        scores = q @ k.transpose(-1, -2) / math.sqrt(16)
        ours = scores.masked_fill(batch.mask[:, None, None] == 0, -1e9).softmax(-1)
        torch.testing.assert_close(ours, attention, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(
    ("family", "layer"),
    [
        ("bert", "encoder.layer.{}.attention.self.value"),
        ("distilbert", "transformer.layer.{}.attention.v_lin"),
        ("albert", "encoder.albert_layer_groups.0.albert_layers.0.attention.value"),
        ("mpnet", "encoder.layer.{}.attention.attn.v"),
    ],
)
def test_values_are_made_of_the_states_below(family: str, layer: str, batch: Batch) -> None:
    """Bug: the first layer's values are made of the first layer's own states."""
    model: Any = family_model(family)
    said = observe(model, batch, wants=frozenset({HEADS, HIDDEN}))
    for index, values in enumerate(said.values):
        made = model.base_model.get_submodule(layer.format(index))(said.hidden[index])
        torch.testing.assert_close(values.flatten(2), made)


def test_scores_ask_for_no_values_and_nothing_stays_behind(batch: Batch) -> None:
    """Bug: hooks pile up from step to step, each keeping its tensors."""
    model = tiny_model().eval()
    said = observe(model, batch, wants=frozenset({SCORES}))
    assert (len(said.queries), len(said.keys), said.values) == (2, 2, ())
    said.queries[1].sum().backward()
    assert model.bert.encoder.layer[1].attention.self.query.weight.grad is not None
    assert observe(model, batch).queries == ()
    assert not any(module._forward_hooks for module in model.modules())


def test_hooks_are_taken_off_when_the_model_fails(batch: Batch) -> None:
    """Bug: a run that was stopped by an error keeps catching tensors."""
    model = tiny_model().eval()
    broken = replace(batch, input_ids=batch.input_ids + 10**6)
    with pytest.raises(IndexError):
        observe(model, broken, wants=frozenset({HEADS}))
    assert not any(module._forward_hooks for module in model.modules())


@pytest.mark.parametrize("family", FAMILIES)
def test_masked_words_are_asked_at_the_masked_places_alone(family: str, batch: Batch) -> None:
    """Bug: the widest matrix of the model is multiplied for tokens that nobody asks about."""
    with own_rng():
        model: Any = AutoModelForMaskedLM.from_config(family_config(family)).eval()
    places = torch.tensor([1, 2, 2 * batch.mask.shape[1] + 1])
    masked = Masked(places, torch.tensor([7, 8, 9]))
    inputs = {"input_ids": batch.input_ids, "attention_mask": batch.mask}
    if getattr(model.config, "type_vocab_size", 0) > 1:
        inputs["token_type_ids"] = batch.types
    rows: list[int] = []
    head = model.get_output_embeddings()
    whole = model(**inputs).logits.flatten(0, 1)[places]
    hook = head.register_forward_hook(lambda module, args, out: rows.append(out[..., 0].numel()))
    said = observe(model, replace(batch, masked=masked), wants=frozenset({MASKED, HIDDEN}))
    hook.remove()
    assert said.masked is not None
    torch.testing.assert_close(said.masked, whole)
    assert said.targets is masked.targets
    assert said.logits.shape == (5, 0)
    assert said.hidden[-1].shape[:2] == batch.mask.shape
    assert rows in ([3], [])  # MobileBERT's head multiplies by hand


def test_masked_words_of_a_classifier_are_refused(batch: Batch) -> None:
    """Bug: class logits are taken for words, or an AttributeError in the first step."""
    masked = Masked(torch.tensor([1]), torch.tensor([7]))
    with pytest.raises(KdcError, match=r"masked-LM head .* these models are classifiers"):
        observe(tiny_model(), replace(batch, masked=masked), wants=frozenset({MASKED}))
    with pytest.raises(KdcError, match="the batch has no masked tokens"):
        observe(tiny_model(), batch, wants=frozenset({MASKED}))


@pytest.mark.parametrize(
    ("family", "wants", "masked_lm", "words"),
    [
        ("modernbert", HEADS, False, "cannot be had of the family modernbert, only of bert, rob"),
        ("mpnet", SCORES, False, "attention scores cannot be had of the family mpnet, only of"),
        ("bert", MASKED, False, "classifiers: it belongs to distillation on a corpus"),
        ("bert", LOGITS, True, "a model with a masked-LM head has no classes"),
    ],
)
def test_what_a_model_cannot_give_is_refused_before_training(
    family: str, wants: str, masked_lm: bool, words: str
) -> None:
    """Bug: found in the first step, after a teacher was fine-tuned for an hour."""
    with pytest.raises(KdcError, match=words):
        check_wants(family_config(family), frozenset({HIDDEN, wants}), masked_lm=masked_lm)
    check_wants(family_config("bert"), frozenset({HIDDEN, HEADS, SCORES}), masked_lm=masked_lm)


def test_scores_of_relative_positions_are_not_had_of_queries_and_keys() -> None:
    """Bug: an older BERT adds a term of distances, which the objective would never see."""
    config = family_config("bert")
    config.position_embedding_type = "relative_key"
    assert SCORES not in gives(config)
    assert HEADS in gives(config)
