"""Who teaches a general student: a teacher asked for every batch, its written labels, or the text.

A teacher with a masked-LM head can be asked for words; any encoder for what lies below them.
"""

from dataclasses import dataclass, replace

from transformers import PretrainedConfig as Config
from transformers import PreTrainedModel as Model

from kdc.compress.corpus.folder import Corpus, vocabulary_digest
from kdc.compress.encode import Batch, plain_tokenizer
from kdc.compress.errors import KdcError
from kdc.compress.families import Sizes, numbered
from kdc.compress.general.batches import NOTHING, Reads
from kdc.compress.general.job import GeneralJob
from kdc.compress.general.load import has_masked_lm, load_bare, load_masked_lm
from kdc.compress.labels.store import LabelFolder, read_labels
from kdc.compress.learner import Objectives
from kdc.compress.models import Source, find_model, load_tokenizer, read_config
from kdc.compress.progress import Progress
from kdc.compress.signals import (
    HIDDEN,
    LOGITS,
    MASKED,
    NoTeacher,
    OnlineTeacher,
    Signals,
    Teacher,
    gives,
)


class WrittenTeacher:
    """What a teacher's labels say of a batch, beside what it says itself."""

    def __init__(self, online: Teacher, reads: Reads, layers: int) -> None:
        """Take who is asked for the rest.

        Args:
            online: the teacher, or nobody.
            reads: what the feed takes from the labels.
            layers: how many the teacher has.
        """
        self.online, self._reads, self._layers = online, reads, layers

    @property
    def model(self) -> Model | None:
        """The teacher that is asked beside its labels; None where they say all."""
        return self.online.model if isinstance(self.online, OnlineTeacher) else None

    def __call__(self, batch: Batch) -> Signals:
        """Take the labels out of the batch, where the feed has put them."""
        said, reads = self.online(batch), self._reads
        words, states = batch.masked.sparse if batch.masked else None, batch.states
        if (reads.words and words is None) or (reads.states and states is None):
            raise KdcError("the labels say nothing of this batch: label the corpus again")
        if reads.words:
            said = replace(said, sparse=words)
        if reads.states and states is not None:
            unread = batch.mask.new_empty(0)
            hidden = (states.layers.get(layer, unread) for layer in range(self._layers + 1))
            said = replace(said, hidden=tuple(hidden), pooled=states.pooled)
        return said


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
        return can_give(self.config, words=self.words or self.holds_words)

    @property
    def holds_words(self) -> bool:
        """Whether its labels say what stands at the masked places."""
        return self.labels is not None and self.labels.method.kind != "none"

    def reads(self, objectives: Objectives) -> Reads:
        """Return what a stage's objectives take from the labels."""
        losses = [loss for _, loss in objectives.values()]
        words = self.holds_words and any(MASKED in loss.asks for loss in losses)
        if self.labels is None or asked(objectives) - {MASKED, HIDDEN}:
            return Reads(words)  # a teacher that runs anyway says its states itself
        layers, pooled = frozenset(self.labels.method.states), self.labels.method.pooled
        if not all(loss.served_by(layers, pooled=pooled) for loss in losses):
            return Reads(words)
        wanted = [loss.reads for loss in losses if HIDDEN in loss.asks]
        read = frozenset[int]().union(*(some for some in wanted if some <= layers))
        return Reads(words, tuple(sorted(read)), pooled=any(not some <= layers for some in wanted))

    def left_to_ask(self, objectives: Objectives) -> frozenset[str]:
        """Return what a stage's objectives have to ask the teacher itself for."""
        reads = self.reads(objectives)
        found = {MASKED} if reads.words else set[str]()
        return asked(objectives) - found - ({HIDDEN} if reads.states else set())

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
    if labels:
        _check_states(labels, corpus, Sizes(config).hidden)
    return Teaching(source, config, has_masked_lm(config), labels)


def _check_states(labels: LabelFolder, corpus: Corpus, hidden: int) -> None:
    """See that written states are of every token or example, and of the teacher's width.

    Raises:
        KdcError: a shard has others.
    """
    for name in labels.names if labels.method.states or labels.method.pooled else ():
        shard, said = corpus.open(name), labels.open(name)
        tokens = len(shard.tokens) * shard.duplicates
        shapes = [(said.states(layer).shape, tokens) for layer in labels.method.states]
        if labels.method.pooled:
            shapes.append((said.pooled().shape, shard.examples))
        for shape, rows in shapes:
            if shape != (rows, hidden):
                raise KdcError(
                    f"{labels.folder / name} is damaged: states of shape {shape}, not "
                    f"{(rows, hidden)}; remove it and run kdc label again"
                )


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
    longest = numbered(config) or corpus.max_length
    if longest < corpus.max_length:
        raise KdcError(
            f"{source.name} reads up to {longest} tokens, and {corpus.folder} has sequences of "
            f"{corpus.max_length}: make it with --max-length {longest}"
        )


def asked(objectives: Objectives) -> frozenset[str]:
    """Return what a stage's objectives ask a teacher for."""
    return frozenset[str]().union(*(loss.asks for _, loss in objectives.values()))


def signals_of(teaching: Teaching | None, objectives: Objectives, model: Model | None) -> Teacher:
    """Return where the teacher's signals of a stage come from.

    Args:
        teaching: the teacher; None where nobody is asked.
        objectives: the stage's.
        model: the teacher, on the device that trains; None where its labels say all.
    """
    if teaching is None:
        return NoTeacher()
    reads, left = teaching.reads(objectives), teaching.left_to_ask(objectives)
    online: Teacher = NoTeacher()
    if left:
        assert model is not None
        online = OnlineTeacher(model, wants=left)
    if reads == NOTHING:
        return online
    return WrittenTeacher(online, reads, Sizes(teaching.config).layers)


def usual_recipe(teacher: str, progress: Progress) -> str:
    """Return the recipe for a teacher where the user names none: by the head that it has.

    Raises:
        KdcError: it cannot be found.
    """
    config = read_config(find_model(teacher, progress).folder)
    return "general-mlm" if has_masked_lm(config) else "general-best"
