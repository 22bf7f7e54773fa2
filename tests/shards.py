"""Token shards made on the spot: sequences of the tiny tokenizer's words, masked as a corpus is."""

from pathlib import Path

import numpy as np
from transformers import BertForMaskedLM

from kdc.compress.corpus.folder import FORMAT, vocabulary_digest
from kdc.compress.corpus.masking import Masker
from kdc.compress.corpus.settings import Settings
from kdc.compress.corpus.shards import Shard, token_type, write_shard
from kdc.compress.corpus.vocabulary import Vocabulary
from kdc.compress.encode import plain_tokenizer
from kdc.compress.files import write_manifest
from kdc.compress.models import Source, load_tokenizer
from tests.student import tiny_tokenizer
from tests.tiny import VOCABULARY, own_rng, save_model, tiny_config

MASK, SPECIAL = 4, [0, 1, 2, 3, 4]
MAX_LENGTH = 16


def tiny_masked_lm(folder: Path, *, layers: int = 2, hidden: int = 32, seed: int = 0) -> Path:
    """Write a BERT of random weights with a masked-LM head."""
    with own_rng(seed):
        return save_model(folder, BertForMaskedLM(tiny_config(layers=layers, hidden=hidden)))


def tiny_shard(count: int, duplicates: int, seed: int, *, paired: bool = False) -> Shard:
    """Make sequences of 6 to 16 tokens in which a word follows from the one before it."""
    rng = np.random.default_rng(seed)
    lengths = rng.integers(6, MAX_LENGTH + 1, count)
    rows = []
    for length in lengths:
        words = 5 + (rng.integers(0, 100) + 3 * np.arange(length - 2)) % 100
        rows.append(np.concatenate([[2], words, [3]]))
    tokens = np.concatenate(rows)
    vocabulary = Vocabulary(tiny_tokenizer().to_str(), tuple(SPECIAL), MASK)
    masker = Masker(vocabulary, Settings(masking="token"))
    starts = np.append(0, np.cumsum(lengths))
    drawn = [masker.mask(tokens, starts, rng) for _ in range(duplicates)]
    counts = np.concatenate([np.zeros(0, np.int64), *(np.diff(masks.starts) for masks in drawn)])
    kind = token_type(VOCABULARY)
    return Shard(
        tokens=tokens.astype(kind),
        starts=starts,
        seconds=(lengths // 2 if paired else np.zeros(count)).astype(np.uint16),
        pairs=np.full(count, 1 if paired else -1, dtype=np.int8),
        mask_starts=np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
        mask_places=np.concatenate([np.zeros(0), *(m.places for m in drawn)]).astype(np.uint16),
        mask_inputs=np.concatenate([np.zeros(0), *(m.inputs for m in drawn)]).astype(kind),
    )


def tiny_corpus(
    folder: Path,
    teacher: Path,
    *,
    duplicates: int = 2,
    shards: int = 2,
    count: int = 60,
    paired: bool = False,
) -> Path:
    """Write a folder of token shards with the teacher's tokenizer, and one shard held out."""
    folder.mkdir()
    names = [f"shard-{number:05}.safetensors" for number in range(shards)]
    made = [tiny_shard(count, duplicates, seed, paired=paired) for seed in range(shards)]
    made.append(tiny_shard(count, 1, shards, paired=paired))
    for name, shard in zip([*names, "held-00000.safetensors"], made, strict=True):
        write_shard(folder / name, shard)
    for name in ("tokenizer.json", "tokenizer_config.json", "vocab.txt"):
        (folder / name).write_bytes((teacher / name).read_bytes())
    tokenizer = plain_tokenizer(load_tokenizer(Source("", teacher, "")), MAX_LENGTH)
    fields = {
        "tokenizer": vocabulary_digest(tokenizer),
        "vocab_size": VOCABULARY,
        "mask_id": MASK,
        "special_ids": SPECIAL,
        "max_length": MAX_LENGTH,
        "duplicates": duplicates,
        "sequences": count * shards,
        "tokens": sum(len(shard.tokens) for shard in made[:-1]),
        "masked": sum(len(shard.mask_places) for shard in made[:-1]),
        "seed": 0,
        "settings": Settings(masking="token", duplicates=duplicates).as_dict(),
        "sources": [],
    }
    write_manifest(folder, FORMAT, fields)
    return folder
