"""Who teaches a general student: a teacher asked for every batch, its written labels, or the text.

A teacher with a masked-LM head can be asked for words; any encoder for what lies below them.
"""

import json
from dataclasses import dataclass, replace
from hashlib import sha256 as digest_of

from transformers import PretrainedConfig as Config
from transformers import PreTrainedModel as Model

from kdc.compress.corpus.folder import Corpus, vocabulary_digest
from kdc.compress.encode import Batch, plain_tokenizer
from kdc.compress.errors import KdcError
from kdc.compress.general.job import GeneralJob
from kdc.compress.general.load import has_masked_lm, load_bare, load_masked_lm
from kdc.compress.labels.store import LabelFolder, read_labels
from kdc.compress.models import Source, find_model, load_tokenizer, read_config
from kdc.compress.progress import Progress
from kdc.compress.signals import (
    LOGITS,
    MASKED,
    NoTeacher,
    OnlineTeacher,
    Signals,
    Teacher,
    gives,
)


class WrittenTeacher:
    """What a teacher's labels say at the masked words of a batch, beside what it says itself."""

    def __init__(self, online: Teacher) -> None:
        self.online = online

    @property
    def model(self) -> Model | None:
        """The teacher that is asked beside its labels; None where they say all."""
        return self.online.model if isinstance(self.online, OnlineTeacher) else None

    def __call__(self, batch: Batch) -> Signals:
        """Take the labels out of the batch, where the feed has put them."""
        said = batch.masked.sparse if batch.masked else None
        if said is None:
            raise KdcError("the labels say nothing of this batch: label the corpus again")
        return replace(self.online(batch), sparse=said)


@dataclass(frozen=True)
class Teaching:
    """A teacher that fits a corpus."""

    source: Source
    config: Config
    words: bool
    """Whether it has a masked-LM head."""
    labels: LabelFolder | None

    @property
    def gives(self) -> frozenset[str]:
        """What it can be asked for."""
        return can_give(self.config, words=self.words or self.labels is not None)

    def model(self) -> Model:
        """Load it, with its masked-LM head where it has one."""
        return load_masked_lm(self.source) if self.words else load_bare(self.source)


def can_give(config: Config, *, words: bool) -> frozenset[str]:
    """Return what an encoder of no task can be asked for."""
    return gives(config, masked_lm=words) - {LOGITS}


def find_teaching(job: GeneralJob, corpus: Corpus, progress: Progress) -> Teaching | None:
    """Find a job's teacher and its labels, and check that both are of the corpus's vocabulary.

    Raises:
        KdcError: it cannot be found, has another vocabulary, or the labels are another's.
    """
    if job.teacher is None:
        return None
    source = find_model(job.teacher, progress)
    check_vocabulary(source, corpus)
    labels = read_labels(job.labels, corpus) if job.labels else None
    if labels and labels.teacher != source.digest:
        raise KdcError(f"the labels in {job.labels} are of another teacher than {job.teacher}")
    config = read_config(source.folder)
    return Teaching(source, config, has_masked_lm(config), labels)


def check_vocabulary(source: Source, corpus: Corpus) -> None:
    """Refuse a model whose tokenizer did not make a corpus.

    Raises:
        KdcError: it has another vocabulary, or fewer positions or embeddings than it takes.
    """
    config = read_config(source.folder)
    tokenizer = plain_tokenizer(load_tokenizer(source), corpus.max_length)
    rows = int(getattr(config, "vocab_size", 0))
    if vocabulary_digest(tokenizer) != corpus.tokenizer_digest or rows < corpus.vocab_size:
        raise KdcError(
            f"{source.name} has another vocabulary than the teacher that {corpus.folder} was made "
            "with: make the corpus with --teacher " + source.name
        )
    longest = int(getattr(config, "max_position_embeddings", 0) or corpus.max_length)
    if longest < corpus.max_length:
        raise KdcError(
            f"{source.name} reads up to {longest} tokens, and {corpus.folder} has sequences of "
            f"{corpus.max_length}: make it with --max-length {longest}"
        )


def signals_of(teaching: Teaching | None, wants: frozenset[str], model: Model | None) -> Teacher:
    """Return where the teacher's signals of a stage come from.

    Args:
        teaching: the teacher; None where nobody is asked.
        wants: what the stage's objectives ask it for.
        model: the teacher, on the device that trains; None where its labels say all.
    """
    if teaching is None or not wants:
        return NoTeacher()
    written = teaching.labels is not None and MASKED in wants
    left = wants - {MASKED} if written else wants
    online: Teacher = NoTeacher()
    if left:
        assert model is not None
        online = OnlineTeacher(model, wants=left)
    return WrittenTeacher(online) if written else online


def must_run(teaching: Teaching, wants: frozenset[str]) -> bool:
    """Whether a teacher has to be loaded for what is asked of it."""
    return bool(wants - {MASKED} if teaching.labels is not None else wants)


def labels_digest(labels: LabelFolder) -> str:
    """Return a sha256 over how labels were made and of what: the same ones, given the same seed."""
    return digest_of(json.dumps(labels.settings, sort_keys=True).encode()).hexdigest()


def usual_recipe(teacher: str, progress: Progress) -> str:
    """Return the recipe for a teacher where the user names none: by the head that it has.

    Raises:
        KdcError: it cannot be found.
    """
    config = read_config(find_model(teacher, progress).folder)
    return "general-mlm" if has_masked_lm(config) else "general-minilm"
