from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from kdc.compress.errors import GateFailed, KdcError
from kdc.compress.progress import Silent
from kdc.export import layouts as module
from kdc.export.layouts import CONFIG, LAYOUTS, check_layout, find_layout, write_mmap, write_ort
from kdc.export.measure import Plan, bench
from kdc.export.model_file import read_model_file
from kdc.export.options import SessionOptions
from kdc.export.probe import Found
from kdc.export.quantizers import QUANTIZERS
from kdc.export.session import open_session
from tests.onnx_model import FACTS, make_model
from tests.shipping import export

pytestmark = pytest.mark.usefixtures("all_outside")
ROWS = [[2, 5, 6, 7, 3], [2, 9, 3]]


def _answers(path: Path) -> np.ndarray:
    session = open_session(path)
    return np.stack([session.run(np.array(row), np.zeros(len(row))) for row in ROWS])


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("family", ["Bert", "Albert", "MobileBert"])
def test_every_layout_of_a_family_answers_the_same(
    family: str, layout: str, family_folder: Callable[[str], Path], tmp_path: Path
) -> None:
    """A layout moves bytes: one that is off by an offset answers from other weights."""
    source = family_folder(family) / "model.onnx"
    path = LAYOUTS[layout].write(source, tmp_path / "model_quantized.onnx", ROWS)
    np.testing.assert_allclose(_answers(path), _answers(source), atol=1e-4, rtol=1e-4)


def test_weights_lie_where_a_runtime_can_map_them(fp32: Path, tmp_path: Path) -> None:
    """A large tensor that begins inside a page is copied into memory, which mmap was to save."""
    big = onnx.load(fp32)
    rows = np.random.default_rng(0).standard_normal((700, 32)).astype(np.float32)
    name = next(t.name for t in big.graph.initializer if list(t.dims) == [128, 32])
    tensor = next(t for t in big.graph.initializer if t.name == name)
    tensor.CopyFrom(numpy_helper.from_array(rows, name))
    onnx.save(big, tmp_path / "big.onnx")
    path = write_mmap(tmp_path / "big.onnx", tmp_path / "model_quantized.onnx", ROWS)
    data = (tmp_path / "model_quantized.onnx_data").read_bytes()
    assert read_model_file(path).files == (path, tmp_path / "model_quantized.onnx_data")
    ends = [0]
    for old, new in zip(
        big.graph.initializer,
        onnx.load(path, load_external_data=False).graph.initializer,
        strict=True,
    ):
        assert (old.name, list(old.dims), old.data_type) == (
            new.name,
            list(new.dims),
            new.data_type,
        )
        places = {entry.key: entry.value for entry in new.external_data}
        if len(old.raw_data) < 1024:
            assert not places and new.raw_data == old.raw_data
            continue
        start, size = int(places["offset"]), int(places["length"])
        assert places["location"] == "model_quantized.onnx_data"
        assert data[start : start + size] == old.raw_data
        assert start % (4096 if size >= 65_536 else 64) == 0 and start >= ends[-1]
        ends.append(start + size)
    assert ends[-1] == len(data) and len(ends) > 5


def test_the_same_model_gives_the_same_bytes(fp32: Path, tmp_path: Path) -> None:
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        write_mmap(fp32, tmp_path / folder / "m.onnx", ROWS)
    for name in ("m.onnx", "m.onnx_data"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()


def _linear(weight: TensorProto) -> onnx.ModelProto:
    """A classifier of one matrix over the ids."""
    nodes = [
        helper.make_node("Cast", ["input_ids"], ["x"], to=TensorProto.FLOAT),
        helper.make_node("DequantizeLinear", ["weight", "scale"], ["w"]),
        helper.make_node("MatMul", ["x", "w"], ["logits"]),
    ]
    ids = helper.make_tensor_value_info("input_ids", TensorProto.INT64, ["batch", 64])
    out = helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", 64])
    scale = numpy_helper.from_array(np.array(0.5, dtype=np.float32), "scale")
    graph = helper.make_graph(nodes, "g", [ids], [out], [weight, scale])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)


def test_four_bits_and_typed_fields_are_laid_out_too(tmp_path: Path) -> None:
    """Some writers put numbers into typed fields, where 4-bit pairs are whole int32s."""
    values = (np.arange(64 * 64) % 16 - 8).astype(np.int8)
    packed = ((values[0::2] & 15) | ((values[1::2] & 15) << 4)).astype(np.uint8)
    weight = TensorProto(name="weight", data_type=TensorProto.INT4, dims=[64, 64])
    weight.int32_data.extend(packed.tolist())
    onnx.save(_linear(weight), tmp_path / "m.onnx")
    path = write_mmap(tmp_path / "m.onnx", tmp_path / "out.onnx", [])
    assert (tmp_path / "out.onnx_data").read_bytes() == packed.tobytes()
    row = np.arange(64)
    wanted = row @ (values.reshape(64, 64) * 0.5)
    plain = SessionOptions("disable")  # other levels multiply in 4 bits, less exactly
    np.testing.assert_allclose(open_session(path, options=plain).run(row, row), wanted, rtol=1e-5)


