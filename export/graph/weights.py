"""A checkpoint's tensors, taken by name and ticked off, so that none is missed or left over."""

from pathlib import Path

import numpy as np

from kdc.compress.errors import KdcError
from kdc.export.graph.encoder import Array, Linear, Norm

_BUFFERS = ("position_ids", "token_type_ids")  # of older checkpoints: counters, no weights


class Weights:
    """The `model.safetensors` of a folder."""

    def __init__(self, folder: Path) -> None:
        """Read the file.

        Raises:
            KdcError: it is missing, damaged, or holds numbers that numpy does not know.
        """
        from safetensors import SafetensorError
        from safetensors.numpy import load_file

        self.path = folder / "model.safetensors"
        try:
            self._tensors: dict[str, Array] = load_file(self.path)
        except (OSError, SafetensorError, KeyError, TypeError, ValueError) as error:
            raise KdcError(f"the weights in {self.path} cannot be read: {error}") from error
        self._left = {name for name in self._tensors if not name.endswith(_BUFFERS)}

    def take(self, name: str, *shape: int) -> Array:
        """Return a tensor in float32.

        Args:
            name: its name in the file.
            shape: what it must be; -1 stands for any size.

        Raises:
            KdcError: there is no such tensor, or it has another shape.
        """
        if name not in self._tensors:
            raise KdcError(f"{self.path} has no {name}: its weights do not fit its config.json")
        tensor = self._tensors[name]
        fits = tensor.ndim == len(shape) and all(
            size in (-1, had) for size, had in zip(shape, tensor.shape, strict=True)
        )
        if not fits:
            raise KdcError(
                f"{name} in {self.path} is {tensor.shape} where its config.json says {shape}: "
                "the two belong to different models"
            )
        self._left.discard(name)
        return np.asarray(tensor, dtype=np.float32)

    def has(self, name: str) -> bool:
        """Whether there is such a tensor."""
        return name in self._tensors

    def linear(self, name: str, inputs: int, outputs: int) -> Linear:
        """Return the `nn.Linear` called `name`."""
        weight = self.take(f"{name}.weight", outputs, inputs)
        return Linear(np.ascontiguousarray(weight.T), self.take(f"{name}.bias", outputs))

    def norm(self, name: str, width: int, epsilon: float) -> Norm:
        """Return the `nn.LayerNorm` called `name`."""
        scale, shift = self.take(f"{name}.weight", width), self.take(f"{name}.bias", width)
        return Norm(scale, shift, epsilon)

    def finish(self) -> None:
        """Check that every tensor was taken.

        Raises:
            KdcError: one was not: the model does something that its description leaves out.
        """
        if self._left:
            raise KdcError(
                f"{self.path} has {len(self._left)} tensors that its config.json does not account "
                f"for, such as {min(self._left)}: use --exporter torch"
            )
