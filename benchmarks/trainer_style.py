"""A step of distillation as `transformers.Trainer` takes it, with the teacher in `compute_loss`.

The loop of version 5 without its callbacks: rows drawn at random by a DataLoader that pins its
memory, autocast to bf16, fused AdamW with the decay of all but vectors, the gradient clipped at
1, a linear schedule, and the filter that looks at every loss (`logging_nan_inf_filter`, on by
default), for which the host waits.
"""

from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.data import DataLoader, TensorDataset
from transformers import PreTrainedModel, get_linear_schedule_with_warmup
from tutorial import soft_labels

from kdc.compress.runtime import autocast
from kdc.compress.stages import Stage


def trainer_steps(
    teacher: PreTrainedModel,
    student: PreTrainedModel,
    rows: TensorDataset,
    size: int,
    stage: Stage,
    steps: int,
) -> Iterator[None]:
    """Train the student, on its device, for some steps; yields after each.

    Args:
        teacher: in evaluation mode, on the same device.
        student: what is trained.
        rows: what `tutorial.padded` returned: input_ids, attention_mask, token_type_ids, labels.
        size: rows in a batch.
        stage: soft and hard labels of a recipe, with its numbers.
        steps: of the whole schedule.
    """
    soft, hard = stage.losses["soft_labels"], stage.losses["hard_labels"]
    device = student.device
    pinned = device.type == "cuda"
    loader = DataLoader(rows, batch_size=size, shuffle=True, drop_last=True, pin_memory=pinned)
    optimizer = torch.optim.AdamW(
        _groups(student, stage.train.weight_decay), lr=stage.train.learning_rate, fused=True
    )
    warm = round(stage.train.warmup * steps)
    scheduler = get_linear_schedule_with_warmup(optimizer, warm, steps)
    total = torch.zeros((), device=device)
    done = 0
    while done < steps:
        for batch in loader:
            student.train()
            ids, mask, types, labels = (part.to(device, non_blocking=pinned) for part in batch)
            inputs = {"input_ids": ids, "attention_mask": mask, "token_type_ids": types}
            with autocast(device):
                with torch.no_grad():
                    theirs = teacher(**inputs).logits
                ours = student(**inputs).logits.float()
                loss = soft["weight"] * soft_labels(ours, theirs.float(), soft["temperature"])
                loss = loss + hard["weight"] * F.cross_entropy(ours, labels)
            loss.backward()
            total = _filtered(total, loss.detach())
            torch.nn.utils.clip_grad_norm_(student.parameters(), stage.train.clip)
            optimizer.step()
            scheduler.step()
            student.zero_grad()
            yield
            done += 1
            if done == steps:
                return


def _filtered(total: Tensor, loss: Tensor) -> Tensor:
    """Add a loss to the log's sum, if it is a number: the host waits here for the device."""
    if torch.isnan(loss) or torch.isinf(loss):
        return total
    return total + loss


def _groups(model: PreTrainedModel, decay: float) -> list[dict[str, object]]:
    named = list(model.named_parameters())
    return [
        {"params": [p for _, p in named if p.dim() > 1], "weight_decay": decay},
        {"params": [p for _, p in named if p.dim() < 2], "weight_decay": 0.0},
    ]
