"""The page's own check of Ed25519 signatures, for browsers that have none."""

import random
import shutil
from itertools import pairwise

import pytest

from tests.page_module import call
from tests.sample_apps.test_android_signature import ORDER, RFC

pytestmark = pytest.mark.skipif(shutil.which("node") is None, reason="no node: apt-get install npm")
Line = tuple[bytes, bytes, bytes]


def verified(*lines: Line) -> list[bool]:
    return call("ed25519", "verifyHere", [[{"hex": part.hex()} for part in line] for line in lines])


def _read(line: tuple[str, str, str]) -> Line:
    key, message, signature = (bytes.fromhex(part.strip("-")) for part in line)
    return key, message, signature


def test_the_vectors_of_rfc_8032_hold() -> None:
    assert verified(*map(_read, RFC)) == [True] * len(RFC)


def test_one_bit_anywhere_makes_a_signature_wrong() -> None:
    """A verifier that looks at half of the signature takes forged models."""
    whole = list(_read(RFC[2]))
    lines = []
    for part, content in enumerate(whole):
        for bit in range(0, 8 * len(content), 7):
            data = bytearray(content)
            data[bit // 8] ^= 1 << bit % 8
            forged = [*whole[:part], bytes(data), *whole[part + 1 :]]
            key, message, signature = forged
            lines.append((key, message, signature))
    assert len(lines) > 100
    assert verified(*lines) == [False] * len(lines)


def test_a_second_spelling_of_a_signature_is_refused() -> None:
    """S + order verifies as S does: RFC 8032 asks for S below the order, so that none is made."""
    key, message, signature = _read(RFC[1])
    scalar = int.from_bytes(signature[32:], "little") + ORDER
    assert verified((key, message, signature[:32] + scalar.to_bytes(32, "little"))) == [False]


def test_bytes_that_are_no_key_or_no_signature_are_no_crash() -> None:
    lines = [
        (b"", bytes(64)),
        (bytes(32), b""),
        (b"\xff" * 32, b"\xff" * 64),
        (bytes(32), bytes(64)),
    ]
    assert verified(*((key, b"message", signature) for key, signature in lines)) == [False] * 4


def test_signatures_that_python_makes_hold() -> None:
    """The same standard, another implementation, keys and messages of every size."""
    ed25519 = pytest.importorskip("cryptography.hazmat.primitives.asymmetric.ed25519")
    numbers = random.Random(7)
    lines: list[Line] = []
    for length in range(24):
        key = ed25519.Ed25519PrivateKey.from_private_bytes(numbers.randbytes(32))
        message = numbers.randbytes(length * length)
        lines.append((key.public_key().public_bytes_raw(), message, key.sign(message)))
    assert verified(*lines) == [True] * len(lines)
    swapped = [(key, *other[1:]) for (key, _, _), other in pairwise(lines)]
    assert verified(*swapped) == [False] * len(swapped)
