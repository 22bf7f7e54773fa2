"""Several recipes and seeds on the same ground: each run a student folder, all of them a table."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from kdc.compress.distill import distil_on, finished, refuse_idle, refuse_out
from kdc.compress.early import check_runs
from kdc.compress.errors import KdcError, Stopped
from kdc.compress.files import read_json, write_json
from kdc.compress.ground import Ground, find_encoders, make_ground
from kdc.compress.job import StudentJob
from kdc.compress.locks import lock
from kdc.compress.models import Source
from kdc.compress.plan import make_plan
from kdc.compress.progress import Progress
from kdc.compress.recipe import Recipe
from kdc.compress.spread import SWEEP, Entry, Results
from kdc.compress.workspace import Workspace

RESULTS = "sweep.json"
Explain = Callable[[Exception], str]


def sweep_jobs(job: StudentJob, recipes: Sequence[Recipe], seeds: int) -> list[StudentJob]:
    """Return one job a recipe and seed, each with a folder of its own in `job.out`.

    Args:
        job: what all runs have in common; its seed is the first.
        recipes: by which recipes.
        seeds: how many seeds each is run with.

    Raises:
        KdcError: no seed, or recipes whose names give no folders of their own.
    """
    check_runs([recipe.name for recipe in recipes], seeds)
    return [
        replace(
            job,
            recipe=recipe,
            seed=seed,
            setup_seed=job.first_seed,
            out=job.out / f"{recipe.name}-seed{seed}",
            sweep=job.out,
        )
        for recipe in recipes
        for seed in range(job.seed, job.seed + seeds)
    ]


def run_sweep(jobs: Sequence[StudentJob], progress: Progress, explain: Explain) -> Results:
    """Run every job that is not done yet; teachers, tokens and kept logits are shared.

    A run that fails is told and leaves the others alone. What a run may lack is found before
    anything is trained. `sweep.json` beside the students holds the results so far.

    Args:
        jobs: what `sweep_jobs` returned.
        progress: shows how far it is.
        explain: says in a sentence why a run failed.

    Raises:
        KdcError: a teacher, recipe or output cannot be used, or the sweep was stopped.
    """
    out = jobs[0].sweep or jobs[0].out
    _refuse_other(out)
    with lock(Workspace(out).lock, str(out)):
        encoders = find_encoders(jobs[0], progress)
        for job in jobs:
            refuse_out(job)
            make_plan(job, encoders[0])
        refuse_idle(jobs)
        results = Results(jobs[0].data_name, _old_seconds(out))
        write_json(out / RESULTS, results.as_dict())
        ground = make_ground(jobs[0], encoders, _place(jobs[0]), progress)
        for number, job in enumerate(jobs, start=1):
            progress.say(f"run {number} of {len(jobs)}: {job.recipe.name}, seed {job.seed}")
            results.add(_entry(ground, job, encoders[0], results, progress, explain))
            write_json(out / RESULTS, results.as_dict())
    return results


def _entry(
    ground: Ground,
    job: StudentJob,
    encoder: Source,
    results: Results,
    progress: Progress,
    explain: Explain,
) -> Entry:
    """Run one job, or take what it has left; what it raises becomes a sentence of the entry."""
    place = _place(job)
    entry = Entry(job.recipe.name, job.seed, job.out)
    try:
        with lock(place.lock, str(job.out)):
            plan = make_plan(job, encoder)
            if finished(job, ground, plan):
                progress.say(f"{job.out}: finished before")
                seconds = results.seconds.get(entry.key)
            else:
                seconds = distil_on(ground, job, plan, place, progress).seconds
            return replace(entry, seconds=seconds, metrics=read_json(job.out / "metrics.json"))
    except Stopped:
        raise
    except Exception as error:
        progress.say(f"{job.out} failed: {explain(error)}")
        return replace(entry, failure=explain(error))


def _place(job: StudentJob) -> Workspace:
    return Workspace(job.out, job.sweep)


def _refuse_other(out: Path) -> None:
    """Raise KdcError when `out` holds anything but an earlier sweep or nothing at all."""
    if not out.exists() or (out.is_dir() and not any(out.iterdir())):
        return
    with suppress(KdcError):
        if read_json(out / RESULTS).get("format") == SWEEP:
            return
    raise KdcError(f"{out} already holds something else: choose another --out or remove it")


def _old_seconds(out: Path) -> dict[str, float]:
    """Return how long the runs of an earlier sweep took, by their keys."""
    with suppress(KdcError):
        kept = read_json(out / RESULTS).get("seconds")
        pairs = kept.items() if isinstance(kept, dict) else ()
        return {name: value for name, value in pairs if isinstance(value, int | float)}
    return {}
