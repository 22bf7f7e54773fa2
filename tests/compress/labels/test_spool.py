from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from kdc.compress.errors import KdcError
from kdc.compress.labels.spool import Spool
from kdc.compress.mapped import map_arrays


def test_what_was_added_is_one_file(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    rows = np.arange(12, dtype=np.uint16).reshape(4, 3)
    with Spool(path, {"ids": np.uint16, "sizes": np.uint8}) as spool:
        for row in rows:
            spool.add("ids", row[None])
            spool.add("sizes", np.array([3], np.uint8))
        spool.finish()
    found = map_arrays(path)
    assert np.array_equal(found["ids"], rows) and found["sizes"].tolist() == [3] * 4
    assert [each.name for each in tmp_path.iterdir()] == ["a.safetensors"]


@pytest.mark.parametrize("size", [3_000, 100_000])
def test_a_full_disk_is_told_whatever_the_rows(
    small_disk: Callable[[int], Path], size: int
) -> None:
    """Bug: closing a file whose last bytes do not fit hides the sentence behind an OSError."""
    path = small_disk(64) / "a.safetensors"
    with (
        pytest.raises(KdcError, match=r"a\.safetensors: the disk is full"),
        Spool(path, {"codes": np.uint8}) as spool,
    ):
        for _ in range(300_000 // size):
            spool.add("codes", np.zeros((1, size), np.uint8))
        spool.finish()
    assert not list(path.parent.iterdir())
