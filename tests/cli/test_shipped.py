from dataclasses import replace
from pathlib import Path

import pytest

from kdc.cli.console import Terminal
from kdc.cli.shipped import _learnable, _show_methods
from kdc.compress.metrics import Score
from kdc.export.parity import Drop, Parity
from kdc.export.trials import Outcome, Refusal, Trial


def _tried(*methods: str, only_points: bool = True) -> Outcome:
    """An outcome whose last method passed, the others lost points or have another fault."""
    score, parity = Score("accuracy", 0.9, 10, 0.8, 1.0), Parity(10, 0.1, 0.1, 0.9)
    drop = Drop(1.0, 0.5, 1.5, 0.01)
    faults = ["loses"] * (len(methods) - 1) + [None]
    trials = [
        Trial(name, Path("m.onnx"), 1, 1, parity, drop, score, fault, only_points)
        for name, fault in zip(methods, faults, strict=True)
    ]
    return Outcome(tuple(trials), ())


@pytest.mark.parametrize(
    ("methods", "told"),
    [
        (["int4", "int8-dynamic", "fp16"], ["int8-dynamic"]),
        (["int4", "int8-dynamic"], []),
        (["int4"], []),
        (["none"], []),
        (["int8-static", "fp16"], []),
    ],
)
def test_a_method_that_a_student_can_learn_is_named_where_only_a_larger_one_passed(
    methods: list[str], told: list[str]
) -> None:
    """Bug: twice the bytes ship, and nothing says that training for 8 bits would do."""
    assert [trial.method for trial in _learnable(_tried(*methods))] == told


def test_a_fault_that_no_drop_lets_pass_is_not_given_one() -> None:
    """Bug: a method that gave every text one label "would ship with --max-drop -0.4"."""
    assert _learnable(_tried("int8-dynamic", "fp16", only_points=False)) == []


def test_a_long_refusal_stands_below_the_table(capsys: pytest.CaptureFixture[str]) -> None:
    """Bug: a table of 210 columns, of which no terminal shows the methods that were tried."""
    name = "deberta.encoder.rel_embeddings.weight"
    long = f"int4 left 1 matrix of this model in fp32, {name}"
    refused = (Refusal("int4", long), Refusal("fp16", "too large"))
    _show_methods(Terminal(), "phone", replace(_tried("none"), refused=refused))
    printed = capsys.readouterr()
    assert max(map(len, printed.out.splitlines())) <= 120
    assert "too large" in printed.out and "cannot be used" in printed.out
    assert printed.err == f"{long}\n"
