import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from kdc.compress.corpus.build import CorpusJob, build_corpus
from kdc.compress.corpus.folder import read_corpus, vocabulary_digest
from kdc.compress.corpus.settings import Settings
from kdc.compress.errors import KdcError
from kdc.compress.progress import Silent
from tests.compress.corpus.texts import MASK, SPECIAL_IDS, write_text
from tests.student import tiny_tokenizer
from tests.tiny import Recorder, tiny_encoder


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("made")
    settings = Settings(max_length=24, duplicates=2, held_out=0.2, shard_characters=3000)
    text = write_text(folder / "text.txt", 80)
    teacher = tiny_encoder(folder / "teacher")
    build_corpus(CorpusJob((text,), str(teacher), folder / "out", settings), Silent())
    return folder / "out"


@pytest.fixture
def folder(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "shards"))


def test_the_folder_tells_what_it_holds(folder: Path) -> None:
    corpus = read_corpus(folder)
    shards = [corpus.open(number) for number in range(len(corpus.shards))]
    assert len(shards) > 2 and len(corpus.held) >= 1
    assert sum(shard.sequences for shard in shards) == corpus.manifest["sequences"]
    assert sum(len(shard.tokens) for shard in shards) == corpus.manifest["tokens"]
    assert sum(len(shard.mask_places) for shard in shards) == corpus.manifest["masked"]
    assert {shard.duplicates for shard in shards} == {2} == {corpus.duplicates}
    assert corpus.open(corpus.held[0]).duplicates == 1
    assert max(shard.lengths.max() for shard in shards) <= 24 == corpus.max_length
    assert (corpus.mask_id, corpus.special_ids) == (MASK, list(SPECIAL_IDS))
    assert corpus.tokenizer_digest == vocabulary_digest(tiny_tokenizer())
    assert corpus.tokenizer().encode("wake me").tokens == ["[CLS]", "wake", "me", "[SEP]"]
    assert corpus.digest(0) == corpus.manifest["files"]["shard-00000.safetensors"]["sha256"]


def test_it_masks_while_training_as_its_own_maskings_were_made(folder: Path) -> None:
    corpus = read_corpus(folder)
    shard = corpus.open(0)
    first = corpus.masker().mask(shard.tokens, shard.starts, np.random.default_rng([0, 0, 0, 0, 0]))
    count = int(shard.mask_starts[shard.sequences])
    assert np.array_equal(first.places, shard.mask_places[:count])
    assert np.array_equal(first.inputs, shard.mask_inputs[:count])


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(bytes(data))


def duplicate(folder: Path) -> None:
    shutil.copy(folder / "shard-00000.safetensors", folder / "shard-00001.safetensors")
    manifest = json.loads((folder / "manifest.json").read_text())
    files = manifest["files"]
    files["shard-00001.safetensors"] = files["shard-00000.safetensors"]
    (folder / "manifest.json").write_text(json.dumps(manifest))


def replaced(folder: Path, **fields: object) -> None:
    manifest = json.loads((folder / "manifest.json").read_text())
    (folder / "manifest.json").write_text(json.dumps({**manifest, **fields}))


def without(folder: Path, name: str) -> None:
    manifest = json.loads((folder / "manifest.json").read_text())
    del manifest[name]
    (folder / "manifest.json").write_text(json.dumps(manifest))


@pytest.mark.parametrize("settings", [Settings(max_length=24, duplicates=n) for n in (0, 1)])
def test_sources_of_equal_text_make_a_corpus_that_can_be_read(
    made: Path, tmp_path: Path, settings: Settings
) -> None:
    """Bug: without maskings two shards are equal, and the folder is refused after all the work."""
    one, other = write_text(tmp_path / "a.txt"), tmp_path / "b.txt"
    other.write_text(one.read_text() + "\n\n")
    recorder = Recorder()
    job = CorpusJob((one, other), str(made.parent / "teacher"), tmp_path / "out", settings)
    corpus = build_corpus(job, recorder)
    assert corpus is not None and len(corpus.shards) == 2
    said = f"{other} repeats {one}: its documents count twice" in recorder.said
    assert said == (settings.duplicates == 0)
    assert corpus.shards == read_corpus(tmp_path / "out").shards


def test_small_shards_that_are_equal_by_chance_make_a_corpus_that_can_be_read(
    made: Path, tmp_path: Path
) -> None:
    """Bug: of files of a few words two have the same ones masked, and no run makes the corpus."""
    for number in range(6):
        (tmp_path / f"{number}.txt").write_text("wake me" + "\n" * number)
    paths = tuple(sorted(tmp_path.glob("*.txt")))
    job = CorpusJob(paths, str(made.parent / "teacher"), tmp_path / "out", Settings(max_length=24))
    corpus = build_corpus(job, Silent())
    assert corpus is not None and len(corpus.shards) == 6
    assert len({corpus.digest(number) for number in range(6)}) < 6


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda f: flip(f / "shard-00001.safetensors"), "shard-00001.safetensors does not match"),
        (lambda f: flip(f / "held-00000.safetensors"), "held-00000.safetensors does not match"),
        (lambda f: (f / "shard-00002.safetensors").unlink(), "shard-00002.safetensors is missing"),
        (
            lambda f: (f / "shard-00000.safetensors").write_bytes(b""),
            "shard-00000.safetensors does",
        ),
        (lambda f: (f / "shard-99999.safetensors").write_bytes(b""), "99999.safetensors is not of"),
        (duplicate, "shard-00001.safetensors is shard-00000.safetensors once more"),
        (lambda f: (f / "manifest.json").unlink(), "has no manifest.json"),
        (lambda f: without(f, "mask_id"), "lacks numbers"),
        (lambda f: replaced(f, mask_id=128), "numbers that no tokenizer of 128 tokens has"),
        (lambda f: replaced(f, special_ids=[0, 128]), "numbers that no tokenizer of 128 tokens"),
        (lambda f: without(f, "format"), "wanted 'kdc.tokens/1'"),
        (lambda f: shutil.rmtree(f), "there is no folder of token shards"),
    ],
)
def test_what_is_wrong_is_named_before_anything_is_used(
    folder: Path, spoil: Callable[[Path], object], said: str
) -> None:
    """Bug: a student trains for a day on a shard that a disk has damaged."""
    spoil(folder)
    with pytest.raises(KdcError, match=said):
        read_corpus(folder)
