"""Distillation as tutorials write it, which ours is measured against.

The teacher runs for every batch, every text is padded to the longest that there may be (128
tokens), everything is in fp32, AdamW loops over the parameters, and every step waits for its loss.
"""

from collections.abc import Iterator

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.data import DataLoader, TensorDataset
from transformers import PreTrainedModel, get_linear_schedule_with_warmup

from kdc.compress.examples import Examples
from kdc.compress.stages import Stage


def padded(examples: Examples, padding: int, width: int) -> TensorDataset:
    """Return what a tokenizer gives with `padding="max_length", max_length=width`.

    Returns:
        Rows of input_ids, attention_mask and token_type_ids, each (width,) int64, and a label.
    """
    ids = np.full((len(examples), width), padding, dtype=np.int64)
    types = np.zeros_like(ids)
    mask = np.arange(width) < examples.lengths[:, None]
    ids[mask], types[mask] = examples.tokens, examples.types  # both in the order of the rows
    arrays = (ids, mask.astype(np.int64), types, examples.labels)
    return TensorDataset(*(torch.from_numpy(array) for array in arrays))


def naive_steps(
    teacher: PreTrainedModel,
    student: PreTrainedModel,
    rows: TensorDataset,
    stage: Stage,
    steps: int,
    seed: int,
) -> Iterator[float]:
    """Train the student for some steps; yields the loss of each.

    Args:
        teacher: in evaluation mode.
        student: what is trained.
        rows: what `padded` returned.
        stage: soft and hard labels of a recipe, with its numbers.
        steps: of the whole schedule.
        seed: shuffles the rows and draws the dropout.
    """
    soft, hard, training = stage.losses["soft_labels"], stage.losses["hard_labels"], stage.train
    torch.manual_seed(seed)
    loader = DataLoader(rows, batch_size=training.batch, shuffle=True)
    optimizer = torch.optim.AdamW(
        student.parameters(),
        lr=training.learning_rate,
        weight_decay=training.weight_decay,
        foreach=False,
        fused=False,
    )
    warm = round(training.warmup * steps)
    scheduler = get_linear_schedule_with_warmup(optimizer, warm, steps)
    student.train()
    done = 0
    while done < steps:
        for input_ids, attention_mask, token_type_ids, labels in loader:
            inputs = {
                "input_ids": input_ids,
                "attention_mask": attention_mask,
                "token_type_ids": token_type_ids,
            }
            with torch.no_grad():
                theirs = teacher(**inputs).logits
            ours = student(**inputs).logits
            loss = soft["weight"] * soft_labels(ours, theirs, soft["temperature"])
            loss = loss + hard["weight"] * F.cross_entropy(ours, labels)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(student.parameters(), training.clip)
            optimizer.step()
            scheduler.step()
            optimizer.zero_grad()
            yield loss.item()
            done += 1
            if done == steps:
                return


def soft_labels(ours: Tensor, theirs: Tensor, temperature: float) -> Tensor:
    """KL(teacher || student) at a temperature, times its square, as a batch's mean."""
    p, log_q = F.softmax(theirs / temperature, dim=-1), F.log_softmax(ours / temperature, dim=-1)
    return F.kl_div(log_q, p, reduction="batchmean") * temperature**2
