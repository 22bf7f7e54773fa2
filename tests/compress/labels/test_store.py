"""Folders of labels that are damaged, incomplete or of something else."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from kdc.compress.corpus.folder import Corpus, read_corpus
from kdc.compress.errors import KdcError
from kdc.compress.labelling.label import LabelJob, label
from kdc.compress.labels.method import Method
from kdc.compress.labels.store import (
    FORMAT,
    begin,
    finish,
    read_labels,
    read_settings,
    teacher_name,
)
from kdc.compress.progress import Silent
from tests.shards import tiny_corpus

ONE = "shard-00001.safetensors"


@pytest.fixture(scope="module")
def labelled(places: Path) -> Path:
    method = Method("topk", 4)
    label(
        LabelJob(places / "shards", str(places / "teacher"), method, places / "out", device="cpu"),
        Silent(),
    )
    return places


@pytest.fixture
def folder(labelled: Path, tmp_path: Path) -> Path:
    """Labels that a test may spoil."""
    return Path(shutil.copytree(labelled / "out", tmp_path / "out"))


@pytest.fixture
def corpus(labelled: Path) -> Corpus:
    return read_corpus(labelled / "shards")


def flip(folder: Path) -> None:
    data = bytearray((folder / ONE).read_bytes())
    data[-7] ^= 16
    (folder / ONE).write_bytes(data)


def cut(folder: Path) -> None:
    (folder / ONE).write_bytes((folder / ONE).read_bytes()[:-9])


def lose(folder: Path) -> None:
    (folder / ONE).unlink()


def lose_both(folder: Path) -> None:
    (folder / ONE).unlink()
    (folder / "shard-00001.json").unlink()


def duplicate(folder: Path) -> None:
    for ending in (".safetensors", ".json"):
        shutil.copy(folder / f"shard-00000{ending}", folder / f"shard-00001{ending}")


def add_foreign(folder: Path) -> None:
    shutil.copy(folder / ONE, folder / "shard-00009.safetensors")


def tear_sidecar(folder: Path) -> None:
    path = folder / "shard-00001.json"
    path.write_text(path.read_text()[:40])


def other_teacher(folder: Path) -> None:
    path = folder / "shard-00001.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "teacher": "f" * 64}))


def no_manifest(folder: Path) -> None:
    (folder / "manifest.json").unlink()


def of_tokens(folder: Path) -> None:
    (folder / "manifest.json").write_text('{"format": "kdc.tokens/1", "files": {}}')


def other_manifest(folder: Path) -> None:
    fields = json.loads((folder / "manifest.json").read_text())
    del fields["method"]["bits"]
    (folder / "manifest.json").write_text(json.dumps(fields))


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (flip, r"shard-00001\.safetensors does not match its sha256"),
        (cut, r"shard-00001\.safetensors has [0-9,]+ bytes, not"),
        (lose, r"shard-00001\.safetensors is missing, though its sidecar is there"),
        (lose_both, r"they lack 1 of 3 shards, shard-00001\.safetensors first"),
        (duplicate, r"shard-00001\.safetensors holds the labels of another shard"),
        (add_foreign, r"shard-00009\.safetensors belongs to no shard"),
        (tear_sidecar, r"shard-00001\.json is not valid JSON"),
        (other_teacher, r"was labelled with another teacher"),
        (no_manifest, r"is no folder of labels: it has no manifest\.json: kdc label makes one"),
        (shutil.rmtree, r"there is no folder of labels at .*: kdc label makes one, or give"),
        (of_tokens, r"is a folder of token shards: give a folder of labels instead"),
        (other_manifest, r"does not say how its labels were made"),
    ],
    ids=lambda case: getattr(case, "__name__", ""),
)
def test_what_is_wrong_is_named_before_anything_is_used(
    folder: Path, corpus: Corpus, spoil: Callable[[Path], None], words: str
) -> None:
    """Bug: a student is trained for days from labels that are not the teacher's."""
    assert read_labels(folder, corpus).open(0).places == len(corpus.open(0).mask_places)
    spoil(folder)
    with pytest.raises(KdcError, match=words):
        read_labels(folder, corpus)


def test_labels_of_another_corpus_are_refused(folder: Path, labelled: Path, tmp_path: Path) -> None:
    """Bug: the labels of other texts, shard by shard."""
    tiny_corpus(tmp_path / "shards", labelled / "teacher", count=61)
    with pytest.raises(KdcError, match="are not of the corpus"):
        read_labels(folder, read_corpus(tmp_path / "shards"))


