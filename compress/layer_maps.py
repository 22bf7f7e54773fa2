"""Which teacher layers a student's layers answer to."""

import numpy as np

from kdc.compress.errors import KdcError, unknown
from kdc.compress.progress import plural

NAMED = ("every-other", "uniform", "first", "last")
SEARCH = "search"
"""Of a start: the layers that `layer_search` finds."""
LayerMap = str | tuple[int, ...]


def layer_map(how: LayerMap, student: int, teacher: int) -> list[int]:
    """Return, for each student layer, the 0-based teacher layer it comes from or learns from.

    `every-other` spreads evenly from the first layer to the last: 12 to 6 gives 0, 2, 4, 7, 9,
    11, as DistilBERT does (Sanh et al. 2019, arXiv 1910.01108). `uniform` takes the last of every
    so many: 12 to 6 gives 1, 3, 5, 7, 9, 11, TinyBERT's m(i) = i * L / l counted from 1 (Jiao et
    al. 2020, arXiv 1909.10351), rounded up where it is no whole number. A student deeper than its
    teacher takes layers more than once.

    Raises:
        KdcError: an unknown name, a list of another length, or a layer the teacher does not have.
    """
    if isinstance(how, str):
        if how not in NAMED:
            raise unknown("layer map", how, NAMED)
        return _named(how, student, teacher)
    if not isinstance(how, list | tuple) or any(type(layer) is not int for layer in how):
        raise KdcError(f"the layer map {how!r} must be a name or a list of whole numbers")
    if len(how) != student:
        raise KdcError(
            f"the layer map {list(how)} must name {plural(student, 'layer')}, one a student layer"
        )
    outside = [layer for layer in how if not 0 <= layer < teacher]
    if outside:
        raise KdcError(
            f"the layer map names layer {outside[0]}: the teacher has 0 to {teacher - 1}"
        )
    return list(how)


def _named(how: str, student: int, teacher: int) -> list[int]:
    if how == "uniform":
        return [-(-i * teacher // student) - 1 for i in range(1, student + 1)]
    if how == "every-other" or student > teacher:
        even = np.linspace(0, teacher - 1, student).round().astype(int).tolist()
        return [int(layer) for layer in even]
    first = 0 if how == "first" else teacher - student
    return list(range(first, first + student))


def one_layer(how: str | int, layers: int, whose: str) -> int:
    """Return the 0-based number of one layer of a model: `last`, or a number.

    Args:
        how: the layer.
        layers: how many the model has.
        whose: `student` or `teacher`, for the error.

    Raises:
        KdcError: another word, or a layer that the model does not have.
    """
    if how == "last":
        return layers - 1
    if type(how) is not int or not 0 <= how < layers:
        raise KdcError(
            f"{whose}_layer must be last or a number from 0 to {layers - 1}, not {how!r}"
        )
    return how
