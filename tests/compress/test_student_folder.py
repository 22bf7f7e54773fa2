from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from kdc.compress.artifact import read_student
from kdc.compress.examples import calibration_rows
from kdc.compress.models import find_model
from kdc.compress.progress import Silent
from kdc.compress.rows import Rows, tokenise
from kdc.compress.student_folder import write_student
from tests.compress.test_report import report_of
from tests.tiny import save_model, tiny_data, tiny_model, tiny_recipe

IDENTITY = {"teacher_sha256": "a" * 64, "data_sha256": "b" * 64, "seed": 0}


@pytest.fixture
def rows(tmp_path: Path) -> Rows:
    source = find_model(str(save_model(tmp_path / "model", tiny_model())), Silent())
    return tokenise(source, tiny_data(rows=600), 32, None, Silent())


@pytest.mark.parametrize("pair", [False, True])
def test_the_calibration_rows_are_spread_over_the_training_rows(
    tmp_path: Path, rows: Rows, pair: bool
) -> None:
    """Bug: the first rows of a sorted table are all of one class."""
    data = tiny_data(rows=600, pair=pair)
    source = find_model(str(tmp_path / "model"), Silent())
    told = tokenise(source, data, 32, None, Silent())
    logits = np.zeros((300, 4), np.float32)
    report, recipe = report_of(0.8, 0.7), tiny_recipe()
    write_student(
        tmp_path / "s", tiny_model().eval(), told, data.task, logits, report, recipe, IDENTITY
    )
    found = read_student(tmp_path / "s").calibration()
    picks = [data.train.texts.index(text) for text in found.texts[:3]] if not pair else []
    assert len(found) == 256 and found.texts == calibration_rows(told.train).texts
    assert (found.pairs is not None) == pair
    assert np.bincount(found.labels).tolist() == pytest.approx([64] * 4, abs=16)
    assert picks == sorted(picks)
    index = 599
    assert found.texts[255] == data.train.texts[index]
    assert found.row(255)[0].tolist() == told.train.row(index)[0].tolist()
    assert found.row(255)[1].tolist() == told.train.row(index)[1].tolist()


def test_the_tokenizer_cuts_at_the_runs_length_and_never_pads(tmp_path: Path, rows: Rows) -> None:
    """Bug: on the phone a long text runs past the model's positions."""
    from tokenizers import Tokenizer

    source = find_model(str(tmp_path / "model"), Silent())
    short = tokenise(source, tiny_data(), 32, 8, Silent())
    write_student(
        tmp_path / "s",
        tiny_model().eval(),
        replace(short, train=rows.train),
        tiny_data().task,
        np.zeros((48, 4), np.float32),
        report_of(0.8, 0.7),
        tiny_recipe(),
        IDENTITY,
    )
    tokenizer = Tokenizer.from_file(str(tmp_path / "s" / "tokenizer.json"))
    assert len(tokenizer.encode("wake me " * 50)) == 8
    assert len(tokenizer.encode("wake")) == 3
    assert read_student(tmp_path / "s").max_length == 8
