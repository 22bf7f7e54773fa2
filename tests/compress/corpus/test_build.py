import json
import os
import random
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from kdc.compress.corpus import part as part_module
from kdc.compress.corpus.build import CorpusJob, build_corpus, make_corpus
from kdc.compress.corpus.folder import read_corpus
from kdc.compress.corpus.settings import Settings
from kdc.compress.corpus.share import Share
from kdc.compress.errors import KdcError, Stopped
from kdc.compress.files import read_json
from kdc.compress.progress import Silent
from tests.compress.corpus.texts import SETTINGS, bytes_of, dump, page, tiny_documents, write_text
from tests.tiny import Recorder, tiny_encoder


@pytest.mark.parametrize("workers", [2, 4])
def test_any_number_of_workers_makes_the_same_bytes(
    job: CorpusJob, workers: int, tmp_path: Path
) -> None:
    build_corpus(replace(job, out=tmp_path / "out", workers=workers), Silent())
    assert bytes_of(tmp_path / "out") == bytes_of(job.out)
    assert not list((tmp_path / ".kdc" / "runs").glob("out/*"))


@pytest.mark.parametrize("count", [2, 3])
def test_processes_that_share_the_work_make_the_same_bytes(
    job: CorpusJob, count: int, tmp_path: Path
) -> None:
    """Bug: who is last is not known, and nobody puts the folder together."""
    out, answers = tmp_path / "out", []
    for index in random.Random(count).sample(range(count), count):
        answers.append(build_corpus(replace(job, out=out, share=Share(index, count)), Silent()))
    assert [answer is None for answer in answers] == [True] * (count - 1) + [False]
    assert bytes_of(out) == bytes_of(job.out)
    again = build_corpus(replace(job, out=out, share=Share(0, count)), Silent())
    assert again is not None and not (tmp_path / ".kdc" / "runs" / "out").exists()


