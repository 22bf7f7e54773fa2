"""A student folder made on the spot: a tiny real encoder that sorts texts by their words."""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

from kdc.compress.artifact import save_token_counts
from kdc.compress.examples import Examples, save_examples
from kdc.compress.files import whole_folder, write_json, write_manifest, write_text
from kdc.compress.metrics import predictions, score
from kdc.compress.models import PROBLEM_TYPES
from kdc.compress.task import Task

_TEXT = "wake me up at ten play some loud music in the kitchen please stop it now"
WORDS = _TEXT.split()
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
LABELS = ("alarm", "music", "stop")
MAX_LENGTH = 24
_SIZES: dict[str, dict[str, Any]] = {
    "Bert": {},
    "Roberta": {"pad_token_id": 0, "type_vocab_size": 1, "max_position_embeddings": 40},
    "Electra": {"embedding_size": 16},
    "DistilBert": {"dim": 32, "n_layers": 2, "n_heads": 2, "hidden_dim": 64},
    "Albert": {"embedding_size": 16},
    "MobileBert": {"embedding_size": 16, "intra_bottleneck_size": 16},
}
FAMILIES = list(_SIZES)
_UP = ("intermediate.dense", "ffn.lin1", "albert_layers.0.ffn")


def tiny_model(
    family: str, outputs: int, sharpness: float = 8.0, problem: str | None = None
) -> Any:  # noqa: ANN401
    """Return a classifier of random weights whose logits differ from text to text."""
    sizes = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2}
    config = getattr(transformers, f"{family}Config")(
        **{**sizes, "intermediate_size": 64, "max_position_embeddings": 32, **_SIZES[family]},
        vocab_size=128,
        num_labels=outputs,
        problem_type=problem,
        initializer_range=0.3,
    )
    torch.manual_seed(0)
    model = getattr(transformers, f"{family}ForSequenceClassification")(config).eval()
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if name.startswith("classifier") and weight.ndim == 2:
                weight.mul_(sharpness)
    return model


def with_a_far_channel(model: Any) -> Any:  # noqa: ANN401
    """Make one channel behind a layer's activation 20 times what the others are."""
    up = [each for name, each in model.named_modules() if name.endswith(_UP)]
    assert up, "this family's feed-forward half is called otherwise"
    with torch.no_grad():
        for layer in up:
            layer.weight[7] *= 20
    return model


def tiny_tokenizer() -> Tokenizer:
    """Return a WordPiece tokenizer of 128 tokens, cut at `MAX_LENGTH`, as students carry it."""
    pieces = [chr(c) for c in range(ord("a"), ord("z") + 1)]
    tokens = [*SPECIAL, *dict.fromkeys(WORDS), *pieces, *(f"##{piece}" for piece in pieces)]
    tokens += [c for c in "0123456789.,!?'-:/你好é"]
    tokens += [f"[unused{i}]" for i in range(128 - len(tokens))]
    vocabulary = {token: index for index, token in enumerate(tokens)}
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[("[CLS]", 2), ("[SEP]", 3)],
    )
    tokenizer.add_special_tokens(SPECIAL)
    tokenizer.enable_truncation(MAX_LENGTH)
    return tokenizer


def token_of(tokenizer: Tokenizer, index: int) -> str:
    """Return the token of an id that there is."""
    token = tokenizer.id_to_token(index)
    assert token is not None
    return token


def tiny_texts(count: int, seed: int) -> list[str]:
    """Return texts of 1 to 14 known words."""
    rng = np.random.default_rng(seed)
    return [" ".join(rng.choice(WORDS, int(rng.integers(1, 15)))) for _ in range(count)]


def make_task(kind: str = "classification", pair: bool = False) -> Task:
    if kind == "regression":
        return Task("demo-scores", "regression", (), pair, "pearson")
    if kind == "multi-label":
        return Task("demo-labels", "multi-label", LABELS, pair, "micro_f1")
    return Task("demo", "classification", LABELS, pair, "accuracy")


def tiny_examples(model: Any, task: Task, count: int, seed: int) -> Examples:  # noqa: ANN401
    """Tokenise texts, let the model answer each alone, and take nine in ten answers as gold."""
    texts, tokenizer = tiny_texts(count, seed), tiny_tokenizer()
    pairs = tiny_texts(count, seed + 1) if task.pair else None
    others: Sequence[str | None] = pairs or [None] * count
    rows = [tokenizer.encode(*row) for row in zip(texts, others, strict=True)]
    takes_types = getattr(model.config, "type_vocab_size", 0) > 1
    answers = []
    with torch.no_grad():
        for row in rows:
            types = {"token_type_ids": torch.tensor([row.type_ids])} if takes_types else {}
            answers.append(model(torch.tensor([row.ids]), **types).logits[0].numpy())
    logits = np.stack(answers).astype(np.float32)
    gold = predictions(logits, task.kind)
    gold = np.where((np.arange(count) % 10 == 9).reshape(-1, *[1] * (gold.ndim - 1)), 0, gold)
    return Examples(
        tokens=np.concatenate([np.array(row.ids) for row in rows]).astype(np.int32),
        types=np.concatenate([np.array(row.type_ids) for row in rows]).astype(np.uint8),
        lengths=np.array([len(row) for row in rows], dtype=np.int32),
        labels=gold.astype(np.int64 if task.kind == "classification" else np.float32),
        texts=texts,
        pairs=pairs,
        logits=logits,
    )


def make_student(
    folder: Path, family: str = "Bert", task: Task | None = None, rows: int = 60
) -> Path:
    """Write a student folder, format `kdc.student/1`."""
    task = task or make_task()
    model = tiny_model(family, task.outputs, problem=PROBLEM_TYPES[task.kind])
    dev = tiny_examples(model, task, rows, seed=1)
    assert dev.logits is not None
    graded = score(task.metric, dev.logits, dev.labels).as_dict()
    with whole_folder(folder, "kdc.student") as staging:
        model.save_pretrained(staging)
        tiny_tokenizer().save(str(staging / "tokenizer.json"))
        special = {"cls_token": "[CLS]", "sep_token": "[SEP]", "pad_token": "[PAD]"}
        special |= {
            "unk_token": "[UNK]",
            "mask_token": "[MASK]",
            "tokenizer_class": "BertTokenizer",
        }
        write_json(staging / "tokenizer_config.json", {**special, "model_max_length": MAX_LENGTH})
        write_text(staging / "recipe.toml", 'name = "hinton"\n[run]\nteacher = "/far/away/big"\n')
        write_json(staging / "metrics.json", {"teacher": graded, "student": graded, "retained": 1})
        save_examples(staging / "dev.npz", dev)
        calibration = tiny_examples(model, task, 24, seed=3)
        save_examples(staging / "calibration.npz", replace(calibration, logits=None))
        save_token_counts(staging, calibration.tokens, model.config.vocab_size)
        fields = {"parent": {"teacher": "a" * 64, "data": "b" * 64}, "task": task.as_dict()}
        versions = {"kdc": "0.1.0"}
        write_manifest(
            staging,
            "kdc.student/1",
            {**fields, "max_length": MAX_LENGTH, "made_with": versions},
        )
    return folder


def remake(folder: Path) -> None:
    """Write the manifest again after a test has changed a file on purpose."""
    manifest = json.loads((folder / "manifest.json").read_text())
    fields = {key: value for key, value in manifest.items() if key not in ("format", "files")}
    write_manifest(folder, manifest["format"], fields)
