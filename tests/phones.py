"""A phone folder made on the spot around a real classifier, with golden answers by hand."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

from kdc.compress.files import whole_folder, write_json, write_manifest, write_text
from kdc.compress.metrics import predictions
from kdc.compress.task import Kind, Task
from kdc.export import web_runtime
from tests.onnx_model import FACTS, POSITIONS, VOCAB, by_hand, make_model

LABELS = ("set_alarm", "weather", "music")
TEXTS = ("wake me", "will it rain", "play the wakeful rain", "", "Wáke, me!", "rain " * 200)
_TOKENS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "wake", "me", "will", "it", "rain"]
_TOKENS += ["play", "the", "##ful", ",", "!", *"abcdefghijklmnopqrstuvwxyz"]
_TOKENS += [f"##{letter}" for letter in "abcdefghijklmnopqrstuvwxyz"]


def word_tokenizer() -> Tokenizer:
    """A WordPiece tokenizer of the classifier's vocabulary, cut at its length."""
    tokens = _TOKENS + [f"[unused{i}]" for i in range(VOCAB - len(_TOKENS))]
    vocabulary = {token: index for index, token in enumerate(tokens)}
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[("[CLS]", 2), ("[SEP]", 3)],
    )
    tokenizer.add_special_tokens(_TOKENS[:5])
    tokenizer.enable_truncation(POSITIONS)
    return tokenizer


def make_phone(
    folder: Path,
    *,
    name: str = "demo",
    labels: tuple[str, ...] = LABELS,
    kind: Kind = "classification",
    pair: bool = False,
) -> Path:
    """Write a phone folder, format `kdc.phone/1`."""
    task = Task(name, kind, labels, pair, "accuracy")
    tokenizer = word_tokenizer()
    score = {"metric": "accuracy", "value": 0.9, "n": 100, "interval": [0.8, 0.95]}
    with whole_folder(folder, "kdc.phone") as staging:
        (staging / "onnx").mkdir()
        make_model(staging / "onnx" / "model_quantized.onnx", FACTS)
        tokenizer.save(str(staging / "tokenizer.json"))
        write_text(staging / "vocab.txt", "".join(f"{token}\n" for token in _TOKENS))
        write_json(staging / "config.json", {"model_type": "bert", "pad_token_id": 0})
        write_json(staging / "tokenizer_config.json", {"tokenizer_class": "BertTokenizer"})
        write_text(staging / "README.md", f"# {name}\n")
        write_json(staging / "golden.json", _golden(task, tokenizer))
        fields = {"task": task.as_dict(), "labels": list(labels), "max_length": POSITIONS}
        fields |= {"quantization": "none", "parent": {"student": "a" * 64}}
        metrics = {"teacher": score, "student": score, "shipped": score}
        write_manifest(staging, "kdc.phone/1", {**fields, "metrics": metrics})
    return folder


def take_some_runtime(folder: Path, patch: pytest.MonkeyPatch) -> Path:
    """Let bundles of the web take small files for ONNX Runtime Web; nothing is fetched."""
    for name in web_runtime.FILES:
        (folder / name).write_text(f"the runtime's {name}\n" * 40)
    patch.setattr(web_runtime, "web_runtime", lambda progress: folder)
    return folder


def _golden(task: Task, tokenizer: Tokenizer) -> dict[str, Any]:
    pairs = [*TEXTS[2:], *TEXTS[:2]] if task.pair else [None] * len(TEXTS)
    rows = [tokenizer.encode(*row) for row in zip(TEXTS, pairs, strict=True)]
    logits = [by_hand(np.array(row.ids), np.array(row.type_ids)) for row in rows]
    golden: dict[str, Any] = {"texts": list(TEXTS)}
    if task.pair:
        golden |= {"pairs": pairs, "token_type_ids": [row.type_ids for row in rows]}
    golden["input_ids"] = [row.ids for row in rows]
    golden["logits"] = [[round(float(x), 6) for x in answer] for answer in logits]
    said = (predictions(answer[None], task.kind)[0] for answer in logits)
    golden["labels"] = [task.names(one) for one in said]
    return {**golden, "tolerance": 0.02}
