"""A report as JSON again: a bench document with a list of its sources."""

from typing import Any

from kdc.compress.metrics import Score
from kdc.export.report.document import (
    Against,
    Drift,
    Model,
    Part,
    Quality,
    Report,
    Run,
    Spread,
    Versus,
)
from kdc.export.report.reader import FORMAT


def as_dict(report: Report, whole: bool = True) -> dict[str, Any]:
    """Return a report as `read_document` reads it.

    Args:
        report: one or several measurements.
        whole: keep every sample and the texts that flipped. Without, the file is small, still has
            the percentiles with their intervals, and holds nothing of the data.
    """
    return {
        "format": FORMAT,
        "sources": [
            {"date": one.date, "command": one.command, "machine": dict(one.machine)}
            for one in report.sources
        ],
        "models": {name: _model(model) for name, model in report.models.items()},
        "runs": [_run(run, whole) for run in report.runs],
        "versus": [_versus(pair) for pair in report.versus],
        "quality": [_quality(one, whole) for one in report.quality],
    }


def _model(model: Model) -> dict[str, Any]:
    accuracy = {"shipped": _score(model.shipped), "teacher": _score(model.teacher)}
    return {
        "sha256": model.sha256,
        "size_bytes": model.size_bytes,
        "zip_bytes": model.zip_bytes,
        "accuracy": accuracy if any(accuracy.values()) else None,
        "quantization": model.quantization,
        "ledger": [_part(part) for part in model.ledger] or None,
    }


def _part(part: Part) -> dict[str, Any]:
    sizes = {"bytes": part.bytes, "zip_bytes": part.zip_bytes}
    return {"part": part.name, **sizes, "about": part.about}


def _score(score: Score | None) -> dict[str, Any] | None:
    return None if score is None else score.as_dict()


def _run(run: Run, whole: bool) -> dict[str, Any]:
    return {
        "source": run.source,
        "model": run.model,
        "device": run.device,
        "threads": run.threads,
        "length": run.length,
        "tokens": run.tokens and list(run.tokens),
        "size_bytes": run.size_bytes,
        "zip_bytes": run.zip_bytes,
        "load_ms": run.load_ms,
        "first_ms": run.first_ms,
        "latency_ms": _spread(run.latency_ms),
        "cpu_ms": _spread(run.cpu_ms),
        "instructions": _spread(run.instructions),
        "peak_rss_bytes": run.peak_rss_bytes,
        "private_bytes": run.private_bytes,
        "memory": dict(run.memory),
        "where": dict(run.where),
        "samples": {name: list(run.samples[name]) for name in run.samples if whole},
        "drift": _drift(run.drift),
    }


def _spread(spread: Spread | None) -> dict[str, Any] | None:
    if spread is None:
        return None
    ends = {name: list(interval) for name, interval in spread.intervals.items()}
    percentiles = {"p50": spread.p50, "p95": spread.p95, "p99": spread.p99}
    return {**percentiles, "n": spread.n, "intervals": ends}


def _drift(drift: Drift | None) -> dict[str, Any] | None:
    if drift is None:
        return None
    return {
        "minutes": drift.minutes,
        "first_ms": drift.first_ms,
        "last_ms": drift.last_ms,
        "ratio": drift.ratio,
        "interval": drift.interval and list(drift.interval),
        "by_minute": [list(row) for row in drift.by_minute],
    }


def _versus(pair: Versus) -> dict[str, Any]:
    return {
        "source": pair.source,
        "model": pair.model,
        "against": pair.against,
        "device": pair.device,
        "length": pair.length,
        "clock": pair.clock,
        "latency_ratio": pair.ratio,
        "interval": pair.interval and list(pair.interval),
        "aa_ratio": pair.aa_ratio,
        "aa_interval": pair.aa_interval and list(pair.aa_interval),
        "pairs": pair.pairs,
        **({"refused": pair.refused} if pair.refused else {}),
    }


def _quality(one: Quality, whole: bool) -> dict[str, Any]:
    return {
        "source": one.source,
        "model": one.model,
        "device": one.device,
        "data": one.data,
        **one.score.as_dict(),
        "student": _score(one.student),
        "teacher": _score(one.teacher),
        "against": {name: _against(other, whole) for name, other in one.against.items()},
    }


def _against(against: Against, whole: bool) -> dict[str, Any]:
    cosine = {"min": against.cosine_min, "median": against.cosine_median}
    return {
        "agree": against.agree,
        "cosine": None if against.cosine_min is None else cosine,
        "flips": against.flips,
        "flipped": [
            {
                "text": flip.text,
                "pair": flip.pair,
                "label": flip.label,
                "shipped": flip.shipped,
                "other": flip.other,
            }
            for flip in against.flipped
            if whole
        ],
    }
