from typing import Any

import pytest
import torch
from torch import Tensor
from transformers import AutoConfig, AutoModelForSequenceClassification
from transformers import masking_utils as masks

from kdc.compress import padding
from kdc.compress.padding import attention_mask, by_token
from tests.families import FAMILIES, family_model, some_ids
from tests.tiny import VOCABULARY

LENGTHS = (9, 4, 1)


def padded() -> tuple[Tensor, Tensor]:
    ids = some_ids(len(LENGTHS), max(LENGTHS))
    mask = torch.tensor([[int(place < length) for place in range(9)] for length in LENGTHS])
    return ids * mask, mask


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("attention", ["sdpa", "eager"])
def test_no_family_answers_otherwise(family: str, attention: str) -> None:
    """Bug: a mask that a family understands otherwise, as windows of neighbours do."""
    model: Any = family_model(family)
    if attention == "sdpa" and not model._supports_sdpa:
        pytest.skip("the family has no other attention than its own")
    model.set_attn_implementation(attention)
    ids, mask = padded()
    made = attention_mask(model, mask)
    assert torch.equal(by_token(made).long(), mask)
    with torch.no_grad():
        found, wanted = (model(input_ids=ids, attention_mask=one).logits for one in (made, mask))
    torch.testing.assert_close(found, wanted, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("family", ["eurobert", "esm"])
def test_families_that_read_the_mask_elsewhere_get_it_as_it_is(family: str) -> None:
    """Bug: EuroBERT's pooling and ESM's embeddings broke on a mask of pairs."""
    try:
        config = AutoConfig.for_model(family)
    except ValueError:
        pytest.skip("this transformers does not know the family")
    sizes = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2}
    config = type(config)(
        **sizes,
        intermediate_size=64,
        vocab_size=VOCABULARY,
        pad_token_id=0,
        mask_token_id=4,
        num_key_value_heads=2,
    )
    model: Any = AutoModelForSequenceClassification.from_config(config).eval()
    ids, mask = padded()
    assert attention_mask(model, mask) is mask
    assert model(input_ids=ids, attention_mask=attention_mask(model, mask)).logits.isfinite().all()


@pytest.mark.skipif(
    not hasattr(masks, padding._WIDENED), reason="transformers 4 looks all the same"
)
def test_the_fused_attention_does_not_wait_for_the_device(monkeypatch: pytest.MonkeyPatch) -> None:
    """Bug: a look whether anything is padded, in every forward pass of student and teacher."""
    model: Any = family_model("bert")
    ids, mask = padded()
    asked = 0
    look = Tensor.__bool__

    def counting(self: Tensor) -> bool:
        nonlocal asked
        asked += 1
        return look(self)

    monkeypatch.setattr(Tensor, "__bool__", counting)
    with torch.no_grad():
        model(input_ids=ids, attention_mask=attention_mask(model, mask))
    assert model.config._attn_implementation == "sdpa" and not asked
