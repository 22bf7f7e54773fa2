"""`kdc label`: a teacher's answers about a corpus, written down once for any number of students."""

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import PreTrainedModel as Model

from kdc.compress.corpus.folder import Corpus, read_corpus
from kdc.compress.corpus.shards import Shard
from kdc.compress.corpus.share import Share
from kdc.compress.errors import KdcError
from kdc.compress.families import Sizes
from kdc.compress.general.load import has_masked_lm, load_bare, load_masked_lm
from kdc.compress.general.teach import check_vocabulary
from kdc.compress.interrupts import kept
from kdc.compress.labelling.answer import Teller
from kdc.compress.labelling.examples import windows
from kdc.compress.labels.method import Method
from kdc.compress.labels.shard import array_types
from kdc.compress.labels.spool import Spool
from kdc.compress.labels.store import begin, finish, shard_problem, sidecar
from kdc.compress.locks import lock
from kdc.compress.models import find_model, read_config
from kdc.compress.parallel import Crew, crew
from kdc.compress.progress import Advance, Progress, Silent, plural
from kdc.compress.runtime import (
    choose_attention,
    choose_device,
    give_memory_back,
    lowered,
    precision,
)

_BATCH_TOKENS = {"cpu": 4096, "mps": 8192, "cuda": 65_536}


@dataclass(frozen=True)
class LabelJob:
    """What `kdc label` is asked for."""

    corpus: Path
    teacher: str
    method: Method
    out: Path
    share: Share = field(default_factory=Share)
    """Which of how many parts of the shards this run labels."""
    seed: int = 0
    """Of the draws."""
    device: str = "auto"
    batch_tokens: int | None = None
    """Tokens that the teacher is asked about at once; None for what suits the device."""

    def __post_init__(self) -> None:
        """Refuse numbers that make no run.

        Raises:
            KdcError: an empty batch.
        """
        if self.batch_tokens is not None and self.batch_tokens < 1:
            raise KdcError(f"--batch-tokens must be 1 or more, not {self.batch_tokens}")


@dataclass(frozen=True)
class Labelling:
    """A teacher beside the corpus it labels: found to fit each other."""

    job: LabelJob
    corpus: Corpus
    model: Model
    """On its device."""
    settings: dict[str, object]
    """The manifest of the folder of labels."""
    padding: int
    vocab_size: int

    @property
    def names(self) -> list[str]:
        """The token shards of this run's part, those held out among them."""
        share = self.job.share
        return [*self.corpus.shards, *self.corpus.held][share.index :: share.count]

    @property
    def batch_tokens(self) -> int:
        """Tokens that the teacher is asked about at once."""
        return self.job.batch_tokens or _BATCH_TOKENS[self.model.device.type]

    def finished(self, name: str) -> bool:
        """Whether a shard's labels are there and whole."""
        path = self.job.out / name
        there = sidecar(path).is_file()
        return there and not shard_problem(path, self.settings, self.corpus.digest(name))


def label(job: LabelJob, progress: Progress) -> Labelling:
    """Label every shard of a part that has no labels yet.

    The processes of a crew take turns at the shards; each writes its own.

    Raises:
        KdcError: teacher and corpus do not fit, the teacher answers NaN, or the output cannot be
            written.
    """
    ready = prepare(job, progress)
    write_labels(ready, progress)
    return ready


def prepare(job: LabelJob, progress: Progress) -> Labelling:
    """Read the corpus, load the teacher and see that they fit each other.

    Raises:
        KdcError: they do not, or one of them cannot be used.
    """
    corpus = read_corpus(job.corpus)
    if not corpus.duplicates:
        raise KdcError(
            f"{job.corpus} is masked anew while training, so labels of it would fit nothing: make "
            "it with --dupe 1 or more"
        )
    source = find_model(job.teacher, progress)
    check_vocabulary(source, corpus)
    words = job.method.kind != "none"
    if words and not has_masked_lm(read_config(source.folder)):
        raise KdcError(
            f"{source.name} has no masked-LM head and fills in no words: keep its --states or "
            "--pooled, or leave labels out and run kdc distill --corpus with this --teacher"
        )
    model = (load_masked_lm if words else load_bare)(source).requires_grad_(False)
    layers = Sizes(model.config).layers
    if too_deep := [layer for layer in job.method.states if layer > layers]:
        raise KdcError(f"--states {too_deep[0]}: {source.name} has {plural(layers, 'layer')}")
    vocab_size = int(model.config.vocab_size)
    settings = {
        "corpus": corpus.digest_of_manifest,
        "teacher": source.digest,
        "method": job.method.as_dict(),
        "vocab_size": vocab_size,
        "seed": job.seed,
    }
    padding = int(model.config.pad_token_id or 0)
    model = model.to(choose_device(job.device))
    choose_attention(model, model.device, corpus.max_length)
    return Labelling(job, corpus, model, settings, padding, vocab_size)


