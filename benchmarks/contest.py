"""What a contest must reach, and its tables and verdicts as Markdown."""

from collections.abc import Sequence
from dataclasses import dataclass

from cold import Cold
from entrants import Entrant, Fidelity
from speed import Speed

NATURAL = "natural"


@dataclass(frozen=True)
class Goals:
    """Times by which ours must be better than the best of the peers."""

    cpu: dict[str, float]
    """CPU time, by length."""
    load: float = 4.0
    """CPU time to load in a fresh process."""
    memory: float = 2.0
    """Private memory of that process."""


SAME_WEIGHTS = Goals({"20": 1.5, "128": 1.3, NATURAL: 1.5})
SHAPE = Goals({"20": 1.8, "128": 1.8, NATURAL: 1.8})


def speed_table(speeds: Sequence[Speed], entrants: Sequence[Entrant]) -> list[str]:
    """Return CPU milliseconds and ratios, a row for each length."""
    names = " | ".join(f"{entrant.name}, ms" for entrant in entrants)
    lines = [
        f"| tokens | {names} | best peer : ours | on the clock | control | ours : floor |",
        "|---" * (len(entrants) + 5) + "|",
    ]
    for speed in speeds:
        times = " | ".join(f"{ms:.3f}" for ms in speed.cpu_ms[: len(entrants)])
        ratios = f"{speed.gain} | {speed.wall_gain} | {speed.control} | {speed.distance}"
        lines.append(f"| {speed.length} | {times} | {ratios} |")
    return lines


def file_table(
    entrants: Sequence[Entrant], colds: Sequence[Cold], near: Sequence[Fidelity | None]
) -> list[str]:
    """Return size, loading, memory and fidelity, a row for each file."""
    lines = [
        "| file | MB | load, ms | on the clock | first answer, ms | private MB | same labels "
        "| logit error |",
        "|---" * 8 + "|",
    ]
    for entrant, cold, near_by in zip(entrants, colds, near, strict=True):
        same = f"{near_by.agreement:.2%} | {near_by.error:.4f}" if near_by else "- | -"
        size = f"{entrant.name} | {entrant.megabytes:.1f}"
        times = f"{cold.load_ms:.1f} | {cold.load_wall_ms:.1f} | {cold.first_ms:.2f}"
        lines.append(f"| {size} | {times} | {cold.private_mb:.1f} | {same} |")
    return lines


def verdicts(
    goals: Goals,
    speeds: Sequence[Speed],
    colds: Sequence[Cold],
    near: Sequence[Fidelity | None],
) -> list[str]:
    """Say of every goal how far it was reached.

    The first of each list is ours; the last of `colds` and `near` is ours as a device installs it.
    """
    us, *them, settled = colds
    lines = [_verdict(f"CPU, tokens {s.length}", s.gain.value, goals.cpu[s.length]) for s in speeds]
    for where, ours in (("", us), (" once installed", settled)):
        load = min(cold.load_ms for cold in them) / ours.load_ms
        memory = min(cold.private_mb for cold in them) / ours.private_mb
        lines.append(_verdict(f"cold load{where}", load, goals.load))
        lines.append(_verdict(f"private memory{where}", memory, goals.memory))
    told = [each for each in near if each is not None]
    if told:
        share = max(each.agreement for each in told[1:-1])
        reached = "reached" if told[0].agreement >= share else "missed"
        lines.append(f"labels as fp32: {told[0].agreement:.2%}, goal {share:.2%}: {reached}")
    return lines


def _verdict(what: str, value: float, goal: float) -> str:
    reached = "reached" if value >= goal else "missed"
    return f"{what}: {value:.2f} times better than the best peer, goal {goal:g}: {reached}"
