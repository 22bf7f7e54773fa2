import random
from pathlib import Path

import onnx
import pytest

from kdc.export.wire import WireError, entry, fields, mapped, messages
from tests.onnx_model import FACTS, make_model


def test_what_is_read_is_what_protobuf_reads(tmp_path: Path) -> None:
    """A reader of our own must not see another file than the runtime does."""
    path = make_model(tmp_path / "m.onnx", FACTS)
    model = onnx.load(path)
    data = mapped(path)
    names = [bytes(next(messages(tensor, 8))).decode() for tensor in messages(data, 7, 5)]
    assert names == [tensor.name for tensor in model.graph.initializer]
    numbers = dict(pair for pair in fields(data) if isinstance(pair[1], int))
    assert numbers[1] == model.ir_version
    properties = {prop.key: prop.value for prop in model.metadata_props}
    assert dict(entry(prop) for prop in messages(data, 14)) == properties
    operators = [bytes(next(messages(node, 4))).decode() for node in messages(data, 7, 1)]
    assert operators == [node.op_type for node in model.graph.node]


@pytest.mark.parametrize(
    "data",
    [
        b"\x08",  # a number that is missing
        b"\x08" + b"\xff" * 20,  # a number without an end
        b"\x0a\x05abc",  # five bytes of which three are there
        b"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\x7f",  # more bytes than any file has
        b"\x0d\x00",  # half of a fixed number
        b"\x0b",  # a group, which ONNX has not
        b"\x02\x00",  # field number 0
    ],
)
def test_what_is_no_message_is_refused(data: bytes) -> None:
    with pytest.raises(WireError):
        list(fields(memoryview(data)))


def test_noise_ends_in_an_answer_or_a_wire_error() -> None:
    """A hostile file gets here first: an IndexError or a hang would be a traceback for a user."""
    rng = random.Random(0)
    for _ in range(2000):
        noise = memoryview(rng.randbytes(rng.randrange(40)))
        try:
            for number, value in fields(noise):
                assert number > 0 and isinstance(value, int | memoryview)
        except WireError:
            pass


def test_text_that_is_not_utf8_is_refused() -> None:
    with pytest.raises(WireError, match="UTF-8"):
        entry(memoryview(b"\x0a\x02\xff\xfe"))