def test_a_model_without_weights_is_refused(tmp_path: Path) -> None:
    weight = helper.make_tensor("weight", TensorProto.INT8, [64, 8], bytes(512), raw=True)
    onnx.save(_linear(weight), tmp_path / "m.onnx")
    with pytest.raises(KdcError, match="no weights of this model have 1,024 bytes"):
        write_mmap(tmp_path / "m.onnx", tmp_path / "out.onnx", [])


def test_the_operators_of_an_ort_file_are_listed(tmp_path: Path) -> None:
    """A runtime built without one of them cannot load the file; temporary paths stay out."""
    source = make_model(tmp_path / "m.onnx", FACTS)
    path = write_ort(source, tmp_path / "out.onnx", ROWS)
    assert path == tmp_path / "out.ort"
    lines = (tmp_path / CONFIG).read_text().splitlines()
    named = {operator for line in lines for operator in line.split(";")[2].split(",")}
    assert {"Gather", "MatMul", "ReduceSum"} <= named <= {n.op_type for n in _nodes(source)}
    assert sorted(p.name for p in tmp_path.iterdir()) == ["m.onnx", "out.ort", CONFIG]


def _nodes(path: Path) -> list[onnx.NodeProto]:
    return list(onnx.load(path).graph.node)


def test_an_ort_file_is_read_and_measured(tmp_path: Path) -> None:
    """Its properties are in a format that only ONNX Runtime reads."""
    path = write_ort(make_model(tmp_path / "m.onnx", FACTS), tmp_path / "out.onnx", ROWS)
    file = read_model_file(path)
    assert (file.lengths, file.max_length, file.files) == ((4, 6, 9), 64, (path,))
    found = bench([path], Plan(lengths=(8,), seconds=0.05), Silent())
    assert found.subjects[0].size_bytes == path.stat().st_size and found.runs[0].reading.wall_ms


def test_a_damaged_ort_file_is_one_sentence(tmp_path: Path) -> None:
    path = write_ort(make_model(tmp_path / "m.onnx", FACTS), tmp_path / "out.onnx", ROWS)
    path.write_bytes(path.read_bytes()[:-500])
    with pytest.raises(KdcError, match=r"out\.ort") as caught:
        read_model_file(path)
    assert "\n" not in str(caught.value)


def test_what_converts_and_cannot_be_loaded_is_not_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """int8 with 4-bit embeddings 'converts successfully', and every phone then refuses it."""

    def convert(source: Path, made: Path) -> None:
        made.write_bytes(b"\x00\x00\x00\x00ORTM" + bytes(100))

    monkeypatch.setattr(module, "_convert", convert)
    with pytest.raises(GateFailed, match="cannot be loaded"):
        write_ort(make_model(tmp_path / "m.onnx"), tmp_path / "out.onnx", ROWS)
    assert [path.name for path in tmp_path.iterdir()] == ["m.onnx"]


def test_another_answer_is_not_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    answers = iter([[[0.0, 1.0]], [[0.0, 1.001]]])
    monkeypatch.setattr(
        "kdc.export.probe.probe", lambda path, tokens: Found({}, None, next(answers))
    )
    with pytest.raises(GateFailed, match="answers other logits"):
        write_ort(make_model(tmp_path / "m.onnx"), tmp_path / "out.onnx", ROWS)
    assert [path.name for path in tmp_path.iterdir()] == ["m.onnx"]


def test_what_onnx_runtime_cannot_convert_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "m.onnx").write_text("turn on the light\n")
    with pytest.raises(KdcError, match=r"cannot write .* in its own format"):
        write_ort(tmp_path / "m.onnx", tmp_path / "out.onnx", ROWS)


def test_names_come_from_the_table() -> None:
    assert find_layout("mmap") is LAYOUTS["mmap"]
    for name, method in [("ort", "fp16"), ("mmap", "int8-static"), ("single", "int8-static")]:
        check_layout(name, {method: QUANTIZERS[method].session})
    with pytest.raises(KdcError, match=r"unknown layout 'nmap': did you mean mmap\?"):
        find_layout("nmap")


def test_a_layout_that_leaves_pairs_unjoined_is_refused(tmp_path: Path) -> None:
    """Bug: int8-static in ONNX Runtime's own format was 9 times slower than its .onnx."""
    said = "--layout ort keeps the graph as it is, and files of --method int8-static are fast only"
    with pytest.raises(KdcError, match=said):
        export(tmp_path / "nobody", tmp_path / "phone", method="int8-static", layout="ort")
