"""A fresh process that tells what a model's weights weigh: `python -m kdc.export.weighing`.

One `Job` as JSON on standard input, one `Weight` as JSON on standard output.
"""

from dataclasses import dataclass, replace
from pathlib import Path

from kdc.export.child import answer_one
from kdc.export.jobs import Job
from kdc.export.options import SessionOptions
from kdc.export.process_memory import private_bytes
from kdc.export.session import open_session

# an ONNX model of one node, Identity: all that opening it takes is the runtime's own
ONE_NODE = (
    b'\x08\x08:7\n\x10\n\x01x\x12\x01y"\x08Identity\x12\x01gZ\x0f\n\x01x\x12\n\n\x08\x08\x01'
    b"\x12\x04\n\x02\x08\x01b\x0f\n\x01y\x12\n\n\x08\x08\x01\x12\x04\n\x02\x08\x01B\x04\n\x00\x10\r"
)


@dataclass(frozen=True)
class Weight:
    """Memory of its own that a process gained, in bytes."""

    runtime: int
    """By loading ONNX Runtime and opening a model of one node."""
    weights: int
    """By then opening the model without prepacking: its weights, unless they are mapped, and its
    graph."""


def weigh(job: Job) -> Weight:
    """Open the model of one node and then the model, without running it.

    Raises:
        KdcError: the model cannot be opened.
    """
    empty = private_bytes()
    import onnxruntime

    options = SessionOptions.from_dict(job.session, job.model)
    first = onnxruntime.InferenceSession(
        ONE_NODE, options.build(job.threads), providers=["CPUExecutionProvider"]
    )
    ready = private_bytes()
    session = open_session(Path(job.model), job.threads, replace(options, prepacking=False))
    opened = private_bytes()
    del first, session  # which had to live until here
    return Weight(max(0, ready - empty), max(0, opened - ready))


def main() -> None:
    """Answer one job."""
    answer_one(lambda question: weigh(Job(**question)))


if __name__ == "__main__":
    main()