def test_a_folder_of_something_else_is_left_alone(labelled: Path, tmp_path: Path) -> None:
    """Bug: labels strewn over somebody's files."""
    (tmp_path / "notes.txt").write_text("mine")
    job = LabelJob(
        labelled / "shards", str(labelled / "teacher"), Method("topk", 4), tmp_path, device="cpu"
    )
    with pytest.raises(KdcError, match="already holds something else"):
        label(job, Silent())


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        (b'"U16"', b'"F64"', "no whole safetensors file"),
        (b'"ids"', b'"xds"', "does not hold"),
        (b'"data_offsets":[0,', b'"data_offsets":[8,', "no whole safetensors file"),
        (b"{", b"[", "no whole safetensors file"),
    ],
    ids=["type", "name", "offset", "header"],
)
def test_a_header_that_lies_is_refused_even_with_a_right_sha256(
    folder: Path, corpus: Corpus, old: bytes, new: bytes, words: str
) -> None:
    """Bug: an index out of bounds, or memory that is not the file's, from others' labels."""
    path = folder / ONE
    path.write_bytes(path.read_bytes().replace(old, new, 1))
    fields = json.loads((folder / "shard-00001.json").read_text())
    settings = {
        name: fields[name] for name in ("corpus", "teacher", "method", "vocab_size", "seed")
    }
    finish(path, settings, fields["parent"], places=fields["places"])
    labels = read_labels(folder, corpus)
    assert json.loads((folder / "manifest.json").read_text())["format"] == FORMAT
    with pytest.raises(KdcError, match=words):
        labels.open(1)


def settings_of(labelled: Path) -> dict[str, Any]:
    return read_settings(labelled / "out")


def test_a_run_that_ended_while_it_began_does_not_stop_the_next(
    labelled: Path, tmp_path: Path
) -> None:
    """Bug: a kill within the first file makes the folder "something else" for ever."""
    (tmp_path / ".manifest.json.x1y2.tmp").touch()
    begin(tmp_path, settings_of(labelled), "teacher")
    assert read_settings(tmp_path) == settings_of(labelled)


def test_labels_are_not_put_where_something_else_is(labelled: Path) -> None:
    """Bug: --out names the corpus itself, and the advice is to give labels instead of it."""
    with pytest.raises(KdcError, match="shards already holds something else: choose another"):
        begin(labelled / "shards", settings_of(labelled), "teacher")


def test_a_run_that_begins_meanwhile_is_joined(
    labelled: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Bug: of two jobs that start together one finds the other's manifest and calls it foreign."""
    settings, there = settings_of(labelled), Path.is_file

    def late(path: Path) -> bool:
        """Look before the other run has written its manifest, and go on after it."""
        found = there(path)
        if path == tmp_path / "out" / "manifest.json" and not found:
            shutil.copytree(labelled / "out", tmp_path / "out")
        return found

    monkeypatch.setattr(Path, "is_file", late)
    begin(tmp_path / "out", settings, "teacher")
    monkeypatch.undo()
    assert read_settings(tmp_path / "out") == settings


def test_the_digest_is_that_of_the_bytes(folder: Path, corpus: Corpus, labelled: Path) -> None:
    """Bug: labels made again on another machine pass for the same, and --resume goes on."""
    before = read_labels(folder, corpus).digest
    assert before == read_labels(labelled / "out", corpus).digest
    flip(folder)
    fields = json.loads((folder / "shard-00001.json").read_text())
    finish(folder / ONE, settings_of(labelled), fields["parent"], places=fields["places"])
    assert read_labels(folder, corpus).digest != before


def test_the_teacher_has_the_name_it_was_given(folder: Path, labelled: Path) -> None:
    """Bug: a digest that nobody can load, or labels written before that are refused."""
    assert teacher_name(folder) == str(labelled / "teacher")
    begin(folder, settings_of(labelled), "the same, called otherwise")
    fields = json.loads((folder / "manifest.json").read_text())
    del fields["teacher_name"]
    (folder / "manifest.json").write_text(json.dumps(fields))
    assert read_settings(folder) == settings_of(labelled)
    with pytest.raises(KdcError, match="does not say whose labels it holds"):
        teacher_name(folder)
