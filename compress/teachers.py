"""One teacher or several: their answers, and the signals that a stage of training asks for."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor
from transformers import PreTrainedModel as Model

from kdc.compress.arrays import Logits
from kdc.compress.class_heads import class_names, unnamed
from kdc.compress.data.dataset import Split
from kdc.compress.encode import Batch, encode, same_tokenizer
from kdc.compress.errors import KdcError, Stopped
from kdc.compress.evaluate import predict
from kdc.compress.examples import Examples
from kdc.compress.families import max_length
from kdc.compress.job import StudentJob
from kdc.compress.kept import kept_logits
from kdc.compress.metrics import Score
from kdc.compress.models import Source, load_classifier, read_config
from kdc.compress.preflight import align_labels, check_teacher
from kdc.compress.progress import Progress
from kdc.compress.ready_teacher import ready_teacher
from kdc.compress.rows import Rows, tokenise
from kdc.compress.runtime import choose_device, precision
from kdc.compress.signals import LOGITS, KeptTeacher, NoTeacher, OnlineTeacher, Signals, Teacher
from kdc.compress.workspace import Workspace


@dataclass(frozen=True)
class Member:
    """A teacher that can answer, with the data in its own tokens."""

    name: str
    """How the user called it."""
    source: Source
    model: Model
    """On the device that trains, its classes in the data's order."""
    rows: Rows
    share: float
    """Of the mean of all teachers' logits."""

    @property
    def names(self) -> list[str]:
        """Its classes in its own order, as its config.json has them; one name of scores."""
        return class_names(read_config(self.source.folder))

    @property
    def title(self) -> str:
        """What it is called beside others and their mean, which is `teacher`."""
        return f"teacher {self.name}"

    def logits(self, rows: Examples, place: Workspace, progress: Progress) -> Logits:
        """Return its (N, C) logits on rows for training, kept from before where they are."""
        where = self.model.device
        classes = ", ".join(map(str, self.model.config.id2label.values()))
        identity = f"{self.source.digest} {precision(where)} {classes}"
        return kept_logits(place.kept, identity, self.model, rows, self.rows.padding, progress)


@dataclass(frozen=True)
class Teachers:
    """The teachers of a run: the weighted mean of their logits is what a student hears."""

    members: tuple[Member, ...]

    @property
    def first(self) -> Member:
        """The teacher that gives the student its family, its tokens and its hidden states."""
        return self.members[0]

    @property
    def digests(self) -> list[str]:
        """The sha256 of each."""
        return [member.source.digest for member in self.members]

    def answers(self, progress: Progress) -> dict[str, dict[str, Logits]]:
        """Return who -> split -> (N, C) logits on dev and, where there is one, test, in fp32.

        `teacher` is the mean of all; of several, each stands after it as `teacher NAME`.
        """
        each = {}
        for member in self.members:
            who = _called(member.name, len(self.members))
            each[member.title] = answers(member.model, member.rows, progress, who)
        splits = next(iter(each.values()))
        mean = {split: self.mean([found[split] for found in each.values()]) for split in splits}
        return {"teacher": mean, **(each if len(each) > 1 else {})}

    def mean(self, logits: list[Logits]) -> Logits:
        """Return the weighted mean of every teacher's (N, C) logits."""
        if len(logits) == 1:
            return logits[0]
        shares = [member.share for member in self.members]
        total = sum(
            share * one.astype(np.float64) for share, one in zip(shares, logits, strict=True)
        )
        return np.asarray(total, dtype=np.float32)

    def signals(
        self, wants: frozenset[str], rows: list[Examples], place: Workspace, progress: Progress
    ) -> Teacher:
        """Choose the cheapest way in which a stage's objectives can be served.

        Logits alone are computed once and kept. Whatever else is wanted comes from the first
        teacher, which then runs for every batch.

        Args:
            wants: what the objectives need.
            rows: the stage's rows, one part after the other, in the first teacher's tokens.
            place: where logits are kept.
            progress: shows how far it is.
        """
        several = len(self.members) > 1
        if not wants:
            return NoTeacher()
        if wants == {LOGITS}:
            return KeptTeacher(self._kept(rows, place, progress))
        online = OnlineTeacher(self.first.model, wants=wants)
        if not several:
            return online
        progress.say(f"{self.first.name} alone gives {', '.join(sorted(wants - {LOGITS}))}")
        return Joined(online, self._kept(rows, place, progress)) if LOGITS in wants else online

    def _kept(self, rows: list[Examples], place: Workspace, progress: Progress) -> Tensor:
        """Return the mean (N, C) logits on `rows`, on the device; one file a teacher and part."""
        found = []
        for member in self.members:
            parts = [_in_tokens_of(member, self.first, part, progress) for part in rows]
            logits = [member.logits(part, place, progress) for part in parts]
            found.append(np.concatenate(logits))
        return torch.from_numpy(self.mean(found)).to(self.first.model.device)


class Joined:
    """The first teacher's signals with the logits of all."""

    def __init__(self, online: OnlineTeacher, logits: Tensor) -> None:
        self.online = online
        self.model = online.model  # suited to the device as that of a lone teacher is
        self.kept = KeptTeacher(logits)

    def __call__(self, batch: Batch) -> Signals:
        """Run the first teacher and look the logits up."""
        return replace(self.online(batch), logits=self.kept(batch).logits)


