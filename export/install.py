"""What a device can do once after installing a model: keep it as its own processor wants it.

Weights that are expanded at load (4 bits) or copied into the kernels' order are then mapped from
a file instead. The file is only good on the processor, and with the ONNX Runtime, that made it, so
it is never shipped: an app makes it at its first start. Measured on 3x384 models, one thread, fresh
processes: in 8 bits its own memory grew by 2.8 MB instead of 7.4 (mapped) or 33 (one file), in 4
bits by 3.9 instead of 17 or 30; load took 9 ms of CPU instead of 12 or 27, and 30 or 33.
"""

from pathlib import Path
from tempfile import TemporaryDirectory

from kdc.compress.disk import disk_errors
from kdc.compress.errors import KdcError
from kdc.compress.files import whole_file
from kdc.export.layouts import INSIDE, SUFFIX
from kdc.export.model_file import read_model_file
from kdc.export.options import SessionOptions
from kdc.export.phone_model import read_phone

WRITE = SessionOptions(optimization="basic", memory_pattern=False)
"""How the copy is made: folded, nothing more."""
READ = SessionOptions(optimization="disable", memory_pattern=False)
"""How the copy is opened: nothing is left to fold."""


def install(model: str | Path, out: str | Path) -> Path:
    """Write a copy of a model, `out` and `out`_data beside it, with folded and packed weights.

    Open it with `READ`. Other runtimes do the same with the session entries named here.

    Args:
        model: an `.onnx` or `.ort`, or a phone folder.
        out: the copy's path.

    Returns:
        The copy's path.

    Raises:
        KdcError: it is no model or a damaged folder, one that is only fast when it is rewritten as
            it is opened (pairs of quantize and dequantize), one that ONNX Runtime cannot write
            again, or its copy would replace a file of it.
    """
    import onnxruntime

    model, out = Path(model), Path(out)
    if model.is_dir():
        model = read_phone(model).model
    file = read_model_file(model)
    asked = file.session.optimization
    if asked != WRITE.optimization:
        raise KdcError(
            f"{model} is to be opened with the optimization {asked!r}, and a copy would be slower: "
            "install models of --exporter lean in another --method than int8-static"
        )
    for path in (out, out.with_name(out.name + SUFFIX)):
        if path.exists() and any(path.samefile(other) for other in file.files):
            raise KdcError(f"{path} is the model itself: give its copy another name")
    with disk_errors(out), TemporaryDirectory(dir=out.parent, prefix=f".{out.name}.") as scratch:
        made = Path(scratch) / out.name
        options = WRITE.build(1)
        options.optimized_model_filepath = str(made)
        entry = "session.optimized_model_external_initializers_"
        options.add_session_config_entry(f"{entry}file_name", out.name + SUFFIX)
        options.add_session_config_entry(f"{entry}min_size_in_bytes", str(INSIDE))
        options.add_session_config_entry(
            "session.save_external_prepacked_constant_initializers", "1"
        )
        try:
            onnxruntime.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])
        except Exception as error:  # the runtime's errors have no base class of their own
            raise KdcError(f"ONNX Runtime cannot write {model} again: export it again") from error
        out.unlink(missing_ok=True)  # an old model must never stand beside new weights
        for name in (out.name + SUFFIX, out.name):  # the model last: it names its weights
            if not made.with_name(name).exists():  # every tensor is small, and inside
                continue
            with whole_file(out.with_name(name)) as temporary:
                made.with_name(name).replace(temporary)
    return out
