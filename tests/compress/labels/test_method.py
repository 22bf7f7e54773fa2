from typing import Any

import pytest

from kdc.compress.errors import KdcError
from kdc.compress.labels.method import Method, read_method


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"kind": "topk", "count": 0}, "--topk must be a number from 1"),
        ({"kind": "draws", "count": 256}, "--draws must be a number from 1 to 255"),
        ({"kind": "topk", "count": 4, "bits": 4}, "--bits is 8 or 16, not 4"),
        ({"kind": "topk", "count": 4, "temperature": 0.0}, "--temperature must be above 0"),
        ({"kind": "topk", "count": 4, "temperature": float("nan")}, "--temperature"),
        ({"kind": "full", "least": 0.1}, "goes with --topk"),
        ({"kind": "none"}, "nothing to label"),
        ({"kind": "none", "states": (1, 1)}, "each once"),
        ({"kind": "best"}, "labels are made by"),
    ],
    ids=str,
)
def test_what_makes_no_labels_is_refused(options: dict[str, Any], words: str) -> None:
    """Bug: found after the teacher has run, or never."""
    with pytest.raises(KdcError, match=words):
        Method(**options)


def test_a_method_is_read_back_as_it_was() -> None:
    """Bug: labels at one temperature trained from at another."""
    method = Method("topk", 7, 16, 2.0, 0.01, (0, 3), True)
    assert read_method(method.as_dict(), "manifest.json") == method
    with pytest.raises(KdcError, match="does not say how its labels were made"):
        read_method({**method.as_dict(), "count": "7"}, "manifest.json")
    with pytest.raises(KdcError, match="does not say how its labels were made"):
        read_method({**method.as_dict(), "more": 7}, "manifest.json")
