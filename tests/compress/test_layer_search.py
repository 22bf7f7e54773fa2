from pathlib import Path
from typing import Any

import pytest
import torch

from kdc.compress.distill import distill
from kdc.compress.errors import KdcError
from kdc.compress.layer_maps import SEARCH
from kdc.compress.layer_search import search_layers
from kdc.compress.recipe import load_run, read_recipe
from kdc.compress.reduction import Reduction
from kdc.compress.stages import Start
from kdc.compress.start import start_from_teacher
from kdc.compress.students import build_student, choose_shape, shape_of
from kdc.compress.teacher_states import layers_of
from tests.families import family_model
from tests.tiny import Recorder, own_rng, tiny_data, tiny_job, tiny_recipe, tiny_rows, tiny_teacher

ROWS = tiny_rows(tiny_data().train)


def idle(teacher: Any, *layers: int) -> Any:  # noqa: ANN401
    """Let some layers add next to nothing."""
    for layer in layers:
        for part, module in layers_of(teacher)[f"bert.encoder.layer.{layer}"].items():
            if part in ("mix", "down"):
                with torch.no_grad():
                    module.weight.mul_(1e-3)
    return teacher


def student_of(teacher: Any, size: str) -> Any:  # noqa: ANN401
    shape = choose_shape(size, shape_of(teacher.config))
    with own_rng(9):
        return build_student(teacher.config, shape, dropout=0.0).eval()


# exchanging one layer at a time does not find the way from (0, 3) to (1, 2)
@pytest.mark.parametrize(
    ("idlers", "most"), [((0, 3), 60), ((0, 1), 60), ((0, 1), 1), ((2, 3), 60), ((2, 3), 1)]
)
def test_layers_that_add_nothing_are_left_out(
    idlers: tuple[int, int], most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Bug: the search looks for the worst, or stops at the layers that it began with."""
    monkeypatch.setattr("kdc.compress.layer_search._MOST", most)
    teacher = idle(family_model("bert"), *idlers)
    student = student_of(teacher, "2x32")
    found = start_from_teacher(student, teacher, SEARCH, ROWS)
    assert found == tuple(layer for layer in range(4) if layer not in idlers)
    query = "bert.encoder.layer.{}.attention.self.query.weight"
    for ours, theirs in enumerate(found):
        kept = student.state_dict()[query.format(ours)]
        assert torch.equal(kept, teacher.state_dict()[query.format(theirs)])


@pytest.mark.parametrize(
    ("family", "size"), [("albert", "2x32"), ("bert", "4x32"), ("bert", "6x32")]
)
def test_where_there_is_nothing_to_choose_nothing_is_run(
    family: str, size: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Bug: twenty equal students of ALBERT's one layer are tried, or of too few layers none."""
    monkeypatch.setattr("kdc.compress.layer_search.predict", None)
    teacher = family_model(family)
    student = student_of(teacher, size)
    found = search_layers(student, teacher, Reduction(family), ROWS, 0)
    assert len(found) == int(size[0])
    assert found[0] == 0


def test_the_run_says_what_was_found_and_can_be_repeated(tmp_path: Path) -> None:
    """Bug: nobody learns which layers a student was made of, or the recipe refuses its own."""
    data = tiny_data()
    values = tiny_recipe(epochs=0.5, evaluations=1).as_dict()
    recipe = read_recipe({**values, "start": {"layers": "search"}}, "here", "hinton")
    teacher = tiny_teacher(tmp_path / "teacher", data, layers=3)
    job = tiny_job(teacher, tmp_path / "student", recipe=recipe, student="2x16")
    progress = Recorder()
    distill(job, progress)
    run = load_run(str(tmp_path / "student" / "recipe.toml"))
    layers = run["start_layers"]
    assert len(layers) == 2
    said = f"the student starts from the teacher's layers {layers[0]}, {layers[1]}"
    assert said in progress.said


def test_a_misspelt_search_is_told_what_there_is() -> None:
    """Bug: the error names the maps of losses, among which there is no search."""
    with pytest.raises(KdcError, match=r"serch.*search"):
        Start(layers="serch")
