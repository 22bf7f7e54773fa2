"""General distillation, stopped and resumed, by one process and by several."""

import random
import signal
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from kdc.compress import loop, runtime
from kdc.compress.errors import KdcError
from kdc.compress.general.distill import distill_general
from kdc.compress.general.job import GeneralJob
from kdc.compress.parallel import crew
from kdc.compress.progress import Progress, Silent
from kdc.compress.recipe import Recipe, load_recipe
from tests.crew import Processes
from tests.faults import exit_code_of, start
from tests.shards import tiny_corpus, tiny_masked_lm
from tests.tiny import Recorder, Stopped

RECIPES = ["general-distilbert", "general-best"]


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("general")
    tiny_masked_lm(folder / "teacher", layers=3)
    tiny_corpus(folder / "shards", folder / "teacher")
    tiny_corpus(folder / "unmasked", folder / "teacher", duplicates=0)
    return folder


def short(name: str, **train: Any) -> Recipe:  # noqa: ANN401
    """Return a recipe of 20 steps."""
    recipe = load_recipe(name)
    changes = {
        "epochs": 0.01,
        "min_steps": 20,
        "batch_tokens": 96,
        "evaluations": 2,
        "dropout": 0.1,
    }
    stages = [
        replace(stage, train=replace(stage.train, **{**changes, **train}))
        for stage in recipe.stages
    ]
    return replace(recipe, stages=tuple(stages))


def job(places: Path, out: Path, recipe: str, **train: Any) -> GeneralJob:  # noqa: ANN401
    return GeneralJob(
        corpus=places / "shards",
        recipe=short(recipe, **train),
        out=out,
        student="2x32",
        teacher=str(places / "teacher"),
        device="cpu",
    )


def weights(out: Path) -> dict[str, Tensor]:
    return load_file(out / "model.safetensors")


def same(one: Path, other: Path) -> bool:
    ours, theirs = weights(one), weights(other)
    alike = (one / "metrics.json").read_bytes() == (other / "metrics.json").read_bytes()
    return alike and all(torch.equal(ours[key], theirs[key]) for key in ours | theirs)


def alike(one: Path, other: Path) -> bool:
    """Whether all weights but for the keys' biases, which change no attention, are the same.

    The gradient of such a bias is rounding alone, which AdamW makes as large as any other.
    """
    ours, theirs = weights(one), weights(other)
    gaps = {key: float((ours[key] - theirs[key]).abs().max()) for key in ours | theirs}
    return max(gap for key, gap in gaps.items() if not key.endswith("key.bias")) < 1e-5


def finish(made: GeneralJob, progress: Progress | None = None) -> Path:
    distill_general(made, progress or Silent())
    return made.out


def no_bf16(device: torch.device) -> bool:
    """Compute in fp32: bf16 rounds the parts of a batch in another way than the whole."""
    return False


@pytest.fixture
def in_fp32(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runtime, "has_bf16", no_bf16)


@pytest.mark.parametrize("recipe", RECIPES)
def test_stopped_at_a_step_and_resumed_the_folder_is_the_same(
    places: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, recipe: str
) -> None:
    """Bug: a tied head is kept twice and grows apart, or the masks begin anew."""
    whole = finish(job(places, tmp_path / "whole", recipe))
    monkeypatch.setattr(loop, "_SAVE_SECONDS", -1.0)
    out = tmp_path / "stopped"
    for after in (150, 700):
        with pytest.raises(Stopped):
            finish(replace(job(places, out, recipe), resume=True), Recorder("distilling", after))
    assert same(finish(replace(job(places, out, recipe), resume=True)), whole)


