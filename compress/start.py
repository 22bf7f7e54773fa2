"""Where a student's weights start: in its teacher's own."""

from transformers import PreTrainedModel as Model

from kdc.compress.examples import Examples
from kdc.compress.families import Sizes
from kdc.compress.layer_maps import SEARCH, LayerMap, layer_map
from kdc.compress.layer_search import search_layers
from kdc.compress.reduction import fill, reduce_teacher


def start_from_teacher(
    student: Model, teacher: Model, layers: LayerMap, rows: Examples, padding: int = 0
) -> tuple[int, ...]:
    """Fill a student's parameters from its teacher's, in place.

    Of equal shape: the teacher's embeddings, head and chosen layers, tensor by tensor. Of a smaller
    one: what does most on rows of the task (see `Reduction`).

    Args:
        student: a model of the teacher's family, with its tokens.
        teacher: a fine-tuned teacher.
        layers: which teacher layers: see `layer_map`, or `search`.
        rows: training rows in their tokens.
        padding: the padding token's id.

    Returns:
        The teacher layer that each of the student's comes from.

    Raises:
        KdcError: the layer map does not fit the two models.
    """
    ours, theirs = Sizes(student.config).layers, Sizes(teacher.config).layers
    if layers != SEARCH:
        layer_map(layers, ours, theirs)  # refused before the teacher is run
    reduction = reduce_teacher(teacher, student, rows, padding)
    if layers == SEARCH:
        chosen = search_layers(student, teacher, reduction, rows, padding)
    else:
        chosen = tuple(layer_map(layers, ours, theirs))
    fill(student, teacher, chosen, reduction)
    return chosen
