"""A model's answers to rows, each computed as if it were alone."""

import numpy as np
import numpy.typing as npt
import torch
from transformers import PreTrainedModel as Model

from kdc.compress.encode import Batches, equal_lengths
from kdc.compress.examples import Examples
from kdc.compress.progress import Progress, Silent
from kdc.compress.runtime import autocast
from kdc.compress.signals import observe

_BATCH = 64


@torch.no_grad()
def predict(
    model: Model,
    examples: Examples,
    padding: int,
    *,
    fast: bool = False,
    progress: Progress | None = None,
    what: str = "evaluating",
) -> npt.NDArray[np.float32]:
    """Return (N, C) logits in the order of the rows.

    Rows of one length share a batch, so nothing is padded and no answer depends on its company.

    Args:
        model: on the device that answers; its training mode is kept.
        examples: the rows.
        padding: the padding token's id.
        fast: compute in bf16 where the hardware has it; else in fp32.
        progress: shows how far it is.
        what: what to call the work.
    """
    was_training, device = model.training, model.device
    model.eval()
    batches = Batches(examples, padding, device)
    logits: npt.NDArray[np.float32] | None = None
    with (progress or Silent()).bar(what, len(examples)) as advance:
        for index in equal_lengths(examples.lengths, _BATCH):
            with autocast(device) if fast else torch.autocast(device.type, enabled=False):
                answer = observe(model, batches.make(index)).logits
            if logits is None:
                logits = np.zeros((len(examples), answer.shape[1]), dtype=np.float32)
            logits[index] = answer.cpu().numpy()
            advance(len(index))
    model.train(was_training)
    assert logits is not None  # Examples are never empty
    return logits
