import bz2
import gzip
import json
from pathlib import Path

import pytest

from kdc.compress.corpus import streams
from kdc.compress.corpus.build import CorpusJob
from kdc.compress.corpus.sources import Source, find_sources
from kdc.compress.errors import KdcError
from tests.compress.corpus.texts import dump, page, write_dump


def texts(path: Path, column: str = "text") -> list[str]:
    return [document.text for document in Source(path, column).open().documents()]


def test_blank_lines_stand_between_documents(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Bug: a document that ends where a piece of the file does is joined to the next."""
    path = tmp_path / "a.txt"
    path.write_bytes(b"\n\none\r\none b\r\n\r\n \t\ntwo\n\n\n\n\nthree")
    for size in (1, 2, 3, 5, 1000):
        monkeypatch.setattr(streams, "_PIECE", size)
        assert [t.strip() for t in texts(path)] == ["one\none b", "two", "three"]


def test_a_carriage_return_alone_ends_a_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Bug: it was dropped, which glues the last word of a line to the first of the next."""
    path = tmp_path / "a.txt"
    path.write_bytes(b"one\rone b\r\rtwo\r\n\r\nthree\r")
    for size in (1, 2, 3, 1000):
        monkeypatch.setattr(streams, "_PIECE", size)
        assert [text.strip() for text in texts(path)] == ["one\none b", "two", "three"]


def test_a_text_without_blank_lines_is_cut_rather_than_held(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Bug: one line of 100 GB takes 100 GB."""
    monkeypatch.setattr("kdc.compress.corpus.sources._LONGEST", 50_000)
    monkeypatch.setattr(streams, "_PIECE", 10_000)
    (tmp_path / "a.txt").write_text("word " * 100_000)
    found = texts(tmp_path / "a.txt")
    assert len(found) > 5 and "".join(found).strip() == ("word " * 100_000).strip()


def test_a_dump_gives_articles_and_nothing_else(tmp_path: Path) -> None:
    """Bug: a third of a Wikipedia is redirects, and talk pages are no encyclopedia."""
    path = write_dump(
        tmp_path / "w.xml.bz2",
        page("one & <b>two</b>"),
        page("talk", space=1),
        page("#REDIRECT [[A]]"),
        page("#WEITERLEITUNG [[A]]"),
        page("moved", redirect=True),
        page("  "),
        page("three"),
    )
    found = list(Source(path).open().documents())
    assert [document.text for document in found] == ["one & <b>two</b>", "three"]
    assert found[0].spaces == ("Datei",)


@pytest.mark.parametrize("end", ["xml-p1p41242", "xml-p1p41242.bz2", "xml-p41243p151573.gz"])
def test_a_piece_of_a_dump_is_a_dump(end: str, tmp_path: Path) -> None:
    """Bug: Wikipedia's own pieces are read as plain text, and markup is taught as language."""
    made, path = dump(page("one")), tmp_path / f"enwiki-20240901-pages-articles1.{end}"
    packed = {"bz2": bz2.compress(made), "gz": gzip.compress(made)}
    path.write_bytes(packed.get(end.split(".")[-1], made))
    assert texts(path) == ["one"]


@pytest.mark.parametrize("head", [b"", b"\n", b'\xef\xbb\xbf<?xml version="1.0"?>\n'])
@pytest.mark.parametrize("size", [3, 1 << 20])
def test_a_dump_by_another_name_is_no_text(
    head: bytes, size: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Bug: a dump that was renamed is taught with its tags and templates."""
    monkeypatch.setattr(streams, "_PIECE", size)
    (tmp_path / "wiki").write_bytes(bz2.compress(head + dump(page("one"))))
    with pytest.raises(KdcError, match=r"wiki is a Wikipedia dump by its first characters"):
        texts(tmp_path / "wiki")


def test_of_several_revisions_the_last_one_counts(tmp_path: Path) -> None:
    old, new = page("old"), page("new")
    both = old.replace("</page>", new[new.index("<revision>") :])
    assert texts(write_dump(tmp_path / "w.xml.bz2", both)) == ["new"]


@pytest.mark.parametrize("end", [40, 200, -20, -1])
def test_a_dump_that_ends_early_is_named(end: int, tmp_path: Path) -> None:
    path = tmp_path / "w.xml.bz2"
    path.write_bytes(bz2.compress(dump(page("one"), page("two"))[:end]))
    with pytest.raises(KdcError, match=r"w.xml.bz2, line \d+ of its XML: .*ends early"):
        texts(path)


@pytest.mark.parametrize("data", [b"no xml", b"<a><b></a>", b"<mediawiki>\xff</mediawiki>", b""])
def test_a_dump_that_is_none_is_named(data: bytes, tmp_path: Path) -> None:
    path = tmp_path / "w.xml"
    path.write_bytes(data)
    with pytest.raises(KdcError, match=r"w.xml, line \d+ of its XML"):
        texts(path)


@pytest.mark.parametrize("encoding", ["no-such", "utf-32", "gb18030", "shift_jis", "utf-7"])
def test_encodings_that_cannot_be_read_are_named(encoding: str, tmp_path: Path) -> None:
    """Bug: a traceback of the codec that the first line asks for."""
    path = tmp_path / "w.xml"
    path.write_text(f'<?xml version="1.0" encoding="{encoding}"?><mediawiki>a</mediawiki>')
    with pytest.raises(KdcError, match=r"w\.xml.*encoding"):
        texts(path)


def test_entities_are_refused(tmp_path: Path) -> None:
    """Bug: a billion laughs."""
    path = tmp_path / "w.xml"
    path.write_text('<!DOCTYPE a [<!ENTITY b "c">]><mediawiki>&b;</mediawiki>')
    with pytest.raises(KdcError, match=r"w.xml: it declares entities"):
        texts(path)


def test_jsonl_and_parquet_have_a_column(tmp_path: Path) -> None:
    rows = ["one\n\nstill one", "two \ud800", ""]
    path = tmp_path / "a.jsonl.gz"
    lines = "\n\n".join(json.dumps({"body": row}) for row in rows)
    path.write_bytes(gzip.compress(lines.encode()))
    assert texts(path, "body") == ["one\n\nstill one", "two  ", ""]
    pyarrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    table = pyarrow.table({"body": ["one", None, "two"], "n": [1, 2, 3]})
    parquet.write_table(table, tmp_path / "a.parquet")
    reading = Source(tmp_path / "a.parquet", "body").open()
    assert [document.text for document in reading.documents()] == ["one", "two"]
    assert reading.position == (tmp_path / "a.parquet").stat().st_size
    with pytest.raises(KdcError, match="has no column 'text'"):
        texts(tmp_path / "a.parquet")


def test_a_row_whose_text_is_null_is_passed_over(tmp_path: Path) -> None:
    """Bug: one such row of JSONL stops a corpus that Parquet makes of the same table."""
    path = tmp_path / "a.jsonl"
    path.write_text('{"text": "one"}\n{"text": null}\n{"text": "two"}\n')
    assert texts(path) == ["one", "two"]


def test_a_column_of_anything_but_text_is_refused(tmp_path: Path) -> None:
    """Bug: a student learns from numbers, or from what Python prints of bytes and lists."""
    pyarrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    texts_of = pyarrow.array(["one", "two", "one"])
    columns = {
        "number": [1, 2, 3],
        "bytes": [b"a", b"b", b"c"],
        "list": [["a"], ["b"], ["c"]],
        "kinds": pyarrow.array([1, 2, 1]).dictionary_encode(),
        "large": texts_of.cast(pyarrow.large_string()),
        "view": texts_of.cast(pyarrow.string_view()),
        "few": texts_of.dictionary_encode(),
    }
    path = tmp_path / "a.parquet"
    parquet.write_table(pyarrow.table(columns), path)
    for name in ("number", "bytes", "list", "kinds"):
        with pytest.raises(KdcError, match=f"has no text in '{name}' but "):
            texts(path, name)
    for name in ("large", "few"):
        assert texts(path, name) == ["one", "two", "one"]


@pytest.mark.parametrize(
    ("name", "data", "said"),
    [
        ("a.jsonl", b'{"text": "a"}\n{', "line 2 is not valid JSON"),
        ("a.jsonl", b'{"text": "a"}\n\n{"body": 1}', "line 3 has no text in 'text'"),
        ("a.jsonl", b"[1]", "line 1 has no text"),
        ("a.parquet", b"PAR1", "no readable Parquet file"),
    ],
)
def test_damaged_rows_are_named(name: str, data: bytes, said: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(data)
    with pytest.raises(KdcError, match=said):
        texts(tmp_path / name)


def test_sources_are_files_and_folders_of_them(tmp_path: Path) -> None:
    folder = tmp_path / "many"
    folder.mkdir()
    for name in ("b.txt", "a.txt", ".hidden"):
        (folder / name).write_text(name)
    names = [source.path.name for source in find_sources([folder], None)]
    assert names == ["a.txt", "b.txt"]
    with pytest.raises(KdcError, match=r"a.txt is named twice"):
        find_sources([folder, folder / "a.txt"], None)
    with pytest.raises(KdcError, match="there is no file"):
        find_sources([tmp_path / "none"], None)
    (tmp_path / "empty").mkdir()
    with pytest.raises(KdcError, match="no files in"):
        find_sources([tmp_path / "empty"], None)


def test_folders_inside_a_folder_are_read_in_their_order(tmp_path: Path) -> None:
    """Bug: what lies one folder deeper is left out of the corpus without a word."""
    names = ("a.txt", "b/c/d.txt", "b/e.txt", "f.txt")
    for name in (*names, ".git/no.txt", "_temporary/no.txt", "shards/no.txt", "g/.no.txt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
    (tmp_path / "shards" / "manifest.json").write_text('{"format": "kdc.tokens/1"}')
    (tmp_path / "b" / "back").symlink_to(tmp_path, target_is_directory=True)
    found = [source.path.relative_to(tmp_path) for source in find_sources([tmp_path], None)]
    assert [path.as_posix() for path in found] == list(names)


@pytest.mark.parametrize("name", ["reviews.csv", "reviews.TSV", "reviews.csv.gz"])
def test_a_table_is_no_running_text(tmp_path: Path, name: str) -> None:
    """Bug: a corpus of rows with their labels and commas, as if somebody had written so."""
    (tmp_path / name).write_text("text,label\ngood,pos\n")
    with pytest.raises(KdcError, match=f"{name} is a table: write its texts as JSONL"):
        find_sources([tmp_path], None)


def test_a_copy_of_a_source_is_refused_by_name(tmp_path: Path) -> None:
    """Bug: with --dupe 0 two shards were equal, and the folder was refused after all the work."""
    for name in ("a.txt", "b.txt", "c.txt"):
        (tmp_path / name).write_text("One text.\n" if name != "b.txt" else "Two text.\n")
    with pytest.raises(KdcError, match=r"c\.txt is a copy of .*a\.txt: its documents would count"):
        find_sources([tmp_path], None)


def test_a_folder_that_kdc_made_is_no_source(job: CorpusJob, tmp_path: Path) -> None:
    """Bug: a corpus of its own vocabulary, tokens and manifest."""
    with pytest.raises(KdcError, match=r"holds no texts: kdc made it \(kdc\.tokens/1\)"):
        find_sources([job.out], None)
    (tmp_path / "manifest.json").write_text('{"format": "theirs"}')
    assert len(find_sources([tmp_path], None)) == 1


def test_a_column_that_no_source_has_is_refused(tmp_path: Path) -> None:
    """Bug: --text of a plain text file is ignored without a word."""
    for name in ("a.txt", "b.jsonl.gz"):
        (tmp_path / name).write_text(name)
    with pytest.raises(KdcError, match="--text names a column of JSONL and Parquet"):
        find_sources([tmp_path / "a.txt"], "body")
    assert [source.column for source in find_sources([tmp_path], "body")] == ["body", "body"]
    assert [source.column for source in find_sources([tmp_path], None)] == ["text", "text"]
