import sys
from pathlib import Path

import torch

from kdc.compress.loop import train
from kdc.compress.progress import Silent
from tests.faults import exit_code_of
from tests.tiny import tiny_run


def lone_run(state: str) -> None:
    train(tiny_run(Path(state)), Silent(), "distilling", resume=False)
    assert "kdc.compress.loop" in sys.modules
    assert "kdc.compress.together" not in sys.modules
    assert not torch.distributed.is_initialized()


def test_a_lone_run_loads_nothing_of_what_several_processes_need(tmp_path: Path) -> None:
    """Bug: every run pays for torchrun, or waits for others that nobody started."""
    assert exit_code_of(lone_run, str(tmp_path)) == 0
