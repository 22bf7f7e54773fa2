"""What a phone folder answers to rows of a table: where reading data and running ONNX meet."""

from pathlib import Path

import numpy as np
import numpy.typing as npt
from tokenizers import Tokenizer

from kdc.compress.data.dataset import Split
from kdc.compress.encode import encode
from kdc.compress.errors import KdcError
from kdc.compress.examples import Examples
from kdc.compress.judge import refuse_sets
from kdc.compress.progress import Progress
from kdc.export.phone_model import Phone
from kdc.export.session import answer, open_session


def phone_answers(
    phone: Phone, rows: Split, progress: Progress
) -> tuple[tuple[str, ...], npt.NDArray[np.float32]]:
    """Run the file that ships over rows, each alone, with the tokenizer that ships.

    Returns:
        The class names (empty for regression) and (N, C) logits.

    Raises:
        KdcError: its model does not run, or gives a text one label where the rows may have several.
    """
    if phone.task.kind == "classification":
        refuse_sets(str(phone.folder), rows)
    examples = tokenised(phone.folder / "tokenizer.json", phone.max_length, rows, progress)
    return phone.task.labels, answer(open_session(phone.model), examples, progress)


def tokenised(path: Path, max_length: int, rows: Split, progress: Progress) -> Examples:
    """Tokenise rows with the tokenizer that lies beside a model, each to its own length.

    Args:
        path: a `tokenizer.json`.
        max_length: tokens that a text is cut to, special tokens included.
        rows: the texts.
        progress: shows how far it is.

    Raises:
        KdcError: it is no tokenizer, or has no answer to a text.
    """
    try:
        tokenizer = Tokenizer.from_file(str(path))
    except Exception as error:  # the Rust library raises bare Exception
        raise KdcError(f"{path} is no tokenizer that can be read ({error})") from error
    tokenizer.no_padding()
    tokenizer.enable_truncation(max_length)
    return encode(tokenizer, rows, progress, "rows")
