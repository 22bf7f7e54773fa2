"""Where a student's weights start: in its teacher's own."""

import torch
from torch import Tensor
from transformers import PreTrainedModel as Model

from kdc.compress.families import Sizes, layer_of
from kdc.compress.layer_maps import LayerMap, layer_map


def start_from_teacher(student: Model, teacher: Model, layers: LayerMap) -> None:
    """Fill a student's parameters from its teacher's, in place.

    Of equal width: the teacher's embeddings, head and chosen layers, tensor by tensor. Narrower:
    each matrix is rotated into the principal directions of the teacher's token embeddings and cut
    to the student's width (see `_reduced`).

    Args:
        student: a model of the teacher's family.
        teacher: a fine-tuned teacher.
        layers: which teacher layers (see `layer_map`).

    Raises:
        KdcError: the layer map does not fit the two models.
    """
    ours, theirs = Sizes(student.config), Sizes(teacher.config)
    chosen = layer_map(layers, ours.layers, theirs.layers)
    source = teacher.state_dict()
    basis = None
    embeddings = _embeddings(teacher)
    # factorised embeddings (ALBERT's) span no basis of the hidden states: these are cut unrotated
    if ours.hidden != theirs.hidden == embeddings.shape[1]:
        basis = principal_directions(embeddings, ours.hidden)
    with torch.no_grad():
        for name, target in student.named_parameters():
            place = layer_of(name, ours.layers)
            origin = place[0].format(chosen[place[1]]) if place else name
            if origin in source:
                scale = name.endswith("weight") and target.dim() == 1
                target.copy_(_reduced(source[origin], target, basis, scale=scale))


def principal_directions(embeddings: Tensor, width: int) -> Tensor:
    """Return the (H, width) orthonormal directions in which (V, H) embeddings are longest."""
    rows = embeddings.double()
    _, vectors = torch.linalg.eigh(rows.T @ rows)
    kept: Tensor = vectors.flip(1)[:, :width]
    # eigenvectors have no sign of their own; fix it, so that every machine starts alike
    signs = kept.gather(0, kept.abs().argmax(0, keepdim=True)).sign()
    return (kept * signs).float()


def _embeddings(model: Model) -> Tensor:
    weight = model.get_input_embeddings().weight
    assert isinstance(weight, Tensor)
    return weight.detach()


def _reduced(source: Tensor, like: Tensor, basis: Tensor | None, *, scale: bool) -> Tensor:
    """Cut a teacher's tensor to the shape of `like`.

    A dimension of the teacher's width is rotated into `basis`; any other that is too long keeps
    evenly spread entries (heads and FFN neurons have no order). A norm's `scale` keeps its mean,
    since a rotated scale means nothing. A shape that still differs (a family with
    further sizes of its own) stays as the student drew it.
    """
    if source.shape == like.shape:
        return source
    result = source.float()
    if source.dim() != like.dim():
        return like
    if scale and basis is not None:
        return source.mean().expand_as(like)
    for axis, (long, short) in enumerate(zip(source.shape, like.shape, strict=True)):
        if long == short:
            continue
        if basis is not None and (long, short) == tuple(basis.shape):
            result = torch.movedim(torch.movedim(result, axis, -1) @ basis, -1, axis)
        elif long > short:
            keep = torch.linspace(0, long - 1, short).round().long()
            result = result.index_select(axis, keep)
        else:
            return like
    return result
