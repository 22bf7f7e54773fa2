from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from kdc.compress.examples import Examples
from kdc.export.quantizers.situation import Situation
from kdc.export.session import open_session
from tests.student import make_task, tiny_examples, tiny_model


@pytest.fixture(autouse=True)
def small_tables(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the words of tiny models be many enough for 4 bits, and their positions too few."""
    monkeypatch.setattr("kdc.compress.rounding.FEW_ROWS", 100)


@pytest.fixture(scope="session")
def situation() -> Situation:
    """Rows that a tiny model could have been trained on."""
    return Situation(tiny_examples(tiny_model("Bert", 3), make_task(), 40, seed=3))


@pytest.fixture(scope="session")
def unseen() -> Examples:
    """Rows that no quantizer has looked at."""
    return tiny_examples(tiny_model("Bert", 3), make_task(), 30, seed=1)


@pytest.fixture(scope="session")
def answers(unseen: Examples) -> Callable[[Path], npt.NDArray[np.float32]]:
    """What a model says about them, each alone: (30, 3)."""

    def run(path: Path) -> npt.NDArray[np.float32]:
        session = open_session(path)
        return np.stack([session.run(*unseen.row(row)) for row in range(len(unseen))])

    return run
