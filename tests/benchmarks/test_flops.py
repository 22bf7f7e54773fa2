from collections.abc import Callable
from types import ModuleType

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode
from transformers import BertConfig, BertForSequenceClassification

from kdc.compress.students import Shape

Load = Callable[[str], ModuleType]


@pytest.mark.parametrize("length", [5, 16])
def test_forward_flops_are_those_that_torch_counts(benchmark_module: Load, length: int) -> None:
    """A utilisation from a formula that forgets the attention or the head would be made up."""
    flops, shape = benchmark_module("flops"), Shape(2, 32, 2, 48)
    assert flops.forward_flops(shape, length, 3) == _counted(shape, length, 3, rows=1)


def test_a_step_is_one_forward_of_the_teacher_and_three_of_the_student(
    benchmark_module: Load,
) -> None:
    """Backward is two forwards only where no input needs a gradient less: torch counts it too."""
    flops = benchmark_module("flops")
    teacher, student = Shape(2, 64, 2, 128), Shape(1, 32, 2, 64)
    wanted = 4 * (_counted(teacher, 8, 2, rows=1) + 3 * _counted(student, 8, 2, rows=1))
    assert flops.step_flops(teacher, student, rows=4, length=8, outputs=2) == wanted
    learnt = _counted(student, 8, 2, rows=4, backward=True)
    counted = flops.step_flops(teacher, student, 4, 8, 2) - 4 * flops.forward_flops(teacher, 8, 2)
    assert counted == pytest.approx(learnt, rel=0.01)


def test_a_device_is_known_by_the_most_exact_of_its_names(benchmark_module: Load) -> None:
    """An H100 with half the power must not be measured against the other's peak."""
    peak = benchmark_module("flops").peak
    assert peak("NVIDIA H100 PCIe") == 756e12
    assert peak("NVIDIA H100 80GB HBM3") == 989.4e12
    assert peak("NVIDIA L40S") == 362e12
    assert peak("NVIDIA L4") == 121e12
    assert peak("Some GPU") is None


def _counted(shape: Shape, length: int, outputs: int, *, rows: int, backward: bool = False) -> int:
    config = BertConfig(
        vocab_size=50,
        num_hidden_layers=shape.layers,
        hidden_size=shape.hidden,
        num_attention_heads=shape.heads,
        intermediate_size=shape.ffn,
        num_labels=outputs,
        attn_implementation="eager",
    )
    model = BertForSequenceClassification(config).train(backward)
    with FlopCounterMode(display=False) as counter, torch.set_grad_enabled(backward):
        logits = model(torch.ones((rows, length), dtype=torch.long)).logits
        if backward:
            logits.sum().backward()
    return int(counter.get_total_flops())
