"""Google's original BERT checkpoints: `bert_model.ckpt.*`, `bert_config.json` and `vocab.txt`.

They are turned once into a folder that transformers reads, which is kept in the cache: the encoder
and the heads for masked words and next sentences, in safetensors, without TensorFlow.
"""

from collections.abc import Iterator
from hashlib import sha256 as digest_of
from pathlib import Path
from typing import Any

import numpy as np

from kdc.compress.arrays import Array
from kdc.compress.errors import KdcError
from kdc.compress.files import (
    MANIFEST,
    read_json,
    read_manifest,
    sha256,
    whole_folder,
    write_json,
    write_manifest,
)
from kdc.compress.locks import lock
from kdc.compress.progress import Progress
from kdc.compress.swap import clear_leftovers
from kdc.compress.tensor_bundle import TensorBundle
from kdc.compress.user_cache import cache_root

FORM = "kdc.converted"
FORMAT = f"{FORM}/1"
CHECKPOINT, CONFIG, VOCABULARY = "bert_model.ckpt", "bert_config.json", "vocab.txt"
SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
_SIZES = {  # the largest that anybody has published, many times over
    "vocab_size": 10_000_000,
    "hidden_size": 65_536,
    "num_hidden_layers": 1_000,
    "num_attention_heads": 1_000,
    "intermediate_size": 262_144,
    "max_position_embeddings": 1_000_000,
    "type_vocab_size": 1_000,
}
_SHARES = ("hidden_dropout_prob", "attention_probs_dropout_prob", "initializer_range")
_ACTIVATIONS = ("gelu", "relu", "tanh")
_DENSE = {"kernel": "weight", "bias": "bias"}
_NORM = {"gamma": "weight", "beta": "bias"}
Names = dict[str, tuple[str, tuple[int, ...]]]


def is_tf_checkpoint(folder: Path) -> bool:
    """Whether a folder holds one of Google's checkpoints, and nothing that transformers reads."""
    return (folder / f"{CHECKPOINT}.index").is_file() and not (folder / "config.json").exists()


def converted(folder: Path, progress: Progress) -> Path:
    """Return the folder that a checkpoint was turned into, now or before.

    Raises:
        KdcError: a file of it is missing, damaged, or does not fit the others.
    """
    out = cache_root() / "tensorflow" / _digest(folder)
    if _is_whole(out):  # read without the lock: any number of runs share it
        return out
    with lock(out.with_name(f"{out.name}.lock"), str(out), wait=True):
        if _is_whole(out):  # another run made it while this one waited
            return out
        if (out / MANIFEST).is_file():
            progress.say(f"{out} is damaged: converting {folder} again")
        progress.say(f"converting the TensorFlow checkpoint in {folder} (once)")
        clear_leftovers(out)
        with whole_folder(out, FORM) as staging:
            convert(folder, staging)
            write_manifest(staging, FORMAT, {"parent": out.name})
    return out


def convert(folder: Path, out: Path) -> None:
    """Write a checkpoint as `config.json`, `model.safetensors` and the tokenizer's files.

    Raises:
        KdcError: a file of it is missing, damaged, or does not fit the others.
    """
    from safetensors.numpy import save_file

    config, words = _config(folder), _vocabulary(folder)
    if len(words) > config["vocab_size"]:
        raise KdcError(
            f"{folder / VOCABULARY} has {len(words):,} tokens and {folder / CONFIG} says "
            f"{config['vocab_size']:,}: they are of different models"
        )
    bundle = TensorBundle(folder / CHECKPOINT)
    heads = _heads(bundle)
    names = dict(_names(config, heads))
    _check(folder, bundle, names, config["num_hidden_layers"])
    tensors = {ours: _read(bundle, theirs, shape) for ours, (theirs, shape) in names.items()}
    save_file(tensors, out / "model.safetensors", metadata={"format": "pt"})
    kind = {2: "BertForPreTraining", 1: "BertForMaskedLM", 0: "BertModel"}[len(heads)]
    write_json(out / "config.json", {"model_type": "bert", "architectures": [kind], **config})
    _write_tokenizer(out, words, config["max_position_embeddings"])


def _is_whole(out: Path) -> bool:
    try:
        read_manifest(out, FORMAT, "converted checkpoint")
    except KdcError:
        return False
    return True


def _digest(folder: Path) -> str:
    """Return a sha256 over all files that a checkpoint is made of."""
    paths = sorted(folder.glob(f"{CHECKPOINT}.*"))
    for name in (CONFIG, VOCABULARY):
        if not (folder / name).is_file():
            raise KdcError(
                f"{folder} holds a TensorFlow checkpoint without its {name}: put the file there"
            )
        paths.append(folder / name)
    return digest_of("\n".join(f"{p.name} {sha256(p)}" for p in paths).encode()).hexdigest()[:32]


def _config(folder: Path) -> dict[str, Any]:
    """Read the sizes, and nothing else."""
    path = folder / CONFIG
    fields, config = read_json(path), dict[str, Any]()
    for name, most in _SIZES.items():
        value = fields.get(name)
        if type(value) is not int or not 1 <= value <= most:
            raise KdcError(f"{path} sets {name} to {value!r}: no BERT has that")
        config[name] = value
    for name in _SHARES:
        value = fields.get(name, 0.1 if name.endswith("prob") else 0.02)
        if type(value) not in (int, float) or not 0 <= value < 1:
            raise KdcError(f"{path} sets {name} to {value!r}: no BERT has that")
        config[name] = float(value)
    if config["hidden_size"] % config["num_attention_heads"]:
        raise KdcError(f"{path}: its heads do not divide hidden_size {config['hidden_size']}")
    config["hidden_act"] = fields.get("hidden_act", "gelu")
    if config["hidden_act"] not in _ACTIVATIONS:
        raise KdcError(f"{path} sets hidden_act to {config['hidden_act']!r}: no BERT has that")
    return config


