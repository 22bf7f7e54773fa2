"""What `kdc corpus` prints at its end."""

from shlex import quote

from kdc.cli.console import Terminal, duration
from kdc.compress.corpus.build import CorpusJob, Made
from kdc.compress.corpus.folder import Corpus

_NAMES = ("documents", "sequences", "tokens", "masked")
_SHOWN = 8  # shares that are listed


def show_corpus(terminal: Terminal, job: CorpusJob, made: Made) -> None:
    """Print what is in the folder and how fast it was made, or what is missing of it."""
    if made.corpus is None:
        if job.share is not None:
            terminal.say(_what_is_missing(job, made))
        terminal.result({"complete": False, "missing": list(made.missing)})
        return
    manifest = made.corpus.manifest
    rows = [
        [split, str(len(shards)), *(f"{int(found[name]):,}" for name in _NAMES)]
        for split, shards, found in (
            ("training", made.corpus.shards, manifest),
            ("held out", made.corpus.held, manifest["held_out"]),
        )
        if shards
    ]
    terminal.table(f"{job.out}", ["", "shards", *_NAMES], rows)
    if made.tokens:
        pace = made.tokens / max(made.seconds, 1e-9)
        terminal.say(f"{pace:,.0f} tokens/s, took {duration(made.seconds)}")
    terminal.say(f"{job.out}: next: {_what_next(terminal, job, made.corpus)}")
    terminal.result(
        {
            "complete": True,
            "seconds": round(made.seconds, 3),
            "shards": len(made.corpus.shards),
            "held_out_shards": len(made.corpus.held),
            **{name: manifest[name] for name in (*_NAMES, "duplicates", "max_length")},
            "held_out": manifest["held_out"],
        }
    )


def _what_is_missing(job: CorpusJob, made: Made) -> str:
    assert job.share is not None
    index, count = job.share.index, job.share.count
    done = f"{job.out}: --shard {index}/{count} is done"
    if not made.missing:
        return f"{done}, and another process puts the folder together"
    some = ", ".join(f"{number}/{count}" for number in made.missing[:_SHOWN])
    more = ", ..." if len(made.missing) > _SHOWN else ""
    return (
        f"{done}; {len(made.missing):,} of {count:,} not yet: {some}{more}; "
        "the last of them puts the folder together"
    )


def _what_next(terminal: Terminal, job: CorpusJob, corpus: Corpus) -> str:
    """Return the commands that can follow, as a shell takes them."""
    from kdc.compress.general.load import has_masked_lm
    from kdc.compress.models import find_model, read_config

    out, teacher = quote(str(job.out)), quote(job.teacher)
    student = f"kdc distill --corpus {out} --teacher {teacher}"
    if not has_masked_lm(read_config(find_model(job.teacher, terminal).folder)):
        return f"{student} --student 4x256"
    return f"kdc label {out} --teacher {teacher}, or {student}" if corpus.duplicates else student
