"""The fresh process in which a model answers texts: `python -m kdc.export.answering`.

One `Asked` as JSON on standard input, one `Answers` as JSON on standard output.
"""

from pathlib import Path

import numpy as np

from kdc.compress.errors import KdcError
from kdc.export.child import answer_one
from kdc.export.cpu_profile import find_profile
from kdc.export.jobs import Answers, Asked
from kdc.export.options import SessionOptions
from kdc.export.session import open_session


def answer(asked: Asked) -> Answers:
    """Open the model in this process and answer every text alone.

    Raises:
        KdcError: it cannot be opened or run, or its logits are no numbers.
    """
    said = find_profile(asked.cpu_profile).apply()
    import onnxruntime

    options = SessionOptions.from_dict(asked.session, asked.model)
    session = open_session(Path(asked.model), asked.threads, options)
    rows = [
        (np.array(tokens, dtype=np.int64), np.array(types, dtype=np.int64))
        for tokens, types in zip(asked.tokens, asked.types, strict=True)
    ]
    logits = [session.run(*row) for row in rows]
    for number, row in enumerate(logits, 1):
        if not np.isfinite(row).all():  # which JSON could not carry either
            raise KdcError(f"{asked.model} answers text {number} with no number: export it again")
    where = {"cpu_profile": said} if said else {}
    return Answers([row.tolist() for row in logits], onnxruntime.__version__, where)


def main() -> None:
    """Answer one question."""
    answer_one(lambda question: answer(Asked(**question)))


if __name__ == "__main__":
    main()