def ready_teachers(
    job: StudentJob, encoders: list[Source], place: Workspace, progress: Progress
) -> Teachers:
    """Make every teacher of a job ready: fine-tuned where it is bare, tokenised, aligned.

    Args:
        job: the options.
        encoders: the teachers as they were found.
        place: where fine-tuned teachers are kept.
        progress: shows how far it is.

    Raises:
        KdcError: one cannot be used, or its classes are not the data's (it is named).
    """
    members: list[Member] = []
    for name, encoder, share in zip(job.teachers, encoders, job.shares, strict=True):
        with _naming(name, len(job.teachers)):
            source = ready_teacher(
                encoder,
                job.data,
                job.data_name,
                place,
                progress,
                seed=job.first_seed,
                device=job.device,
                max_length=job.max_length,
            )
            model = load_classifier(source)
            # what one number in recipe.toml repeats: a text is cut alike for all
            length = members[0].rows.max_length if members else job.max_length or source.max_length
            rows = tokenise(source, job.data, max_length(model), length, progress)
            if align_labels(model, job.data.task):
                who = _called(name, len(job.teachers))
                progress.say(f"{who}'s classes stand in another order: brought into the data's")
            model.to(choose_device(job.device))
            members.append(Member(name, source, model, rows, share))
    _refuse_orders(members, job.data.task.labels)
    return Teachers(tuple(members))


def _refuse_orders(members: Sequence[Member], labels: Sequence[str]) -> None:
    """Refuse teachers that name the same classes in different orders where the data name none.

    Raises:
        KdcError: two would be averaged with their classes crossed, or one is wrong about them.
    """
    named = [m for m in members if not (set(m.names) & set(labels) or unnamed(m.names))]
    for each in named[1:]:
        first = named[0]
        if each.names == first.names or sorted(each.names) != sorted(first.names):
            continue
        pairs = enumerate(zip(first.names, each.names, strict=True))
        number, (one, other) = next((n, pair) for n, pair in pairs if len(set(pair)) > 1)
        raise KdcError(
            f"class {labels[number]} of the data is '{one}' to {first.name} and '{other}' to "
            f"{each.name}, which have the same classes in another order: name the classes in the "
            "data, or mend id2label in a teacher's config.json"
        )


def check_teachers(
    job: StudentJob,
    teachers: Teachers,
    found: dict[str, dict[str, Logits]],
    floor: Score,
    progress: Progress,
) -> None:
    """Score every teacher and their mean on dev, and refuse one that knows nothing.

    Args:
        job: the options.
        teachers: all of them.
        found: what `Teachers.answers` returned.
        floor: the score of the most frequent answer.
        progress: is told the scores.

    Raises:
        KdcError: one is no better than the most frequent answer (it is named).
    """
    ours = all(member.source.is_ours for member in teachers.members)
    names = {member.title: member.names for member in teachers.members}
    if len(names) == 1:
        names = {"teacher": teachers.first.names}
    # each before the mean, which is wrong where one is, and has no name
    for who in sorted(found, key=lambda who: who == "teacher"):
        with _naming(who.removeprefix("teacher").strip(), len(found)):
            task, labels, said = job.data.task, job.data.dev.labels, found[who]["dev"]
            own = names.get(who, ())
            checked = check_teacher(task, said, labels, floor, names=own, fine_tuned=ours)
        several = " (the mean of all)" if who == "teacher" and len(found) > 1 else ""
        progress.say(f"{who} on dev{several}: {checked}")


def answers(model: Model, rows: Rows, progress: Progress, who: str) -> dict[str, Logits]:
    """Return a model's (N, C) logits on dev and, where there is one, test, in fp32."""
    splits: dict[str, Examples | None] = {"dev": rows.dev, "test": rows.test}
    return {
        name: predict(model, split, rows.padding, progress=progress, what=f"{who} on {name}")
        for name, split in splits.items()
        if split is not None
    }


def in_tokens(rows: Rows, examples: Examples, progress: Progress, what: str) -> Examples:
    """Tokenise the texts of some examples once more, with another tokenizer."""
    split = Split(examples.texts, examples.pairs, examples.labels)
    return encode(rows.plain, split, progress, what)


def _in_tokens_of(member: Member, first: Member, part: Examples, progress: Progress) -> Examples:
    """Return rows of the first teacher's in another's tokens."""
    alike = same_tokenizer(member.rows.plain, first.rows.plain)
    if member is first or (alike and member.rows.max_length == first.rows.max_length):
        return part
    if part is first.rows.train:
        return member.rows.train
    return in_tokens(member.rows, part, progress, f"for {member.name}")


def _called(name: str, among: int) -> str:
    return "the teacher" if among == 1 else f"the teacher {name}"


@contextmanager
def _naming(name: str, among: int) -> Iterator[None]:
    """Put a teacher's name before an error where there are several."""
    try:
        yield
    except KdcError as error:
        if isinstance(error, Stopped) or among == 1 or not name:
            raise
        raise KdcError(f"{name}: {error}") from error
