"""Arrays that grow until they are a safetensors file, in constant memory."""

import json
import shutil
import tempfile
from collections.abc import Mapping
from contextlib import ExitStack, suppress
from pathlib import Path
from types import TracebackType
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from kdc.compress.disk import disk_errors
from kdc.compress.files import whole_file

_TYPES = {"uint8": "U8", "uint16": "U16", "uint32": "U32", "float16": "F16"}
_ALIGNED = 8  # bytes that the header's length is a multiple of, as the format asks


class Spool:
    """Appends to several arrays, each in a nameless file beside the one they become."""

    def __init__(self, path: Path, types: Mapping[str, type]) -> None:
        """Open the files.

        Args:
            path: the file that they become.
            types: name -> the type of an array's numbers.

        Raises:
            KdcError: the disk is full or the folder cannot be written.
        """
        self._path = path
        self._types = {name: np.dtype(types[name]) for name in sorted(types)}
        self._rows = dict.fromkeys(types, 0)
        self._shape: dict[str, tuple[int, ...]] = {}
        self._open = ExitStack()
        self._files: dict[str, IO[bytes]] = {}
        with disk_errors(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            for name in self._types:
                file = tempfile.TemporaryFile(dir=path.parent)  # noqa: SIM115 - closed on exit
                self._files[name] = self._open.enter_context(file)

    def __enter__(self) -> "Spool":
        """Return itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the files, which removes them."""
        with suppress(OSError):  # what a full disk did not take is no longer wanted
            self._open.close()

    def add(self, name: str, values: npt.NDArray[Any]) -> None:
        """Append rows to an array.

        Raises:
            KdcError: the disk is full.
        """
        with disk_errors(self._path):
            self._files[name].write(np.ascontiguousarray(values, self._types[name]).tobytes())
        self._rows[name] += len(values)
        self._shape[name] = values.shape[1:]

    def finish(self) -> None:
        """Write the file: a header, then one array after the other.

        Raises:
            KdcError: the disk is full.
        """
        header = self._header()
        with whole_file(self._path) as temporary, temporary.open("wb") as out:
            out.write(len(header).to_bytes(8, "little") + header)
            for file in self._files.values():
                file.seek(0)
                shutil.copyfileobj(file, out, 1 << 20)

    def _header(self) -> bytes:
        """Return the header of the safetensors format."""
        fields: dict[str, object] = {}
        reached = 0
        for name, kind in self._types.items():
            size = self._files[name].tell()
            fields[name] = {
                "dtype": _TYPES[kind.name],
                "shape": [self._rows[name], *self._shape.get(name, ())],
                "data_offsets": [reached, reached + size],
            }
            reached += size
        text = json.dumps(fields, separators=(",", ":")).encode()
        return text + b" " * (-len(text) % _ALIGNED)