def write_labels(ready: Labelling, progress: Progress) -> None:
    """Ask a teacher that is ready; for what is raised see `label`."""
    out = ready.job.out
    begin(out, ready.settings, ready.job.teacher)
    with kept(f"the finished shards in {out} are"), crew(ready.model.device) as team:
        team.call(_label_along, ready)
        _label(team, ready, progress)


def _label_along(team: Crew, ready: Labelling) -> None:
    """Take this process's turns at the shards."""
    _label(team, ready, Silent())


def _label(team: Crew, ready: Labelling, progress: Progress) -> None:
    mine = ready.names[team.rank :: team.size]
    missing = [name for name in mine if not ready.finished(name)]
    if len(missing) < len(mine):
        progress.say(
            f"labelled already: {len(mine) - len(missing):,} of {plural(len(mine), 'shard')}"
        )
    tokens = {name: _tokens(ready.corpus.open(name)) for name in missing}
    with (
        lowered(ready.model, ready.model.device),
        progress.bar("asking the teacher", sum(tokens.values())) as advance,
    ):
        for name in missing:
            with lock(ready.job.out / f".{name}.lock", f"the labels of {name}"):
                if ready.finished(name):  # by another run, since this one looked
                    advance(tokens[name])
                else:
                    _label_shard(ready, name, advance)
    team.any_rank(True)  # all wait here for the slowest: what comes next reads every shard


def _tokens(shard: Shard) -> int:
    return len(shard.tokens) * shard.duplicates


def _label_shard(ready: Labelling, name: str, advance: Advance) -> None:
    """Write the labels of one shard, and then that they are there."""
    path, shard, method = ready.job.out / name, ready.corpus.open(name), ready.job.method
    sidecar(path).unlink(missing_ok=True)
    for left in path.parent.glob(f".{name}.*.tmp"):  # of a run that was killed while it wrote
        left.unlink(missing_ok=True)
    parent = ready.corpus.digest(name)
    teller = Teller(ready.model, method, ready.padding, ready.batch_tokens)
    rng = np.random.default_rng([ready.job.seed, int(parent[:16], 16)])
    with Spool(path, array_types(method, ready.vocab_size)) as spool:
        for examples in windows(shard, ready.batch_tokens):
            for array, rows in teller.tell(shard, examples, rng).items():
                spool.add(array, rows)
            advance(int(shard.lengths[examples % shard.sequences].sum()))
            give_memory_back(ready.model.device)
        spool.finish()
    finish(
        path,
        ready.settings,
        parent,
        places=len(shard.mask_places) if method.kind != "none" else 0,
        precision=precision(ready.model.device),
        torch=torch.__version__,
    )


@dataclass(frozen=True)
class Written:
    """How much a part's labels are."""

    shards: int
    tokens: int
    """Of the corpus, every masking of a sequence counted."""
    places: int
    bytes: int
    full: int
    """Bytes of the full masked logits in fp32."""

    @property
    def bytes_per_token(self) -> float:
        """Of the corpus; 0 of a part that no shard falls to."""
        return self.bytes / max(1, self.tokens)

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        return {**asdict(self), "bytes_per_token": self.bytes_per_token}


def measure(ready: Labelling) -> Written:
    """Count the labels of a part.

    Raises:
        KdcError: a shard of the corpus is damaged.
    """
    tokens = places = written = 0
    for name in ready.names:
        shard = ready.corpus.open(name)
        tokens += _tokens(shard)
        places += len(shard.mask_places)
        written += (ready.job.out / name).stat().st_size
    full = 4 * places * ready.vocab_size
    return Written(len(ready.names), tokens, places, written, full)
