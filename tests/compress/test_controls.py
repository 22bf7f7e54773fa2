from dataclasses import replace

import numpy as np
import pytest

from kdc.compress import controls as module
from kdc.compress.baseline import fit_bag_of_words
from kdc.compress.controls import NAMES, controls
from kdc.compress.static_embeddings import fit_static_embeddings
from tests.student import tiny_tokenizer
from tests.tiny import Recorder, tiny_data

TABLE = np.random.default_rng(3).normal(size=(128, 12)).astype(np.float32)


@pytest.mark.parametrize("pair", [False, True])
def test_both_answer_every_split_from_one_fit(pair: bool) -> None:
    """Bug: dev's answers under test's name, or a model that was fitted on dev."""
    data = tiny_data(pair=pair)
    found = controls(data, tiny_tokenizer(), TABLE, Recorder())
    assert list(found) == ["static_embeddings", "bag_of_words"] and set(found) < set(NAMES)
    assert data.test is not None
    for name, split in (("dev", data.dev), ("test", data.test)):
        bag = fit_bag_of_words(data.train, data.task)(split)
        averaged = fit_static_embeddings(data.train, data.task, tiny_tokenizer(), TABLE)(split)
        np.testing.assert_allclose(found["bag_of_words"][name], bag, atol=1e-6)
        np.testing.assert_allclose(found["static_embeddings"][name], averaged, atol=1e-6)


def test_no_test_split_has_no_answers() -> None:
    data = replace(tiny_data("regression"), test=None)
    found = controls(data, tiny_tokenizer(), TABLE, Recorder())
    assert all(list(answers) == ["dev"] for answers in found.values())


def test_a_large_table_does_not_take_all_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """Bug: 400,000 pairs of texts took 10 GB, before anything was distilled."""
    monkeypatch.setattr(module, "_FEATURES", 12 * 40)
    monkeypatch.setattr(module, "_CHARACTERS", 600)
    data, progress = tiny_data(), Recorder()
    found = controls(data, tiny_tokenizer(), TABLE, progress)
    assert found["bag_of_words"]["dev"].shape == (len(data.dev), 4)
    assert progress.said[0] == "the control that averages embeddings learns from 40 of 96 rows"
    assert progress.said[1].startswith("the control that counts words learns from ")
    assert controls(data, tiny_tokenizer(), TABLE, Recorder()).keys() == found.keys()
