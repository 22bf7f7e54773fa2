"""`kdc distill`: from a table of texts and a teacher to a student folder."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from kdc.compress.artifact import FORM, FORMAT
from kdc.compress.checkpoint import holds_state
from kdc.compress.errors import KdcError
from kdc.compress.examples import calibration_rows, concatenate
from kdc.compress.families import max_length
from kdc.compress.fewer_words import cut_embedding, fewer_words
from kdc.compress.files import refuse_loss, refuse_own_input
from kdc.compress.ground import Ground, find_encoders, make_ground
from kdc.compress.job import StudentJob
from kdc.compress.layer_maps import SEARCH
from kdc.compress.locks import lock
from kdc.compress.loop import train
from kdc.compress.objectives import learns_unlabelled, needs
from kdc.compress.plan import Plan, make_plan, names_encoder, trains_head
from kdc.compress.progress import Progress
from kdc.compress.report import Report, make_report
from kdc.compress.rerun import begin, made_by, stop_if_finished
from kdc.compress.rows import Rows
from kdc.compress.run import Leg, Run
from kdc.compress.runtime import choose_device, moved, precision
from kdc.compress.scratch import Control, scratch_answers
from kdc.compress.signals import LOGITS, Teacher
from kdc.compress.start import start_from_teacher
from kdc.compress.student_folder import write_student
from kdc.compress.swap import clear_leftovers
from kdc.compress.teachers import answers, in_tokens
from kdc.compress.workspace import Workspace


@dataclass(frozen=True)
class Outcome:
    """A student that was written."""

    report: Report
    seconds: float | None
    """What its training took; None where it went on from a kept state."""


def distill(job: StudentJob, progress: Progress) -> Report:
    """Distil a teacher, or several, into a student and write the student folder.

    A teacher without a head for classification is fine-tuned on the data first, and kept.

    Raises:
        KdcError: the teacher, data, student, recipe or output cannot be used, the teacher knows
            nothing about the data, or the run was stopped (its state is kept).
    """
    place = Workspace(job.out)
    refuse_out(job)
    with lock(place.lock, str(job.out)):
        encoders = find_encoders(job, progress)
        plan = make_plan(job, encoders[0])
        refuse_idle([job])
        ground = make_ground(job, encoders, place, progress)
        if job.resume:
            identity = _identity(job, ground, plan)
            stop_if_finished(place, FORMAT, "student folder", job.recipe, identity)
        return distil_on(ground, job, plan, place, progress).report


def refuse_out(job: StudentJob) -> None:
    """Raise KdcError where a job's output holds something else, or what the job reads."""
    teachers = [("--teacher", name) for name in job.teachers]
    student = job.student if names_encoder(job.student) else None
    refuse_own_input(job.out, [("--student", student), *teachers])
    refuse_loss(job.out, FORM)


def refuse_idle(jobs: Sequence[StudentJob]) -> None:
    """Raise KdcError for what none of the jobs uses: `--unlabelled`, or further teachers."""
    stages = [stage for job in jobs for stage in job.recipe.stages]
    if len(jobs[0].teachers) > 1 and not any(LOGITS in needs(stage.used) for stage in stages):
        names = ", ".join(dict.fromkeys(job.recipe.name for job in jobs))
        raise KdcError(
            f"{names} asks no teacher for its logits, of which alone a mean over several teachers "
            "is made: give one --teacher, or a recipe of soft labels"
        )
    if jobs[0].unlabelled is not None and not any(map(learns_unlabelled, stages)):
        names = ", ".join(dict.fromkeys(job.recipe.name for job in jobs))
        raise KdcError(
            f'{names} trains on the rows of --data alone (rows = "task", or by hard labels only): '
            "leave --unlabelled out, or choose a recipe such as turc"
        )


def finished(job: StudentJob, ground: Ground, plan: Plan) -> bool:
    """Whether a job's folder is whole and was made by this very recipe from this very ground."""
    identity = _identity(job, ground, plan)
    return made_by(job.out, FORMAT, "student folder", job.recipe, identity)


def _identity(job: StudentJob, ground: Ground, plan: Plan) -> dict[str, Any]:
    """Return what decides a run's numbers beside its recipe, as far as it is known before."""
    teachers, rows = ground.teachers, ground.rows
    identity = job.identity(
        teachers.digests,
        plan.shape.as_dict(),
        rows.max_length,
        precision(choose_device(job.device)),
    )
    return identity | ({"student_sha256": plan.origin.digest} if plan.origin else {})


