"""`kdc corpus`: raw text -> shards of tokens."""

import math
from pathlib import Path
from typing import Annotated

import typer

from kdc.cli import options


def corpus(
    sources: Annotated[
        list[Path],
        typer.Argument(
            metavar="SOURCE...",
            help="Wikipedia dumps (.xml.bz2), plain text with blank lines between documents, "
            "JSONL or Parquet files, packed by bzip2, xz or gzip or not, or folders of them "
            "with all inside.",
        ),
    ],
    teacher: Annotated[
        str, typer.Option(metavar="MODEL", help="Whose tokenizer: minilm, a folder or a Hub id.")
    ] = "minilm",
    max_length: Annotated[
        int, typer.Option(metavar="N", help="Tokens of the longest sequence.")
    ] = 128,
    packing: Annotated[
        bool, typer.Option("--packing", help="Fill sequences over the borders of documents.")
    ] = False,
    pairs: Annotated[
        str,
        typer.Option(metavar="NAME", help="Two segments a sequence: none, next or order."),
    ] = "none",
    short_seq_prob: Annotated[
        float, typer.Option(metavar="X", help="Share of sequences made for a shorter length.")
    ] = 0.0,
    dupe: Annotated[
        int, typer.Option(metavar="N", help="Maskings of each sequence; 0: while training.")
    ] = 1,
    masking: Annotated[
        str, typer.Option(metavar="NAME", help="What is masked as one: word or token.")
    ] = "word",
    max_predictions: Annotated[
        int | None,
        typer.Option(metavar="N", help="Masked tokens of a sequence at most, of its 15 %."),
    ] = None,
    held_out: Annotated[
        float, typer.Option(metavar="X", help="Share of the documents to judge by, not to train.")
    ] = 0.0,
    shard_size: Annotated[
        float, typer.Option(metavar="N", help="Millions of characters of text in a shard.")
    ] = 8.0,
    text: Annotated[
        str | None,
        typer.Option(metavar="COLUMN", help="Column of the text in JSONL and Parquet; else text."),
    ] = None,
    out: Annotated[Path, typer.Option(metavar="DIR", help="The folder of shards.")] = Path(
        "shards"
    ),
    workers: Annotated[
        int, typer.Option(metavar="N", min=1, help="Processes, or tasks of an --executor.")
    ] = 1,
    executor: Annotated[
        str, typer.Option(metavar="NAME", help="Where they run: local, slurm or ray.")
    ] = "local",
    executor_option: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=VALUE", help="For slurm or ray, such as partition=cpu; repeatable."
        ),
    ] = None,
    shard: Annotated[
        str | None,
        typer.Option(metavar="I/N", help="Work as process I of N, from 0, under any scheduler."),
    ] = None,
    seed: options.Seed = 0,
    json: options.Json = None,
    quiet: options.Quiet = False,
) -> None:
    """Turn raw text into shards of tokens, to be distilled on."""
    from kdc.cli.console import Terminal
    from kdc.compress.corpus.settings import Settings
    from kdc.compress.errors import KdcError

    if not math.isfinite(shard_size):
        raise KdcError(f"--shard-size is a number of millions of characters, not {shard_size}")
    settings = Settings(
        max_length=max_length,
        packing=packing,
        pairs=pairs,
        short=short_seq_prob,
        duplicates=dupe,
        masking=masking,
        max_predictions=max_predictions,
        held_out=held_out,
        shard_characters=round(shard_size * 1e6),
        seed=seed,
    )
    terminal = Terminal(quiet, json, [*sources, teacher], out)

    from kdc.cli.corpus_table import show_corpus
    from kdc.compress.corpus.build import CorpusJob
    from kdc.compress.corpus.executors import run_corpus
    from kdc.compress.corpus.share import parse_share

    share = None if shard is None else parse_share(shard)
    job = CorpusJob(tuple(sources), teacher, out, settings, text, workers, share)
    show_corpus(terminal, job, run_corpus(job, executor, executor_option or [], terminal))