def _vocabulary(folder: Path) -> list[str]:
    """Read the tokens in the order of their ids."""
    path = folder / VOCABULARY
    try:
        words = path.read_text(encoding="utf-8").split("\n")
    except UnicodeDecodeError as error:
        raise KdcError(f"{path} is no vocabulary: it is not UTF-8") from error
    words = [word.strip() for word in (words[:-1] if words[-1] == "" else words)]
    lacking = [token for token in SPECIAL if token not in words]
    if lacking or len(set(words)) < len(words):
        fault = f"lacks {lacking[0]}" if lacking else "has a token twice"
        raise KdcError(f"{path} is no vocabulary of a BERT: it {fault}")
    return words


def _heads(bundle: TensorBundle) -> list[str]:
    """Return which of the two heads of pre-training a checkpoint has."""
    first = {"predictions": "output_bias", "seq_relationship": "output_weights"}
    there = [head for head, name in first.items() if f"cls/{head}/{name}" in bundle.entries]
    return there if "predictions" in there else []


def _names(config: dict[str, Any], heads: list[str]) -> Iterator[tuple[str, tuple[str, Any]]]:
    """Yield transformers' name of every tensor, Google's, and the shape that Google's has."""
    wide, inner = config["hidden_size"], config["intermediate_size"]

    def dense(place: str, one: int, other: int) -> Iterator[tuple[str, tuple[str, Any]]]:
        for theirs, ours in _DENSE.items():
            shape = (one, other) if theirs == "kernel" else (other,)
            yield f"{_ours(place)}.{ours}", (f"{place}/{theirs}", shape)

    def norm(place: str) -> Iterator[tuple[str, tuple[str, Any]]]:
        for theirs, ours in _NORM.items():
            yield f"{_ours(place)}.{ours}", (f"{place}/{theirs}", (wide,))

    tables = {"word": "vocab_size", "position": "max_position_embeddings"}
    for table, size in {**tables, "token_type": "type_vocab_size"}.items():
        place = f"bert/embeddings/{table}_embeddings"
        yield f"{_ours(place)}.weight", (place, (config[size], wide))
    yield from norm("bert/embeddings/LayerNorm")
    for number in range(config["num_hidden_layers"]):
        layer = f"bert/encoder/layer_{number}"
        for part in ("query", "key", "value"):
            yield from dense(f"{layer}/attention/self/{part}", wide, wide)
        yield from dense(f"{layer}/attention/output/dense", wide, wide)
        yield from norm(f"{layer}/attention/output/LayerNorm")
        yield from dense(f"{layer}/intermediate/dense", wide, inner)
        yield from dense(f"{layer}/output/dense", inner, wide)
        yield from norm(f"{layer}/output/LayerNorm")
    yield from dense("bert/pooler/dense", wide, wide)
    if "predictions" in heads:
        yield from dense("cls/predictions/transform/dense", wide, wide)
        yield from norm("cls/predictions/transform/LayerNorm")
        yield "cls.predictions.bias", ("cls/predictions/output_bias", (config["vocab_size"],))
    if "seq_relationship" in heads:  # the one matrix that stands as transformers has it
        yield "cls.seq_relationship.weight", ("cls/seq_relationship/output_weights", (2, wide))
        yield "cls.seq_relationship.bias", ("cls/seq_relationship/output_bias", (2,))


def _ours(place: str) -> str:
    return place.replace("/layer_", "/layer/").replace("/", ".")


def _check(folder: Path, bundle: TensorBundle, names: Names, layers: int) -> None:
    """Compare the index with the configuration before anything is read."""
    for theirs, shape in names.values():
        entry = bundle.entries.get(theirs)
        if entry is None or entry.shape != shape or entry.kind not in ("<f4", "<f2"):
            found = "lacks it" if entry is None else f"has it as {entry.kind} {list(entry.shape)}"
            raise KdcError(
                f"the checkpoint in {folder} does not fit its {CONFIG}: {theirs} should be float "
                f"{list(shape)}, and the index {found}"
            )
    layer = f"bert/encoder/layer_{layers}"
    if any(name.startswith(f"{layer}/") for name in bundle.entries):
        raise KdcError(
            f"the checkpoint in {folder} does not fit its {CONFIG}: it holds layers that this does "
            f"not count, such as {layer}"
        )


def _read(bundle: TensorBundle, name: str, shape: tuple[int, ...]) -> Array:
    """Read a tensor as transformers has it: matrices the other way round."""
    found = bundle.read(name).astype(np.float32)
    return np.ascontiguousarray(found.T if name.endswith("/kernel") else found)


def _write_tokenizer(out: Path, words: list[str], longest: int) -> None:
    """Write BERT's own tokenizer; it keeps capital letters where its vocabulary has any."""
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

    ids = {word: number for number, word in enumerate(words)}
    lower = all(word == word.lower() for word in words if word not in SPECIAL and "[" not in word)
    made = Tokenizer(models.WordPiece(ids, unk_token="[UNK]"))
    made.normalizer = normalizers.BertNormalizer(lowercase=lower)
    made.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    made.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[("[CLS]", ids["[CLS]"]), ("[SEP]", ids["[SEP]"])],
    )
    made.add_special_tokens(list(SPECIAL))
    made.save(str(out / "tokenizer.json"))
    (out / VOCABULARY).write_text("\n".join(words) + "\n", encoding="utf-8")
    special = {f"{token[1:-1].lower()}_token": token for token in SPECIAL}
    more = {"tokenizer_class": "BertTokenizer", "do_lower_case": lower, "model_max_length": longest}
    write_json(out / "tokenizer_config.json", {**special, **more})
