"""Names of models that are short enough for a picture and still tell them apart."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import PurePosixPath

from kdc.export.report.document import Report

_WIDEST = 34  # characters
# what every export is called tells nothing beside the name of its folder
_USUAL = ("onnx", "phone", "model.onnx", "model_quantized.onnx", "student.onnx")


def short_names(names: Iterable[str]) -> dict[str, str]:
    """Return for each path the shortest end of it that no other has, cut in the middle.

    Parts that nearly every model has, such as `phone` or `model.onnx`, are left out where the
    folder around them tells the models apart.
    """
    every = list(dict.fromkeys(names))
    bare = {name: _bare(PurePosixPath(name).parts) or (name,) for name in every}
    whole = {name: PurePosixPath(name).parts or (name,) for name in every}
    same = [name for name in every if list(bare.values()).count(bare[name]) > 1]
    parts = {name: (whole if name in same else bare)[name] for name in every}
    return _distinct({name: _cut("/".join(_tail(name, parts))) for name in every})


def shortened(report: Report) -> Report:
    """Return a report whose models go by their short names."""
    names = short_names(report.models)
    return Report(
        report.sources,
        {names[name]: replace(model, name=names[name]) for name, model in report.models.items()},
        tuple(replace(run, model=names[run.model]) for run in report.runs),
        tuple(
            replace(pair, model=names[pair.model], against=names[pair.against])
            for pair in report.versus
        ),
        tuple(replace(one, model=names[one.model]) for one in report.quality),
    )


def _bare(parts: tuple[str, ...]) -> tuple[str, ...]:
    while len(parts) > 1 and parts[-1] in _USUAL and parts[-2] not in ("/", "..", "."):
        parts = parts[:-1]
    return parts


def _tail(name: str, parts: Mapping[str, tuple[str, ...]]) -> tuple[str, ...]:
    own = parts[name]
    ends = (own[-count:] for count in range(1, len(own)))
    others = [other for key, other in parts.items() if key != name]
    return next((end for end in ends if all(o[-len(end) :] != end for o in others)), own)


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
