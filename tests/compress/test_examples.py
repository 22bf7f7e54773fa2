import random
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kdc.compress.errors import KdcError
from kdc.compress.examples import Examples, concatenate, load_examples, pick, save_examples
from tests.tiny import tiny_data, tiny_rows

TEXTS = ["", "two words", "tail \ud83d alone", "né 你好 \U0001f600\x00"]


def make(**changes: Any) -> Examples:  # noqa: ANN401
    fields: dict[str, Any] = {
        "tokens": np.arange(12, dtype=np.int32),
        "types": np.array([0, 1] * 6, dtype=np.uint8),
        "lengths": np.array([2, 5, 1, 4], dtype=np.int32),
        "labels": np.array([0, 2, 1, 1]),
        "texts": TEXTS,
        "pairs": None,
    }
    return Examples(**{**fields, **changes})


@pytest.mark.parametrize("pairs", [None, TEXTS[::-1]])
@pytest.mark.parametrize("logits", [None, np.linspace(-1, 1, 12, dtype=np.float32).reshape(4, 3)])
def test_what_was_saved_is_loaded(
    tmp_path: Path, pairs: list[str] | None, logits: np.ndarray | None
) -> None:
    """Bug: half an emoji in a user's text (a lone surrogate) cannot be written as UTF-8."""
    rows = make(pairs=pairs, logits=logits)
    save_examples(tmp_path / "a.npz", rows)
    found = load_examples(tmp_path / "a.npz")
    assert (found.texts, found.pairs) == (TEXTS, pairs)
    for name in ("tokens", "types", "lengths", "labels"):
        ours, theirs = getattr(rows, name), getattr(found, name)
        assert theirs.dtype == ours.dtype
        np.testing.assert_array_equal(theirs, ours)
    assert (found.logits is None) == (logits is None)
    if logits is not None:
        np.testing.assert_array_equal(found.logits, logits)


def test_scores_stay_scores(tmp_path: Path) -> None:
    save_examples(tmp_path / "a.npz", make(labels=np.array([0.5, 1, 2, 3], np.float32)))
    assert load_examples(tmp_path / "a.npz").labels.dtype == np.float32


def test_the_same_rows_give_the_same_bytes(tmp_path: Path) -> None:
    """Bug: a zip carries the time of day, and no run can be repeated byte by byte."""
    for name in ("a.npz", "b.npz"):
        save_examples(tmp_path / name, make())
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()
    with zipfile.ZipFile(tmp_path / "a.npz") as file:
        assert {entry.date_time for entry in file.infolist()} == {(1980, 1, 1, 0, 0, 0)}


def test_a_row_is_cut_out_of_the_flat_arrays() -> None:
    rows = make()
    tokens, types = rows.row(1)
    assert (tokens.tolist(), types.tolist()) == ([2, 3, 4, 5, 6], [0, 1, 0, 1, 0])
    assert rows.row(3)[0].tolist() == [8, 9, 10, 11]
    assert rows.starts.tolist() == [0, 2, 7, 8]
    assert len(rows) == 4


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(KdcError, match=r"dev\.npz is missing"):
        load_examples(tmp_path / "dev.npz")


def test_every_truncation_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    save_examples(path, make())
    whole = path.read_bytes()
    for size in range(0, len(whole), 37):
        path.write_bytes(whole[:size])
        with pytest.raises(KdcError, match=r"a\.npz is damaged"):
            load_examples(path)


