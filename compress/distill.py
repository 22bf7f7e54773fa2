"""`kdc distill`: from a table of texts and a teacher to a student folder."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from transformers import PreTrainedModel as Model

from kdc.compress.artifact import FORM
from kdc.compress.baseline import bag_of_words
from kdc.compress.data.dataset import Dataset
from kdc.compress.errors import KdcError
from kdc.compress.evaluate import predict
from kdc.compress.examples import Examples
from kdc.compress.families import max_length
from kdc.compress.fewer_words import cut_embedding, fewer_words
from kdc.compress.files import lock, refuse_foreign, sweep
from kdc.compress.kept import kept_logits
from kdc.compress.kept_tokens import KEEP, parse_vocab
from kdc.compress.layer_maps import layer_map
from kdc.compress.learner import Objectives
from kdc.compress.loop import Run, train
from kdc.compress.losses.objective import Widths
from kdc.compress.low_rank import check_rank
from kdc.compress.metrics import pearson, predictions, score
from kdc.compress.models import Source, find_model, load_classifier, read_config, set_task
from kdc.compress.objectives import build_objectives, needs
from kdc.compress.preflight import align_labels, check_teacher, majority
from kdc.compress.progress import Progress
from kdc.compress.ready_teacher import ready_teacher
from kdc.compress.recipe import Recipe
from kdc.compress.rows import Rows, tokenise
from kdc.compress.runtime import choose_device, precision
from kdc.compress.signals import HIDDEN, LOGITS, KeptTeacher, NoTeacher, OnlineTeacher, Teacher
from kdc.compress.start import start_from_teacher
from kdc.compress.student_folder import Report, write_student
from kdc.compress.students import Shape, build_student, choose_shape, shape_of
from kdc.compress.workspace import Workspace

Logits = npt.NDArray[np.float32]


@dataclass(frozen=True)
class StudentJob:
    """What `kdc distill` is asked for."""

    teacher: str
    data: Dataset
    data_name: str
    student: str
    recipe: Recipe
    out: Path
    heads: int | None = None
    ffn: int | None = None
    activation: str | None = None
    seed: int = 0
    device: str = "auto"
    max_length: int | None = None
    vocab: str = KEEP
    """Which of the teacher's tokens the student keeps: `keep`, `task` or how many."""
    embedding_rank: int | None = None
    """Rank that the student's token embedding is trained at; None for a plain table."""
    resume: bool = False


def distill(job: StudentJob, progress: Progress) -> Report:
    """Distil a teacher into a student and write the student folder.

    A teacher without a head for classification is fine-tuned on the data first, and kept.

    Raises:
        KdcError: the teacher, data, student, recipe or output cannot be used, the teacher knows
            nothing about the data, or the run was stopped (its state is kept).
    """
    place, task, device = Workspace(job.out), job.data.task, choose_device(job.device)
    refuse_foreign(job.out, FORM)
    with lock(place.lock, str(job.out)):
        sweep(job.out)
        encoder = find_model(job.teacher, progress)
        plan = _plan(job, encoder)
        source = ready_teacher(
            encoder,
            job.data,
            job.data_name,
            place,
            progress,
            seed=job.seed,
            device=job.device,
            max_length=job.max_length,
        )
        teacher = load_classifier(source)
        length = job.max_length or source.max_length
        rows = tokenise(source, job.data, max_length(teacher), length, progress)
        if align_labels(teacher, task):
            progress.say("the teacher's classes stand in another order: brought into the data's")
        answers = _answers(teacher.to(device), rows, progress, "the teacher")
        floor = majority(task, rows.train.labels, rows.dev.labels)
        checked = check_teacher(task, answers["dev"], rows.dev.labels, floor)
        progress.say(f"teacher on dev: {checked}")

        student = plan.student
        if job.recipe.start.weights == "teacher":
            start_from_teacher(student, teacher, job.recipe.start.layers)
        signals = _teacher(job, source, teacher, rows, place, progress)
        fewer = fewer_words(rows, job.data, teacher.config.to_dict(), job.vocab, progress)
        if fewer is not None:
            cut_embedding(student, fewer.kept)
            rows = fewer.rows
        run = _run(job, plan, source, signals, rows, place)
        history = train(run, progress, f"distilling {job.student}", resume=job.resume)

        said = _answers(student, rows, progress, "the student")
        report = _report(job.data, rows, {"teacher": answers, "student": said}, history)
        identity = {key: value for key, value in run.fingerprint.items() if key != "recipe"}
        with place.state_kept():
            write_student(job.out, student, rows, task, said["dev"], report, job.recipe, identity)
        place.forget_state()
    return report


