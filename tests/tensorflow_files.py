"""Google's checkpoints, written on the spot: TensorFlow's index and data files by hand."""

import json
from pathlib import Path
from typing import Any

import numpy as np
from transformers import BertConfig, BertForPreTraining

from tests.student import tiny_tokenizer
from tests.tiny import own_rng, tiny_config

_MAGIC = 0xDB4775248B80FB57
_PER_BLOCK, _PER_RESTART = 7, 3
_TYPES = {"float32": 1, "int64": 9}


def crc32c(data: bytes) -> int:
    """Bit by bit, as the polynomial says it."""
    register = 0xFFFFFFFF
    for byte in data:
        register ^= byte
        for _ in range(8):
            register = (register >> 1) ^ (0x82F63B78 if register & 1 else 0)
    return register ^ 0xFFFFFFFF


def masked_crc(data: bytes) -> bytes:
    crc = crc32c(data)
    return (((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF).to_bytes(4, "little")


def varint(value: int) -> bytes:
    found = bytearray()
    while value > 127:
        found.append(value & 127 | 128)
        value >>= 7
    return bytes([*found, value])


def whole(number: int, value: int) -> bytes:
    return varint(number << 3) + varint(value)


def nested(number: int, value: bytes) -> bytes:
    return varint(number << 3 | 2) + varint(len(value)) + value


def write_bundle(prefix: Path, tensors: dict[str, Any]) -> None:
    """Write `prefix.index` and `prefix.data-00000-of-00001`."""
    entries, data = [(b"", whole(1, 1) + nested(3, whole(1, 1)))], b""
    for name in sorted(tensors):
        array = np.ascontiguousarray(tensors[name])
        raw = array.tobytes()
        shape = b"".join(nested(2, whole(1, size)) for size in array.shape)
        entry = whole(1, _TYPES[array.dtype.name]) + nested(2, shape)
        entry += (whole(4, len(data)) if data else b"") + whole(5, len(raw))
        entries.append((name.encode(), entry + varint(6 << 3 | 5) + masked_crc(raw)))
        data += raw
    prefix.with_name(f"{prefix.name}.data-00000-of-00001").write_bytes(data)
    prefix.with_name(f"{prefix.name}.index").write_bytes(table(entries))


def table(entries: list[tuple[bytes, bytes]]) -> bytes:
    """Return a table of sorted entries, in several blocks."""
    out, handles = b"", []
    for start in range(0, len(entries), _PER_BLOCK):
        part = entries[start : start + _PER_BLOCK]
        raw = block(part)
        handles.append((part[-1][0], varint(len(out)) + varint(len(raw))))
        out += raw + b"\0" + masked_crc(raw + b"\0")
    footer = b""
    for raw in (block([]), block(handles)):
        footer += varint(len(out)) + varint(len(raw))
        out += raw + b"\0" + masked_crc(raw + b"\0")
    return out + footer.ljust(40, b"\0") + _MAGIC.to_bytes(8, "little")


def block(entries: list[tuple[bytes, bytes]]) -> bytes:
    out, restarts, before = b"", [0], b""
    for number, (key, value) in enumerate(entries):
        shared = 0
        if number % _PER_RESTART:
            while shared < min(len(key), len(before)) and key[shared] == before[shared]:
                shared += 1
        elif number:
            restarts.append(len(out))
        out += varint(shared) + varint(len(key) - shared) + varint(len(value))
        out += key[shared:] + value
        before = key
    numbers = [*restarts, len(restarts)]
    return out + b"".join(number.to_bytes(4, "little") for number in numbers)


def google_names(model: Any) -> dict[str, Any]:  # noqa: ANN401
    """Return a BERT's weights under the names that Google's program gave them."""
    found: dict[str, Any] = {"global_step": np.array(900_000)}
    for name, weight in model.state_dict().items():
        if name.startswith("cls.predictions.decoder") or name.endswith("position_ids"):
            continue
        array = weight.numpy()
        if name == "cls.predictions.bias":
            name = "cls.predictions.output_bias"
        elif name.startswith("cls.seq_relationship"):
            name = name.replace("relationship.weight", "relationship.output_weights")
            name = name.replace("relationship.bias", "relationship.output_bias")
        elif "LayerNorm" in name:
            name = name.replace(".weight", ".gamma").replace(".bias", ".beta")
        elif name.endswith("embeddings.weight"):
            name = name.removesuffix(".weight")
        elif name.endswith(".weight"):
            name, array = name.removesuffix("weight") + "kernel", array.T
        place = name.replace(".layer.", ".layer_").replace(".", "/")
        found[place] = array
        found[f"{place}/adam_m"] = np.zeros(2, np.float32)
    return found


def google_checkpoint(folder: Path, **changes: Any) -> Any:  # noqa: ANN401
    """Write a tiny BERT as Google's folder; returns the model."""
    folder.mkdir()
    config: BertConfig = tiny_config()
    with own_rng(4):
        model = BertForPreTraining(config).eval()
    write_bundle(folder / "bert_model.ckpt", google_names(model))
    names = ["vocab_size", "hidden_size", "num_hidden_layers", "num_attention_heads"]
    names += ["intermediate_size", "max_position_embeddings", "type_vocab_size", "hidden_act"]
    fields = {name: getattr(config, name) for name in names}
    (folder / "bert_config.json").write_text(json.dumps({**fields, **changes}))
    ids = tiny_tokenizer().get_vocab()
    (folder / "vocab.txt").write_text("\n".join(sorted(ids, key=ids.__getitem__)) + "\n")
    return model
