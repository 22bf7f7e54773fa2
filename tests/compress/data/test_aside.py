"""Whether rows are set aside, by what the model that they are to judge was trained on."""

from dataclasses import replace

import pytest

from kdc.compress.data.aside import Trained
from kdc.compress.data.assemble import Parts, assemble
from kdc.compress.data.dataset import Dataset
from kdc.compress.data.labelled import Labelled
from kdc.compress.data.labels import Known
from kdc.compress.data.table import Table
from kdc.compress.errors import KdcError
from kdc.compress.task import Task


def _parts(name: str, rows: int = 100, dev: Labelled | None = None) -> Parts:
    return Parts(name, _rows(name, rows), dev)


def _rows(name: str, rows: int) -> Labelled:
    texts, labels = [f"{name} {row}" for row in range(rows)], [f"c{row % 2}" for row in range(rows)]
    table = Table(f"{name}.csv", ("text", "label"), [texts, labels], range(2, rows + 2))
    return Labelled(table, texts, None, labels)


def _known(data: Dataset) -> Known:
    task = data.task
    return Known(task.kind, task.labels, Trained(task, data.digest()))


def test_all_rows_of_another_table_judge() -> None:
    """Bug: a random tenth of a file that has nothing to do with training was scored."""
    known = _known(assemble(_parts("old"), None))
    data = assemble(_parts("new"), None, known)
    assert (len(data.train), len(data.dev), data.learned) == (100, 0, False)
    (note,) = [note for note in data.notes if "rows" in note]
    assert note == "all 100 rows of new.csv are scored, of which the model may have learned some"


def test_the_table_that_was_trained_on_is_known_by_any_name() -> None:
    """Bug: a copy, scored by another metric, passes for new, and by heart all is right."""
    old = assemble(_parts("old"), None)
    parts = replace(_parts("old"), name="copy")
    data = assemble(parts, "macro_f1", _known(old))
    assert data.learned is True and data.dev.texts == old.dev.texts
    assert data.notes[0] == "10 of 100 rows were set aside as dev rows"
    whole = assemble(parts, None, _known(old), aside=False)
    assert whole.learned is True and (len(whole.train), len(whole.dev)) == (100, 0)


def test_a_new_table_of_a_few_rows_is_no_error() -> None:
    """Bug: three rows to judge by were too few to set two of them aside."""
    known = _known(assemble(_parts("old"), None))
    few = assemble(_parts("new", 3), None, known)
    assert (len(few.train), len(few.dev), few.learned) == (3, 0, False)
    assert assemble(_parts("new", 3), None, known, aside=False).learned is False
    with pytest.raises(KdcError, match="too few rows"):
        assemble(_parts("new", 3), None, replace(known, trained=None))


def test_a_model_that_does_not_tell_leaves_a_hint() -> None:
    known = Known("classification", ("c0", "c1"))
    data = assemble(_parts("new"), None, known)
    assert data.learned is None
    told = "10 of 100 rows were set aside as dev rows; --split all takes all 100"
    assert data.notes[0] == told
    assert assemble(_parts("new"), None).notes[0] == told.partition(";")[0]  # to teach


def test_dev_rows_of_its_own_are_left_as_they_are() -> None:
    parts = _parts("new", dev=_rows("dev", 20))
    known = _known(assemble(parts, None))
    assert assemble(parts, None, known).learned is True
    other = assemble(replace(parts, dev=_rows("other", 20)), None, known)
    assert other.learned is False and len(other.dev) == 20


def test_another_task_on_the_same_rows_is_other_data() -> None:
    """Bug: rows of the same texts with other classes were taken for those of the training."""
    data = assemble(_parts("old"), None)
    other = Task("old", "classification", ("x", "y"), False, "accuracy")
    assert Trained(data.task, data.digest()).on(data)
    assert not Trained(other, data.digest()).on(data)
