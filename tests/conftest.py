import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from kdc.compress.files import whole_folder, write_json, write_manifest

ROOT = Path(__file__).parents[1]

# a shell starts what it leaves in the background deaf to Ctrl-C, and children inherit that
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture
def root() -> Path:
    """The root of the repository."""
    return ROOT


@pytest.fixture
def shared_data() -> Path:
    """Real data that lies beside the repository on some machines."""
    folder = ROOT.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip(f"no real data at {folder}")
    return folder


@pytest.fixture
def make_phone() -> Callable[[Path], Path]:
    """A phone folder of the right shape; what its model holds is of no matter to a bundle."""

    def make(folder: Path) -> Path:
        labels = ["set_alarm", "weather"]
        task = {"name": "demo", "kind": "classification", "labels": labels, "pair": False}
        score = {"metric": "accuracy", "value": 0.9, "n": 100, "interval": [0.8, 0.95]}
        golden = {"texts": ["wake me", ""], "labels": labels, "tolerance": 0.02}
        with whole_folder(folder, "kdc.phone") as staging:
            (staging / "onnx").mkdir()
            (staging / "onnx" / "model_quantized.onnx").write_bytes(bytes(range(256)) * 40)
            for name in ("config.json", "tokenizer.json", "tokenizer_config.json"):
                write_json(staging / name, {"name": name})
            (staging / "vocab.txt").write_text("[PAD]\n[UNK]\n")
            (staging / "README.md").write_text("# demo\n")
            write_json(staging / "golden.json", golden)
            fields = {"task": {**task, "metric": "accuracy"}, "labels": labels, "max_length": 64}
            fields["quantization"] = "int8-dynamic"
            metrics = {"teacher": score, "student": score, "shipped": score}
            write_manifest(staging, "kdc.phone/1", {**fields, "metrics": metrics})
        return folder

    return make
