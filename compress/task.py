"""What a model is asked to do: the task's name, kind, labels and metric."""

from dataclasses import asdict, dataclass
from typing import Any, Literal, get_args

from kdc.compress.errors import KdcError

Kind = Literal["classification", "multi-label", "regression"]


@dataclass(frozen=True)
class Task:
    """A task over single texts or pairs of texts."""

    name: str
    """A short name, such as `phone-commands`."""
    kind: Kind
    """One class of several, any number of them (none too), or one number."""
    labels: tuple[str, ...]
    """Class names in the order of the model's outputs; empty for regression."""
    pair: bool
    """Whether an example is two texts."""
    metric: str
    """A name from the table in `kdc.compress.metrics`."""

    @property
    def outputs(self) -> int:
        """Number of columns of the logits: the classes, or 1 for regression."""
        return max(1, len(self.labels))

    def names(self, said: Any) -> str | tuple[str, ...]:  # noqa: ANN401 - a row of an array
        """Return the name of a class, or those of a (C,) row that is True where one holds."""
        if self.kind == "multi-label":
            return tuple(name for name, holds in zip(self.labels, said, strict=True) if holds)
        return self.labels[int(said)]

    def as_dict(self) -> dict[str, Any]:
        """Return the task as plain values for JSON."""
        return {**asdict(self), "labels": list(self.labels)}

    @classmethod
    def from_dict(cls, fields: Any) -> "Task":  # noqa: ANN401 - it comes from a file
        """Build a task from a manifest's `task`.

        Raises:
            KdcError: a field is missing or of another type.
        """
        try:
            task = cls(
                name=str(fields["name"]),
                kind=fields["kind"],
                labels=tuple(str(label) for label in fields["labels"]),
                pair=bool(fields["pair"]),
                metric=str(fields["metric"]),
            )
        except (KeyError, TypeError) as error:
            raise KdcError("the manifest's 'task' is damaged: make the folder again") from error
        if task.kind not in get_args(Kind):
            raise KdcError(f"the manifest's task is of the unknown kind {task.kind!r}")
        return task