def distil_on(
    ground: Ground, job: StudentJob, plan: Plan, place: Workspace, progress: Progress
) -> Outcome:
    """Train a job's student on ground that is made already, and write its folder.

    Args:
        ground: teachers and rows.
        job: the options.
        plan: the student and its objectives.
        place: whose lock is held.
        progress: shows how far it is.

    Raises:
        KdcError: as `distill`.
    """
    clear_leftovers(job.out)
    begin(place, "student", progress, resume=job.resume, new=job.sweep is not None)
    found_layers = _start(ground, job, plan, progress)
    run, rows = _run(ground, job, plan, place, progress, found_layers)
    fresh, began = not holds_state(place.state), time.monotonic()
    history = train(run, progress, f"distilling {job.student}", resume=job.resume)
    seconds = time.monotonic() - began if fresh else None
    left_out = () if job.controls else ("scratch",)
    with place.state_kept():
        with moved(plan.student, run.device):
            said = answers(plan.student, rows, progress, "the student")
        found = {**ground.answers, "student": said}
        if job.controls and not _is_control(job, plan):
            last = job.recipe.stages[-1].train
            control = Control(plan.student.config, rows, run.total, last.batch, last.accumulate)
            found["scratch"] = scratch_answers(job, control, place, progress)
        report = make_report(job.data, {**found, **ground.controls}, history, left_out)
        write_student(
            job.out,
            plan.student,
            rows,
            job.data.task,
            said["dev"],
            report,
            job.recipe,
            run.identity,
        )
    place.forget_state()
    return Outcome(report, seconds)


def _start(
    ground: Ground, job: StudentJob, plan: Plan, progress: Progress
) -> tuple[int, ...] | None:
    """Fill the student's weights; return the teacher's layers where they were searched for."""
    start, teacher = job.recipe.start, ground.teachers.first
    if plan.origin is not None:
        if max_length(plan.student) < teacher.rows.max_length:
            raise KdcError(
                f"the student in {job.student} reads up to {max_length(plan.student)} tokens: add "
                f"--max-length {max_length(plan.student)}"
            )
        return None
    if start.weights != "teacher":
        return None
    rows = teacher.rows
    layers = start_from_teacher(plan.student, teacher.model, start.layers, rows.train, rows.padding)
    if start.layers != SEARCH:
        return None
    progress.say(f"the student starts from the teacher's layers {', '.join(map(str, layers))}")
    return layers


def _run(
    ground: Ground,
    job: StudentJob,
    plan: Plan,
    place: Workspace,
    progress: Progress,
    layers: tuple[int, ...] | None,
) -> tuple[Run, Rows]:
    """Return the run and the data in the student's tokens, its vocabulary being cut by then."""
    device, stages, rows = choose_device(job.device), job.recipe.stages, ground.rows
    more = ground.more_rows(job, place, progress)
    signals: dict[Any, Teacher] = {}
    for stage in stages:
        wants = needs(stage.used)
        further = learns_unlabelled(stage)
        if (wants, further) not in signals:
            parts = [rows.train, *([more] if more and further else [])]
            signals[wants, further] = ground.teachers.signals(wants, parts, place, progress)
    fewer = fewer_words(rows, job.data, plan.student.config.to_dict(), job.vocab, progress)
    if fewer is not None:
        cut_embedding(plan.student, fewer.kept)
        rows = fewer.rows
        what = "further texts in the student's tokens"
        more = more and in_tokens(rows, more, progress, what)
    every = concatenate(rows.train, more) if more else rows.train
    identity = _identity(job, ground, plan)
    identity |= {"start_layers": list(layers)} if layers else {}
    narrow = plan.origin is None and plan.shape.hidden < ground.width
    legs = (
        Leg(
            name=stage.name,
            objectives=objectives,
            teacher=signals[needs(stage.used), learns_unlabelled(stage)],
            rows=every if learns_unlabelled(stage) else rows.train,
            training=stage.train.for_width(narrow=narrow),
            keep_best=trains_head(objectives),
        )
        for stage, objectives in zip(stages, plan.objectives, strict=True)
    )
    run = Run(
        model=plan.student,
        legs=tuple(legs),
        task=job.data.task,
        dev=rows.dev,
        padding=rows.padding,
        seed=job.seed,
        device=device,
        state=place.state,
        identity=identity,
        recipe=job.recipe.as_dict(),
        calibration=calibration_rows(rows.train),
        embedding_rank=job.embedding_rank,
    )
    return run, rows


def _is_control(job: StudentJob, plan: Plan) -> bool:
    """Whether the student itself is trained without any teacher."""
    fresh = job.recipe.start.weights == "random" and plan.origin is None
    return fresh and not needs(job.recipe.losses)
