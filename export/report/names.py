"""Names of models that are short enough for a picture and still tell them apart."""

from collections.abc import Iterable, Mapping
from pathlib import PurePosixPath

_WIDEST = 34  # characters


def short_names(names: Iterable[str]) -> dict[str, str]:
    """Return for each path the shortest end of it that no other has, cut in the middle."""
    paths = {name: PurePosixPath(name).parts or (name,) for name in dict.fromkeys(names)}
    found: dict[str, str] = {}
    for name, parts in paths.items():
        for count in range(1, len(parts) + 1):
            tail = parts[-count:]
            if sum(other[-count:] == tail for other in paths.values()) == 1:
                break
        found[name] = _cut("/".join(tail))
    return _distinct(found)


def _cut(name: str) -> str:
    half = _WIDEST // 2
    return name if len(name) <= _WIDEST else f"{name[: half - 1]}…{name[-half:]}"


def _distinct(names: Mapping[str, str]) -> dict[str, str]:
    """Number what became the same by being cut."""
    every = list(names.values())
    seen: dict[str, int] = {}
    result = {}
    for name, short in names.items():
        seen[short] = seen.get(short, 0) + 1
        result[name] = short if every.count(short) == 1 else f"{short} #{seen[short]}"
    return result
