"""A student as Hugging Face's optimum exports it: the file that most users of BERT know."""

from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from kdc.compress.errors import KdcError
from kdc.export.exporters.torch_exporter import first_line, load_model
from kdc.export.onnx_file import save_model, tidy
from kdc.export.quiet import quiet

if TYPE_CHECKING:
    from onnx import ModelProto
    from transformers import PreTrainedModel

_OPSET = 20  # as torch's: the first with a Gelu of one node
_TOO_NEW = "4.58"  # of transformers, for optimum-onnx 0.1
_INSTALL = "pip install 'kdc[optimum]'"


def export_optimum(folder: Path, out: Path, standard: bool) -> None:
    """Export a student folder with optimum-onnx, dynamic in batch and length.

    Args:
        folder: a student folder.
        out: where the `.onnx` goes.
        standard: standard ONNX operators only; optimum's graphs never hold others.

    Raises:
        KdcError: optimum-onnx is missing or does not fit the transformers installed, the weights
            do not fit the config, or optimum knows no export of the model's family.
    """
    check_optimum()
    with quiet():
        graph = _export(load_model(folder), folder)
    save_model(tidy(graph), out)


def check_optimum() -> None:
    """Raise KdcError where optimum-onnx is missing, or transformers is too new for it."""
    from packaging.version import Version

    why = f"optimum-onnx reads no transformers from {_TOO_NEW} on"
    here = version("transformers")
    try:
        version("optimum-onnx")
    except PackageNotFoundError as error:
        raise KdcError(
            "the optimum exporter is not installed: run "
            f"{_INSTALL} in an environment of its own, for {why} (here is {here}); "
            "or choose another --exporter"
        ) from error
    if Version(here) >= Version(_TOO_NEW):
        raise KdcError(
            f"the optimum exporter cannot run beside transformers {here}, for {why}: run "
            f"{_INSTALL} in an environment of its own, or choose another --exporter"
        )


def _export(model: "PreTrainedModel", folder: Path) -> "ModelProto":
    """Let optimum write its folder, and return the model in it."""
    import onnx
    from optimum.exporters.onnx import onnx_export_from_model

    with TemporaryDirectory() as scratch:
        try:
            onnx_export_from_model(
                model,
                scratch,
                task="text-classification",
                opset=_OPSET,
                do_validation=False,  # the export is checked on dev, whoever wrote it
            )
        except Exception as error:  # torch's tracer and optimum each have their own ways to fail
            name = type(model).__name__
            raise KdcError(
                f"optimum cannot export the {name} in {folder}: {first_line(error)}"
            ) from error
        return onnx.load(Path(scratch) / "model.onnx")
