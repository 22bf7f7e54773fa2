"""What `kdc label` is asked for, and what it says of the labels it has written."""

import re
from shlex import quote
from typing import TYPE_CHECKING

from kdc.cli.console import Terminal
from kdc.compress.errors import KdcError
from kdc.compress.labels.method import Kind, Method
from kdc.compress.progress import plural

if TYPE_CHECKING:
    from kdc.compress.labelling.label import Labelling
    from kdc.compress.labelling.verify import Verified

DEFAULT = Method("draws", 20)
"""What is kept where no option says it: the most that 8 bytes a token of text hold, and within a
standard deviation of the full softmax (`benchmarks/truncation.py`)."""

SAMPLE = 2000
"""Places that are compared where no option says it."""


def choose_method(
    topk: int | None,
    draws: int | None,
    full: bool,
    least: float | None,
    states: str | None,
    pooled: bool,
    bits: int | None,
    temperature: float,
) -> Method:
    """Return the method that the options ask for.

    Raises:
        KdcError: two at once, or numbers out of their range.
    """
    asked = {"--topk": topk is not None, "--draws": draws is not None, "--full": full}
    given = [name for name, there in asked.items() if there]
    if len(given) > 1:
        raise KdcError(f"{' and '.join(given)} are two ways to label: choose one")
    kind: Kind = "topk"
    count, floor = topk or 0, 0.0 if least is None else least
    if draws is not None:
        kind, count = "draws", draws
    elif full:
        kind = "full"
    elif topk is None and (states or pooled):
        kind = "none"
    elif topk is None:
        kind, count = DEFAULT.kind, DEFAULT.count
    if bits is not None and kind in ("draws", "none"):
        raise KdcError("--bits is of probabilities, and none is kept: add --topk or --full")
    if temperature != 1 and kind == "none":
        raise KdcError(
            "--temperature is of the softmax, and states are all that is kept: add --draws, --topk "
            "or --full, or leave it out"
        )
    width = 8 if bits is None else bits
    return Method(kind, count, width, temperature, floor, _layers(states), pooled)


def choose_sample(verify: bool, sample: int | None, method: Method) -> int:
    """Return how many places are to be compared; 0 where none is.

    Raises:
        KdcError: the options contradict each other, or the sample is empty.
    """
    if sample is not None and not verify:
        raise KdcError("--sample says how many places --verify compares: add --verify")
    if sample is not None and sample < 1:
        raise KdcError(f"--sample must be 1 or more, not {sample}")
    if verify and method.kind == "none":
        raise KdcError(
            "--verify compares masked words, and states are all that is kept: add --draws, --topk "
            "or --full, or leave it out"
        )
    return (SAMPLE if sample is None else sample) if verify else 0


def _layers(states: str | None) -> tuple[int, ...]:
    if states is None:
        return ()
    if not re.fullmatch(r"\d{1,4}(,\d{1,4})*", states):
        raise KdcError(f"--states is a list of layers such as 0,6,12, not {states!r}")
    return tuple(int(layer) for layer in states.split(","))


def show_labels(terminal: Terminal, ready: "Labelling", verified: "Verified | None") -> None:
    """Print what was written, and how near it is to the full softmax."""
    from kdc.compress.labelling.label import measure

    job = ready.job
    found = measure(ready)
    if not found.shards:
        terminal.say(f"{job.out}: no shard falls to part {job.share.index} of {job.share.count}")
    else:
        terminal.table(
            f"{job.out}: {job.method} of {job.teacher}",
            ("shards", "tokens", "masked", "bytes", "bytes a token"),
            [
                [f"{count:,}" for count in (found.shards, found.tokens, found.places, found.bytes)]
                + [f"{found.bytes_per_token:.2f}"]
            ],
        )
    if found.shards and job.method.kind != "none":
        less = found.full / max(1, found.bytes)
        terminal.say(f"{less:,.0f} times less than the teacher's logits in fp32")
    result: dict[str, object] = {**found.as_dict(), "method": job.method.as_dict()}
    if verified:
        errors = [(who, f"{value:.4f}") for who, value in verified.gradient_error.items()]
        terminal.table(
            f"{verified.places:,} places beside the full softmax",
            ("what", "value"),
            [
                ("KL(labels || teacher), nats", f"{verified.divergence:.5f}"),
                ("mass outside of the labels", f"{verified.outside:.4f}"),
                *((f"gradient error, {who} student", value) for who, value in errors),
                *(
                    (f"bias of the gradient, {who} student", f"{value:.4f}")
                    for who, value in verified.bias.items()
                ),
            ],
        )
        result["verified"] = verified.as_dict()
    terminal.say(_what_next(ready))
    terminal.result(result)


def _what_next(ready: "Labelling") -> str:
    """Say what can be done with the labels now."""
    from kdc.compress.labels.store import sidecar

    job, names = ready.job, [*ready.corpus.shards, *ready.corpus.held]
    if left := sum(not sidecar(job.out / name).is_file() for name in names):
        return f"left to the other parts: {left:,} of {plural(len(names), 'shard')}"
    # no recipe that ships learns from states alone
    ours = " --recipe FILE" if job.method.kind == "none" else ""
    corpus, labels = quote(str(job.corpus)), quote(str(job.out))
    return f"next: kdc distill --corpus {corpus} --labels {labels}{ours}"
