"""What the options say wrong by themselves."""

import subprocess
import sys
from typing import Any

import pytest

from kdc.compress.early import check_options
from kdc.compress.errors import KdcError

USUAL: dict[str, Any] = {"recipes": ["best"], "seeds": None, "device": "auto", "student": "3x384"}
USUAL |= {"heads": None, "ffn": None}


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"seeds": 0}, "--seeds must be 1 to 1,000, not 0"),
        ({"recipes": ["a", "b", "a"]}, "two recipes are called a"),
        ({"recipes": ["a", "b/c"]}, "the recipe's name 'b/c' makes no folder"),
        ({"device": "tpu"}, "unknown device 'tpu'"),
        ({"device": "mps:1"}, "unknown device 'mps:1'"),
        ({"heads": 5}, "--heads 5 does not divide the student's width 384"),
        ({"student": "bert-tiny", "heads": 3}, "--heads 3 does not divide the student's width 128"),
        ({"heads": 0}, "size below 1"),
        ({"ffn": 0}, "size below 1"),
        ({"student": "1000x128"}, "1000x128 is too large: at most 999 layers of width 99,999"),
        ({"student": "3x100000"}, "3x100000 is too large"),
        ({"ffn": 10**9}, "3x384 with --ffn 1000000000 would have 2,3.. billion parameters .limit"),
        ({"student": "999x99999"}, "billion parameters"),
    ],
)
def test_what_is_impossible_is_refused(options: dict[str, Any], told: str) -> None:
    """Bug: refused after the data were read and torch was loaded, 8 to 24 seconds later."""
    with pytest.raises(KdcError, match=told):
        check_options(**{**USUAL, **options})


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"device": "cuda:1"},
        {"recipes": ["b/c"]},
        {"seeds": 3},
        {"heads": 6, "ffn": 7},
        {"student": "folder/student", "heads": 5},
    ],
)
def test_what_may_be_right_is_left_to_whoever_knows_the_teacher(options: dict[str, Any]) -> None:
    check_options(**{**USUAL, **options})


def test_it_is_found_before_torch_is_loaded() -> None:
    program = "import kdc.compress.early, sys; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
