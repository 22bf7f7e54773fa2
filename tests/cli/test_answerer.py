import json
from pathlib import Path

import pytest

from kdc.cli.answerer import find_answerer
from kdc.compress.data.labels import Known
from kdc.compress.errors import KdcError
from kdc.compress.progress import Silent
from tests.phones import LABELS, make_phone
from tests.tiny import tiny_data, tiny_teacher


def known(model: Path) -> Known | None:
    """What a model answers with."""
    return find_answerer(str(model), None, Silent()).known


def test_a_folder_says_what_it_answers_with(tmp_path: Path) -> None:
    """Bug: placeholders are taken for the names of classes, and no row has them."""
    teacher = tiny_teacher(tmp_path / "teacher", tiny_data())
    assert known(teacher) == Known("classification", tiny_data().task.labels)
    path = teacher / "config.json"
    config = json.loads(path.read_text())
    config["id2label"] = {str(number): f"LABEL_{number}" for number in range(4)}
    path.write_text(json.dumps(config))
    assert known(teacher) is None
    scores = tiny_teacher(tmp_path / "scores", tiny_data("regression"))
    assert known(scores) == Known("regression", ())


def test_a_model_from_elsewhere_may_read_pairs_or_not(tmp_path: Path) -> None:
    """Bug: what no file says is taken for a task over single texts, and pairs are refused."""
    assert (
        find_answerer(str(tiny_teacher(tmp_path / "t", tiny_data())), None, Silent()).pair is None
    )
    phone = make_phone(tmp_path / "phone", pair=True)
    found = find_answerer(str(phone), None, Silent())
    assert found.pair is True and found.known == Known("classification", LABELS)


def test_what_ships_runs_where_it_runs(tmp_path: Path) -> None:
    """Bug: --device cuda is taken for what it is not, a wish that is heeded."""
    phone = make_phone(tmp_path / "phone")
    with pytest.raises(KdcError, match="--device is for model folders"):
        find_answerer(str(phone), "cpu", Silent())
