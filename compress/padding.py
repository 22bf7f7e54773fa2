"""Which tokens of a padded batch there are, told to a model without a look at the device."""

import sys

from torch import Tensor
from transformers import PreTrainedModel as Model

_WIDENED = "create_bidirectional_mask"  # what transformers 5 makes of a (B, T) mask
# others read the (B, T) mask elsewhere too: EuroBERT pools by it, ModernBERT has windows of it
_FAMILIES = {
    "albert",
    "bert",
    "camembert",
    "distilbert",
    "electra",
    "ernie",
    "mobilebert",
    "mpnet",
    "roberta",
    "xlm-roberta",
}


def attention_mask(model: Model, mask: Tensor) -> Tensor:
    """Return a mask as a model takes it.

    Of a (B, T) mask transformers asks in every forward pass before PyTorch's fused attention
    whether anything is padded at all, and a GPU idles until the answer is here. A mask of all pairs
    is taken as it is by families that read the mask nowhere else. Others, attention that is written
    out, and transformers 4 get the (B, T) one.

    Args:
        model: the model that is asked.
        mask: (B, T) int64, 1 where there is a token.

    Returns:
        `mask`, or (B, 1, T, T) bool, True where a token may be looked at.
    """
    known = model.config.model_type in _FAMILIES
    takes = _WIDENED in vars(sys.modules[type(model.base_model).__module__])
    if model.config._attn_implementation != "sdpa" or not (known and takes):
        return mask
    return mask[:, None, None, :].bool().expand(-1, 1, mask.shape[1], -1)


def by_token(mask: Tensor) -> Tensor:
    """Return the (B, T) mask that `attention_mask` made of one, whichever way."""
    return mask[:, 0, 0] if mask.dim() == 4 else mask
