"""What follows from a job on a corpus before anything is trained: the encoder, its objectives."""

from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

import torch
from transformers import BertConfig
from transformers import PretrainedConfig as Config
from transformers import PreTrainedModel as Model

from kdc.compress.corpus.folder import Corpus
from kdc.compress.errors import KdcError
from kdc.compress.files import read_json
from kdc.compress.general.batches import NOTHING
from kdc.compress.general.job import GeneralJob
from kdc.compress.general.load import load_bare, load_masked_lm
from kdc.compress.general.teach import Teaching, can_give, check_vocabulary
from kdc.compress.learner import Objectives
from kdc.compress.losses.objective import Objective
from kdc.compress.models import Source, find_model
from kdc.compress.objectives import build_objectives, needs, widths_between
from kdc.compress.plan import names_encoder
from kdc.compress.progress import Progress
from kdc.compress.signals import MASKED
from kdc.compress.stages import Stage
from kdc.compress.students import Shape, build_student, choose_shape, shape_of
from kdc.compress.task import Task

TEXT = Task("text", "classification", (), pair=False, metric="accuracy")
"""What a corpus asks: no classes."""
_WIDEST = Shape(1, 65_536, 1, 1)  # nothing is narrower: there is no teacher to stay below
_POSITIONS = 512


@dataclass(frozen=True)
class GeneralPlan:
    """An encoder, and what each stage teaches it."""

    student: Model
    shape: Shape
    objectives: tuple[Objectives, ...]
    """One a stage, fitted."""
    origin: Source | None
    """The encoder that it goes on from; None where it starts anew."""


def make_plan(
    job: GeneralJob, corpus: Corpus, teaching: Teaching | None, progress: Progress
) -> GeneralPlan:
    """Build the encoder and its objectives: what cannot be is refused before anything is trained.

    Raises:
        KdcError: a shape, recipe or folder that does not fit the teacher or the corpus.
    """
    words = MASKED in needs(job.recipe.losses)
    torch.manual_seed(job.seed)
    origin = None
    if job.goes_on or names_encoder(job.student):
        origin = find_model(job.student, progress)
        check_vocabulary(origin, corpus)
        _refuse_sizes(job)
        student = (load_masked_lm if words else load_bare)(origin, job.recipe.dropout)
    else:
        config = teaching.config if teaching else _plain_bert(corpus)
        size = shape_of(config) if teaching else _WIDEST
        shape = choose_shape(
            job.student, size, heads=job.heads, ffn=job.ffn, activation=job.activation
        )
        student = build_student(config, shape, job.recipe.dropout, "words" if words else "none")
    objectives = tuple(
        _objectives(job, stage, student.config, teaching, words=words)
        for stage in job.recipe.stages
    )
    _refuse_vain_labels(job, teaching, objectives)
    return GeneralPlan(student, shape_of(student.config), objectives, origin)


def _refuse_vain_labels(
    job: GeneralJob, teaching: Teaching | None, stages: tuple[Objectives, ...]
) -> None:
    """Refuse labels of which a recipe would read nothing, while the teacher runs beside them."""
    if not teaching or not teaching.labels or any(map(NOTHING.__ne__, map(teaching.reads, stages))):
        return
    raise KdcError(
        f"the labels in {job.labels} hold {teaching.labels.method}, and recipe {job.recipe.name} "
        f"does not learn from that alone: leave --labels out, or {_advice(stages)}"
    )


def _advice(stages: tuple[Objectives, ...]) -> str:
    """Say with which options `kdc label` writes what some stages can learn from."""
    losses = [loss for objectives in stages for _, loss in objectives.values()]
    layers = sorted(frozenset[int]().union(*(loss.reads for loss in losses)))
    words = ["--draws 20"] if any(MASKED in loss.asks for loss in losses) else []
    options = [*words, *([f"--states {','.join(map(str, layers))}"] if layers else [])]
    return f"label with {' '.join(options)}" if options else "take another recipe"


def _objectives(
    job: GeneralJob, stage: Stage, student: Config, teaching: Teaching | None, *, words: bool
) -> Objectives:
    """Fit a stage's objectives to the two models, and see that the teacher can be asked."""
    theirs = teaching.config if teaching else student
    widths = widths_between(TEXT, student, theirs, masked_lm=words)
    taught = teaching.gives if teaching else frozenset[str]()
    # the student gives all it has; the teacher is asked below, and only for what is not the text's
    widths = replace(widths, gives=can_give(student, words=words) & (taught | {MASKED}))
    if teaching is None:
        widths = replace(widths, gives=can_give(student, words=words))
    objectives = build_objectives(stage, widths)
    for name, (_, loss) in objectives.items():
        _check_temperature(name, loss, teaching)
        lacking = loss.asks - taught
        if MASKED in lacking and teaching:
            raise KdcError(
                f"{job.teacher} has no masked-LM head, which {name} of recipe {job.recipe.name} "
                "asks: name a teacher that has one, or use --recipe general-best"
            )
        if lacking:
            raise KdcError(
                f"{name} of recipe {job.recipe.name} asks a teacher for {min(lacking)}, and there "
                "is none: use --recipe pretrain"
            )
    return objectives


def _check_temperature(name: str, loss: Objective, teaching: Teaching | None) -> None:
    """Refuse, before anything is trained, labels that were taken at another temperature."""
    labels = teaching.labels if teaching and teaching.holds_words else None
    wanted = getattr(loss, "temperature", None)
    if labels and MASKED in loss.asks and wanted not in (None, labels.temperature):
        raise KdcError(
            f"the labels in {labels.folder} were taken at the temperature {labels.temperature:g}, "
            f"and {name} is trained at {wanted:g}: label with --temperature {wanted:g}"
        )


def _plain_bert(corpus: Corpus) -> Config:
    """Return the configuration of a BERT for a corpus's tokenizer, of sizes to be chosen."""
    return BertConfig(
        vocab_size=corpus.vocab_size,
        max_position_embeddings=max(_POSITIONS, corpus.max_length),
        pad_token_id=_padding(corpus),
    )


def _padding(corpus: Corpus) -> int:
    """Return the id of the padding token of a corpus's tokenizer; 0 where it has none."""
    said: Any = None
    with suppress(KdcError):
        said = read_json(corpus.folder / "tokenizer_config.json").get("pad_token")
    said = said.get("content") if isinstance(said, dict) else said  # as older versions write it
    tokenizer = corpus.tokenizer()
    ids = (tokenizer.token_to_id(name) for name in (said, "[PAD]", "<pad>") if name)
    return next((number for number in ids if number is not None), 0)


def _refuse_sizes(job: GeneralJob) -> None:
    given: dict[str, Any] = {"heads": job.heads, "ffn": job.ffn, "activation": job.activation}
    for name, value in given.items():
        if value is not None:
            raise KdcError(f"{job.student} has its sizes already: leave --{name} out")
