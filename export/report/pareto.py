"""Which models no other beats in size, latency and score at once."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from kdc.compress.metrics import Score
from kdc.compress.progress import plural
from kdc.export.lengths import Length
from kdc.export.report.document import Clock, Report, Run

HERE = ("host", "web")
"""Devices that are as fast as the machine they run on."""
_PHONE = ("maker", "model", "soc", "cores")  # what `adb` tells of itself
_EMULATED = ("core", "emulator")  # what `arm64` tells


@dataclass(frozen=True)
class Point:
    """One model in one setting."""

    model: str
    bytes: int
    """Of the model's files, after deflate where that is known of all models."""
    p50: float
    """Milliseconds or instructions of one text."""
    score: Score | None
    """None where it has none that can be compared."""
    front: bool = False
    """No other point is as good in everything and better in something."""


@dataclass(frozen=True)
class Setting:
    """Models that were measured in one way, so that they can be compared."""

    device: str
    threads: int
    length: Length
    clock: Clock
    machine: str
    """Empty for a device that is no part of the machine and does not tell what it is."""
    basis: str
    """What the scores are, such as `accuracy on SST-2, measured on host`; empty without any."""
    zipped: bool
    """Whether sizes are after deflate."""
    points: tuple[Point, ...]

    @property
    def unit(self) -> str:
        """The unit of `p50`."""
        return "instructions" if self.clock == "instructions" else "ms"


def settings(report: Report) -> list[Setting]:
    """Group a report's runs by where and how they were measured.

    Those with most models come first, of equals those with scores, then as they were measured.

    Of a model that was measured several times in one way, the last is taken. Latency is wall time,
    or instructions where a device gives no time. Only points with a score can be on the front,
    unless none has one: then it is that of size and latency.
    """
    groups: dict[tuple[object, ...], dict[str, Run]] = {}
    for run in report.runs:
        key = (run.device, run.threads, str(run.length), clock_of(run), machine_of(report, run))
        groups.setdefault(key, {})[run.model] = run
    found = [_setting(report, list(runs.values())) for runs in groups.values()]
    filled = [setting for setting in found if setting.points]
    return sorted(filled, key=lambda setting: (-len(setting.points), not setting.basis))


def front(values: Sequence[tuple[float, ...]]) -> list[bool]:
    """Say of each point, all of its values being costs, whether no other dominates it.

    One dominates another that costs no more in anything and less in something; equal points do
    not.
    """
    return [not any(_dominates(other, one) for other in values) for one in values]


def clock_of(run: Run) -> Clock:
    """Return by what a run is compared with others."""
    if run.latency_ms is not None:
        return "wall"
    return "cpu" if run.cpu_ms is not None else "instructions"


def machine_of(report: Report, run: Run) -> str:
    """Return what a run's figures depend on besides the device itself."""
    kind = run.device.partition(":")[0]
    if kind not in HERE:
        return device_words(run) if kind == "adb" else ""
    machine = report.sources[run.source].machine
    cores, version = machine.get("cores"), machine.get("onnxruntime")
    told = (
        plural(cores, "core") if isinstance(cores, int) else "",
        f"onnxruntime {version}" if version else "",
    )
    words = (str(machine.get("cpu") or ""), *told, profile_words(run))
    return ", ".join(part for part in words if part)


def device_words(run: Run) -> str:
    """Return what a phone or an emulated core says it is; empty where it says nothing."""
    told = {name: run.where.get(name) for name in (*_PHONE, *_EMULATED)}
    if isinstance(told["cores"], int):
        told["cores"] = plural(told["cores"], "core")
    return ", ".join(word for word in told.values() if isinstance(word, str) and word)


def profile_words(run: Run) -> str:
    """Return the name of the CPU profile that a run was measured with; empty for the native one."""
    said = run.where.get("cpu_profile")
    name = said.partition(":")[0].strip() if isinstance(said, str) else ""
    return f"CPU profile {name}" if name not in ("", "native") else ""


def _dominates(one: tuple[float, ...], other: tuple[float, ...]) -> bool:
    pairs = list(zip(one, other, strict=True))
    return all(a <= b for a, b in pairs) and any(a < b for a, b in pairs)


def _setting(report: Report, runs: list[Run]) -> Setting:
    first, clock = runs[0], clock_of(runs[0])
    basis, scores = _scores(report, runs)
    zipped = all(run.zip_bytes is not None for run in runs)
    points = [
        Point(run.model, size, spread.p50, scores.get(run.model))
        for run in runs
        if (spread := run.spread(clock)) is not None and spread.p50 > 0
        if (size := run.zip_bytes if zipped else run.size_bytes)
    ]
    return Setting(
        device=first.device,
        threads=first.threads,
        length=first.length,
        clock=clock,
        machine=machine_of(report, first),
        basis=basis,
        zipped=zipped,
        points=_marked(points),
    )


def _marked(points: list[Point]) -> tuple[Point, ...]:
    scored = [point for point in points if point.score is not None] or points
    costs = [
        (point.bytes, point.p50, -point.score.value if point.score else 0.0) for point in scored
    ]
    best = {point.model for point, is_best in zip(scored, front(costs), strict=True) if is_best}
    return tuple(
        Point(point.model, point.bytes, point.p50, point.score, point.model in best)
        for point in points
    )


def _scores(report: Report, runs: list[Run]) -> tuple[str, dict[str, Score]]:
    """Choose the scores to compare: of one metric on the same rows, for as many models as can be.

    Of two that are known for as many models, the one that was measured on the device itself.
    """
    device, names = runs[0].device, [run.model for run in runs]
    found: dict[str, dict[str, Score]] = {}
    order: Counter[str] = Counter()
    for one in report.quality:
        if one.model in names:
            basis = (
                f"{one.score.metric} on {one.data} (n = {one.score.n}), measured on {one.device}"
            )
            found.setdefault(basis, {})[one.model] = one.score
            order[basis] = 2 if one.device == device else 1
    for name in names:
        score = report.models[name].shipped
        if score is not None:
            basis = f"{score.metric} on dev (n = {score.n}), from the manifests"
            found.setdefault(basis, {})[name] = score
    if not found:
        return "", {}
    basis = max(found, key=lambda name: (len(found[name]), order[name]))
    return basis, found[basis]