def test_a_mistyped_corpus_does_not_cost_the_kept_state(
    places: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Bug: the state of hours was removed before the misspelt folder was looked for."""
    monkeypatch.setattr(loop, "_SAVE_SECONDS", -1.0)
    asked = job(places, tmp_path / "out", RECIPES[0])
    with pytest.raises(Stopped):
        finish(asked, Recorder("distilling", 150))
    with pytest.raises(KdcError, match="there is no folder of token shards"):
        finish(replace(asked, corpus=places / "shrads"))
    progress = Recorder()
    finish(replace(asked, resume=True), progress)
    assert any("going on at step" in line for line in progress.said)


@pytest.mark.parametrize("corpus", ["shards", "unmasked"])
def test_parts_of_a_step_learn_what_the_step_does(
    places: Path, tmp_path: Path, corpus: str, in_fp32: None
) -> None:
    """Bug: accumulated gradients weigh every part alike, however many words are masked in it."""
    made = []
    for parts in (1, 3):
        one = job(places, tmp_path / str(parts), RECIPES[0], dropout=0.0, accumulate=parts)
        made.append(finish(replace(one, corpus=places / corpus)))
    assert alike(*made)


def fp32_where_nothing_is_drawn(train: dict[str, Any]) -> None:
    """In a child that is compared with one of fewer processes."""
    if train:
        with crew(torch.device("cpu")) as team:
            team.call(_fp32)
        _fp32(None)


def _fp32(team: object) -> None:
    pytest.MonkeyPatch().setattr(runtime, "has_bf16", no_bf16)


def distil(places: str, out: str, recipe: str, train: dict[str, Any], resume: bool) -> None:
    """Run in a child: keep the state often."""
    loop._SAVE_SECONDS = 0.2
    fp32_where_nothing_is_drawn(train)
    finish(replace(job(Path(places), Path(out), recipe, **train), resume=resume))


@pytest.mark.parametrize("recipe", RECIPES)
def test_two_processes_learn_what_one_does(
    places: Path, tmp_path: Path, recipe: str, in_fp32: None
) -> None:
    """Bug: slices of one batch with other masks; means of means; a head that is no longer tied."""
    still = {"dropout": 0.0}
    one = finish(job(places, tmp_path / "one", recipe, **still))
    arguments = (str(places), str(tmp_path / "two"), recipe, still, False)
    assert Processes(2, distil, *arguments).exit_codes() == [0, 0]
    assert alike(tmp_path / "two", one)


@pytest.mark.slow
def test_killed_at_random_instants_and_resumed_the_folder_is_the_same(
    places: Path, tmp_path: Path
) -> None:
    """Bug: a kill leaves a state that goes on at another batch."""
    rng, kills, recipe, out = random.Random(3), 0, RECIPES[0], tmp_path / "killed"
    whole = finish(job(places, tmp_path / "whole", recipe))
    state = tmp_path / ".kdc" / "runs" / "killed" / "state.json"
    for _ in range(4):
        child = start(distil, str(places), str(out), recipe, {}, True)
        deadline = time.monotonic() + 300
        while child.is_alive() and not state.exists():
            assert time.monotonic() < deadline
            time.sleep(0.002)
        time.sleep(rng.uniform(0, 0.15))
        child.kill()
        child.join(300)
        kills += child.exitcode == -signal.SIGKILL
    assert kills
    assert exit_code_of(distil, str(places), str(out), recipe, {}, True) == 0
    assert same(out, whole)


@pytest.mark.slow
def test_what_two_began_two_end_bit_for_bit_and_one_ends_nearly(
    places: Path, tmp_path: Path, in_fp32: None
) -> None:
    """Bug: a resume by as many processes draws other dropout, or one by fewer is refused."""
    recipe, still = RECIPES[0], {"dropout": 0.0}
    for name in ("whole", "again", "one"):
        begin = str(places), str(tmp_path / name), recipe, still
        if name != "whole":
            assert Processes(2, stop_half_way, *begin).exit_codes() == [0, 0]
    whole = (str(places), str(tmp_path / "whole"), recipe, still, False)
    assert Processes(2, distil, *whole).exit_codes() == [0, 0]
    again = (str(places), str(tmp_path / "again"), recipe, still, True)
    assert Processes(2, distil, *again).exit_codes() == [0, 0]
    assert same(tmp_path / "again", tmp_path / "whole")
    finish(replace(job(places, tmp_path / "one", recipe, **still), resume=True))
    assert alike(tmp_path / "one", tmp_path / "whole")


def stop_half_way(places: str, out: str, recipe: str, train: dict[str, Any]) -> None:
    """Run in two processes: end with a state at about the middle."""
    loop._SAVE_SECONDS = -1.0
    fp32_where_nothing_is_drawn(train)
    with pytest.raises(Stopped):
        finish(job(Path(places), Path(out), recipe, **train), Recorder("distilling", 900))
