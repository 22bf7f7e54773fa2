"""What a model is asked to do: the task's name, kind, labels and metric."""

from dataclasses import asdict, dataclass
from typing import Any, Literal

from kdc.compress.errors import KdcError

Kind = Literal["classification", "regression"]


@dataclass(frozen=True)
class Task:
    """A task over single texts or pairs of texts."""

    name: str
    """A short name, such as `phone-commands`."""
    kind: Kind
    """One class of several, or one number."""
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
        if task.kind not in ("classification", "regression"):
            raise KdcError(f"the manifest's task is of the unknown kind {task.kind!r}")
        return task
