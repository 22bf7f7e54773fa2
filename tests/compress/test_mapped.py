from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from safetensors.numpy import load_file, save_file

from kdc.compress.errors import KdcError
from kdc.compress.labels.spool import Spool
from kdc.compress.mapped import map_arrays


def test_arrays_are_those_that_safetensors_reads(tmp_path: Path) -> None:
    """Bug: an array from another array's bytes."""
    arrays: dict[str, npt.NDArray[Any]] = {
        "a": np.arange(7, dtype=np.uint8),
        "b": np.arange(6, dtype=np.int64).reshape(2, 3),
        "c": np.zeros((0, 4), np.float16),
        "d": np.arange(5, dtype=np.uint16),
    }
    save_file(arrays, tmp_path / "x", metadata={"format": "pt"})
    found = map_arrays(tmp_path / "x")
    assert found.keys() == arrays.keys()
    for name, array in arrays.items():
        assert found[name].dtype == array.dtype
        np.testing.assert_array_equal(found[name], array)
        assert not found[name].flags.writeable


@pytest.mark.parametrize("size", [0, 7, 9, 60, -1])
def test_a_file_that_is_cut_off_is_refused(tmp_path: Path, size: int) -> None:
    """Bug: zeros where numbers were, or a bus error."""
    save_file({"a": np.arange(50, dtype=np.uint8)}, tmp_path / "x")
    (tmp_path / "x").write_bytes((tmp_path / "x").read_bytes()[:size])
    with pytest.raises(KdcError, match="is damaged"):
        map_arrays(tmp_path / "x")


def test_a_spool_writes_what_safetensors_reads(tmp_path: Path) -> None:
    """Bug: rows in another order than they were added, or a header that only kdc understands."""
    with Spool(tmp_path / "x", {"ids": np.uint16, "states": np.float16}) as spool:
        for start in (0, 3):
            spool.add("ids", np.arange(start, start + 3))
            spool.add("states", np.full((2, 5), start / 2))
        assert list(tmp_path.iterdir()) == []  # a killed run leaves nothing
        spool.finish()
    found = load_file(tmp_path / "x")
    np.testing.assert_array_equal(found["ids"], np.arange(6, dtype=np.uint16))
    np.testing.assert_array_equal(found["states"][:, 0], np.array([0, 0, 1.5, 1.5], np.float16))
    assert list(map_arrays(tmp_path / "x")) == ["ids", "states"]
