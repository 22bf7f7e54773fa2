"""From sources to a folder of token shards, on one machine: `kdc corpus`.

Every part is kept as soon as it is made; who is killed goes on there, and comes to the same bytes.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass, field
from pathlib import Path

from kdc.compress.corpus.finish import finish, is_made
from kdc.compress.corpus.folder import FORM, Corpus, read_corpus
from kdc.compress.corpus.part import Maker, Part, making
from kdc.compress.corpus.parts import Parts
from kdc.compress.corpus.pool import Pool
from kdc.compress.corpus.settings import Settings
from kdc.compress.corpus.share import Share
from kdc.compress.corpus.sources import find_sources
from kdc.compress.corpus.vocabulary import Vocabulary
from kdc.compress.errors import KdcError
from kdc.compress.files import read_json, refuse_foreign, write_json
from kdc.compress.interrupts import kept
from kdc.compress.locks import lock
from kdc.compress.progress import Progress
from kdc.compress.swap import clear_leftovers
from kdc.compress.workspace import Workspace


@dataclass(frozen=True)
class CorpusJob:
    """What is asked for."""

    sources: tuple[Path, ...]
    """Files, or folders of them."""
    teacher: str
    """Whose tokenizer."""
    out: Path
    settings: Settings = field(default_factory=Settings)
    column: str | None = None
    """Of JSONL and Parquet; None for `text`."""
    workers: int = 1
    """Processes on this machine."""
    share: Share | None = None
    """Only these parts, of a run that others take part in; None: all of them."""


@dataclass(frozen=True)
class Made:
    """What a run has come to."""

    corpus: Corpus | None
    """None where the folder is not put together yet."""
    seconds: float = 0.0
    """Of reading, cutting and writing; loading the tokenizer is left out."""
    tokens: int = 0
    """Of the parts that this very run has made."""
    missing: tuple[int, ...] = ()
    """The shares of other processes that are not done."""


def build_corpus(job: CorpusJob, progress: Progress) -> Corpus | None:
    """Make a folder of token shards, or go on with one that was begun; see `make_corpus`."""
    return make_corpus(job, progress).corpus


def make_corpus(job: CorpusJob, progress: Progress) -> Made:
    """Make a folder of token shards, or go on with one that was begun, and tell of it.

    Raises:
        KdcError: a source, the teacher or `out` cannot be used, or the disk is full.
    """
    from kdc.compress.corpus.teacher import load_vocabulary  # torch; not in every worker

    refuse_foreign(job.out, FORM)
    sources = find_sources(job.sources, job.column)
    vocabulary, files = load_vocabulary(job.teacher, job.settings.max_length, progress)
    Maker(vocabulary, job.settings)  # what it refuses is refused before anything is read
    place = Workspace(job.out)
    parts = Parts(place.state, sources, job.settings.shard_characters)
    if is_made(job.out, job.settings, parts, vocabulary):
        try:
            found = read_corpus(job.out)
        except KdcError as error:
            progress.say(f"{error}: making {job.out} again")
        else:
            progress.say(f"{job.out} is made of these sources already: nothing is done")
            _tidy(job, place, parts)
            return Made(found)
    with nullcontext() if job.share else lock(place.lock, str(job.out)):
        start = time.monotonic()
        if job.share is None:
            clear_leftovers(job.out)
        _begin(job, parts, vocabulary)
        with kept(f"what is made of {job.out} is"):
            tokens = parts.tokens(_make(job, parts, vocabulary, progress))
        missing = parts.missing(job.share or Share())
        if not parts.job.is_file():  # another process has put the folder together
            missing = []
        there = not missing and _finish(job, place, parts, vocabulary, files, progress)
        seconds = time.monotonic() - start
    return Made(read_corpus(job.out) if there else None, seconds, tokens, tuple(missing))


def _finish(
    job: CorpusJob,
    place: Workspace,
    parts: Parts,
    vocabulary: Vocabulary,
    files: dict[str, str],
    progress: Progress,
) -> bool:
    """Put the folder together, unless another of the processes that share the work is at it."""

    def put_together() -> None:
        for said in finish(job.out, job.settings, parts, vocabulary, files):
            progress.say(said)

    if job.share is None:
        put_together()
        return True
    try:
        with lock(place.lock, str(job.out)):
            clear_leftovers(job.out)
            if parts.job.is_file():
                put_together()
            return True
    except KdcError as error:
        if isinstance(error.__cause__, BlockingIOError):
            return False
        raise


def _tidy(job: CorpusJob, place: Workspace, parts: Parts) -> None:
    """Remove the parts of a run that was killed when the folder was there and they still were."""
    if parts.job.is_file():
        with suppress(KdcError), lock(place.lock, str(job.out)):  # whoever is at it does so itself
            parts.remove()


def _begin(job: CorpusJob, parts: Parts, vocabulary: Vocabulary) -> None:
    """Leave parts in the folder that are of this very run only.

    Raises:
        KdcError: others take part in the run, and the folder is of another one.
    """
    files = [(str(s.path), s.size, s.path.stat().st_mtime_ns, s.column) for s in parts.sources]
    wanted = {
        "sources": [list(file) for file in files],
        "settings": job.settings.as_dict(),
        "tokenizer": vocabulary.tokenizer,
    }
    there = parts.begun()  # before the note, which others who take part write before any of them
    if parts.job.is_file() and read_json(parts.job) == wanted:
        return
    if job.share is None:
        parts.remove()
        there = parts.begun()
    if there or parts.job.is_file():
        raise KdcError(
            f"{parts.folder} holds parts of another run, from other sources or settings: "
            "remove it, or choose another --out"
        )
    write_json(parts.job, wanted)


def _make(job: CorpusJob, parts: Parts, vocabulary: Vocabulary, progress: Progress) -> list[str]:
    """Make the parts that are this process's own and not there yet; return their names."""
    made: list[str] = []
    share, count = job.share or Share(), len(parts.sources)
    wanted = [n for n in range(count) if share.reads(n, count) and not _whole(parts, n, share)]
    total = sum(parts.sources[number].size for number in wanted)
    with _makers(job, parts, vocabulary) as make, progress.bar("kB read", total // 1000) as advance:
        for number in wanted:
            for part in parts.cut(number, _in_thousands(advance)):
                if share.makes(part, count) and not parts.is_done(part):
                    make(part)
                    made.append(part.name)
    return made


def _whole(parts: Parts, number: int, share: Share) -> bool:
    """Whether a source need not be read again."""
    names = parts.names(number)
    if parts.read(number) is None:
        return False
    own = (Part(number, part, []) for part in range(len(names)))
    count = len(parts.sources)
    return all(parts.is_done(part) for part in own if share.makes(part, count))


def _in_thousands(advance: Callable[[int], None]) -> Callable[[int], None]:
    """Turn bytes read so far into thousands of bytes more."""
    told = 0

    def watch(position: int) -> None:
        nonlocal told
        advance(position // 1000 - told)
        told = position // 1000

    return watch


@contextmanager
def _makers(
    job: CorpusJob, parts: Parts, vocabulary: Vocabulary
) -> Iterator[Callable[[Part], None]]:
    """Yield what makes a part: this process, or some others, of which one will be idle."""
    if job.workers == 1:
        yield making(vocabulary, job.settings, parts.folder)
        return
    with Pool(job.workers, making, vocabulary, job.settings, parts.folder) as pool:
        yield pool.give
        pool.finish()
