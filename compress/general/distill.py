"""`kdc distill --corpus` and `kdc teacher --objective mlm`: from a corpus to an encoder."""

from dataclasses import replace
from typing import Any

import numpy as np
from transformers import PreTrainedModel as Model

from kdc.compress.corpus.folder import Corpus, read_corpus
from kdc.compress.data.unlabelled import NO_CLASS
from kdc.compress.errors import KdcError
from kdc.compress.examples import Examples
from kdc.compress.families import Sizes
from kdc.compress.files import refuse_loss, refuse_own_input
from kdc.compress.general.batches import NOTHING
from kdc.compress.general.folder import FORM, FORMAT, write_general
from kdc.compress.general.held_out import HeldOutWords
from kdc.compress.general.job import GeneralJob
from kdc.compress.general.plan import TEXT, GeneralPlan, make_plan
from kdc.compress.general.sequences import Sequences, at_most, sequences
from kdc.compress.general.teach import Teaching, find_teaching, signals_of
from kdc.compress.learner import Objectives
from kdc.compress.locks import lock
from kdc.compress.loop import train
from kdc.compress.plan import names_encoder
from kdc.compress.progress import Progress
from kdc.compress.ragged import ragged, within
from kdc.compress.rerun import begin, stop_if_finished
from kdc.compress.run import History, Leg, Run
from kdc.compress.runtime import choose_device, precision
from kdc.compress.stages import Stage, Training
from kdc.compress.start import start_from_teacher
from kdc.compress.swap import clear_leftovers
from kdc.compress.workspace import Workspace

_JUDGED = 200_000  # tokens that judge a model while it is trained
_START_ROWS = 256  # sequences on which a narrower student's start is fitted
Metrics = dict[str, Any]


def distill_general(job: GeneralJob, progress: Progress) -> Metrics:
    """Train an encoder on a corpus and write its folder.

    Returns:
        What `metrics.json` holds: `held_out` figures, where documents are held out, `tokens`
        trained on and the `history` of the run.

    Raises:
        KdcError: the corpus, labels, teacher, student, recipe or output cannot be used, or the run
            was stopped (its state is kept).
    """
    place = Workspace(job.out)
    _refuse_own_input(job)
    refuse_loss(job.out, FORM)
    choose_device(job.device)  # a wrong name is told before a corpus is read
    with lock(place.lock, str(job.out)):
        clear_leftovers(job.out)
        corpus = read_corpus(job.corpus)
        run = make_run(job, corpus, place, progress)
        if job.resume:
            stop_if_finished(place, FORMAT, "encoder", job.recipe, run.identity)
        begin(place, "encoder", progress, resume=job.resume)
        what = f"{'distilling' if job.teacher else 'pre-training'} {job.student}"
        history = train(run, progress, what, resume=job.resume)
        with place.state_kept():
            metrics = _metrics(run, history)
            write_general(job.out, run.model, corpus, metrics, job.recipe, run.identity)
        place.forget_state()
    return metrics


def _refuse_own_input(job: GeneralJob) -> None:
    """Raise KdcError where the output is an encoder that is read; a shape is none."""
    origin = job.student if job.goes_on or names_encoder(job.student) else None
    option = "--model" if job.goes_on else "--student"
    refuse_own_input(job.out, [(option, origin), ("--teacher", job.teacher)])


def make_run(job: GeneralJob, corpus: Corpus, place: Workspace, progress: Progress) -> Run:
    """Return the run of a job, its teacher loaded where it has to answer.

    Args:
        job: the options.
        corpus: what they name.
        place: where the state is kept.
        progress: shows how far it is.

    Raises:
        KdcError: labels, teacher, student or recipe do not fit the corpus or each other.
    """
    device, teaching = choose_device(job.device), find_teaching(job, corpus, progress)
    plan = make_plan(job, corpus, teaching, progress)
    starts = job.recipe.start.weights == "teacher" and teaching and not plan.origin
    model = None
    asks = teaching is not None and any(map(teaching.left_to_ask, plan.objectives))
    if teaching and (starts or asks):
        model = teaching.model()
    if starts and model is not None:
        _start(job, corpus, plan, model)
    if model is not None:
        model.to(device)
        if asks and job.labels:
            progress.say(f"{job.teacher} runs as well: its labels do not hold all that is asked")
    legs = tuple(
        _leg(job, corpus, stage, objectives, teaching, model)
        for stage, objectives in zip(job.recipe.stages, plan.objectives, strict=True)
    )
    return Run(
        model=plan.student,
        legs=legs,
        task=TEXT,
        dev=_judge(job, corpus, plan, teaching),
        padding=int(plan.student.config.pad_token_id or 0),
        seed=job.seed,
        device=device,
        state=place.state,
        identity=_identity(job, corpus, teaching, plan),
        recipe=job.recipe.as_dict(),
        compiled=job.compiled,
    )


