import json
import shutil
from pathlib import Path

import pytest
from transformers import AutoConfig

from kdc.compress.artifact import read_student
from kdc.compress.files import read_json
from kdc.export.config import write_config
from kdc.export.ship import Shipped
from tests.student import LABELS, remake


def test_labels_have_the_names_of_the_task(shipped: Shipped) -> None:
    """A student trained in memory is called LABEL_0, and an app would show that."""
    config = AutoConfig.from_pretrained(shipped.folder)
    assert config.id2label == dict(enumerate(LABELS))
    assert config.label2id == {label: index for index, label in enumerate(LABELS)}


@pytest.mark.parametrize(("quantized", "dtype"), [(True, "q8"), (False, "fp32")])
def test_transformers_js_is_told_which_file_there_is(
    quantized: bool, dtype: str, student_folder: Path, tmp_path: Path
) -> None:
    """It looks for model.onnx in node and model_quantized.onnx in a page; one is not there."""
    write_config(read_student(student_folder), tmp_path, quantized)
    assert read_json(tmp_path / "config.json")["transformers.js_config"] == {"dtype": dtype}


def test_code_and_paths_stay_behind(student_folder: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(student_folder, tmp_path / "student")
    config = json.loads((folder / "config.json").read_text())
    hostile = {"_name_or_path": "/home/me", "_attn_implementation_internal": "evil/kernel"}
    hostile[""] = "a key without a first letter"
    config |= {**hostile, "auto_map": {"AutoModel": "evil.py"}}
    (folder / "config.json").write_text(json.dumps(config))
    remake(folder)
    write_config(read_student(folder), tmp_path, quantized=True)
    shipped = read_json(tmp_path / "config.json")
    assert not {"_name_or_path", "_attn_implementation_internal", "auto_map"} & set(shipped)
    assert (shipped["model_type"], shipped[""]) == ("bert", "a key without a first letter")


def test_weights_of_their_own_are_announced(student_folder: Path, tmp_path: Path) -> None:
    """transformers.js asks for the second file only where it is told of one."""
    for external in (False, True):
        write_config(read_student(student_folder), tmp_path, quantized=True, external=external)
        loading = read_json(tmp_path / "config.json")["transformers.js_config"]
        assert loading.get("use_external_data_format", False) is external
