"""Reads bench documents (`kdc bench --json`), whoever wrote them."""

import json
from pathlib import Path
from typing import Any

from kdc.compress.errors import KdcError
from kdc.compress.metrics import Score
from kdc.export.lengths import LONGEST, Length
from kdc.export.report.document import (
    Against,
    Clock,
    Drift,
    Flip,
    Model,
    Part,
    Quality,
    Report,
    Run,
    Source,
    Spread,
    Versus,
)
from kdc.export.report.fields import Fields, clean, damaged, plain

FORM = "kdc.bench"
FORMAT = "kdc.bench/1"
_LARGEST = 256_000_000  # bytes of a file; a thousand runs with all their samples take a tenth
_MOST = 2000  # runs, models or other entries
_SAMPLES = ("wall_ms", "cpu_ms", "instructions")


def read_report(path: Path) -> Report:
    """Read a bench document.

    Raises:
        KdcError: it is missing, too large, damaged, of another version or something else.
    """
    if not path.is_file():
        raise KdcError(f"there is no bench document at {path}: kdc bench --json writes one")
    if path.stat().st_size > _LARGEST:
        raise KdcError(f"{path} is larger than {_LARGEST // 10**6} MB: it is no bench document")
    try:
        value = json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise KdcError(f"{path} is not valid JSON: it is damaged or half-written") from error
    return read_document(value, clean(str(path)))


def read_document(value: object, where: str) -> Report:
    """Read what JSON gave.

    Args:
        value: the document.
        where: how to call it to the user.

    Raises:
        KdcError: it is damaged, of another version or something else.
    """
    if not isinstance(value, dict) or not isinstance(value.get("format"), str):
        raise KdcError(f"{where} is no bench document: kdc bench --json writes them")
    if value["format"] != FORMAT:
        what = "another version" if value["format"].startswith(f"{FORM}/") else "another kind"
        found = clean(value["format"])[:40]
        raise KdcError(f"{where} is of {what}: {found!r}, and this kdc reads {FORMAT!r}")
    document = Fields(value, where)
    sources = tuple(_source(one) for one in document.parts("sources", _MOST))
    sources = sources or (_source(document),)
    runs = tuple(_run(one, len(sources)) for one in document.parts("runs", _MOST))
    models = _models(document, runs)
    versus = tuple(_versus(one, models, len(sources)) for one in document.parts("versus", _MOST))
    quality = tuple(_quality(one, models, len(sources)) for one in document.parts("quality", _MOST))
    return Report(sources, models, runs, versus, quality)


def _source(fields: Fields) -> Source:
    machine = fields.part("machine")
    told = {} if machine is None else plain(machine.values)
    return Source(fields.text("date"), fields.text("command"), told)


def _models(document: Fields, runs: tuple[Run, ...]) -> dict[str, Model]:
    """Return the models that are described, and those that older documents only name."""
    described = document.part("models")
    models: dict[str, Model] = {}
    for name, value in [] if described is None else described.values.items():
        if len(models) == _MOST:
            raise KdcError(f"{document.where} has more than {_MOST} models, which are not read")
        fields = Fields(value, f"{document.where}: models.{clean(name)[:60]}")
        models[clean(name)] = _model(clean(name), fields)
    for run in runs:
        named = Model(run.model, size_bytes=run.size_bytes, zip_bytes=run.zip_bytes)
        models.setdefault(run.model, named)
    return models


def _model(name: str, fields: Fields) -> Model:
    digest, accuracy = fields.text("sha256"), fields.part("accuracy")
    if digest is not None and (len(digest) != 64 or set(digest) - set("0123456789abcdef")):
        raise damaged(f"{fields.where}.sha256", "64 hexadecimal digits", digest)
    return Model(
        name=name,
        sha256=digest,
        size_bytes=fields.count("size_bytes"),
        zip_bytes=fields.count("zip_bytes"),
        shipped=None if accuracy is None else _score(accuracy.part("shipped")),
        teacher=None if accuracy is None else _score(accuracy.part("teacher")),
        quantization=fields.text("quantization"),
        ledger=tuple(_part(part) for part in fields.parts("ledger", _MOST)),
    )


def _part(fields: Fields) -> Part:
    size = fields.need("bytes", fields.count("bytes"))
    name = fields.need("part", fields.text("part"))
    return Part(name, size, fields.count("zip_bytes"), fields.text("about") or "")


def _score(fields: Fields | None) -> Score | None:
    if fields is None:
        return None
    low, high = fields.need("interval", fields.interval("interval", -1.0))
    value = fields.need("value", fields.number("value", -1.0, 1.0))
    metric = fields.need("metric", fields.text("metric"))
    return Score(metric, value, fields.need("n", fields.count("n")), low, high)


def _run(fields: Fields, sources: int) -> Run:
    memory, samples = fields.part("memory"), fields.part("samples")
    named = [] if memory is None else [(clean(name), memory.count(name)) for name in memory.values]
    latency, cpu = _spread(fields, "latency_ms"), _spread(fields, "cpu_ms")
    return Run(
        source=_which(fields, sources),
        model=fields.need("model", fields.text("model")),
        device=fields.need("device", fields.text("device")),
        threads=fields.need("threads", fields.count("threads")),
        length=_length(fields),
        tokens=_tokens(fields),
        size_bytes=fields.count("size_bytes"),
        zip_bytes=fields.count("zip_bytes"),
        load_ms=fields.number("load_ms"),
        first_ms=fields.number("first_ms"),
        latency_ms=latency,
        cpu_ms=cpu,
        instructions=_spread(fields, "instructions"),
        peak_rss_bytes=fields.count("peak_rss_bytes"),
        private_bytes=fields.count("private_bytes"),
        memory={name: size for name, size in named if size is not None},
        where=plain(where.values) if (where := fields.part("where")) else {},
        samples={} if samples is None else _samples(samples),
        drift=_drift(fields.part("drift")),
    )


