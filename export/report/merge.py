"""Several reports as one: devices, days and machines side by side, each model once."""

from collections.abc import Sequence
from dataclasses import replace
from typing import TypeVar

from kdc.export.report.document import Model, Quality, Report, Run, Source, Versus

_Value = TypeVar("_Value")
_Identity = tuple[object, ...]


def merge(reports: Sequence[Report]) -> Report:
    """Merge reports in the order of their dates.

    A model is known by its sha256, whatever path it was measured under; where that was not noted,
    by path and size. Two models of one path get distinct names. What stands in two reports is
    taken once, so that a merged report can be merged again with its parts.

    Args:
        reports: at least one.
    """
    merged = _Merged()
    for report in sorted(reports, key=_first):
        merged.add(report)
    return Report(
        tuple(merged.sources),
        merged.models,
        tuple(merged.runs),
        tuple(merged.versus),
        tuple(merged.quality),
    )


def _first(report: Report) -> tuple[str, str]:
    """Return when a report begins; of one moment, the commands decide, not the files' order."""
    return min((source.date or "", source.command or "") for source in report.sources)


class _Merged:
    """What has been merged so far."""

    def __init__(self) -> None:
        self.sources: list[Source] = []
        self.models: dict[str, Model] = {}
        self.runs: list[Run] = []
        self.versus: list[Versus] = []
        self.quality: list[Quality] = []
        self._names: dict[_Identity, str] = {}

    def add(self, report: Report) -> None:
        """Take in what is new of a report."""
        names = {name: self._model(model) for name, model in report.models.items()}
        places = [self._source(source) for source in report.sources]
        for run in report.runs:
            moved = replace(run, source=places[run.source], model=names[run.model])
            _append(self.runs, moved)
        for pair in report.versus:
            one, other = names[pair.model], names[pair.against]
            turns = replace(pair, source=places[pair.source], model=one, against=other)
            _append(self.versus, turns)
        for found in report.quality:
            judged = replace(found, source=places[found.source], model=names[found.model])
            _append(self.quality, judged)

    def _source(self, source: Source) -> int:
        if source not in self.sources:
            self.sources.append(source)
        return self.sources.index(source)

    def _model(self, model: Model) -> str:
        """Return the merged name of a model; what one report does not know another may."""
        identity = _identity(model)
        if identity not in self._names:
            name = self._free(model)
            self._names[identity] = name
            self.models[name] = replace(model, name=name)
        name = self._names[identity]
        known = self.models[name]
        self.models[name] = replace(
            known,
            shipped=known.shipped or model.shipped,
            teacher=known.teacher or model.teacher,
            quantization=known.quantization or model.quantization,
            ledger=known.ledger or model.ledger,
        )
        return name

    def _free(self, model: Model) -> str:
        """Return a name that no other model has."""
        if model.name not in self.models:
            return model.name
        digest = f"{model.name} ({model.sha256[:6]})" if model.sha256 else model.name
        name, number = digest, 2
        while name in self.models:
            name, number = f"{digest} ({number})", number + 1
        return name


def _identity(model: Model) -> _Identity:
    return (model.sha256,) if model.sha256 else (model.name, model.size_bytes, model.zip_bytes)


def _append(values: list[_Value], value: _Value) -> None:
    if value not in values:
        values.append(value)
