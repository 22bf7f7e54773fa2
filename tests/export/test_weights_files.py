"""What a model names as its weights is checked before ONNX Runtime opens whatever it is."""

from collections.abc import Callable
from pathlib import Path

import onnx
import pytest
from onnx import TensorProto, helper

from kdc.compress.errors import KdcError
from kdc.export.model_file import read_model_file
from kdc.export.session import open_session
from tests.onnx_model import make_model

DATA = "m.onnx_data"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """The classifier of a few nodes with its weights in a second file."""
    path = tmp_path / "m.onnx"
    model = onnx.load(make_model(path))
    onnx.save(model, path, save_as_external_data=True, location=DATA, size_threshold=1024)
    return path


def _rewrite(path: Path, **changes: str | None) -> None:
    """Change what every external tensor says of itself; None takes the entry away."""
    model = onnx.load(path, load_external_data=False)
    for tensor in model.graph.initializer:
        entries = {entry.key: entry.value for entry in tensor.external_data} | changes
        del tensor.external_data[:]
        for key, value in entries.items():
            if value is not None:
                tensor.external_data.add(key=key, value=value)
    path.write_bytes(model.SerializeToString())


def _refused(path: Path, told: str) -> None:
    """Both ways to a model refuse it in one sentence."""
    for look in (read_model_file, open_session):
        with pytest.raises(KdcError, match=told) as caught:
            look(path)
        assert "\n" not in str(caught.value)


def test_a_whole_model_opens(path: Path) -> None:
    assert read_model_file(path).files == (path, path.with_name(DATA))
    assert open_session(path).inputs[0] == "input_ids"


def test_missing_weights(path: Path) -> None:
    path.with_name(DATA).unlink()
    _refused(path, f"incomplete: its weights '{DATA}' are missing")


def test_truncated_weights(path: Path) -> None:
    """ONNX Runtime maps what is there; reading beyond it would end the process."""
    data = path.with_name(DATA)
    data.write_bytes(data.read_bytes()[:-1])
    _refused(path, r"cut short or of another model: it has [\d,]+ bytes where m\.onnx names")


@pytest.mark.parametrize("name", ["../m.onnx_data", "a/../../m.onnx_data", "..\\m.onnx_data"])
def test_a_way_up(path: Path, name: str) -> None:
    (path.parent.parent / DATA).write_bytes(path.with_name(DATA).read_bytes())
    _rewrite(path, location=name)
    _refused(path, "names weights outside its folder")


def test_an_absolute_path(path: Path) -> None:
    _rewrite(path, location=str(path.with_name(DATA)))
    _refused(path, "names weights outside its folder")


@pytest.mark.parametrize("link", [DATA, "folder"])
def test_a_link(path: Path, tmp_path_factory: pytest.TempPathFactory, link: str) -> None:
    """A link to /etc/shadow beside the model, or a linked folder, is outside all the same."""
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    path.with_name(DATA).rename(elsewhere / DATA)
    if link == DATA:
        path.with_name(DATA).symlink_to(elsewhere / DATA)
    else:
        path.with_name(link).symlink_to(elsewhere)
        _rewrite(path, location=f"{link}/{DATA}")
    _refused(path, "names weights outside its folder")


@pytest.mark.parametrize("name", ["", "*/_ORT_MEM_ADDR_/*"])
def test_no_path_at_all(path: Path, name: str) -> None:
    """ONNX Runtime has a name of its own that makes an offset an address in memory."""
    _rewrite(path, location=name)
    _refused(path, "missing beside it|outside its folder")


def test_a_name_that_no_system_takes(path: Path) -> None:
    _rewrite(path, location="a" * 5000)
    _refused(path, "names weights that cannot be read|missing beside it")


@pytest.mark.parametrize("offset", ["-4096", "1e3", "0x10", "9" * 30, "²"])
def test_an_offset_that_makes_no_sense(path: Path, offset: str) -> None:
    _rewrite(path, offset=offset)
    _refused(path, "no ONNX model or is cut short")


def test_a_second_name_does_not_hide_the_first(path: Path) -> None:
    """Which of two entries of one key counts differs from reader to reader."""
    model = onnx.load(path, load_external_data=False)
    first = model.graph.initializer[0].external_data
    first.insert(0, onnx.StringStringEntryProto(key="location", value="/etc/hostname"))
    path.write_bytes(model.SerializeToString())
    _refused(path, "names weights outside its folder: '/etc/hostname'")


def _outside(name: str) -> TensorProto:
    tensor = TensorProto(name=name, data_type=TensorProto.FLOAT, dims=[1])
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="/etc/hostname")
    return tensor


def _in_attribute(model: onnx.ModelProto) -> None:
    model.graph.node.append(helper.make_node("Constant", [], ["c"], value=_outside("c")))


def _in_branch(model: onnx.ModelProto) -> None:
    value = helper.make_tensor_value_info("c", TensorProto.FLOAT, [1])
    branch = helper.make_graph([], "branch", [], [value], [_outside("c")])
    node = helper.make_node("If", ["cond"], ["d"], then_branch=branch, else_branch=branch)
    model.graph.node.append(node)


def _in_function(model: onnx.ModelProto) -> None:
    node = helper.make_node("Constant", [], ["c"], value=_outside("c"))
    model.functions.append(helper.make_function("own", "F", [], ["c"], [node], []))


def _in_sparse(model: onnx.ModelProto) -> None:
    model.graph.sparse_initializer.append(onnx.SparseTensorProto(values=_outside("c"), dims=[1]))


@pytest.mark.parametrize("hide", [_in_attribute, _in_branch, _in_function, _in_sparse])
def test_tensors_in_other_places_are_found(
    tmp_path: Path, hide: Callable[[onnx.ModelProto], None]
) -> None:
    """The runtime follows a constant of a node as far as it follows a weight."""
    path = make_model(tmp_path / "m.onnx")
    model = onnx.load(path)
    hide(model)
    path.write_bytes(model.SerializeToString())
    _refused(path, "names weights outside its folder: '/etc/hostname'")


def test_weights_of_another_model_that_are_longer_pass_here(path: Path) -> None:
    """Only a digest could tell them apart, which a phone folder's manifest has and a file not."""
    data = path.with_name(DATA)
    data.write_bytes(bytes(data.stat().st_size + 10))
    assert read_model_file(path).files == (path, data)
