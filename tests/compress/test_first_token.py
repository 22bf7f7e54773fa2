import copy

import pytest
import torch
from transformers import (
    BertForSequenceClassification,
    DistilBertConfig,
    DistilBertForSequenceClassification,
    ElectraConfig,
    ElectraForSequenceClassification,
    RobertaConfig,
    RobertaForSequenceClassification,
)
from transformers import PreTrainedModel as Model

from kdc.compress.encode import Batch
from kdc.compress.first_token import first_token_alone
from kdc.compress.signals import HIDDEN, observe
from tests.tiny import tiny_config

SIZES = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "vocab_size": 60}
MODELS = {
    "bert": lambda: BertForSequenceClassification(tiny_config()),
    "roberta": lambda: RobertaForSequenceClassification(RobertaConfig(**SIZES, pad_token_id=0)),
    "electra": lambda: ElectraForSequenceClassification(
        ElectraConfig(**SIZES, embedding_size=16, intermediate_size=64)
    ),
    "distilbert": lambda: DistilBertForSequenceClassification(
        DistilBertConfig(dim=32, n_layers=2, n_heads=2, hidden_dim=64, vocab_size=60)
    ),
}


def two_texts() -> Batch:
    """Return texts of 5 and of 3 tokens."""
    ids = torch.tensor([[2, 11, 12, 13, 3], [2, 14, 3, 0, 0]])
    types, labels = torch.zeros_like(ids), torch.zeros(2, dtype=torch.long)
    return Batch(ids, (ids > 0).long(), types, labels, torch.arange(2))


@pytest.fixture(params=MODELS)
def model(request: pytest.FixtureRequest) -> Model:
    torch.manual_seed(0)
    found: Model = MODELS[request.param]().eval()
    return found


def test_logits_and_gradients_are_those_of_the_whole_layer(model: Model) -> None:
    """Bug: a head that looks at more than the first token, or a residual of another token."""
    batch, whole = two_texts(), copy.deepcopy(model)
    answer = whole(input_ids=batch.input_ids, attention_mask=batch.mask).logits
    answer.square().sum().backward()
    with first_token_alone(model):
        spared = model(input_ids=batch.input_ids, attention_mask=batch.mask).logits
    spared.square().sum().backward()
    torch.testing.assert_close(spared, answer)
    for (name, ours), theirs in zip(model.named_parameters(), whole.parameters(), strict=True):
        if theirs.grad is not None:
            torch.testing.assert_close(ours.grad, theirs.grad, msg=name)


def test_less_is_computed_and_only_inside_the_block(model: Model) -> None:
    """Bug: nothing is spared, or the states that come afterwards are those of one token."""
    batch, seen = two_texts(), []
    base = model.base_model
    last = [m for m in base.modules() if isinstance(m, torch.nn.LayerNorm)][-1]
    last.register_forward_hook(lambda module, args, out: seen.append(out.shape[1]))
    observe(model, batch)
    states = observe(model, batch, wants=frozenset({HIDDEN})).hidden[-1]
    tokens = batch.input_ids.shape[1]
    assert seen == [tokens if model.config.model_type == "distilbert" else 1, tokens]
    assert states.shape[1] == tokens