def _samples(fields: Fields) -> dict[str, tuple[float, ...]]:
    return {name: values for name in _SAMPLES if (values := fields.numbers(name))}


def _which(fields: Fields, sources: int) -> int:
    source = fields.count("source") or 0
    if source >= sources:
        raise KdcError(f"{fields.where}.source names no source: the document is damaged")
    return source


def _length(fields: Fields) -> Length:
    value = fields.values.get("length")
    if value == "natural":
        return "natural"
    if type(value) is int and 0 < value <= LONGEST:
        return value
    raise damaged(f"{fields.where}.length", f"natural or a number from 1 to {LONGEST}", value)


def _tokens(fields: Fields) -> tuple[int, int] | None:
    ends = fields.interval("tokens")
    return None if ends is None else (int(ends[0]), int(ends[1]))


def _spread(fields: Fields, name: str) -> Spread | None:
    part = fields.part(name)
    if part is None:
        return None
    ends = part.part("intervals")
    found = {} if ends is None else {p: ends.interval(p) for p in ("p50", "p95", "p99")}
    p50 = part.need("p50", part.number("p50"))
    intervals = {p: interval for p, interval in found.items() if interval is not None}
    return Spread(p50, part.number("p95"), part.number("p99"), part.count("n"), intervals)


def _drift(fields: Fields | None) -> Drift | None:
    if fields is None:
        return None
    needed = {
        name: fields.need(name, fields.number(name))
        for name in ("minutes", "first_ms", "last_ms", "ratio")
    }
    rows = [
        Fields(
            dict(zip(("minute", "wall", "cpu"), row, strict=True)), f"{fields.where}.by_minute[]"
        )
        for row in fields.rows("by_minute", 3)
    ]
    by_minute = tuple(
        (row.need("minute", row.number("minute")), row.number("wall"), row.number("cpu"))
        for row in rows
    )
    return Drift(**needed, interval=fields.interval("interval"), by_minute=by_minute)


def _versus(fields: Fields, models: dict[str, Model], sources: int) -> Versus:
    ratio, refused = fields.number("latency_ratio"), fields.text("refused")
    if ratio is None and refused is None:
        raise KdcError(f"{fields.where} has neither a ratio nor a reason: the document is damaged")
    return Versus(
        source=_which(fields, sources),
        model=_known(fields, "model", models),
        against=_known(fields, "against", models),
        device=fields.text("device") or "host",
        length=_length(fields),
        clock=_clock(fields),
        ratio=None if refused else ratio,
        interval=fields.interval("interval"),
        aa_ratio=fields.number("aa_ratio"),
        aa_interval=fields.interval("aa_interval"),
        pairs=fields.count("pairs"),
        refused=refused,
    )


def _clock(fields: Fields) -> Clock:
    clock: Any = fields.text("clock") or "cpu"
    if clock not in ("wall", "cpu", "instructions"):
        raise damaged(f"{fields.where}.clock", "wall, cpu or instructions", clock)
    found: Clock = clock
    return found


def _known(fields: Fields, name: str, models: dict[str, Model]) -> str:
    """Return the name of a model, which is added to the models where nothing describes it."""
    model = fields.need(name, fields.text(name))
    models.setdefault(model, Model(model))
    return model


def _quality(fields: Fields, models: dict[str, Model], sources: int) -> Quality:
    against = fields.part("against")
    others = [] if against is None else list(against.values)
    return Quality(
        source=_which(fields, sources),
        model=_known(fields, "model", models),
        device=fields.need("device", fields.text("device")),
        data=fields.need("data", fields.text("data")),
        score=fields.need("value", _score(fields)),
        student=_score(fields.part("student")),
        teacher=_score(fields.part("teacher")),
        against={
            clean(name): _against(Fields(against.values[name], f"{fields.where}.against.{name}"))
            for name in others
            if against is not None and against.values[name] is not None
        },
    )


def _against(fields: Fields) -> Against:
    cosine = fields.part("cosine")
    flipped = tuple(_flip(one) for one in fields.parts("flipped", _MOST))
    return Against(
        agree=fields.need("agree", fields.number("agree", 0.0, 1.0)),
        cosine_min=None if cosine is None else cosine.number("min", -1.01, 1.01),
        cosine_median=None if cosine is None else cosine.number("median", -1.01, 1.01),
        flips=max(fields.count("flips") or 0, len(flipped)),
        flipped=flipped,
    )


def _flip(fields: Fields) -> Flip:
    label, shipped, other = (_answer(fields, name) for name in ("label", "shipped", "other"))
    text = fields.need("text", fields.text("text"))
    return Flip(text, fields.text("pair"), label, shipped, other)


def _answer(fields: Fields, name: str) -> str:
    """Return a class's name, or a score as it is read by people."""
    if isinstance(fields.values.get(name), str):
        return clean(fields.values[name])
    return f"{fields.need(name, fields.number(name, -1e15)):.4g}"
