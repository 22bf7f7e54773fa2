import numpy as np
import pytest

from kdc.compress.arrays import Array
from kdc.compress.outliers import Outliers, far_out


@pytest.mark.parametrize(
    ("sizes", "wanted"),
    [
        ([1, 1, 30, 1, 2], Outliers((2,), 2.0)),
        ([1, 30, 25, 4, 2], Outliers((1, 2), 4.0)),
        ([2, 2, 3, 2], None),
        ([0, 0, 9, 0], None),
        ([9, 9, 9, 9, 9, 1], None),
        ([9], None),
    ],
)
def test_the_fewest_channels_are_set_apart(sizes: list[float], wanted: Outliers | None) -> None:
    """More of them cost time in every answer; a range of 0 would leave nothing to scale."""
    array: Array = np.array(sizes, dtype=np.float32)
    assert far_out(array) == wanted