@dataclass(frozen=True)
class _Plan:
    """What follows from the options and the teacher's sizes alone."""

    shape: Shape
    student: Model
    """Of random weights."""
    objectives: Objectives


def _plan(job: StudentJob, encoder: Source) -> _Plan:
    """Build the student and its objectives: what cannot be is refused before anything is trained.

    Raises:
        KdcError: a student, recipe or layer map that does not fit the teacher's sizes.
    """
    config = read_config(encoder.folder)
    size, task = shape_of(config), job.data.task
    shape = choose_shape(job.student, size, heads=job.heads, ffn=job.ffn, activation=job.activation)
    layer_map(job.recipe.start.layers, shape.layers, size.layers)
    widths = Widths(task, shape.layers, shape.hidden, size.layers, size.hidden)
    set_task(config, task)
    torch.manual_seed(job.seed)
    student = build_student(config, shape, job.recipe.train.dropout)
    if parse_vocab(job.vocab) != KEEP and HIDDEN in needs(job.recipe.losses):
        raise KdcError(
            f"the recipe {job.recipe.name} compares states token by token, so the student needs "
            "the teacher's tokens: use --vocab keep, or a recipe of soft labels"
        )
    if job.embedding_rank is not None:
        check_rank(student, job.embedding_rank)
    return _Plan(shape, student, build_objectives(job.recipe, widths))


def _answers(model: Model, rows: Rows, progress: Progress, who: str) -> dict[str, Logits]:
    """Return a model's (N, C) logits on dev and, where there is one, test, in fp32."""
    splits: dict[str, Examples | None] = {"dev": rows.dev, "test": rows.test}
    return {
        name: predict(model, split, rows.padding, progress=progress, what=f"{who} on {name}")
        for name, split in splits.items()
        if split is not None
    }


def _run(
    job: StudentJob,
    plan: _Plan,
    source: Source,
    teacher: Teacher,
    rows: Rows,
    place: Workspace,
) -> Run:
    device = choose_device(job.device)
    identity: dict[str, Any] = {
        "teacher": job.teacher,
        "teacher_sha256": source.digest,
        "data": job.data_name,
        "data_sha256": job.data.digest(),
        "student": job.student,
        "shape": plan.shape.as_dict(),
        "seed": job.seed,
        "max_length": rows.max_length,
        "precision": precision(device),
    }
    if job.vocab != KEEP:
        identity["vocab"] = job.vocab
    if job.embedding_rank is not None:  # TOML has no word for nothing
        identity["embedding_rank"] = job.embedding_rank
    return Run(
        model=plan.student,
        objectives=plan.objectives,
        teacher=teacher,
        task=job.data.task,
        train=rows.train,
        dev=rows.dev,
        padding=rows.padding,
        training=job.recipe.train,
        seed=job.seed,
        device=device,
        state=place.state,
        fingerprint={**identity, "recipe": job.recipe.as_dict()},
        embedding_rank=job.embedding_rank,
    )


def _teacher(
    job: StudentJob,
    source: Source,
    teacher: Model,
    rows: Rows,
    place: Workspace,
    progress: Progress,
) -> Teacher:
    """Choose the cheapest way in which the recipe's objectives can be served."""
    asked = needs(job.recipe.losses)
    if HIDDEN in asked:
        return OnlineTeacher(teacher, hidden=True)
    if LOGITS not in asked:
        return NoTeacher()
    parts = (source.digest, job.data.train.digest(), rows.max_length, precision(teacher.device))
    classes = ", ".join(job.data.task.labels)
    identity = " ".join(str(part) for part in (*parts, classes))
    logits = kept_logits(place.kept, identity, teacher, rows.train, rows.padding, progress)
    return KeptTeacher(torch.from_numpy(logits).to(teacher.device))


def _report(
    data: Dataset,
    rows: Rows,
    answers: dict[str, dict[str, Logits]],
    history: list[dict[str, float]],
) -> Report:
    task, tables = data.task, {"dev": data.dev, "test": data.test}
    scores = {}
    for name, split in tables.items():
        if split is None:
            continue
        said = {who: logits[name] for who, logits in answers.items()}
        said["bag_of_words"] = bag_of_words(data.train, split, task)
        scores[name] = {who: score(task.metric, x, split.labels) for who, x in said.items()}
        scores[name]["majority"] = majority(task, rows.train.labels, split.labels)
    ours = predictions(answers["student"]["dev"], task.kind)
    theirs = predictions(answers["teacher"]["dev"], task.kind)
    alike = pearson(ours, theirs) if task.kind == "regression" else float(np.mean(ours == theirs))
    return Report(scores["dev"], scores.get("test", {}), alike, history)