def test_a_flipped_bit_is_refused_or_harmless(tmp_path: Path) -> None:
    """Bug: zlib and zipfile have errors of their own, which ended in a traceback."""
    path, rng = tmp_path / "a.npz", random.Random(0)
    save_examples(path, make())
    whole, refused = path.read_bytes(), 0
    for _ in range(600):
        flipped, place = bytearray(whole), rng.randrange(8 * len(whole))
        flipped[place // 8] ^= 1 << place % 8
        path.write_bytes(flipped)
        try:
            found = load_examples(path)
        except KdcError as error:
            refused += 1
            assert "a.npz is damaged" in str(error)
        else:
            assert found.texts == TEXTS
            np.testing.assert_array_equal(found.tokens, make().tokens)
    assert refused > 200


def write_arrays(path: Path, **changes: Any) -> None:  # noqa: ANN401
    save_examples(path, make())
    with np.load(path) as file:
        arrays = dict(file) | changes
    np.savez(path, **{key: value for key, value in arrays.items() if value is not None})


class Bomb:
    def __reduce__(self) -> tuple[Any, ...]:
        return (Path("exploded").touch, ())


def test_a_pickle_is_never_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Bug: a student folder from elsewhere runs code when its rows are read."""
    monkeypatch.chdir(tmp_path)
    write_arrays(tmp_path / "a.npz", labels=np.array([Bomb()] * 4, dtype=object))
    with pytest.raises(KdcError, match=r"a\.npz is damaged"):
        load_examples(tmp_path / "a.npz")
    assert not (tmp_path / "exploded").exists()


@pytest.mark.parametrize(
    "changes",
    [
        {"labels": None},
        {"labels": np.zeros(3, int)},
        {"tokens": np.zeros(11, np.int32)},
        {"token_types": np.zeros(13, np.uint8)},
        {"lengths": np.array([2, 5, -1, 6], np.int32)},
        {"lengths": np.array([2.0, 5.0, 1.0, 4.5])},
        {"lengths": np.array(["2", "5", "1", "4"])},
        {"lengths": np.array(12)},
        {"lengths": np.zeros(0, np.int32)},
        {"logits": np.zeros((3, 2), np.float32)},
        {"texts_lengths": np.array([1, 1, 1, 1])},
        {"texts_lengths": np.array([9, 9, 9, 9999])},
        {"texts": np.frombuffer(b"\xff" * 35, np.uint8)},
        {"pairs": np.zeros(2, np.uint8), "pairs_lengths": np.array([1, 1])},
    ],
)
def test_arrays_that_do_not_fit_together_are_refused(
    tmp_path: Path, changes: dict[str, Any]
) -> None:
    """Bug: a row takes its neighbour's tokens, and every score after it is wrong."""
    write_arrays(tmp_path / "a.npz", **changes)
    with pytest.raises(KdcError, match=r"a\.npz (is damaged|holds no rows)"):
        load_examples(tmp_path / "a.npz")


def test_a_foreign_file_is_refused(tmp_path: Path) -> None:
    """Bug: numpy opens a plain array under that name, and the reader stumbles over it."""
    np.save(tmp_path / "a.npy", np.arange(3))
    (tmp_path / "a.npy").rename(tmp_path / "a.npz")
    with pytest.raises(KdcError, match=r"a\.npz is damaged or no file of kdc's"):
        load_examples(tmp_path / "a.npz")


def test_texts_of_no_characters_at_all_survive(tmp_path: Path) -> None:
    rows = replace(make(), texts=["", "", "", ""])
    save_examples(tmp_path / "a.npz", rows)
    assert load_examples(tmp_path / "a.npz").texts == ["", "", "", ""]


@pytest.mark.parametrize("pair", [False, True])
def test_rows_put_after_each_other_and_picked_are_the_rows(pair: bool) -> None:
    """Bug: lengths of one part over the tokens of another."""
    data = tiny_data(pair=pair)
    parts = [tiny_rows(split) for split in (data.train, data.dev)]
    both = concatenate(*parts)
    assert len(both) == len(parts[0]) + len(parts[1]) and both.logits is None
    places = np.array([len(parts[0]) + 3, 0, 5, 5])
    few = pick(both, places)
    assert (few.pairs is not None) == pair
    for at, place in enumerate(places.tolist()):
        source, row = (parts[0], place) if place < len(parts[0]) else (parts[1], 3)
        for examples, index in ((both, place), (few, at)):
            assert examples.row(index)[0].tolist() == source.row(row)[0].tolist()
            assert examples.row(index)[1].tolist() == source.row(row)[1].tolist()
            assert examples.texts[index] == source.texts[row]
            assert examples.labels[index] == source.labels[row]
            assert not pair or (examples.pairs or [])[index] == (source.pairs or [])[row]
    assert len(pick(both, np.array([], dtype=np.int64))) == 0


def test_pairs_are_not_put_after_single_texts() -> None:
    with pytest.raises(ValueError, match="different tasks"):
        concatenate(tiny_rows(tiny_data().train), tiny_rows(tiny_data(pair=True).train))
    with pytest.raises(ValueError, match="different tasks"):
        concatenate(tiny_rows(tiny_data().train), tiny_rows(tiny_data("regression").train))
