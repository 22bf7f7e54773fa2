import unicodedata
from collections import Counter
from itertools import islice

from kdc.export.parity_vectors.hostile import CASES, hostile_texts

_WORDS = ["play", "##ing", "[MASK]", "中"]


def test_the_first_texts_hold_every_assigned_code_point() -> None:
    """Draws alone leave a third of Unicode out, and with it whole blocks."""
    seen: set[str] = set()
    for case, text in hostile_texts(50_000, 0, _WORDS):
        if case == "sweep":
            seen.update(text)
    assigned = {chr(c) for c in range(0x110000)}
    assert {c for c in assigned if unicodedata.category(c) not in ("Cn", "Co", "Cs")} <= seen


def test_every_kind_comes_up_often() -> None:
    counts = Counter(case for case, _ in hostile_texts(2_000, 1, _WORDS))
    assert set(counts) == {*CASES, "sweep", "words", "mixture"}
    assert min(counts.values()) > 40


def test_a_seed_gives_the_same_texts() -> None:
    """A difference that cannot be drawn again cannot be mended."""
    one, same, other = (list(hostile_texts(300, seed, _WORDS)) for seed in (5, 5, 6))
    assert one == same
    assert one != other


def test_the_named_horrors_are_among_them() -> None:
    """Each of these has parted tokenizers before."""
    texts = [text for _, text in islice(hostile_texts(6_000, 2, _WORDS), 6_000)]
    joined = "".join(texts)
    for horror in (
        "\x00",
        "\u200d",
        "\ufffd",
        "İ",
        "\u0131",
        "ﬁ",
        "\u202e",
        "가",
        "[MASK]",
        "\ud800",
    ):
        assert horror in joined, ascii(horror)
    assert max(map(len, texts)) >= 10_000
    assert any(len(word) == 100 for text in texts for word in text.split())
    assert any(len(word) == 101 for text in texts for word in text.split())
