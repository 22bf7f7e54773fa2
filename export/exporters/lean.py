"""A student as we write it ourselves: the graph that an encoder needs, and nothing else."""

from pathlib import Path

from kdc.compress.files import MANIFEST, read_json
from kdc.compress.task import Task
from kdc.export.onnx_file import save_model
from kdc.export.quiet import quiet


def export_lean(folder: Path, out: Path, standard: bool) -> None:
    """Write the lean graph of a student folder.

    Args:
        folder: a student folder of a family in `kdc.export.graph.families.FAMILIES`.
        out: where the `.onnx` goes.
        standard: keep to ONNX's own operators of opset 20; else take the fastest ones.

    Raises:
        KdcError: another family, or weights that do not fit the config.
    """
    from kdc.export.graph.emit import emit
    from kdc.export.graph.read import read_encoder

    manifest = read_json(folder / MANIFEST)
    task, longest = Task.from_dict(manifest.get("task")), manifest.get("max_length")
    with quiet():
        encoder = read_encoder(folder, pair=task.pair, longest=longest)
    save_model(emit(encoder, standard=standard), out)


def fits_lean(folder: Path) -> bool:
    """Whether the lean exporter can describe the encoder in a folder.

    Raises:
        KdcError: its configuration cannot be read.
    """
    from kdc.export.graph.families import misfit
    from kdc.export.graph.read import load_config

    with quiet():
        return misfit(load_config(folder)) is None
