import unicodedata
from importlib.resources import files

import pytest

from kdc.export.parity_vectors.unicode_tables import UnicodeTables, probe_unicode


@pytest.fixture(scope="module")
def tables() -> UnicodeTables:
    return probe_unicode()


def _old(code: int) -> bool:
    """Whether a code point was there already in Unicode 3.2, and has not changed since."""
    return unicodedata.ucd_3_2_0.category(chr(code)) == unicodedata.category(chr(code)) != "Cn"


def test_the_shipped_file_is_what_the_installed_tokenizer_does(tables: UnicodeTables) -> None:
    """A new release of tokenizers with a newer Unicode would part from the apps in silence."""
    shipped = (files("kdc.sample_apps") / "unicode.txt").read_text(encoding="ascii")
    assert tables.as_text() == shipped, (
        "make it again: python -m kdc.export.parity_vectors.unicode_tables sample_apps/unicode.txt"
    )


def test_decompositions_are_unicodes(tables: UnicodeTables) -> None:
    """A probe whose neighbours move or merge would tell of the neighbours."""
    found = tables.mappings["decompose"]
    for code in filter(_old, range(0x110000)):
        if 0xAC00 <= code <= 0xD7A3 or 0xD800 <= code < 0xE000:
            continue
        wanted = unicodedata.ucd_3_2_0.normalize("NFD", chr(code))
        if wanted == unicodedata.normalize("NFD", chr(code)):
            assert found.get(code, chr(code)) == wanted


def test_ranks_order_marks_as_their_classes_do(tables: UnicodeTables) -> None:
    """Marks that stay after stripping are in the order of their classes, or words differ."""
    known = [c for c in tables.classes if unicodedata.combining(chr(c)) and _old(c)]
    by_class = {unicodedata.ucd_3_2_0.combining(chr(c)): tables.classes[c] for c in known}
    assert len(known) > 300
    for code in known:
        assert tables.classes[code] == by_class[unicodedata.ucd_3_2_0.combining(chr(code))]
    assert [by_class[own] for own in sorted(by_class)] == sorted(by_class.values())


def test_sets_are_those_of_bert(tables: UnicodeTables) -> None:
    """ASCII signs such as $ and ^ are punctuation to BERT, though no Unicode category says so."""
    assert {ord(c) for c in '$+<=>^`|~!"[]'} <= set(tables.sets["punctuation"])
    assert {0, 0xFFFD, 0x200D, 0x85, 0xFEFF} <= set(tables.sets["removed"])
    assert {0x20, 0xA0, 0x3000, 9, 10, 13} <= set(tables.sets["space"])
    assert {0x4E00, 0x9FFF, 0x20000, 0xF900} <= set(tables.sets["chinese"])
    assert not {0x3042, 0xAC00, ord("A")} & set(tables.sets["chinese"])
    assert {0x301, 0x5B0, 0x20D0} <= set(tables.sets["mark"])
    assert 0x903 not in tables.sets["mark"]  # spacing


def test_lower_case_knows_no_neighbours(tables: UnicodeTables) -> None:
    """JavaScript and Java give a final sigma its own form, Rust's characters do not."""
    lower = tables.mappings["lower"]
    assert (lower[0x3A3], lower[0x130], lower[ord("K")]) == ("\u03c3", "i\u0307", "k")


def test_runs_are_inclusive_and_whole() -> None:
    text = UnicodeTables(
        {"mark": [1, 2, 3, 9]}, {5: 2, 6: 2, 8: 1}, {"lower": {65: "ab"}}
    ).as_text()
    assert text == "kdc.unicode/1\nmark 1-3 9\nclass 8:1 5-6:2\nlower 41>61,62\n"
