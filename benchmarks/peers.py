"""The int8 files that others ship of a student: torch and ONNX Runtime's tools, and optimum's."""

import os
import subprocess
import sys
import venv
from pathlib import Path

from kdc.export.exporters.torch_exporter import export_torch
from kdc.export.quiet import quiet

_ROOT = Path(__file__).parents[1]
_CONSTRAINTS = _ROOT / "constraints-457.txt"
_PACKAGES = ["torch", "transformers", "optimum[onnxruntime]", "optimum-onnx", "onnx", "requests"]


def torch_peer(student: Path, out: Path) -> Path:
    """Export with torch and quantize with ONNX Runtime's `quantize_dynamic`, per channel.

    The operators are named: its defaults fail on graphs of this opset.
    """
    from onnxruntime.quantization import QuantType, quantize_dynamic

    path = out / "quantize-dynamic.onnx"
    fp32 = out / "torch-fp32.onnx"
    export_torch(student, fp32, standard=True)
    with quiet():
        quantize_dynamic(
            fp32,
            path,
            op_types_to_quantize=["MatMul", "Gemm", "Gather"],
            per_channel=True,
            weight_type=QuantType.QInt8,
        )
    fp32.unlink()
    return path


def optimum_peers(python: Path, student: Path, out: Path) -> tuple[Path, Path]:
    """Let optimum make its files in its own environment: per tensor, and per channel."""
    command = [str(python), str(_ROOT / "benchmarks" / "peer_optimum.py"), str(student), str(out)]
    environment = {**os.environ, "HF_HUB_OFFLINE": "1"}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    if done.returncode:
        sys.exit(f"{' '.join(command)} failed:\n{done.stderr}")
    return out / "per-tensor.onnx", out / "per-channel.onnx"


def optimum_python(given: Path | None) -> Path:
    """Return a Python with optimum-onnx: the one given, or of an environment made once and kept."""
    if given is not None:
        return given
    root = Path(os.environ.get("XDG_CACHE_HOME") or Path("~/.cache").expanduser())
    folder = root / "kdc" / "optimum-457"
    python, stamp = folder / "bin" / "python", folder / _CONSTRAINTS.name
    if stamp.is_file() and stamp.read_bytes() == _CONSTRAINTS.read_bytes():
        return python
    print(f"making {folder}, once: 1.6 GB", flush=True)
    venv.create(folder, with_pip=True, clear=True)
    install = [str(python), "-m", "pip", "install", "--quiet", "-c", str(_CONSTRAINTS)]
    subprocess.run([*install, *_PACKAGES], check=True)
    stamp.write_bytes(_CONSTRAINTS.read_bytes())  # last: it says that all is installed
    return python
