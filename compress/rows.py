"""A dataset in a model's own tokens."""

from dataclasses import dataclass
from typing import Any

from tokenizers import Tokenizer

from kdc.compress.data.dataset import Dataset
from kdc.compress.encode import encode, plain_tokenizer
from kdc.compress.errors import KdcError
from kdc.compress.examples import Examples
from kdc.compress.models import Source, load_tokenizer, read_config
from kdc.compress.progress import Progress

DEFAULT_MAX_LENGTH = 128
_UNREAD = 0.05  # of the training tokens; names and typing errors are far fewer


@dataclass(frozen=True)
class Rows:
    """Every split, tokenised, with the tokenizer that did it."""

    tokenizer: Any
    """transformers' tokenizer, to be saved with the model."""
    plain: Tokenizer
    """The Rust tokenizer in it: no padding, cut at `max_length`."""
    train: Examples
    dev: Examples
    test: Examples | None
    padding: int
    """The padding token's id."""
    max_length: int
    """Tokens a text is cut to, special tokens included."""


def tokenise(
    source: Source, data: Dataset, longest: int, wanted: int | None, progress: Progress
) -> Rows:
    """Tokenise every split with a model's tokenizer.

    Args:
        source: whose tokenizer.
        data: the texts.
        longest: tokens that the model has positions for.
        wanted: the user's `--max-length`, or None for 128 or the model's longest.
        progress: shows how far it is; says how many texts are cut.

    Raises:
        KdcError: the length is out of range, or the tokenizer is missing, has no padding token or
            has more tokens than the model.
    """
    max_length = min(DEFAULT_MAX_LENGTH, longest) if wanted is None else wanted
    tokenizer = load_tokenizer(source)
    # below this the tokenizer's own sum turns negative and it cuts nothing
    least = tokenizer.num_special_tokens_to_add(pair=data.task.pair) + 1
    if not least <= max_length <= longest:
        raise KdcError(
            f"--max-length must be from {least} to this model's {longest}, not {max_length}"
        )
    if tokenizer.pad_token_id is None:
        raise KdcError(f"the tokenizer in {source.folder} has no padding token: set one first")
    tokenizer.model_max_length = max_length
    plain = plain_tokenizer(tokenizer, max_length)
    train = encode(plain, data.train, progress, "train")
    dev = encode(plain, data.dev, progress, "dev")
    test = encode(plain, data.test, progress, "test") if data.test else None
    refuse_foreign_tokens(source, [train, dev, *([test] if test else [])])
    cut = int((train.lengths >= max_length).sum())
    if cut > len(train) / 100:
        share = cut / len(train)
        progress.say(
            f"{share:.0%} of the training texts fill {max_length} tokens; longer ones are cut"
        )
    unknown = tokenizer.unk_token_id
    if unknown is not None and (share := float((train.tokens == unknown).mean())) > _UNREAD:
        progress.say(
            f"{share:.0%} of the training tokens are {tokenizer.unk_token}: {source.name} does not "
            "read such texts"
        )
    return Rows(
        tokenizer=tokenizer,
        plain=plain,
        train=train,
        dev=dev,
        test=test,
        padding=int(tokenizer.pad_token_id),
        max_length=max_length,
    )


def refuse_foreign_tokens(source: Source, splits: list[Examples]) -> None:
    """Raise KdcError when a row holds a token that the model has no embedding for."""
    rows = int(read_config(source.folder).vocab_size)
    highest = max(int(examples.tokens.max()) for examples in splits)
    if highest >= rows:
        raise KdcError(
            f"the tokenizer in {source.folder} gives token {highest}, but the model has embeddings "
            f"for {rows:,} tokens: it belongs to another model"
        )
