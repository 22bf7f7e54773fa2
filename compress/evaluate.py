"""A model's answers to rows, each computed as if it were alone."""

import numpy as np
import numpy.typing as npt
import torch
from transformers import PreTrainedModel as Model

from kdc.compress.encode import Batches, equal_lengths
from kdc.compress.examples import Examples
from kdc.compress.parallel import ALONE, Crew
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
    crew: Crew = ALONE,
) -> npt.NDArray[np.float32]:
    """Return (N, C) logits in the order of the rows.

    Rows of one length share a batch, so nothing is padded and no answer depends on its company.
    Several processes take turns at the batches, which gives the answers of one, bit for bit.

    Args:
        model: on the device that answers; its training mode is kept.
        examples: the rows.
        padding: the padding token's id.
        fast: compute in bf16 where the hardware has it; else in fp32.
        progress: shows how far it is.
        what: what to call the work.
        crew: the processes that do this together; each gets all answers.
    """
    was_training, device = model.training, model.device
    model.eval()
    batches = Batches(examples, padding, device)
    logits: npt.NDArray[np.float32] | None = None
    with (progress or Silent()).bar(what, len(examples)) as advance:
        for turn, index in enumerate(equal_lengths(examples.lengths, _BATCH)):
            if turn % crew.size == crew.rank:
                with autocast(device) if fast else torch.autocast(device.type, enabled=False):
                    answer = observe(model, batches.make(index)).logits
                if logits is None:
                    logits = np.zeros((len(examples), answer.shape[1]), dtype=np.float32)
                logits[index] = answer.cpu().numpy()
            advance(len(index))
    model.train(was_training)
    if logits is None:  # Examples are never empty, but there may be more processes than batches
        logits = np.zeros((len(examples), int(model.config.num_labels)), dtype=np.float32)
    crew.all_reduce([torch.from_numpy(logits)])
    return logits
