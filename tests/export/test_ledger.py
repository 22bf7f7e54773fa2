import shutil
import zlib
from collections.abc import Callable
from pathlib import Path

import onnx
import pytest
from transformers import AutoModelForSequenceClassification

from kdc.compress.errors import KdcError
from kdc.export.exporters.lean import export_lean
from kdc.export.exporters.torch_exporter import export_torch
from kdc.export.layouts import LAYOUTS
from kdc.export.ledger import GROUPS, group_tensors, ledger, model_parts
from kdc.export.quantizers import QUANTIZERS
from kdc.export.quantizers.situation import Situation
from kdc.export.ship import Shipped
from tests.families import family_config
from tests.shipping import export
from tests.student import FAMILIES, make_student, make_task, tiny_examples, tiny_model
from tests.tiny import own_rng


@pytest.fixture(scope="module")
def situation() -> Situation:
    return Situation(tiny_examples(tiny_model("Bert", 3), make_task(), 20, seed=3))


@pytest.mark.usefixtures("all_outside")
@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_groups_add_up_to_the_files(shipped: Shipped, tmp_path: Path, layout: str) -> None:
    """A byte that is counted twice or not at all hides where a megabyte is."""
    folder = tmp_path / "phone"
    shutil.copytree(shipped.folder, folder)
    (source,) = folder.glob("onnx/*.onnx")
    moved = source.rename(tmp_path / source.name)
    LAYOUTS[layout].write(moved, source, [[2, 5, 3]])
    rows = ledger(folder)
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert sum(row.bytes for row in rows) == sum(path.stat().st_size for path in files)
    by_group = {row.group: row.bytes for row in rows}
    before = {row.group: row.bytes for row in ledger(shipped.folder)}
    for group in ("vocabulary", "ffn", "head"):  # of an .ort all was told as other
        assert by_group[group] == before[group]
    texts = ("tokenizer.json", "tokenizer_config.json", "vocab.txt")
    assert by_group["tokenizer"] == sum((folder / name).stat().st_size for name in texts)
    assert [name for name in GROUPS if name in by_group] == list(by_group)
    assert all(0 < row.zip_bytes <= row.bytes * 1.2 + 20 for row in rows)


# what is in a tiny model: 128 words, 2 layers of width 32 with a ffn of 64, in fp32
_WORDS, _ATTENTION, _FFN = 128 * 32, 2 * 4 * (32 * 32 + 32), 2 * (2 * 32 * 64 + 64 + 32)


@pytest.mark.parametrize("family", ["Bert", "Roberta", "DistilBert"])
@pytest.mark.parametrize("export", [export_torch, export_lean])
def test_weights_are_counted_where_they_belong(
    family: str, export: Callable[[Path, Path, bool], None], tmp_path: Path
) -> None:
    """Exporters rename weights: an unknown name would move a layer's bytes to 'other'."""
    student, path = make_student(tmp_path / "student", family, rows=4), tmp_path / "model.onnx"
    export(student, path, True)
    sizes = {name: len(data) for name, data in model_parts(path).items()}
    assert sizes["vocabulary"] == 4 * _WORDS
    # biases that are all zero are stored once, here and there or with the norms
    biases = 4 * 2 * (4 * 32 + 64 + 32)
    assert 0 <= 4 * _ATTENTION - sizes["attention"] <= biases
    assert 0 <= 4 * _FFN - sizes["ffn"] <= biases
    assert 4 * 32 * 32 <= sizes["head"] <= 4 * (32 * 32 + 32 + 32 * 3 + 3) + 64
    assert sum(sizes.values()) == path.stat().st_size


@pytest.mark.parametrize("method", ["none", "int8-dynamic", "int4"])
def test_the_parts_of_a_modernbert(method: str, tmp_path: Path, situation: Situation) -> None:
    """Bug: its words, which others call otherwise, and its queries, keys and values, whose matrix
    has the shape of its FFN's and no name, are all told as its FFN."""
    config = family_config("modernbert")
    config.intermediate_size = 48  # as in ModernBERT-base: gate and up make 3 times the width
    with own_rng():
        AutoModelForSequenceClassification.from_config(config).eval().save_pretrained(tmp_path)
    fp32, path = tmp_path / "model.onnx", tmp_path / "quantized.onnx"
    export_torch(tmp_path, fp32, False)
    QUANTIZERS[method].quantize(fp32, path, situation)
    sizes = {name: len(data) for name, data in model_parts(path).items()}
    bits = {"none": 32, "int8-dynamic": 8, "int4": 4}[method]
    wanted = {"vocabulary": 128 * 32, "attention": 4 * 4 * 32 * 32, "ffn": 4 * 3 * 32 * 48}
    for group, weights in wanted.items():
        stored = 8 if (group, bits) == ("vocabulary", 4) else bits  # words too few for 4 bits
        assert weights * stored / 8 <= sizes[group] < 1.5 * weights * stored / 8, group


@pytest.mark.parametrize("family", FAMILIES)
def test_no_matrix_of_any_family_is_unknown(
    family: str, family_folder: Callable[[str], Path]
) -> None:
    graph = onnx.load(family_folder(family) / "model.onnx").graph
    groups = group_tensors(graph)
    matrices = [t.name for t in graph.initializer if t.data_type == 1 and len(t.dims) == 2]
    assert len(matrices) >= 8
    assert [name for name in matrices if groups[name] == "other"] == []


def test_quantized_weights_keep_their_group(student_folder: Path, tmp_path: Path) -> None:
    """Quantizers add suffixes, and scales and zero points of their own."""
    done = export(student_folder, tmp_path / "phone", method="int8-dynamic", max_drop=30.0)
    sizes = {name: len(data) for name, data in model_parts(done.copy).items()}
    assert _WORDS <= sizes["vocabulary"] < 1.2 * _WORDS
    matrices = 2 * 4 * 32 * 32  # as many bytes as weights, in attention and in the ffn alike
    for group in ("attention", "ffn"):
        assert matrices <= sizes[group] < 1.4 * matrices
    assert sizes.get("other", 0) < 1000


def test_deflated_bytes_are_the_groups_own(shipped: Shipped) -> None:
    (path,) = shipped.folder.glob("onnx/*.onnx")
    words = model_parts(path)["vocabulary"]
    squeeze = zlib.compressobj(9, zlib.DEFLATED, -15)
    size = len(squeeze.compress(words) + squeeze.flush())
    rows = {row.group: row for row in ledger(shipped.folder)}
    assert rows["vocabulary"].as_dict() == {
        "group": "vocabulary",
        "bytes": len(words),
        "zip_bytes": size,
    }


@pytest.mark.parametrize("count", [0, 2])
def test_a_folder_must_hold_one_model(tmp_path: Path, fp32: Path, count: int) -> None:
    for number in range(count):
        shutil.copyfile(fp32, tmp_path / f"{number}.onnx")
    with pytest.raises(KdcError, match=f"holds {count} models, so is no phone folder"):
        ledger(tmp_path)
