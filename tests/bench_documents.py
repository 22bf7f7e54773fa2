"""Bench documents with every field that `kdc bench --json` writes."""

import json
from pathlib import Path
from typing import Any

import numpy as np

Document = dict[str, Any]
MACHINE = {"cpu": "Some CPU", "cores": 2, "onnxruntime": "1.31.1", "features": ["avx2"]}


def score(value: float, metric: str = "accuracy", n: int = 872) -> Document:
    """A score as it is written, with an interval of two points to each side."""
    ends = [round(value - 0.02, 6), round(value + 0.02, 6)]
    return {"metric": metric, "value": value, "n": n, "interval": ends}


def spread(samples: list[float]) -> Document:
    """Percentiles of samples, and intervals that hold them."""
    shares = {"p50": 50, "p95": 95, "p99": 99}
    found = {name: float(np.percentile(samples, share)) for name, share in shares.items()}
    ends = {name: [0.9 * value, 1.1 * value] for name, value in found.items()}
    return {**found, "n": len(samples), "intervals": ends}


def run(model: str, p50: float, **fields: Any) -> Document:  # noqa: ANN401
    """A run on the host whose median is `p50` ms; `fields` replace what is usual."""
    rng = np.random.default_rng(len(model))
    wall = [round(float(value), 4) for value in p50 * np.exp(rng.normal(0, 0.05, 99))]
    cpu = [round(0.9 * value, 4) for value in wall]
    return {
        "model": model,
        "device": "host",
        "threads": 1,
        "length": "natural",
        "tokens": [4, 23],
        "size_bytes": 4_300_000,
        "zip_bytes": 2_460_000,
        "load_ms": 12.0,
        "first_ms": 3.0,
        "latency_ms": spread(wall),
        "cpu_ms": spread(cpu),
        "instructions": None,
        "peak_rss_bytes": 60_000_000,
        "private_bytes": 9_000_000,
        "memory": {"runtime": 20_000_000, "weights": 4_000_000, "arena": 1_000_000},
        "where": {},
        "samples": {"wall_ms": wall, "cpu_ms": cpu, "instructions": []},
        "drift": None,
        **fields,
    }


def counted(model: str, instructions: int, **fields: Any) -> Document:  # noqa: ANN401
    """A run on an emulated core, which tells instructions and no time."""
    samples = [instructions] * 5
    nothing = dict.fromkeys(("load_ms", "first_ms", "latency_ms", "cpu_ms", "private_bytes"))
    own = {"instructions": {"p50": instructions, "n": 5}, "samples": {"instructions": samples}}
    where = {"cpu": "cortex-a76", "emulator": {"name": "qemu", "version": "7.2"}}
    usual = {"device": "arm64:cortex-a76", "peak_rss_bytes": None, "memory": {}, "where": where}
    return run(model, 1.0, **{**nothing, **own, **usual, **fields})


def model(digit: str, mb: float, accuracy: float | None = None) -> Document:
    """A model whose sha256 is one digit 64 times."""
    scores = accuracy and {"shipped": score(accuracy), "teacher": score(0.96)}
    parts = [("vocabulary", 0.6, "word embeddings"), ("ffn", 0.4, "the two matrices")]
    return {
        "sha256": digit * 64,
        "size_bytes": int(mb * 1e6),
        "zip_bytes": int(mb * 9e5),
        "accuracy": scores or None,
        "quantization": "int8-dynamic",
        "ledger": [
            {"part": name, "bytes": int(mb * share * 1e6), "zip_bytes": 1000, "about": about}
            for name, share, about in parts
        ],
    }


def quality(name: str, value: float, **fields: Any) -> Document:  # noqa: ANN401
    """What was found of a model's answers, with a text that flipped."""
    flip = {"text": "wake me up", "pair": None, "label": "a", "shipped": "a", "other": "b"}
    cosine = {"min": 0.91, "median": 0.999}
    against = {"agree": 0.99, "cosine": cosine, "flips": 9, "flipped": [flip]}
    others = {"student": score(0.9), "teacher": None, "against": {"student": against}}
    head = {"model": name, "device": "host", "data": "demo dev"}
    return {**head, **score(value), **others, **fields}


def versus(one: str, other: str, ratio: float | None, **fields: Any) -> Document:  # noqa: ANN401
    """Two models in turns; without a ratio it was refused."""
    ends = None if ratio is None else [0.98 * ratio, 1.02 * ratio]
    found = {"model": one, "against": other, "device": "host", "length": 128, "clock": "cpu"}
    control = {"aa_ratio": 1.004, "aa_interval": [0.99, 1.01], "pairs": 400}
    refused = {} if ratio else {"refused": "the same model against itself came out as 1.2"}
    return {**found, "latency_ratio": ratio, "interval": ends, **control, **refused, **fields}


def drift(p50: float) -> Document:
    """A run of three minutes that slows by a tenth."""
    rows = [[minute, p50 * (1 + minute / 20), p50 * 0.9] for minute in range(3)]
    ends = {"first_ms": p50, "last_ms": 1.1 * p50, "ratio": 1.1, "interval": [1.05, 1.15]}
    return {"minutes": 3.0, **ends, "by_minute": rows}


def document(**fields: Any) -> Document:  # noqa: ANN401
    """Three models on the host, one on an emulated core too, and all that can be told of them."""
    names = {"small/phone": ("1", 4.0, 0.88), "large/phone": ("2", 12.0, 0.93)}
    models = {name: model(*values) for name, values in names.items()}
    models["foreign.onnx"] = {**model("3", 14.0), "ledger": None, "quantization": None}
    return {
        "format": "kdc.bench/1",
        "date": "2026-11-21T13:20:05+00:00",
        "command": "kdc bench small/phone large/phone foreign.onnx",
        "machine": MACHINE,
        "models": models,
        "runs": [
            run("small/phone", 0.5, zip_bytes=3_600_000, drift=drift(0.5)),
            run("large/phone", 2.0, zip_bytes=10_800_000),
            run("foreign.onnx", 3.0, zip_bytes=12_600_000),
            counted("small/phone", 24_000_000),
        ],
        "versus": [versus("small/phone", "foreign.onnx", 6.0)],
        "quality": [quality("small/phone", 0.88), quality("large/phone", 0.93)],
        **fields,
    }


def write(path: Path, value: object) -> Path:
    """Write what JSON can hold, NaN too."""
    path.write_text(json.dumps(value))
    return path
