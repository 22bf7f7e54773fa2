"""`kdc teacher`: fine-tunes an encoder on a task, as a recipe of the one loop."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from transformers import PreTrainedModel as Model

from kdc.compress.data.dataset import Dataset
from kdc.compress.encoder_folder import write_encoder
from kdc.compress.errors import KdcError
from kdc.compress.evaluate import predict
from kdc.compress.examples import calibration_rows
from kdc.compress.families import max_length
from kdc.compress.files import (
    refuse_loss,
    refuse_own_input,
    whole_folder,
    write_json,
    write_manifest,
    write_text,
)
from kdc.compress.locks import lock
from kdc.compress.loop import train
from kdc.compress.metrics import Score, score
from kdc.compress.models import Source, find_model, load_classifier
from kdc.compress.objectives import build_objectives, needs, widths_between
from kdc.compress.progress import Progress
from kdc.compress.recipe import FINETUNE, Recipe
from kdc.compress.rerun import begin, stop_if_finished
from kdc.compress.rows import Rows, tokenise
from kdc.compress.run import Leg, Run
from kdc.compress.runtime import choose_device, moved, precision
from kdc.compress.signals import NoTeacher
from kdc.compress.swap import clear_leftovers
from kdc.compress.toml import to_toml
from kdc.compress.workspace import Workspace, made_with

FORM = "kdc.teacher"
FORMAT = f"{FORM}/1"


@dataclass(frozen=True)
class TeacherJob:
    """What `kdc teacher` is asked for."""

    model: str
    data: Dataset
    data_name: str
    recipe: Recipe
    out: Path
    seed: int = 0
    device: str = "auto"
    max_length: int | None = None
    resume: bool = False


def finetune(job: TeacherJob, progress: Progress, *, wait: bool = False) -> dict[str, Score]:
    """Fine-tune an encoder and write it as a teacher folder.

    Args:
        job: the options.
        progress: shows how far it is.
        wait: for another run that makes the same folder, instead of refusing.

    Returns:
        The teacher's score on `dev`, and on `test` where there is one.

    Raises:
        KdcError: the model or the output cannot be used, or the run was stopped (state kept).
    """
    _refuse_a_students(job.recipe)
    place = Workspace(job.out)
    refuse_own_input(job.out, [("--model", job.model)])
    refuse_loss(job.out, FORM)
    with lock(place.lock, str(job.out), wait=wait):
        clear_leftovers(job.out)
        source = find_model(job.model, progress)
        torch.manual_seed(job.seed)  # the new head is drawn
        model = load_classifier(source, job.data.task, job.recipe.dropout)
        rows = tokenise(source, job.data, max_length(model), job.max_length, progress)
        run = _run(job, source, model, rows, place)
        if job.resume:
            stop_if_finished(place, FORMAT, "teacher folder", job.recipe, run.identity)
        begin(place, "teacher", progress, resume=job.resume, new=True)
        history = train(run, progress, "fine-tuning the teacher", resume=job.resume)
        with place.state_kept():
            with moved(model, run.device):
                scores = _scores(model, rows, job, progress)
            _write(job, model, rows, run, scores, history)
        place.forget_state()
    return scores


def _refuse_a_students(recipe: Recipe) -> None:
    """Refuse a recipe of which a teacher could follow only a part.

    Raises:
        KdcError: it is for a corpus, asks a teacher, makes new texts or begins elsewhere.
    """
    if recipe.for_corpus:
        raise KdcError(f"recipe {recipe.name} is for a corpus: add --objective mlm")
    if needs(recipe.losses):
        raise KdcError(f"recipe {recipe.name} asks a teacher: a teacher is trained without one")
    if recipe.augment.copies:
        raise KdcError(
            f"recipe {recipe.name} has an [augment], whose texts a teacher labels: take it out to "
            "train a teacher"
        )
    if recipe.start.weights == "random":
        raise KdcError(
            f"recipe {recipe.name} starts from random weights, and kdc teacher from --model's: "
            f"take another, such as {FINETUNE}"
        )


def _run(job: TeacherJob, source: Source, model: Model, rows: Rows, place: Workspace) -> Run:
    device = choose_device(job.device)
    widths = widths_between(job.data.task, model.config, model.config)
    identity = {
        "model": job.model,
        "model_sha256": source.digest,
        "data": job.data_name,
        "data_sha256": job.data.digest(),
        "seed": job.seed,
        "max_length": rows.max_length,
        "precision": precision(device),
    }
    legs = [
        Leg(stage.name, build_objectives(stage, widths), NoTeacher(), rows.train, stage.train)
        for stage in job.recipe.stages
    ]
    return Run(
        model=model,
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
    )


def _scores(model: Model, rows: Rows, job: TeacherJob, progress: Progress) -> dict[str, Score]:
    scores = {}
    for name, examples in (("dev", rows.dev), ("test", rows.test)):
        if examples is not None:
            what = f"scoring the teacher on {name}"
            logits = predict(model, examples, rows.padding, progress=progress, what=what)
            scores[name] = score(job.data.task.metric, logits, examples.labels)
    return scores


def _write(
    job: TeacherJob,
    model: Model,
    rows: Rows,
    run: Run,
    scores: dict[str, Score],
    history: list[dict[str, float]],
) -> None:
    recipe, identity = job.recipe.as_dict(), run.identity
    metrics: dict[str, Any] = {name: value.as_dict() for name, value in scores.items()}
    with whole_folder(job.out, FORM) as folder:
        write_encoder(folder, model, rows)
        write_text(folder / "recipe.toml", to_toml({**recipe, "run": identity}))
        write_json(folder / "metrics.json", {**metrics, "history": history})
        fields = {
            "parent": {"model": identity["model_sha256"], "data": identity["data_sha256"]},
            "task": job.data.task.as_dict(),
            "max_length": rows.max_length,
            "made_with": made_with(),
        }
        write_manifest(folder, FORMAT, fields)
