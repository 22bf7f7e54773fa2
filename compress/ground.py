"""What all runs of a sweep stand on: teachers that can answer, rows, scores to compare with."""

from dataclasses import dataclass, field

from kdc.compress.arrays import Logits
from kdc.compress.augment import Augmentation
from kdc.compress.controls import NAMES, controls
from kdc.compress.encode import plain_tokenizer
from kdc.compress.examples import Examples
from kdc.compress.families import Sizes
from kdc.compress.job import StudentJob
from kdc.compress.metrics import score
from kdc.compress.models import Source, find_model, load_tokenizer
from kdc.compress.more_rows import more_rows
from kdc.compress.objectives import learns_unlabelled
from kdc.compress.preflight import majority
from kdc.compress.progress import Progress
from kdc.compress.rows import Rows
from kdc.compress.runtime import choose_device
from kdc.compress.teachers import Teachers, check_teachers, ready_teachers
from kdc.compress.wordpiece import WORDPIECE
from kdc.compress.workspace import Workspace

Answers = dict[str, dict[str, Logits]]


@dataclass(frozen=True)
class Ground:
    """Made once, used by every run whose job differs only in recipe, seed and output."""

    encoder: Source
    """The first teacher as the user named it, before any fine-tuning."""
    teachers: Teachers
    answers: Answers
    """Who -> split -> (N, C) logits: `teacher`, and each of several."""
    controls: Answers
    """The same for the models that need no transformer."""
    made: dict[Augmentation, Examples | None] = field(default_factory=dict)
    """What `more_rows` returned, by the options that it was asked with."""

    @property
    def rows(self) -> Rows:
        """The data in the first teacher's tokens."""
        return self.teachers.first.rows

    @property
    def width(self) -> int:
        """Width of the first teacher, from which students start."""
        return Sizes(self.teachers.first.model.config).hidden

    def more_rows(self, job: StudentJob, place: Workspace, progress: Progress) -> Examples | None:
        """Return the rows without labels that a job asks for, in the first teacher's tokens.

        The runs of a sweep share them, so that the teacher labels them once: they are
        drawn from the job's first seed.

        Raises:
            KdcError: they cannot be made.
        """
        augmentation = job.recipe.augment
        if not any(map(learns_unlabelled, job.recipe.stages)):
            return None
        if augmentation not in self.made:
            self.made[augmentation] = more_rows(
                job.data,
                self.rows,
                self.teachers.first.model,
                self.encoder,
                augmentation,
                job.unlabelled,
                seed=job.first_seed,
                folder=place.kept,
                progress=progress,
            )
        return self.made[augmentation]


def find_encoders(job: StudentJob, progress: Progress) -> list[Source]:
    """Find the teachers that a job names, fine-tuned or bare.

    Raises:
        KdcError: one cannot be found, has no tokenizer, or this machine has no such device.
    """
    choose_device(job.device)  # a wrong name is told before a model is fetched
    found = [find_model(name, progress) for name in job.teachers]
    kind = type(plain_tokenizer(load_tokenizer(found[0]), job.max_length or 2).model).__name__
    if kind != WORDPIECE:
        progress.say(
            f"{found[0].name} has a {kind} tokenizer: its student can be exported and measured, "
            f"but the apps of kdc bundle read {WORDPIECE} alone"
        )
    return found


def make_ground(
    job: StudentJob, encoders: list[Source], place: Workspace, progress: Progress
) -> Ground:
    """Make the teachers ready and ask them about dev and test.

    Args:
        job: the options; its recipe, seed and output do not matter here.
        encoders: what `find_encoders` found.
        place: where teachers are kept.
        progress: shows how far it is.

    Raises:
        KdcError: a teacher cannot be used, or knows nothing about the data.
    """
    teachers = ready_teachers(job, encoders, place, progress)
    rows = teachers.first.rows
    answers = teachers.answers(progress)
    floor = majority(job.data.task, rows.train.labels, rows.dev.labels)
    check_teachers(job, teachers, answers, floor, progress)
    table = teachers.first.model.get_input_embeddings().weight.detach().float().cpu().numpy()
    found = controls(job.data, rows.plain, table, progress)
    _tell_beaten(job, answers, found, progress)
    return Ground(encoders[0], teachers, answers, found)


def _tell_beaten(job: StudentJob, answers: Answers, controls: Answers, progress: Progress) -> None:
    """Say before a student is trained where its teacher is worse than what needs none."""
    metric, labels = job.data.task.metric, job.data.dev.labels
    teacher = score(metric, answers["teacher"]["dev"], labels)
    scores = {name: score(metric, found["dev"], labels) for name, found in controls.items()}
    best = max(scores, key=lambda name: scores[name].value)
    if scores[best].low > teacher.high:
        progress.say(
            f"{NAMES[best]} scores {100 * scores[best].value:.1f} % on dev and the teacher "
            f"{100 * teacher.value:.1f} %: train the teacher for longer (kdc teacher --epochs), or "
            "take another"
        )
