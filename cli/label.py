"""`kdc label`: writes a teacher's answers about a corpus down."""

from pathlib import Path
from typing import Annotated

import typer

from kdc.cli import options


def label(
    shards: Annotated[Path, typer.Argument(metavar="SHARDS", help="What kdc corpus made.")],
    teacher: Annotated[
        str, typer.Option(metavar="MODEL", help="A model folder, a Hub id or minilm.")
    ],
    topk: Annotated[
        int | None,
        typer.Option(metavar="K", help="Keep the K likeliest tokens and the mass of the others."),
    ] = None,
    least: Annotated[
        float | None,
        typer.Option(metavar="P", help="With --topk: a token below P counts among the others."),
    ] = None,
    draws: Annotated[
        int | None, typer.Option(metavar="N", help="Keep N tokens drawn from the softmax; else 20.")
    ] = None,
    full: Annotated[bool, typer.Option("--full", help="Keep every token's probability.")] = False,
    states: Annotated[
        str | None,
        typer.Option(metavar="L,..", help="Keep layers' states for losses on them; 0: embeddings."),
    ] = None,
    pooled: Annotated[
        bool, typer.Option("--pooled", help="Keep each example's mean state, for the loss pooled.")
    ] = False,
    bits: Annotated[
        int | None, typer.Option(metavar="8|16", help="Of a probability; else 8.")
    ] = None,
    temperature: Annotated[float, typer.Option(metavar="T", help="Of the softmax.")] = 1.0,
    shard: Annotated[
        str, typer.Option(metavar="i/N", help="Label part i of N, counted from 0.")
    ] = "0/1",
    batch_tokens: Annotated[
        int | None, typer.Option(metavar="N", help="Tokens that the teacher is asked at once.")
    ] = None,
    verify: Annotated[
        bool, typer.Option("--verify", help="Compare a sample with the full softmax.")
    ] = False,
    sample: Annotated[
        int | None, typer.Option(metavar="N", help="Places that --verify compares; else 2000.")
    ] = None,
    out: Annotated[Path, typer.Option(metavar="DIR", help="The folder of labels.")] = Path(
        "labels"
    ),
    seed: options.Seed = 0,
    device: options.Device = "auto",
    json: options.Json = None,
    quiet: options.Quiet = False,
) -> None:
    """Write a teacher's answers about a corpus down, once.

    Any number of students learn from them, without the teacher.
    """
    from kdc.cli.console import Terminal
    from kdc.cli.labelled import choose_method, choose_sample, show_labels

    terminal = Terminal(quiet, json, [shards, teacher], out)
    method = choose_method(topk, draws, full, least, states, pooled, bits, temperature)
    places = choose_sample(verify, sample, method)

    from kdc.compress.corpus.share import parse_share
    from kdc.compress.labelling.label import LabelJob
    from kdc.compress.labelling.label import label as write_labels
    from kdc.compress.labelling.verify import verify as compare

    job = LabelJob(shards, teacher, method, out, parse_share(shard), seed, device, batch_tokens)
    ready = write_labels(job, terminal)
    asked = places and ready.names  # a part may have none
    show_labels(terminal, ready, compare(ready, places, terminal) if asked else None)
