"""What the page said, checked: it passed through a browser, where anything may have happened."""

import json
import math
import re
from collections.abc import Sequence
from typing import Any

from kdc.compress.errors import KdcError
from kdc.export.devices.web.browser import Memory
from kdc.export.jobs import Answers, Reading
from kdc.export.web_runtime import PACKAGE, VERSION

_NOISE = re.compile(r"^.*ERROR_MESSAGE: |\S*/onnxruntime\S*:\d+ .*?\) |^Error: ", re.DOTALL)
_ADVICE = "it may be cut short, of another kind, or ask for what a browser has not; export it again"


def parse(body: bytes, models: Sequence[str]) -> dict[str, Any]:
    """Return the page's JSON object.

    Raises:
        KdcError: it tells of an error, which is told on, or it is not what the page sends.
    """
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise _nonsense()
    if "error" in found:
        raise _refusal(found["error"], models)
    where = found.get("where")
    if not isinstance(where, dict) or not isinstance(where.get("version"), str):
        raise _nonsense()
    return found


def check_threads(found: dict[str, Any], threads: int) -> None:
    """Raise KdcError where the page had fewer threads than it was told to take."""
    where = found["where"]
    had = where.get("threads")
    if had != threads or (threads > 1 and where.get("isolated") is not True):
        raise KdcError(
            f"the browser gave the model {had} thread(s) instead of {threads}: use --threads 1, or "
            "another browser"
        )


def readings(
    found: dict[str, Any], count: int, before: Memory | None, after: Memory
) -> list[Reading]:
    """Return what was measured of each of `count` models.

    Memory is that of the page's process, which several models share: then nobody's.

    Raises:
        KdcError: this is not what the page sends.
    """
    models = found.get("models")
    if not isinstance(models, list) or len(models) != count:
        raise _nonsense()
    if not all(isinstance(model, dict) for model in models):
        raise _nonsense()
    alone = count == 1
    private = _growth(before, after) if alone else None
    return [
        Reading(
            load_ms=_time(model.get("load_ms")),
            first_ms=_time(model.get("first_ms")),
            wall_ms=_times(model.get("wall_ms")),
            cpu_ms=[],  # a page cannot ask for it
            peak_rss_bytes=after.peak_rss_bytes if alone else None,
            private_bytes=private,
            onnxruntime=_version(found),
            where=_where(found),
        )
        for model in models
    ]


def answers(found: dict[str, Any], model: str, texts: int) -> Answers:
    """Return the answers to the texts.

    Raises:
        KdcError: one is no number, or this is not what the page sends.
    """
    rows = found.get("logits")
    if not isinstance(rows, list) or len(rows) != texts:
        raise _nonsense()
    if len({len(row) if isinstance(row, list) else 0 for row in rows} - {0}) > 1:
        raise _nonsense()
    for number, row in enumerate(rows, 1):
        if not isinstance(row, list) or not row:
            raise _nonsense()
        if not all(isinstance(value, int | float) and math.isfinite(value) for value in row):
            raise KdcError(f"{model} answers text {number} with no number: export it again")
    logits = [[float(value) for value in row] for row in rows]
    return Answers(logits, _version(found), _where(found))


def _refusal(error: object, models: Sequence[str]) -> KdcError:
    """Turn what went wrong in the page into one sentence about the model."""
    told = error if isinstance(error, dict) else {}
    message = " ".join(_NOISE.sub("", str(told.get("message"))).split())[:200].rstrip(".")
    index, tokens = told.get("model"), told.get("tokens")
    if type(index) is not int or not 0 <= index < len(models):
        return KdcError(f"the page cannot run {PACKAGE} {VERSION} in this browser ({message})")
    if told.get("stage") == "run":
        return KdcError(
            f"{models[index]} fails on texts of {tokens} tokens in the browser ({message}): "
            "give it fewer if it reads fewer"
        )
    return KdcError(
        f"{models[index]} is no model that {PACKAGE} {VERSION} can load ({message}): {_ADVICE}"
    )


def _nonsense() -> KdcError:
    return KdcError("the browser's page answered with something else than figures: try once more")


def _time(value: Any) -> float:  # noqa: ANN401 - whatever JSON holds
    if type(value) in (int, float) and math.isfinite(value) and value >= 0:
        return float(value)
    raise _nonsense()


def _times(values: object) -> list[float]:
    if not isinstance(values, list) or not values:
        raise _nonsense()
    return [_time(value) for value in values]


def _growth(before: Memory | None, after: Memory) -> int | None:
    if before is None or before.private_bytes is None or after.private_bytes is None:
        return None
    return max(0, after.private_bytes - before.private_bytes)


def _version(found: dict[str, Any]) -> str:
    return f"web {found['where']['version']}"[:50]


def _where(found: dict[str, Any]) -> dict[str, Any]:
    """Return what the browser said of itself, each thing of its kind."""
    where = found["where"]
    kinds = {"threads": int, "workers": int, "isolated": bool, "simd": bool}
    said = {name: where[name] for name, kind in kinds.items() if type(where.get(name)) is kind}
    said |= {name: round(_time(where.get(name)), 4) for name in ("clock_ms", "runtime_ms")}
    return {"browser": str(where.get("browser"))[:100], **said}
