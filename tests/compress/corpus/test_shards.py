import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from kdc.compress.corpus.shards import Shard, read_shard, token_type, write_shard
from kdc.compress.errors import KdcError

SHARD = Shard(
    tokens=np.array([2, 5, 6, 7, 3, 2, 8, 3, 9, 3], np.uint16),
    starts=np.array([0, 5, 10]),
    seconds=np.array([0, 3], np.uint16),
    pairs=np.array([-1, 1], np.int8),
    mask_starts=np.array([0, 2, 3, 4, 4]),
    mask_places=np.array([1, 3, 1, 2], np.uint16),
    mask_inputs=np.array([4, 7, 4, 9], np.uint16),
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    write_shard(tmp_path / "shard.safetensors", SHARD)
    return tmp_path / "shard.safetensors"


def test_a_shard_comes_back_as_it_was_and_is_not_read_into_memory(path: Path) -> None:
    found = read_shard(path, 128)
    for name, array in vars(SHARD).items():
        assert (
            np.array_equal(getattr(found, name), array) and not getattr(found, name).flags.owndata
        )
    assert (found.sequences, found.duplicates, found.examples) == (2, 2, 4)


def test_targets_are_what_the_contract_says(path: Path) -> None:
    """Bug: the targets of the second masking are taken from the wrong sequences."""
    found, wanted = read_shard(path, 128), []
    for example in range(found.examples):
        sequence = example % found.sequences
        for place in found.mask_places[found.mask_starts[example] : found.mask_starts[example + 1]]:
            wanted.append(int(found.tokens[found.starts[sequence] + place]))
    assert found.targets.tolist() == wanted == [5, 7, 8, 6]


def test_the_same_shard_gives_the_same_bytes(path: Path) -> None:
    before = path.read_bytes()
    write_shard(path, SHARD)
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"starts": np.array([0, 5, 9])}, "starts do not ascend"),
        ({"starts": np.array([0, 10, 10])}, "starts do not ascend"),
        ({"starts": np.array([0, 12, 10])}, "starts do not ascend"),
        ({"starts": np.array([0])}, "starts do not ascend"),
        ({"tokens": SHARD.tokens + 125}, "outside of the 128"),
        ({"mask_inputs": np.array([4, 7, 128, 9], np.uint16)}, "outside of the 128"),
        ({"tokens": SHARD.tokens.astype(np.uint32)}, "not uint16"),
        ({"seconds": np.array([0], np.uint16)}, "not one for each"),
        ({"seconds": np.array([0, 5], np.uint16)}, "second segment"),
        ({"pairs": np.array([-1, 2], np.int8)}, "pairs holds"),
        ({"mask_starts": np.array([0, 2, 4])[:2]}, "not of all sequences"),
        ({"mask_starts": np.array([0, 2, 3, 4, 5])}, "mask_starts do not ascend"),
        ({"mask_starts": np.array([0, 1 << 62, 1 - (1 << 63), -1, 4])}, "mask_starts do not"),
        ({"mask_places": np.array([1, 5, 1, 2], np.uint16)}, "behind its sequence"),
        ({"mask_places": np.array([3, 1, 1, 2], np.uint16)}, "do not ascend"),
        ({"mask_places": np.array([1, 1, 1, 2], np.uint16)}, "do not ascend"),
    ],
)
def test_numbers_that_cannot_be_are_refused(
    tmp_path: Path, changes: dict[str, np.ndarray], said: str
) -> None:
    """Bug: a shard of another vocabulary indexes the embeddings out of range, on a GPU silently."""
    path = tmp_path / "shard.safetensors"
    write_shard(path, replace(SHARD, **changes))
    with pytest.raises(KdcError, match=said):
        read_shard(path, 128)


def test_any_cut_and_any_changed_header_ends_in_a_sentence(path: Path) -> None:
    """Bug: a torn index raises an IndexError, or a view reaches beyond the file."""
    whole = path.read_bytes()
    length = int.from_bytes(whole[:8], "little")
    for end in [*range(0, 9), *range(9, len(whole), 7)]:
        path.write_bytes(whole[:end])
        with pytest.raises(KdcError):
            read_shard(path, 128)
    header = json.loads(whole[8 : 8 + length])
    rng = np.random.default_rng(0)
    for _ in range(300):
        changed = bytearray(whole)
        place = int(rng.integers(0, 8 + length))
        changed[place] ^= 1 << int(rng.integers(0, 8))
        path.write_bytes(bytes(changed))
        try:
            found = read_shard(path, 128)
        except KdcError:
            continue
        assert found.tokens.shape == (10,) and "tokens" in header


@pytest.mark.parametrize(
    "entry",
    [
        {"data_offsets": [1 << 70, (1 << 70) + 20]},
        {"data_offsets": [0, 1 << 70], "shape": [1 << 69]},
        {"shape": [5, 2]},
        {"shape": [1 << 70]},
        None,
    ],
)
def test_headers_that_lie_end_in_a_sentence(path: Path, entry: dict[str, object] | None) -> None:
    """Bug: an OverflowError of numpy, for offsets that no file has."""
    whole = path.read_bytes()
    length = int.from_bytes(whole[:8], "little")
    header = json.loads(whole[8 : 8 + length])
    header["tokens"] |= entry or {}
    if entry is None:
        header["more"] = header.pop("pairs")
    said = json.dumps(header).encode()
    path.write_bytes(len(said).to_bytes(8, "little") + said + whole[8 + length :])
    with pytest.raises(KdcError, match=r"shard\.safetensors"):
        read_shard(path, 128)


def test_wide_vocabularies_take_four_bytes() -> None:
    assert token_type(65_536) is np.uint16 and token_type(65_537) is np.uint32
