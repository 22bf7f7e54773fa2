from collections.abc import Callable
from copy import deepcopy
from types import ModuleType

import pytest
import torch
from torch.utils.data import TensorDataset

from kdc.compress.recipe import load_recipe
from kdc.compress.students import Shape
from tests.tiny import own_rng, tiny_model

Load = Callable[[str], ModuleType]


def test_a_step_as_trainer_has_it_is_that_of_the_recipe(benchmark_module: Load) -> None:
    """A loop that computes less than ours would win for nothing."""
    style, stage = benchmark_module("trainer_style"), load_recipe("hinton").stages[0]
    teacher, student = tiny_model(seed=1).eval(), tiny_model(seed=2)
    for module in student.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
    wanted = deepcopy(student)
    with own_rng():
        ids, labels = torch.randint(1, 100, (8, 16)), torch.randint(0, 4, (8,))
        rows = TensorDataset(ids, torch.ones_like(ids), torch.zeros_like(ids), labels)
        assert list(style.trainer_steps(teacher, student, rows, 8, stage, steps=1)) == [None]
    p = torch.softmax(teacher(ids).logits.detach() / 2, -1)
    logits = wanted(ids).logits
    log_q, hard = torch.log_softmax(logits / 2, -1), torch.log_softmax(logits, -1)
    soft = 4 * (p * (p.log() - log_q)).sum(-1).mean()
    (0.9 * soft - 0.1 * hard[torch.arange(8), labels].mean()).backward()
    theirs = dict(wanted.named_parameters())
    for name, parameter in student.named_parameters():
        gone = parameter.detach() - theirs[name].detach()
        gradient = theirs[name].grad
        assert gradient is not None
        sure = gradient.abs() > 1e-3  # where bf16 cannot turn the sign
        torch.testing.assert_close(
            gone[sure], -1e-4 * gradient[sure].sign(), atol=2e-6, rtol=0.02
        )  # Adam's first step is the rate, whatever the gradient's size


def test_every_side_is_measured_and_the_control_beside_it(
    benchmark_module: Load, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The script for a GPU must be known to run before there is one."""
    throughput = benchmark_module("throughput")
    words = "throughput.py --device cpu --pair 1x64:1x64 --lengths 8 16 --tokens 32 --rounds 4"
    monkeypatch.setattr("sys.argv", [*words.split(), "--steps", "1", "--no-compile"])
    throughput.main()
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in capsys.readouterr().out.split("\n")
        if line.startswith("| 8 ") or line.startswith("| 16 ")
    ]
    assert [row[:3] for row in rows] == [
        [length, batch, side]
        for length, batch in (("8", "4"), ("16", "2"))
        for side in ("kdc", "as Trainer")
    ]
    for row in rows:
        milliseconds, rate = float(row[3]), float(row[4].replace(",", ""))
        assert rate == pytest.approx(1e3 * int(row[1]) / milliseconds, rel=0.05)
        flops = benchmark_module("flops").step_flops(
            Shape(1, 64, 1, 256), Shape(1, 64, 1, 256), int(row[1]), int(row[0]), 2
        )
        assert float(row[5]) == pytest.approx(flops / milliseconds / 1e9, abs=6e-4)
        assert row[6] == "-"  # a CPU's peak is not known
    assert "(" in rows[0][7]
    assert "(" in rows[0][8]
