import argparse
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch

from kdc.compress.recipe import load_recipe
from tests.tiny import own_rng, tiny_data, tiny_model, tiny_recipe, tiny_rows, tiny_teacher

Load = Callable[[str], ModuleType]


@pytest.fixture
def teacher(tmp_path: Path) -> str:
    return str(tiny_teacher(tmp_path / "teacher"))


def test_padding_keeps_every_token_in_its_row(benchmark_module: Load) -> None:
    """A baseline whose texts are garbled would lose the comparison for the wrong reason."""
    rows = tiny_rows(tiny_data().train)
    ids, mask, types, labels = benchmark_module("tutorial").padded(rows, 0, 128).tensors
    assert ids.shape == mask.shape == types.shape == (len(rows), 128)
    for index in (0, 7, len(rows) - 1):
        tokens, kinds = rows.row(index)
        assert ids[index, : len(tokens)].tolist() == tokens.tolist()
        assert types[index, : len(tokens)].tolist() == kinds.tolist()
        assert mask[index].sum() == len(tokens)
        assert not ids[index, len(tokens) :].any()
    assert labels.tolist() == rows.labels.tolist()


def test_a_step_of_the_tutorials_is_that_of_the_recipe(benchmark_module: Load) -> None:
    """Another loss, rate or clip on their side would make both sides' accuracies incomparable."""
    tutorial, stage = benchmark_module("tutorial"), load_recipe("hinton").stages[0]
    teacher, student = tiny_model(seed=1).eval(), tiny_model(seed=2)
    for module in student.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
    wanted = deepcopy(student)
    rows = tutorial.padded(tiny_rows(tiny_data().train), 0, 32)
    few = torch.utils.data.TensorDataset(*(tensor[:8] for tensor in rows.tensors))
    with own_rng():
        said = list(tutorial.naive_steps(teacher, student, few, stage, steps=1, seed=0))

    ids, mask, types, labels = few.tensors
    inputs = {"input_ids": ids, "attention_mask": mask, "token_type_ids": types}
    with torch.no_grad():
        p = torch.softmax(teacher(**inputs).logits / 2, -1)
    logits = wanted(**inputs).logits
    log_q, hard = torch.log_softmax(logits / 2, -1), torch.log_softmax(logits, -1)
    soft = 4 * (p * (p.log() - log_q)).sum(-1).mean()
    loss = 0.9 * soft - 0.1 * hard[torch.arange(8), labels].mean()
    assert said == [pytest.approx(loss.item(), rel=1e-5)]
    loss.backward()
    torch.nn.utils.clip_grad_norm_(wanted.parameters(), 1.0)
    torch.optim.AdamW(wanted.parameters(), lr=1e-4, weight_decay=0.01).step()
    for ours, theirs in zip(student.parameters(), wanted.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs)


def test_both_loops_learn_the_same_task_from_the_same_start(
    benchmark_module: Load, teacher: str, tmp_path: Path
) -> None:
    """A figure of two students of which one never learnt would say nothing of the loops."""
    both = benchmark_module("same_accuracy")
    options = argparse.Namespace(rows=80, epochs=16.0, seeds=2)
    recipe = tiny_recipe(learning_rate=3e-3)
    found = both.train_both(teacher, "2x32", tiny_data(), recipe, options, tmp_path)
    assert found.steps == 16 * 5
    assert found.naive_right.shape == found.our_right.shape == (2, 48)
    assert found.naive > 0.6
    assert found.ours > 0.6


def test_errors_of_a_paired_difference(benchmark_module: Load) -> None:
    """Errors of two proportions, taken as if unpaired, would be too wide by far."""
    both = benchmark_module("same_accuracy")
    naive = np.array([[1, 1, 0, 0], [1, 0, 0, 1]], dtype=bool)
    ours = np.array([[1, 1, 1, 0], [1, 1, 1, 0]], dtype=bool)
    found = both.Pairing("2x32", steps=1, rows=4, naive_right=naive, our_right=ours)
    rows = [0.0, 0.5, 1.0, -0.5]
    mean = sum(rows) / 4
    assert found.ours - found.naive == mean
    assert found.by_seed == [0.25, 0.25]
    assert found.row_error == pytest.approx((sum((r - mean) ** 2 for r in rows) / 3 / 4) ** 0.5)
    assert found.seed_error == 0.0


def test_the_race_counts_examples_of_both(benchmark_module: Load, teacher: str) -> None:
    """A block of twenty steps taken for one would make ours look twenty times as fast."""
    race = benchmark_module("race")
    options = argparse.Namespace(rounds=3)
    speed = race.race(teacher, "1x32", tiny_data(), tiny_recipe(), options)
    assert speed.our_rows == race.OUR_STEPS * speed.naive_rows
    assert speed.gain.value == pytest.approx(speed.ours / speed.naive, rel=0.5)
    assert speed.gain_with_pass.value < speed.gain.value
    assert 0.5 < speed.control.value < 2


def test_a_ratio_of_sums_counts_long_batches_in_full(benchmark_module: Load) -> None:
    """Medians of batches whose lengths differ would leave out what an epoch pays for."""
    ratio_of_sums = benchmark_module("race").ratio_of_sums
    fast = np.array([1.0, 1.0, 1.0, 5.0])
    found = ratio_of_sums(np.full(4, 8.0), fast)
    assert found.value == 4.0
    assert found.low <= found.value <= found.high
    same = ratio_of_sums(2 * fast, fast)
    assert (same.low, same.value, same.high) == (2.0, 2.0, 2.0)


def test_a_goal_inside_the_interval_is_not_decided(benchmark_module: Load) -> None:
    """A goal called reached by a hair's breadth is missed the next day."""
    script, race = benchmark_module("naive_loop"), benchmark_module("race")
    ratio = race.Ratio

    def verdict(low: float, value: float, high: float) -> str:
        gain, one = ratio(value, low, high), ratio(1.0, 1.0, 1.0)
        speed = race.Speed("3x384", 10.0, 10 * value, gain, gain, one, 3.0, 6, 32, 640, 13.3)
        (line,) = (line for line in script.speed_lines([speed]) if line.startswith("* "))
        return str(line.split(": ", 2)[2])

    assert verdict(26.0, 27.0, 28.0) == "reached"
    assert verdict(22.9, 25.1, 28.3).startswith("not decided")
    assert verdict(20.0, 22.0, 24.0) == "missed"
