import shutil
import subprocess
from pathlib import Path

import pytest

from tests.jvm import java

# RFC 8032, 7.1: secret key, public key, message, signature of tests 1, 2, 3
RFC = [
    (
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
        "-",
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b4"
        "6bd25bf5f0595bbe24655141438e7a100b",
    ),
    (
        "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
        "72",
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d"
        "8c387b2eaeb4302aeeb00d291612bb0c00",
    ),
    (
        "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
        "af82",
        "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6"
        "594a7c15e9716ed28dc027beceea1ec40a",
    ),
]
ORDER = 2**252 + 27742317777372353535851937790883648493


def verified(*lines: tuple[str, str, str]) -> list[bool]:
    done = java("Signature", given="".join(" ".join(line) + "\n" for line in lines))
    assert done.returncode == 0, done.stderr
    return [line == "true" for line in done.stdout.split()]


def test_the_vectors_of_rfc_8032_hold() -> None:
    assert verified(*RFC) == [True] * len(RFC)


def test_one_bit_anywhere_makes_a_signature_wrong() -> None:
    """A verifier that looks at half of the signature takes forged models."""
    key, message, signature = RFC[2]
    lines = []
    for whole, name in ((key, "key"), (message, "message"), (signature, "signature")):
        for bit in range(0, 4 * len(whole), 7):
            data = bytearray.fromhex(whole)
            data[bit // 8] ^= 1 << bit % 8
            parts = {"key": key, "message": message, "signature": signature, name: data.hex()}
            lines.append((parts["key"], parts["message"], parts["signature"]))
    assert verified(*lines) == [False] * len(lines)


def test_a_second_spelling_of_a_signature_is_refused() -> None:
    """S + order verifies as S does: RFC 8032 asks for S below the order, so that none is made."""
    key, message, signature = RFC[1]
    data = bytes.fromhex(signature)
    scalar = int.from_bytes(data[32:], "little") + ORDER
    twin = data[:32] + scalar.to_bytes(32, "little")
    assert verified((key, message, twin.hex())) == [False]


@pytest.mark.parametrize(
    ("key", "signature"), [("-", "00" * 64), ("00" * 32, "-"), ("ff" * 32, "ff" * 64)]
)
def test_bytes_that_are_no_key_or_no_signature_are_no_crash(key: str, signature: str) -> None:
    assert verified((key, "00", signature)) == [False]


def test_signatures_that_openssl_makes_hold(tmp_path: Path) -> None:
    """The same standard, another implementation, keys and messages of every size."""
    if shutil.which("openssl") is None:
        pytest.skip("no openssl is installed")
    key, public, message, signature = (tmp_path / name for name in ("key", "pub", "msg", "sig"))

    def openssl(*arguments: str | Path) -> None:
        subprocess.run(["openssl", *arguments], check=True, capture_output=True)

    lines = []
    for size in (0, 1, 63, 64, 127, 128, 5000):
        openssl("genpkey", "-algorithm", "ed25519", "-out", key)
        openssl("pkey", "-in", key, "-pubout", "-outform", "DER", "-out", public)
        message.write_bytes(bytes(i * size % 251 for i in range(size)))
        if size == 0:
            continue  # which openssl refuses to sign from a file
        openssl("pkeyutl", "-sign", "-inkey", key, "-rawin", "-in", message, "-out", signature)
        raw = public.read_bytes()[-32:].hex()
        lines.append((raw, message.read_bytes().hex(), signature.read_bytes().hex()))
    assert verified(*lines) == [True] * len(lines)