def test_a_run_goes_on_where_it_failed(
    job: CorpusJob, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[str] = []
    make = part_module.Maker.make

    def watched(self: part_module.Maker, part: part_module.Part, folder: Path) -> None:
        if len(made) == 4:
            raise OSError(5, "no")
        made.append(part.name)
        make(self, part, folder)

    ours = replace(job, out=tmp_path / "out")
    monkeypatch.setattr(part_module.Maker, "make", watched)
    with pytest.raises(OSError):
        build_corpus(ours, Silent())
    damaged = next((tmp_path / ".kdc" / "runs" / "out").glob("part-00000-000001-train*"))
    damaged.write_bytes(damaged.read_bytes()[:-1])
    first = made.copy()
    made[:] = []

    def noted(self: part_module.Maker, part: part_module.Part, folder: Path) -> None:
        made.append(part.name)
        make(self, part, folder)

    monkeypatch.setattr(part_module.Maker, "make", noted)
    build_corpus(ours, Silent())
    assert bytes_of(tmp_path / "out") == bytes_of(job.out)
    assert set(made) & set(first) == {"part-00000-000001"}


def test_ctrl_c_says_that_the_same_command_goes_on(
    job: CorpusJob, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Bug: it is said that nothing was left behind, beside parts that are."""
    make = part_module.Maker.make

    def interrupted(self: part_module.Maker, part: part_module.Part, folder: Path) -> None:
        if part.number == 2:
            raise KeyboardInterrupt
        make(self, part, folder)

    monkeypatch.setattr(part_module.Maker, "make", interrupted)
    with pytest.raises(Stopped, match=r"what is made of .*out is kept, and the same command"):
        build_corpus(replace(job, out=tmp_path / "out"), Silent())
    with pytest.raises(KdcError, match="is unfinished: run the same kdc corpus again"):
        read_corpus(tmp_path / "out")


def test_who_has_not_done_its_share_is_known(job: CorpusJob, tmp_path: Path) -> None:
    """Bug: of many processes nobody knows which to start again."""
    ours = replace(job, out=tmp_path / "out")
    for count in (2, 5):  # whole sources, and parts of them
        out = tmp_path / f"out{count}"
        for done in range(count):
            made = make_corpus(replace(ours, out=out, share=Share(done, count)), Silent())
            assert list(made.missing) == list(range(done + 1, count))
            assert made.tokens > 0 and made.seconds > 0
        assert made.corpus is not None
        assert bytes_of(out) == bytes_of(job.out)


def test_parts_of_another_run_are_not_used(job: CorpusJob, tmp_path: Path) -> None:
    """Bug: two sources or two seeds end up in one corpus."""
    state = tmp_path / ".kdc" / "runs" / "out"
    other = replace(job, out=tmp_path / "out", settings=replace(SETTINGS, seed=1))
    assert build_corpus(replace(other, share=Share(0, 3)), Silent()) is None
    assert list(state.glob("part*"))
    with pytest.raises(KdcError, match="holds parts of another run"):
        build_corpus(replace(job, out=tmp_path / "out", share=Share(1, 3)), Silent())
    build_corpus(replace(job, out=tmp_path / "out"), Silent())
    assert bytes_of(tmp_path / "out") == bytes_of(job.out)


def test_parts_without_a_note_are_not_used(job: CorpusJob, tmp_path: Path) -> None:
    """Bug: a run that was killed while it tidied up left some; another's sources joined them."""
    state = tmp_path / ".kdc" / "runs" / "out"
    ours = replace(job, out=tmp_path / "out", share=Share(0, 3))
    build_corpus(replace(ours, settings=replace(SETTINGS, seed=1)), Silent())
    (state / "job.json").unlink()
    with pytest.raises(KdcError, match="holds parts of another run"):
        build_corpus(ours, Silent())
    build_corpus(replace(ours, share=None), Silent())
    assert bytes_of(tmp_path / "out") == bytes_of(job.out)


def test_the_note_of_a_run_goes_last(
    job: CorpusJob, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Bug: killed while it is removed, a run leaves parts that could be anybody's."""
    state = tmp_path / ".kdc" / "runs" / "out"
    monkeypatch.setattr(shutil, "rmtree", lambda *_, **__: None)
    build_corpus(replace(job, out=tmp_path / "out"), Silent())
    assert os.listdir(state) == ["job.json"]


def test_what_is_made_is_not_made_again_and_never_replaced(job: CorpusJob, tmp_path: Path) -> None:
    """Bug: the same command with one option more makes all labels of a corpus useless."""
    source = write_text(tmp_path / "a.txt", 30)
    ours, heard = replace(job, sources=(source,), out=tmp_path / "out"), Recorder()
    build_corpus(ours, Silent())
    before = bytes_of(ours.out)
    build_corpus(ours, heard)
    assert "already" in heard.said[-1] and not heard.bars
    other = replace(SETTINGS, seed=1, pairs="next")
    for changed in (replace(ours, settings=other), replace(ours, settings=other, share=Share())):
        with pytest.raises(
            KdcError, match=r"made otherwise \(pairs none, seed 0\): choose another"
        ):
            build_corpus(changed, Silent())
    text = source.read_text()
    source.write_text(text[:-3] + text[-2] + text[-3] + "\n")  # of the same size
    with pytest.raises(KdcError, match=r"made otherwise \(other sources\)"):
        build_corpus(ours, Silent())
    assert bytes_of(ours.out) == before and not (tmp_path / ".kdc" / "runs" / "out").exists()


def test_another_column_of_the_same_file_is_another_corpus(job: CorpusJob, tmp_path: Path) -> None:
    """Bug: the corpus of one column is said to be made already, whatever column is asked for."""
    rows = [{"text": one, "said": f"{one} wake"} for one in tiny_documents(20)]
    source = tmp_path / "a.jsonl"
    source.write_text("\n".join(map(json.dumps, rows)))
    ours = replace(job, sources=(source,), out=tmp_path / "out")
    build_corpus(ours, Silent())
    assert build_corpus(replace(ours, column="text"), Silent()) is not None
    with pytest.raises(KdcError, match=r"made otherwise \(another --text\): choose another"):
        build_corpus(replace(ours, column="said"), Silent())


def test_held_out_documents_are_the_same_for_any_seed_and_never_trained_on(
    job: CorpusJob, tmp_path: Path
) -> None:
    """Bug: a copy of an article stands on both sides."""
    texts = [f"{text} wake" for text in tiny_documents(300, 7)]
    source = tmp_path / "a.txt"
    source.write_text("\n\n".join([*texts, *texts[:100]]))  # the first hundred twice
    found = []
    for seed in (0, 1):
        settings = replace(SETTINGS, held_out=0.3, max_length=32, seed=seed)
        ours = replace(job, sources=(source,), out=tmp_path / f"out{seed}", settings=settings)
        corpus = build_corpus(ours, Silent())
        assert corpus
        rows: dict[str, set[tuple[int, ...]]] = {"shard": set(), "held": set()}
        for name in [*corpus.shards, *corpus.held]:
            shard = corpus.open(name)
            whole = np.split(shard.tokens, shard.starts[1:-1])
            rows[name.split("-")[0]] |= {tuple(row.tolist()) for row in whole if len(row) > 12}
        assert rows["shard"] and not rows["shard"] & rows["held"]
        found.append(rows["held"])
        share = corpus.manifest["held_out"]["documents"] / 400
        assert abs(share - 0.3) < 5 * (0.3 * 0.7 / 300) ** 0.5
    assert found[0] == found[1]


@pytest.mark.parametrize("pairs", ["none", "next", "order"])
@pytest.mark.parametrize("packing", [False, True])
def test_every_kind_of_sequence_comes_out_whole(
    job: CorpusJob, pairs: str, packing: bool, tmp_path: Path
) -> None:
    if packing and pairs != "none":
        with pytest.raises(KdcError, match="leave one of them out"):
            replace(SETTINGS, pairs=pairs, packing=packing)
        return
    settings = replace(SETTINGS, pairs=pairs, packing=packing, short=0.2, masking="token")
    corpus = build_corpus(replace(job, out=tmp_path / "out", settings=settings), Silent())
    assert corpus
    labels = np.concatenate([corpus.open(n).pairs for n in range(len(corpus.shards))])
    assert set(labels.tolist()) <= ({-1} if pairs == "none" else {-1, 0, 1})
    assert (labels == 0).any() == (labels == 1).any() == (pairs != "none")


def test_a_word_that_looks_like_a_special_token_is_none(job: CorpusJob, tmp_path: Path) -> None:
    """Bug: a text that says [SEP] ends its sequence, and [MASK] is to be predicted."""
    (tmp_path / "a.txt").write_text("wake [MASK] me. Up [SEP] at [CLS] ten \ufdd0 please.")
    settings = replace(SETTINGS, duplicates=0, held_out=0.0)
    ours = replace(job, sources=(tmp_path / "a.txt",), out=tmp_path / "o", settings=settings)
    corpus = build_corpus(ours, Silent())
    assert corpus
    shard = corpus.open(0)
    assert np.isin(shard.tokens, (2, 3, 4)).sum() == 2 * shard.sequences
    assert shard.duplicates == 0 and shard.examples == 0


@pytest.mark.parametrize("workers", [1, 2])
def test_a_source_that_breaks_off_ends_in_a_sentence(
    job: CorpusJob, workers: int, tmp_path: Path
) -> None:
    whole = dump(*[page(text) for text in tiny_documents(60)])
    (tmp_path / "w.xml").write_bytes(whole[:-30])
    ours = replace(job, sources=(tmp_path / "w.xml",), out=tmp_path / "out", workers=workers)
    with pytest.raises(KdcError, match=r"w\.xml.*ends early"):
        build_corpus(ours, Silent())
    assert not (tmp_path / "out").exists()


def test_refusals(job: CorpusJob, tmp_path: Path) -> None:
    ours = replace(job, out=tmp_path / "out")
    (tmp_path / "a.txt").write_text(" \n\n ")
    with pytest.raises(KdcError, match=r"no text to train on in .*: name files that hold"):
        build_corpus(replace(ours, sources=(tmp_path / "a.txt",)), Silent())
    with pytest.raises(KdcError, match=r"--held-out 0.9999 takes all of it; give a smaller"):
        build_corpus(replace(ours, settings=replace(SETTINGS, held_out=0.9999)), Silent())
    (tmp_path / "a.txt").write_text("zqzq xkxk\n\nqqq www")
    with pytest.raises(KdcError, match="no word of these texts can be masked"):
        build_corpus(replace(ours, sources=(tmp_path / "a.txt",)), Silent())
    with pytest.raises(KdcError, match="positions for 32"):
        build_corpus(replace(ours, settings=Settings(max_length=64)), Silent())
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.txt").write_text("x")
    with pytest.raises(KdcError, match="already holds something else"):
        build_corpus(ours, Silent())


def test_no_mask_token(tmp_path: Path, sources: tuple[Path, ...]) -> None:
    folder = tiny_encoder(tmp_path / "teacher")
    config = read_json(folder / "tokenizer_config.json")
    config.pop("mask_token")
    (folder / "tokenizer_config.json").write_text(json.dumps({**config, "mask_token": None}))
    with pytest.raises(KdcError, match="no mask token"):
        build_corpus(CorpusJob(sources, str(folder), tmp_path / "out", SETTINGS), Silent())


@pytest.mark.parametrize("fault", ["flip", "remove"])
def test_a_part_that_another_process_damaged_is_named_and_made_again(
    job: CorpusJob, fault: str, tmp_path: Path
) -> None:
    """Bug: its changed tokens end up in the corpus, with a sha256 of their own."""
    ours = replace(job, out=tmp_path / "out")
    assert build_corpus(replace(ours, share=Share(0, 2)), Silent()) is None
    path = tmp_path / ".kdc" / "runs" / "out" / "part-00000-000000-train.safetensors"
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data) if fault == "flip" else path.unlink()
    with pytest.raises(KdcError, match=r"part-00000-000000 in .* is damaged: run the same"):
        build_corpus(replace(ours, share=Share(1, 2)), Silent())
    assert not (tmp_path / "out").exists()
    assert build_corpus(replace(ours, share=Share(1, 2)), Silent()) is None
    assert build_corpus(replace(ours, share=Share(0, 2)), Silent()) is not None
    assert bytes_of(tmp_path / "out") == bytes_of(job.out)


@pytest.mark.parametrize("name", ["shard-00000.safetensors", "manifest.json"])
def test_a_damaged_corpus_is_made_again_by_the_same_command(
    job: CorpusJob, name: str, tmp_path: Path
) -> None:
    """Bug: "make it again" says the command that would have to."""
    ours, heard = replace(job, out=tmp_path / "out"), Recorder()
    shutil.copytree(job.out, ours.out)
    data = (ours.out / name).read_bytes()
    fields = json.loads((ours.out / "manifest.json").read_text())
    damaged = json.dumps({**fields, "sources": [None]}).encode()
    (ours.out / name).write_bytes(damaged if name == "manifest.json" else data[:-1])
    assert build_corpus(ours, heard) is not None
    assert bytes_of(ours.out) == bytes_of(job.out)
