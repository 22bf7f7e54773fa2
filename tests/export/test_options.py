import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from kdc.compress.errors import KdcError
from kdc.export.model_file import read_model_file
from kdc.export.options import DEFAULT, PHONE, PROPERTY, SessionOptions
from kdc.export.session import open_session
from kdc.export.ship import Shipped
from tests.onnx_model import by_hand, make_model
from tests.student import tiny_tokenizer

TOKENS, TYPES = np.array([5, 17, 99, 3]), np.zeros(4, dtype=np.int64)
FRUGAL = SessionOptions(optimization="basic", memory_pattern=False, prepacking=False)
BARE = SessionOptions("disable", arena=False)


@pytest.mark.parametrize("options", [DEFAULT, PHONE, FRUGAL, BARE])
def test_options_change_how_a_model_runs_and_not_what_it_answers(
    tmp_path: Path, options: SessionOptions
) -> None:
    session = open_session(make_model(tmp_path / "m.onnx"), options=options)
    np.testing.assert_allclose(session.run(TOKENS, TYPES), by_hand(TOKENS, TYPES), rtol=1e-5)


@pytest.mark.parametrize("options", [DEFAULT, PHONE, FRUGAL])
def test_options_travel_as_json(options: SessionOptions) -> None:
    text = json.dumps(options.as_dict())
    assert SessionOptions.from_dict(json.loads(text), "m.onnx") == options


@pytest.mark.parametrize("options", [DEFAULT, PHONE, BARE])
def test_exact_products_are_asked_for_where_int8_overflows(
    options: SessionOptions, shipped: Shipped, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Bug: golden answers of a CPU without VNNI, which no phone gives again."""
    import onnxruntime

    row = np.array(tiny_tokenizer().encode("wake me up at ten").ids)
    wanted = open_session(shipped.copy, options=options).run(row, row * 0)
    monkeypatch.setattr("kdc.export.machine.int8_overflows", lambda: True)
    built = options.build(1)
    assert built.get_session_config_entry("session.x64quantprecision") == "1"
    extended = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_EXTENDED
    assert built.graph_optimization_level.value >= extended.value
    np.testing.assert_allclose(
        open_session(shipped.copy, options=options).run(row, row * 0), wanted, atol=1e-5
    )


def test_every_option_reaches_the_runtime(monkeypatch: pytest.MonkeyPatch) -> None:
    """An option that is only stored would be measured as one that makes no difference."""
    import onnxruntime

    monkeypatch.setattr("kdc.export.machine.int8_overflows", lambda: False)

    plain, lean = DEFAULT.build(1), FRUGAL.build(3)
    assert (plain.intra_op_num_threads, lean.intra_op_num_threads) == (1, 3)
    levels = onnxruntime.GraphOptimizationLevel
    assert plain.graph_optimization_level == levels.ORT_ENABLE_ALL
    assert lean.graph_optimization_level == levels.ORT_ENABLE_BASIC
    assert (plain.enable_mem_pattern, lean.enable_mem_pattern) == (True, False)
    assert lean.get_session_config_entry("session.disable_prepacking") == "1"
    assert not SessionOptions(arena=False).build(1).enable_cpu_mem_arena


@pytest.mark.parametrize(
    "value",
    [
        {"optimization": "most"},
        {"optimization": 1},
        {"arena": 1},
        {"prepacking": "no"},
        {"session.use_ort_model_bytes_directly": "1"},
        ["basic"],
        None,
    ],
)
def test_foreign_options_are_refused(value: object) -> None:
    """They come from a file, and some entries that ONNX Runtime takes crash the process."""
    with pytest.raises(KdcError, match=r"m\.onnx carries session options that make no sense"):
        SessionOptions.from_dict(value, "m.onnx")


def _ask_for(path: Path, value: Any) -> Path:  # noqa: ANN401
    return make_model(path, {PROPERTY: value})


def test_a_file_says_how_it_wants_to_be_opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Options that only the manifest had would be lost with every copy out of its folder."""
    path = _ask_for(tmp_path / "m.onnx", {"optimization": "basic", "arena": False})
    wanted = SessionOptions(optimization="basic", arena=False)
    assert read_model_file(path).session == wanted
    used: list[SessionOptions] = []
    build = SessionOptions.build

    def noted(self: SessionOptions, threads: int) -> Any:  # noqa: ANN401
        used.append(self)
        return build(self, threads)

    monkeypatch.setattr(SessionOptions, "build", noted)
    open_session(path)
    open_session(path, options=FRUGAL)
    open_session(make_model(tmp_path / "foreign.onnx"))
    assert used == [wanted, FRUGAL, DEFAULT]


@pytest.mark.parametrize("value", [[1], {"arena": 3}, "basic"])
def test_a_damaged_property_is_one_sentence(tmp_path: Path, value: object) -> None:
    with pytest.raises(KdcError, match="export it again"):
        read_model_file(_ask_for(tmp_path / "m.onnx", value))


def test_the_property_is_json_text(tmp_path: Path) -> None:
    path = make_model(tmp_path / "m.onnx")
    model = onnx.load(path)
    model.metadata_props.add(key=PROPERTY, value=json.dumps(PHONE.as_dict()))
    path.write_bytes(model.SerializeToString())
    assert read_model_file(path).session == PHONE
