"""The tokenizer of a teacher, as a corpus needs it."""

from typing import Any

from tokenizers import Tokenizer

from kdc.compress.corpus.vocabulary import Vocabulary
from kdc.compress.errors import KdcError
from kdc.compress.families import numbered
from kdc.compress.models import find_model, load_tokenizer, read_config
from kdc.compress.progress import Progress


def load_vocabulary(
    name: str, max_length: int, progress: Progress
) -> tuple[Vocabulary, dict[str, str]]:
    """Load a teacher's tokenizer.

    Returns:
        The vocabulary, and the tokenizer's files by their names.

    Raises:
        KdcError: no such teacher, no tokenizer, no mask token, a vocabulary that is not the
            model's, or sequences longer than it has positions for.
    """
    source = find_model(name, progress)
    tokenizer, config = load_tokenizer(source), read_config(source.folder)
    if tokenizer.mask_token_id is None:
        raise KdcError(
            f"the tokenizer of {name} has no mask token: no word of a text can be masked"
        )
    plain = Tokenizer.from_str(tokenizer.backend_tokenizer.to_str())
    plain.no_truncation()
    plain.no_padding()
    special = tuple(sorted(int(number) for number in tokenizer.all_special_ids))
    vocabulary = Vocabulary(plain.to_str(), special, int(tokenizer.mask_token_id))
    if vocabulary.size > int(config.vocab_size):
        raise KdcError(
            f"the tokenizer in {source.folder} has {vocabulary.size:,} tokens, but the model has "
            f"embeddings for {config.vocab_size:,}: it belongs to another model"
        )
    if (positions := numbered(config)) and max_length > positions:
        raise KdcError(f"--max-length {max_length}: {name} has positions for {positions} tokens")
    return vocabulary, _files(tokenizer, max_length)


def _files(tokenizer: Any, max_length: int) -> dict[str, str]:  # noqa: ANN401
    """Return what `save_pretrained` writes."""
    import tempfile
    from pathlib import Path

    tokenizer.model_max_length = max_length
    with tempfile.TemporaryDirectory() as folder:
        tokenizer.save_pretrained(folder)
        paths = [path for path in sorted(Path(folder).iterdir()) if path.is_file()]
        return {path.name: path.read_text(encoding="utf-8") for path in paths}
