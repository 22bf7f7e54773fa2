"""What optimum ships of a student: `main_export`, then its arm64 preset of dynamic int8.

    python benchmarks/peer_optimum.py STUDENT OUT

Runs in an environment of its own, where optimum-onnx is (constraints-457.txt), and imports nothing
of kdc. OUT gets `per-tensor.onnx`, the preset as it is, and `per-channel.onnx`.
"""

import argparse
import shutil
import tempfile
from pathlib import Path

from optimum.exporters.onnx import main_export
from optimum.onnxruntime import ORTQuantizer
from optimum.onnxruntime.configuration import AutoQuantizationConfig


def main() -> None:
    """Export once and quantize both ways."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("student", type=Path)
    parser.add_argument("out", type=Path)
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        fp32 = Path(scratch) / "fp32"
        main_export(str(options.student), fp32, task="text-classification", local_files_only=True)
        for name, per_channel in (("per-tensor", False), ("per-channel", True)):
            made = Path(scratch) / name
            preset = AutoQuantizationConfig.arm64(is_static=False, per_channel=per_channel)
            ORTQuantizer.from_pretrained(fp32, file_name="model.onnx").quantize(
                save_dir=made, quantization_config=preset
            )
            shutil.move(made / "model_quantized.onnx", options.out / f"{name}.onnx")


if __name__ == "__main__":
    main()
