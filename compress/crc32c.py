"""CRC-32C (Castagnoli) in numpy: what TensorFlow's files are checked by.

A checksum of 400 MB byte by byte would take minutes in Python. CRCs are linear over GF(2), so many
stretches of a file are worked on at once, and their registers then put together by "so many bytes
of zeros later", which is a matrix of 32 by 32 bits (as zlib's crc32_combine).
"""

from functools import cache

import numpy as np
import numpy.typing as npt

_POLYNOMIAL = 0x82F63B78  # reflected
_MASK = 0xA282EAD8  # added by LevelDB's and TensorFlow's files, whose CRCs hold CRCs
_ALL = 0xFFFFFFFF
_STRETCH = 8192  # bytes of each stretch
_AT_ONCE = 4096  # stretches worked on at once: 32 MiB
Words = npt.NDArray[np.uint32]


def crc32c(data: bytes) -> int:
    """Return the CRC-32C of some bytes."""
    register = _ALL
    whole = len(data) // _STRETCH
    for start in range(0, whole, _AT_ONCE):
        count = min(_AT_ONCE, whole - start)
        stretches = np.frombuffer(data, np.uint8, count * _STRETCH, start * _STRETCH)
        for part in _registers(stretches.reshape(count, _STRETCH)).tolist():
            register = _apply(_later(_STRETCH), register) ^ part
    table = _table().tolist()
    for byte in data[whole * _STRETCH :]:
        register = table[(register ^ byte) & 255] ^ (register >> 8)
    return register ^ _ALL


def unmasked(crc: int) -> int:
    """Return the CRC that stands masked in a file."""
    rotated = (crc - _MASK) & _ALL
    return ((rotated >> 17) | (rotated << 15)) & _ALL


def masked(crc: int) -> int:
    """Return what stands in a file for a CRC."""
    return ((((crc >> 15) | (crc << 17)) & _ALL) + _MASK) & _ALL


def _registers(stretches: npt.NDArray[np.uint8]) -> Words:
    """Return (n,) what each of (n, L) stretches makes of a register of 0."""
    table, found = _table(), np.zeros(len(stretches), np.uint32)
    for column in np.ascontiguousarray(stretches.T):
        found = table[(found ^ column) & 255] ^ (found >> 8)
    return found


@cache
def _table() -> Words:
    """Return (256,) what each byte does."""
    values = np.arange(256, dtype=np.uint32)
    for _ in range(8):
        values = np.where(values & 1, (values >> 1) ^ np.uint32(_POLYNOMIAL), values >> 1)
    return values.astype(np.uint32)


def _apply(matrix: tuple[int, ...], register: int) -> int:
    """Multiply 32 columns of bits with a register."""
    found = 0
    for column in matrix:
        if register & 1:
            found ^= column
        register >>= 1
        if not register:
            break
    return found


@cache
def _later(count: int) -> tuple[int, ...]:
    """Return the matrix of a register so many bytes of zeros later."""
    table = _table().tolist()
    if count == 1:
        return tuple(table[(1 << bit) & 255] ^ ((1 << bit) >> 8) for bit in range(32))
    half = _later(count // 2)
    twice = tuple(_apply(half, column) for column in half)
    return twice if count % 2 == 0 else tuple(_apply(_later(1), column) for column in twice)