def _leg(
    job: GeneralJob,
    corpus: Corpus,
    stage: Stage,
    objectives: Objectives,
    teaching: Teaching | None,
    model: Model | None,
) -> Leg:
    """Return a stage; `--tokens` stands for its epochs."""
    training, teacher = stage.train, signals_of(teaching, objectives, model)
    labels, reads = (teaching.labels, teaching.reads(objectives)) if teaching else (None, NOTHING)
    rows = sequences(corpus, corpus.shards, training.batch_tokens, labels, reads)
    if job.tokens is not None:
        training = _until(job.tokens, training, rows)
    return Leg(stage.name, objectives, teacher, rows, training, keep_best=False)


def _until(tokens: int, training: Training, rows: Sequences) -> Training:
    """Return what trains on so many tokens.

    Raises:
        KdcError: they are too many passes over the corpus.
    """
    epochs = tokens / rows.tokens
    try:
        return replace(training, epochs=epochs, min_steps=0)
    except KdcError as error:
        raise KdcError(
            f"--tokens {tokens:,} is {epochs:,.3g} times the {rows.tokens:,} tokens of "
            f"{rows.corpus.folder}: {error}"
        ) from error


def _judge(
    job: GeneralJob, corpus: Corpus, plan: GeneralPlan, teaching: Teaching | None
) -> HeldOutWords | None:
    """Return what judges the model, the same for all stages; None where nothing is held out."""
    if not corpus.held:
        return None
    budget = job.recipe.stages[0].train.batch_tokens
    labels, reads = None, NOTHING
    if teaching:
        labels = teaching.labels
        for objectives in plan.objectives:
            reads |= teaching.reads(objectives)
    return HeldOutWords(at_most(sequences(corpus, corpus.held, budget, labels, reads), _JUDGED))


def _start(job: GeneralJob, corpus: Corpus, plan: GeneralPlan, teacher: Model) -> None:
    """Fill the student's weights from the teacher's, fitted on sequences of the first shard."""
    shard, start = corpus.open(0), job.recipe.start
    picks = np.unique(np.linspace(0, shard.sequences - 1, _START_ROWS).astype(np.int64))
    lengths = shard.lengths[picks]
    tokens = shard.tokens[ragged(shard.starts[picks], lengths)].astype(np.int32)
    second = np.repeat(shard.seconds[picks].astype(np.int64), lengths)
    rows = Examples(
        tokens=tokens,
        types=((second > 0) & (within(lengths) >= second)).astype(np.uint8),
        lengths=lengths.astype(np.int32),
        labels=np.full(len(picks), NO_CLASS),
        texts=[""] * len(picks),
        pairs=None,
    )
    padding = int(plan.student.config.pad_token_id or 0)
    models = plan.student, teacher
    as_wide = Sizes(plan.student.config).hidden == Sizes(teacher.config).hidden
    if type(plan.student) is not type(teacher) or not as_wide:
        # where only one has a head, their parameters have no names in common; and what a head sees
        # of a rotated state is not the teacher's: it is learnt from the start
        models = plan.student.base_model, teacher.base_model
    start_from_teacher(*models, start.layers, rows, padding)


def _identity(
    job: GeneralJob, corpus: Corpus, teaching: Teaching | None, plan: GeneralPlan
) -> dict[str, Any]:
    """Return what decides a run's numbers beside its recipe."""
    labels = teaching.labels if teaching else None
    return job.identity(
        teacher_sha256=teaching.source.digest if teaching else None,
        corpus_sha256=corpus.digest_of_manifest,
        labels_sha256=labels.digest if labels else None,
        student_sha256=plan.origin.digest if plan.origin else None,
        shape=plan.shape.as_dict(),
        max_length=corpus.max_length,
        precision=precision(choose_device(job.device)),
    )


def _metrics(run: Run, history: History) -> Metrics:
    """Return what is worth knowing of a finished run."""
    last = history[-1]
    held = {key: value for key, value in last.items() if key.startswith("held_out_")}
    seen = sum(leg.units(leg.total) for leg in run.legs)
    return {**({"held_out": held} if held else {}), "tokens": seen, "history": history}
