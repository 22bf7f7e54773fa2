"""Where a corpus is made: here, on a Slurm cluster or on a Ray cluster.

Clusters are datatrove's business (https://github.com/huggingface/datatrove): its executors submit
tasks, keep their logs and run again what failed. A task is a `Share`, which needs nothing but the
same folders on every machine, so that `--shard I/N` runs under any other scheduler as well.
"""

import shutil
from collections.abc import Sequence
from dataclasses import replace
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from kdc.compress.corpus.build import CorpusJob, Made, build_corpus, make_corpus
from kdc.compress.corpus.share import Share
from kdc.compress.errors import KdcError, unknown
from kdc.compress.progress import Progress, Silent
from kdc.compress.workspace import Workspace

EXECUTORS = ("local", "slurm", "ray")
_SLURM: dict[str, Any] = {"time": "24:00:00", "job_name": "kdc-corpus", "mem_per_cpu_gb": 2}
_RAY: dict[str, Any] = {"mem_per_cpu_gb": 1}


class Task:
    """What datatrove calls in every task: with no data, its rank and how many there are."""

    def __init__(self, job: CorpusJob) -> None:
        """Keep the job, which is pickled."""
        self.job = job

    def __call__(self, data: object, rank: int, world_size: int) -> None:
        """Make this task's share."""
        build_corpus(replace(self.job, workers=1, share=Share(rank, world_size)), Silent())


def run_corpus(job: CorpusJob, executor: str, options: Sequence[str], progress: Progress) -> Made:
    """Make a corpus where the user wants it made.

    Args:
        job: what is asked for; `workers` are the tasks of a cluster.
        executor: one of `EXECUTORS`.
        options: `NAME=VALUE` for datatrove's executor, such as `partition=cpu`.
        progress: shows how far it is.

    Raises:
        KdcError: as `build_corpus`, or datatrove or the cluster cannot be reached.
    """
    if executor not in EXECUTORS:
        raise unknown("executor", executor, EXECUTORS)
    if executor == "local":
        if options:
            raise KdcError("--executor-option is for --executor slurm and ray")
        return make_corpus(job, progress)
    if job.share is not None:
        raise KdcError(f"--shard and --executor {executor} both cut the work: leave one out")
    job = replace(
        job,
        sources=tuple(path.absolute() for path in job.sources),
        out=job.out.absolute(),
        teacher=str(Path(job.teacher).absolute()) if Path(job.teacher).is_dir() else job.teacher,
    )
    chosen = _options(options)
    if executor == "slurm":
        _slurm(job, _SLURM | chosen, progress)
        return Made(None)
    return _ray(job, _RAY | chosen, progress)


def _options(options: Sequence[str]) -> dict[str, Any]:
    """Read `NAME=VALUE`; whole numbers are numbers."""
    found: dict[str, Any] = {}
    for option in options:
        name, equals, value = option.partition("=")
        if not equals or not name.isidentifier():
            raise KdcError(f"--executor-option {option!r} is not NAME=VALUE, as in partition=cpu")
        found[name] = int(value) if value.isdecimal() else value
    return found


def _slurm(job: CorpusJob, options: dict[str, Any], progress: Progress) -> None:
    """Submit an array of tasks; who is last puts the folder together."""
    _needs("datatrove", "slurm")
    if shutil.which("sbatch") is None:
        raise KdcError("--executor slurm needs sbatch: run this on a machine that submits jobs")
    if "partition" not in options:
        raise KdcError("name the partition: --executor-option partition=NAME (`sinfo` lists them)")
    logs = _logs(job)
    _built("SlurmPipelineExecutor", job, options, logs).run()
    progress.say(f"{job.workers} tasks are submitted; their logs are in {logs}")


def _ray(job: CorpusJob, options: dict[str, Any], progress: Progress) -> Made:
    """Run tasks on the cluster that RAY_ADDRESS names, or on one of this machine's own."""
    _needs("datatrove", "ray")
    _needs("ray", "ray")
    ray = import_module("ray")
    own = not ray.is_initialized()
    if own:
        ray.init(log_to_driver=False, include_dashboard=False)
    try:
        # datatrove waits for a place for every task that it has submitted: no more than fit
        room = max(1, min(job.workers, int(ray.cluster_resources().get("CPU", 1))))
        _built("RayPipelineExecutor", job, {"workers": room, **options}, _logs(job)).run()
    finally:
        if own:
            ray.shutdown()
    return make_corpus(replace(job, workers=1), progress)  # it finds whatever failed there


def _built(kind: str, job: CorpusJob, options: dict[str, Any], logs: Path) -> Any:  # noqa: ANN401
    try:
        return getattr(import_module("datatrove.executor"), kind)(
            [Task(job)], tasks=job.workers, logging_dir=str(logs), **options
        )
    except TypeError as error:
        raise KdcError(f"datatrove does not take that --executor-option: {error}") from error


def _logs(job: CorpusJob) -> Path:
    """Return where datatrove keeps logs and what is complete; of this run alone."""
    logs = Workspace(job.out).logs
    shutil.rmtree(logs, ignore_errors=True)  # what is complete is known by the parts
    return logs


def _needs(package: str, executor: str) -> None:
    if find_spec(package) is None:
        raise KdcError(f'--executor {executor} needs {package}: pip install "kdc[{executor}]"')
