from typing import Any

import numpy as np
import torch

from kdc.compress.fake_inputs import round_inputs, straight_through
from kdc.compress.fake_quantize import FakeQuantization
from tests.families import family_model, some_ids
from tests.tiny import tiny_model


def by_hand(x: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """DynamicQuantizeLinear as the ONNX standard writes it, and back."""
    low, high = min(0.0, float(x.min())), max(0.0, float(x.max()))
    scale = (high - low) / 255 or 1.0
    zero = np.clip(np.rint(-low / scale), 0, 255)
    return np.asarray((np.clip(np.rint(x / scale) + zero, 0, 255) - zero) * scale)


def test_inputs_are_rounded_as_the_standard_writes_it_each_text_alone() -> None:
    """Bug: a range over the whole batch, or over what is padded, is one that no phone sees."""
    x = torch.randn(3, 5, 8, generator=torch.Generator().manual_seed(0))
    x[1] += 3
    x[2] = -x[2].abs()
    mask = torch.tensor([[1, 1, 1, 1, 1], [1, 1, 0, 0, 0], [1, 1, 1, 1, 0]])
    x[1, 3] = 100
    rounded = round_inputs(x, mask)
    for row, length in enumerate([5, 2, 4]):
        wanted = by_hand(x[row, :length].double().numpy())
        np.testing.assert_allclose(rounded[row, :length], wanted, atol=1e-5)
    each = round_inputs(x, None)
    np.testing.assert_allclose(each[1, 3], by_hand(x[1, 3].double().numpy()), atol=1e-4)
    assert torch.equal(round_inputs(torch.zeros(2, 4), None), torch.zeros(2, 4))


def test_gradients_pass_as_if_nothing_were_rounded() -> None:
    """Bug: the gradient of rounding is 0 everywhere, and nothing learns."""
    x = torch.tensor([0.3, 1.7], requires_grad=True)
    rounded = straight_through(x, torch.round)
    assert rounded.tolist() == [0, 2]
    (3 * rounded * rounded).sum().backward()
    assert x.grad is not None
    assert x.grad.tolist() == [0, 12]


def test_what_is_rounded_does_not_depend_on_its_company() -> None:
    """Bug: padding, or the other texts of a batch, change how a text is rounded."""
    run_model = tiny_model().eval()
    FakeQuantization(run_model, "int8-dynamic", pair=False)
    ids, mask = some_ids(4, 9), torch.ones(4, 9, dtype=torch.long)
    mask[1, 4:] = mask[2, 6:] = 0
    together = run_model(input_ids=ids, attention_mask=mask).logits
    for row, length in enumerate([9, 4, 6, 9]):
        own = ids[row : row + 1, :length]
        alone = run_model(input_ids=own, attention_mask=torch.ones_like(own)).logits
        torch.testing.assert_close(alone[0], together[row], rtol=1e-4, atol=1e-4)


def test_texts_of_one_length_are_rounded_as_with_a_mask() -> None:
    """Bug: without a mask every token has a scale of its own, and the file that ships has not."""
    model = family_model("bert")
    FakeQuantization(model, "int8-dynamic", pair=False)
    ids = some_ids(2, 7)
    with torch.no_grad():
        plain, masked = (
            model(input_ids=ids, **mask) for mask in ({}, {"attention_mask": torch.ones_like(ids)})
        )
    torch.testing.assert_close(plain.logits, masked.logits)
