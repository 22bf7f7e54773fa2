import json
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest

from kdc.export.jobs import Reading
from kdc.export.lengths import Texts
from kdc.export.measure import Measurement, Plan
from kdc.export.subject import find_subject
from kdc.export.thinning import KEPT, thin
from tests.onnx_model import FACTS, make_model

EMPTY = Reading(12.0, 3.0, [], [], 60_000_000, 9_000_000, "1.31.1")


@pytest.mark.parametrize("milliseconds", [0.1, 5.0])
def test_a_thinned_run_says_what_all_of_it_says(milliseconds: float, tmp_path: Path) -> None:
    """Bug: ten minutes of a fast model were a million samples of JSON text in two processes.

    Percentiles, their number and the minutes of the drift are still those of every sample.
    """
    rng = np.random.default_rng(0)
    wall = (milliseconds * rng.uniform(0.5, 1.5, 3 * KEPT + 7)).tolist()
    cpu = (0.9 * np.array(wall)).tolist()
    answer = json.dumps(asdict(thin(EMPTY, wall, cpu, 3)))
    thinned = Reading(**json.loads(answer))
    assert len(thinned.wall_ms) == len(thinned.cpu_ms) == KEPT
    assert len(answer) < len(json.dumps([wall, cpu])) / 2
    subject = find_subject(make_model(tmp_path / "m.onnx", FACTS))

    def told(reading: Reading) -> object:
        plan = Plan(minutes=1.0, seed=3)
        return Measurement(subject, plan, Texts(8, (8,)), reading).as_dict()

    assert told(thinned) == told(replace(EMPTY, wall_ms=wall, cpu_ms=cpu))


def test_few_samples_stay_as_they_are() -> None:
    found = thin(EMPTY, [1.0, 2.0], [0.5, 0.7], 0)
    assert found == replace(EMPTY, wall_ms=[1.0, 2.0], cpu_ms=[0.5, 0.7])
