"""A corpus of random tokens and a masked-LM of random weights: speed does not depend on them."""

from pathlib import Path

import numpy as np
import torch
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from training import read_shape
from transformers import BertConfig, BertForMaskedLM, PreTrainedTokenizerFast

from kdc.compress.corpus.folder import FORMAT, vocabulary_digest
from kdc.compress.corpus.masking import Masker
from kdc.compress.corpus.settings import Settings
from kdc.compress.corpus.shards import Shard, token_type, write_shard
from kdc.compress.corpus.vocabulary import Vocabulary
from kdc.compress.files import write_manifest

VOCABULARY = 30_522
LENGTH = 128
MASKED_SHARE = 0.15
_SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]


def write_teacher(folder: Path, name: str) -> Path:
    """Write a BERT with a masked-LM head and a tokenizer of words that are numbers."""
    shape = read_shape(name)
    config = BertConfig(
        vocab_size=VOCABULARY,
        num_hidden_layers=shape.layers,
        hidden_size=shape.hidden,
        num_attention_heads=shape.heads,
        intermediate_size=shape.ffn,
    )
    torch.manual_seed(0)
    BertForMaskedLM(config).save_pretrained(folder)
    names = zip(("pad", "unk", "cls", "sep", "mask"), _SPECIAL, strict=True)
    special = {f"{name}_token": token for name, token in names}
    PreTrainedTokenizerFast(tokenizer_object=_tokenizer(), **special).save_pretrained(folder)
    return folder


def write_corpus(folder: Path, teacher: Path, count: int) -> Path:
    """Write a folder of one shard of sequences of one length, each masked once."""
    folder.mkdir()
    rng = np.random.default_rng(0)
    rows = rng.integers(len(_SPECIAL), VOCABULARY, (count, LENGTH))
    rows[:, 0], rows[:, -1] = 2, 3
    kind, starts = token_type(VOCABULARY), np.arange(count + 1) * LENGTH
    tokens = rows.reshape(-1).astype(kind)
    tokenizer, settings = _tokenizer(), Settings(masking="token", max_length=LENGTH)
    masker = Masker(Vocabulary(tokenizer.to_str(), tuple(range(len(_SPECIAL))), 4), settings)
    masks = masker.mask(tokens, starts, rng)
    shard = Shard(
        tokens=tokens,
        starts=starts,
        seconds=np.zeros(count, np.uint16),
        pairs=np.full(count, -1, np.int8),
        mask_starts=masks.starts,
        mask_places=masks.places,
        mask_inputs=masks.inputs,
    )
    write_shard(folder / "shard-00000.safetensors", shard)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (folder / name).write_bytes((teacher / name).read_bytes())
    fields = {
        "tokenizer": vocabulary_digest(tokenizer),
        "vocab_size": VOCABULARY,
        "mask_id": 4,
        "special_ids": list(range(len(_SPECIAL))),
        "max_length": LENGTH,
        "duplicates": 1,
        "sequences": count,
        "tokens": len(tokens),
        "masked": len(masks.places),
        "seed": 0,
        "settings": settings.as_dict(),
        "sources": [],
    }
    write_manifest(folder, FORMAT, fields)
    return folder


def _tokenizer() -> Tokenizer:
    words = [*_SPECIAL, *map(str, range(VOCABULARY - len(_SPECIAL)))]
    ids = {word: number for number, word in enumerate(words)}
    found = Tokenizer(models.WordPiece(ids, unk_token="[UNK]"))
    found.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    found.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    found.add_special_tokens(_SPECIAL)
    return found
