import json
import os
import statistics
from dataclasses import replace
from pathlib import Path
from typing import Any, Unpack

import numpy as np
import pytest

from kdc.compress import sweep
from kdc.compress.data.dataset import Split
from kdc.compress.distill import distil_on, distill
from kdc.compress.errors import KdcError
from kdc.compress.errors import Stopped as Interrupted
from kdc.compress.files import sha256
from kdc.compress.kept import kept_logits
from kdc.compress.progress import Progress, Silent
from kdc.compress.recipe import Recipe
from kdc.compress.spread import Results, spread
from kdc.compress.sweep import run_sweep, sweep_jobs
from tests.changes import JobChanges
from tests.tiny import Recorder, tiny_job, tiny_recipe, tiny_teacher

ASKING, DISTILLING = "asking the teacher", "distilling 1x32"
RUNS = ["hinton-seed0", "hinton-seed1", "scratch-seed0", "scratch-seed1"]


@pytest.fixture(scope="module")
def teacher(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_teacher(tmp_path_factory.mktemp("models") / "teacher")


def recipes() -> list[Recipe]:
    return [tiny_recipe("hinton", learning_rate=2e-3), tiny_recipe("scratch", learning_rate=2e-3)]


def run(
    teacher: Path,
    out: Path,
    progress: Progress | None = None,
    **changes: Unpack[JobChanges],
) -> Results:
    jobs = sweep_jobs(tiny_job(teacher, out, **changes), recipes(), 2)
    return run_sweep(jobs, progress or Silent(), str)


@pytest.fixture(scope="module")
def done(teacher: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Results, Recorder]:
    out, progress = tmp_path_factory.mktemp("reference") / "many", Recorder()
    return out, run(teacher, out, progress), progress


def test_each_run_is_a_student_folder(done: tuple[Path, Results, Recorder]) -> None:
    out, results, progress = done
    assert sorted(os.listdir(out)) == [*RUNS, "sweep.json"]
    assert [entry.key for entry in results.entries] == RUNS
    assert all(entry.seconds and entry.seconds > 0 for entry in results.entries)
    assert sorted(os.listdir(out.parent)) == [".kdc", "many"]
    assert progress.bars.count(ASKING) == 1
    assert progress.bars.count("tokenising train") == 1
    assert progress.bars.count(DISTILLING) == 4


def test_the_figures_are_those_of_the_folders(done: tuple[Path, Results, Recorder]) -> None:
    """Bug: a mean over the wrong runs, or the deviation of a population."""
    out, results, _ = done
    metrics = {name: json.loads((out / name / "metrics.json").read_text()) for name in RUNS}
    found = results.recipes()
    assert list(found) == ["hinton", "scratch"]
    for recipe, row in found.items():
        for split in ("dev", "test"):
            values = [
                (m if split == "dev" else m["test"])["student"]["value"]
                for name, m in metrics.items()
                if name.startswith(recipe)
            ]
            figure = row[split]
            assert figure is not None
            assert (figure.n, figure.min, figure.max) == (2, min(values), max(values))
            assert figure.mean == pytest.approx(sum(values) / 2)
            assert figure.std == pytest.approx(abs(values[0] - values[1]) / 2**0.5)
    teacher = results.compared()["teacher"]["dev"]
    assert teacher is not None
    assert (teacher.n, teacher.mean) == (1, metrics[RUNS[0]]["teacher"]["value"])
    assert json.loads((out / "sweep.json").read_text()) == results.as_dict()


def test_a_spread_is_that_of_a_sample() -> None:
    found = spread([1.0, 2.0, 4.0])
    assert found is not None
    assert found.std == pytest.approx(statistics.variance([1, 2, 4]) ** 0.5)
    assert spread([]) is None
    assert (one := spread([3.0])) and one.std is None


def test_what_is_finished_is_not_repeated(
    teacher: Path, done: tuple[Path, Results, Recorder]
) -> None:
    """Bug: a third seed, or a run that had failed, costs all the others again."""
    out, results, _ = done
    before = {name: sha256(out / name / "manifest.json") for name in RUNS}
    (out / RUNS[1] / "model.safetensors").write_bytes(b"damaged")
    progress = Recorder()
    again = run(teacher, out, progress)
    assert progress.bars.count(DISTILLING) == 1
    assert [f"{out / name}: finished before" in progress.said for name in RUNS] == [
        name != RUNS[1] for name in RUNS
    ]
    assert {name: sha256(out / name / "manifest.json") for name in RUNS} == before
    seconds = [entry.seconds for entry in again.entries]
    assert [a == b.seconds for a, b in zip(seconds, results.entries, strict=True)] == [
        name != RUNS[1] for name in RUNS
    ]


def test_with_another_option_everything_is_run_again(
    teacher: Path, done: tuple[Path, Results, Recorder], tmp_path: Path
) -> None:
    """Bug: the table mixes students of two lengths."""
    progress = Recorder()
    run(teacher, tmp_path / "many", progress)
    progress = Recorder()
    run(teacher, tmp_path / "many", progress, max_length=8)
    assert progress.bars.count(DISTILLING) == 4


def test_a_run_alone_gives_the_same_bytes(
    teacher: Path, done: tuple[Path, Results, Recorder], tmp_path: Path
) -> None:
    """Bug: what was kept from the run before it changes the next one."""
    job = tiny_job(teacher, tmp_path / "s", recipe=recipes()[0], seed=1, setup_seed=0)
    distill(job, Silent())
    assert sha256(job.out / "manifest.json") == sha256(done[0] / RUNS[1] / "manifest.json")


def test_a_teacher_that_was_asked_online_says_the_same_afterwards(
    teacher: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Bug: it kept the attention of the run before, and its other logits were kept for all runs."""
    monkeypatch.setattr("kdc.compress.runtime.plain_attention", lambda *_: True)
    asked: list[str] = []

    def spy(place: Path, identity: str, model: Any, *rest: Any) -> Any:  # noqa: ANN401
        asked.append(model.config._attn_implementation)
        return kept_logits(place, identity, model, *rest)

    monkeypatch.setattr("kdc.compress.teachers.kept_logits", spy)
    small = [tiny_recipe(name, epochs=0.1, evaluations=1) for name in ("layers", "hinton")]
    job = tiny_job(teacher, tmp_path / "many")
    run_sweep(sweep_jobs(job, small, 1), Silent(), str)
    assert asked == ["sdpa"]
    distill(replace(job, out=tmp_path / "alone" / "s", recipe=small[1]), Silent())
    folders = (tmp_path / "many" / "hinton-seed0", tmp_path / "alone" / "s")
    assert len({sha256(folder / "manifest.json") for folder in folders}) == 1


def test_one_failing_run_is_told_and_the_others_are_done(
    teacher: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Bug: NaN in the first of nine runs, at night."""

    def failing(ground: Any, job: Any, *rest: Any) -> Any:  # noqa: ANN401
        if job.out.name == RUNS[1]:
            raise KdcError("the loss soft_labels became nan")
        return distil_on(ground, job, *rest)

    monkeypatch.setattr(sweep, "distil_on", failing)
    progress, out = Recorder(), tmp_path / "many"
    results = run(teacher, out, progress)
    assert [entry.key for entry in results.failed] == [RUNS[1]]
    assert f"{out / RUNS[1]} failed: the loss soft_labels became nan" in progress.said
    hinton = results.recipes()["hinton"]["dev"]
    assert hinton is not None
    assert (hinton.n, hinton.std) == (1, None)
    told = json.loads((out / "sweep.json").read_text())["runs"][1]
    assert told["failure"] == "the loss soft_labels became nan"
    monkeypatch.undo()
    again = Recorder()
    assert run(teacher, out, again).failed == []
    assert again.bars.count(DISTILLING) == 1


def test_ctrl_c_ends_the_sweep_and_resume_goes_on(
    teacher: Path,
    done: tuple[Path, Results, Recorder],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Bug: Ctrl-C only skips to the next of many runs."""

    def stopping(ground: Any, job: Any, *rest: Any) -> Any:  # noqa: ANN401
        if job.out.name == RUNS[1]:
            raise Interrupted("stopped at step 3; run the same command with --resume")
        return distil_on(ground, job, *rest)

    monkeypatch.setattr(sweep, "distil_on", stopping)
    with pytest.raises(Interrupted, match="--resume"):
        run(teacher, tmp_path / "many")
    monkeypatch.undo()
    assert sorted(os.listdir(tmp_path / "many")) == [RUNS[0], "sweep.json"]
    results = run(teacher, tmp_path / "many", resume=True)
    assert [entry.key for entry in results.done] == RUNS
    for name in RUNS:
        assert sha256(tmp_path / "many" / name / "manifest.json") == sha256(
            done[0] / name / "manifest.json"
        )


def test_what_a_later_recipe_lacks_is_found_before_the_first_is_trained(
    teacher: Path, tmp_path: Path
) -> None:
    """Bug: a misspelt loss in the third recipe is told the next morning."""
    first, second = recipes()
    stage = replace(second.stages[0], losses={"hard_lables": {}})
    jobs = sweep_jobs(
        tiny_job(teacher, tmp_path / "many"), [first, replace(second, stages=(stage,))], 2
    )
    progress = Recorder()
    with pytest.raises(KdcError, match=r"hard_lables.*did you mean hard_labels"):
        run_sweep(jobs, progress, str)
    assert progress.bars == []


@pytest.mark.parametrize(
    ("names", "seeds", "words"),
    [
        (["a", "a"], 1, "two recipes are called a"),
        (["a", "../b"], 1, "makes no folder"),
        (["a", ""], 1, "makes no folder"),
        (["a"], 0, "--seeds must be 1 to 1,000"),
    ],
)
def test_runs_without_folders_of_their_own_are_refused(
    tmp_path: Path, names: list[str], seeds: int, words: str
) -> None:
    """Bug: the second recipe's student takes the place of the first's, or of somebody's files."""
    chosen = [replace(recipes()[0], name=name) for name in names]
    with pytest.raises(KdcError, match=words):
        sweep_jobs(tiny_job(Path("t"), tmp_path / "many"), chosen, seeds)


def test_a_folder_of_something_else_is_untouched(teacher: Path, tmp_path: Path) -> None:
    out = tmp_path / "many"
    distill(tiny_job(teacher, out), Silent())
    before = sorted(os.listdir(out))
    with pytest.raises(KdcError, match="many already holds something else"):
        run(teacher, out)
    assert sorted(os.listdir(out)) == before


def test_a_sweep_does_not_replace_its_own_teacher(teacher: Path, tmp_path: Path) -> None:
    """Bug: a student of an earlier sweep, asked as a teacher, was lost to a run of this one."""
    out = tmp_path / "many"
    run(teacher, out)
    own = out / "hinton-seed0"
    before = sha256(own / "model.safetensors")
    with pytest.raises(KdcError, match="--teacher and --out are both"):
        run(own, out)
    assert sha256(own / "model.safetensors") == before


def test_unlabelled_rows_that_no_recipe_takes_are_refused(teacher: Path, tmp_path: Path) -> None:
    """Bug: they are read, counted, written into recipe.toml, and never trained on.

    Or they take steps whose only loss, of hard labels, is 0.
    """
    more = Split(["play some jazz"], None, np.zeros(1, dtype=np.int64))
    only = [tiny_recipe("scratch", learning_rate=2e-3)]
    job = tiny_job(teacher, tmp_path / "many", unlabelled=more, unlabelled_name="more.txt")
    with pytest.raises(KdcError, match="scratch trains on the rows of --data alone"):
        run_sweep(sweep_jobs(job, only, 2), Silent(), str)
    with pytest.raises(KdcError, match="leave --unlabelled out"):
        distill(replace(job, recipe=only[0]), Silent())
    everything = [replace(stage, rows="all") for stage in only[0].stages]
    with pytest.raises(KdcError, match="leave --unlabelled out"):
        distill(replace(job, recipe=replace(only[0], stages=tuple(everything))), Silent())
    assert not (tmp_path / "many" / "scratch-seed0").exists()
