import errno
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from kdc.compress.errors import KdcError
from kdc.compress.evaluate import predict
from kdc.compress.examples import Examples
from kdc.compress.kept import kept_logits
from tests.faults import refusing
from tests.tiny import Recorder, tiny_data, tiny_model, tiny_rows

ASKING = "asking the teacher"


@pytest.fixture
def teacher() -> Any:  # noqa: ANN401
    return tiny_model().eval()


@pytest.fixture
def rows() -> Examples:
    return tiny_rows(tiny_data().dev)


def test_answers_are_computed_once(tmp_path: Path, teacher: Any, rows: Examples) -> None:  # noqa: ANN401
    """Bug: a second run asks a big teacher for hours what it has answered already."""
    first, second = Recorder(), Recorder()
    one = kept_logits(tmp_path, "a", teacher, rows, 0, first)
    two = kept_logits(tmp_path, "a", teacher, rows, 0, second)
    assert (first.bars, second.bars) == ([ASKING], [])
    assert second.said == ["teacher's answers: kept from before (48 rows)"]
    np.testing.assert_array_equal(one, two)
    np.testing.assert_array_equal(one, predict(teacher, rows, 0, fast=True))


def test_another_teacher_or_table_is_asked_itself(
    tmp_path: Path,
    teacher: Any,  # noqa: ANN401
    rows: Examples,
) -> None:
    """Bug: a student learns the answers of the teacher before."""
    kept_logits(tmp_path, "a", teacher, rows, 0, Recorder())
    progress = Recorder()
    kept_logits(tmp_path, "b", teacher, rows, 0, progress)
    assert progress.bars == [ASKING]
    assert len(list(tmp_path.glob("*.safetensors"))) == 2


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize(
    "damage",
    [
        lambda folder: flip(next(folder.glob("*.safetensors"))),
        lambda folder: os.truncate(next(folder.glob("*.safetensors")), 10),
        lambda folder: next(folder.glob("*.safetensors")).unlink(),
        lambda folder: next(folder.glob("*.json")).write_text("{"),
        lambda folder: next(folder.glob("*.json")).write_text("{}"),
    ],
)
def test_damage_is_noticed_and_mended(
    tmp_path: Path,
    teacher: Any,  # noqa: ANN401
    rows: Examples,
    damage: Callable[[Path], object],
) -> None:
    """Bug: a flipped bit in the kept answers is learnt by every student after it."""
    one = kept_logits(tmp_path, "a", teacher, rows, 0, Recorder())
    damage(tmp_path)
    progress = Recorder()
    two = kept_logits(tmp_path, "a", teacher, rows, 0, progress)
    assert progress.bars == [ASKING]
    assert "does not match its sha256; asking again" in progress.said[0]
    np.testing.assert_array_equal(one, two)
    third = Recorder()
    kept_logits(tmp_path, "a", teacher, rows, 0, third)
    assert third.bars == []


def test_a_broken_teacher_is_refused_and_nothing_is_kept(
    tmp_path: Path,
    teacher: Any,  # noqa: ANN401
    rows: Examples,
) -> None:
    """Bug: NaN answers are kept and shown to every later run."""
    with torch.no_grad():
        teacher.classifier.bias[1] = float("nan")
    with pytest.raises(KdcError, match="NaN or infinity"):
        kept_logits(tmp_path, "a", teacher, rows, 0, Recorder())
    assert os.listdir(tmp_path) == []


def test_a_full_disk_is_one_sentence(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    teacher: Any,  # noqa: ANN401
    rows: Examples,
) -> None:
    monkeypatch.setattr(os, "fsync", refusing(errno.ENOSPC))
    with pytest.raises(KdcError, match="the disk is full"):
        kept_logits(tmp_path, "a", teacher, rows, 0, Recorder())
    assert os.listdir(tmp_path) == []


def test_a_really_full_disk_is_one_sentence(
    small_disk: Callable[[int], Path],
    teacher: Any,  # noqa: ANN401
    rows: Examples,
) -> None:
    """Bug: safetensors' own error for a full disk ends in a traceback."""
    disk = small_disk(16)
    (disk / "filler").write_bytes(b"x" * 4 * 4096)
    with pytest.raises(KdcError, match="the disk is full"):
        kept_logits(disk / "kept", "a", teacher, rows, 0, Recorder())
    assert os.listdir(disk / "kept") == []
