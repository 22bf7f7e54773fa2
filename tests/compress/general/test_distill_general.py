import errno
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import AutoModel, AutoModelForMaskedLM

from kdc.compress import runtime
from kdc.compress.corpus.folder import read_corpus
from kdc.compress.errors import Finished, KdcError
from kdc.compress.files import read_json, read_manifest
from kdc.compress.general import folder as folder_module
from kdc.compress.general.distill import distill_general, make_run
from kdc.compress.general.folder import FORMAT
from kdc.compress.progress import Advance, Silent
from kdc.compress.signals import OnlineTeacher
from kdc.compress.workspace import Workspace
from tests.families import attention_changes
from tests.faults import refusing
from tests.general import job, short
from tests.shards import tiny_corpus
from tests.tiny import Recorder


@pytest.mark.parametrize(
    ("recipe", "teacher", "loads"),
    [
        ("general-mlm", "teacher", AutoModelForMaskedLM),
        ("general-distilbert", "teacher", AutoModelForMaskedLM),
        ("general-tinybert", "teacher", AutoModel),
        ("general-minilm", "bare", AutoModel),
        ("general-minilm", "teacher", AutoModel),
        ("general-best", "bare", AutoModel),
    ],
)
def test_every_recipe_makes_an_encoder_that_loads(
    places: Path,
    tmp_path: Path,
    recipe: str,
    teacher: str,
    loads: Any,  # noqa: ANN401
) -> None:
    """Bug: a head that nobody trained, a tied table saved twice, or a folder nothing opens."""
    out = tmp_path / "student"
    metrics = distill_general(job(places, out, recipe, teacher=str(places / teacher)), Silent())
    manifest = read_manifest(out, FORMAT, "encoder")
    assert manifest["parent"].keys() == {"corpus", "teacher"}
    _, info = loads.from_pretrained(out, output_loading_info=True)
    assert not info["missing_keys"]
    assert read_json(out / "metrics.json") == metrics
    assert metrics["tokens"] > 0
    assert any(key.startswith("held_out_") for key in metrics["held_out"])
    assert not (tmp_path / ".kdc" / "runs" / "student").exists()


def test_a_flipped_bit_in_a_shard_is_found_before_anything_is_trained(
    places: Path, tmp_path: Path
) -> None:
    """Bug: one wrong token in ten million, found by nobody."""
    corpus = tiny_corpus(tmp_path / "shards", places / "teacher")
    path = corpus / "shard-00001.safetensors"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 4
    path.write_bytes(content)
    recorder = Recorder()
    with pytest.raises(KdcError, match=r"shard-00001\.safetensors does not match its sha256"):
        distill_general(job(places, tmp_path / "s", "general-mlm", corpus=corpus), recorder)
    assert not recorder.bars


@attention_changes
def test_student_and_teacher_get_the_attention_of_their_device(
    places: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Bug: a kernel that takes most of the step, or scores of long texts that fill the memory."""
    monkeypatch.setattr(runtime, "plain_attention", lambda device, longest: longest > 8)
    corpus = read_corpus(places / "shards")
    run = make_run(job(places, tmp_path, ""), corpus, Workspace(tmp_path), Silent())
    (leg,) = run.legs
    assert isinstance(leg.teacher, OnlineTeacher)
    assert leg.longest == corpus.max_length > 8
    both = (run.model, leg.teacher.model)
    with run.suited(leg):
        assert {model.config._attn_implementation for model in both} == {"eager"}
    assert {model.config._attn_implementation for model in both} == {"sdpa"}


def test_a_finished_run_is_not_trained_again(places: Path, tmp_path: Path) -> None:
    """Bug: a job that is queued once more after its end costs the whole run."""
    made = job(places, tmp_path / "s", "general-mlm", resume=True)
    distill_general(made, Silent())
    recorder = Recorder()
    with pytest.raises(Finished, match="s is finished: leave --resume out"):
        distill_general(made, recorder)
    assert not any("distilling" in bar for bar in recorder.bars)
    assert Finished(tmp_path).exit_code == 0
    assert not any("replacing" in line for line in recorder.said)


def test_an_encoder_is_not_replaced_without_a_word(places: Path, tmp_path: Path) -> None:
    """Bug: a second run with the same --out takes the place of a week's encoder."""
    made, recorder = job(places, tmp_path / "s", "general-mlm", resume=True), Recorder()
    distill_general(made, recorder)
    anew = f"--resume: nothing is kept of the encoder's training to {made.out}, so that starts anew"
    assert recorder.said.count(anew) == 1
    told = f"replacing the encoder in {made.out} once the new one is finished"
    assert told not in recorder.said
    distill_general(replace(made, seed=1), recorder)  # another run: the folder is made anew
    assert told in recorder.said and recorder.said.count(anew) == 2
    assert "seed = 1" in (tmp_path / "s" / "recipe.toml").read_text()


@pytest.mark.parametrize("option", ["student", "teacher"])
def test_what_a_run_reads_is_not_replaced_by_it(places: Path, tmp_path: Path, option: str) -> None:
    """Bug: the encoder that a student goes on from is gone, and its digest names nothing."""
    out = tmp_path / "s"
    distill_general(job(places, out, "pretrain", recipe=short("pretrain"), teacher=None), Silent())
    made = job(places, out, "general-mlm", **{option: str(out)})
    with pytest.raises(KdcError, match=f"--{option} and --out are both"):
        distill_general(made, Silent())


def test_progress_counts_tokens(places: Path, tmp_path: Path) -> None:
    """Bug: a run of a day shows steps a second, and nobody knows how many tokens these are."""
    told: dict[str, list[int]] = {}

    class Counting(Silent):
        @contextmanager
        def bar(self, what: str, total: int, done: int = 0) -> Iterator[Advance]:
            told[what] = [total]
            yield told[what].append

    metrics = distill_general(job(places, tmp_path / "s", "general-mlm"), Counting())
    total, *steps = told["distilling 1x32, tokens"]
    assert (
        total
        == metrics["tokens"]
        == sum(steps)
        == read_corpus(places / "shards").manifest["tokens"]
    )


def test_a_full_disk_keeps_the_training(
    places: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Bug: two days of training are lost to the last file."""
    made = job(places, tmp_path / "s", "general-mlm")
    monkeypatch.setattr(folder_module, "write_json", refusing(errno.ENOSPC))
    with pytest.raises(KdcError, match="the training is kept: add --resume"):
        distill_general(made, Silent())
    monkeypatch.undo()
    recorder = Recorder("distilling", after=1)  # not a step is taken again
    distill_general(replace(made, resume=True), recorder)
    assert read_manifest(tmp_path / "s", FORMAT, "encoder")


def test_held_out_figures_are_those_of_the_text(places: Path, tmp_path: Path) -> None:
    """Bug: accuracy over padding, a mean of means, or the words that were trained on."""
    recipe = short("pretrain", learning_rate=1e-9, evaluations=1, dropout=0.0)
    made = job(places, tmp_path / "s", "pretrain", recipe=recipe, teacher=None,
               student=str(places / "teacher"))  # fmt: skip
    found = distill_general(made, Silent())["held_out"]
    model = AutoModelForMaskedLM.from_pretrained(places / "teacher").eval()
    shard = read_corpus(places / "shards").open("held-00000.safetensors")
    losses, right = [], 0
    for sequence in range(shard.sequences):
        ids = torch.from_numpy(
            shard.tokens[shard.starts[sequence] : shard.starts[sequence + 1]].astype(np.int64)
        )
        some = slice(shard.mask_starts[sequence], shard.mask_starts[sequence + 1])
        at = torch.from_numpy(shard.mask_places[some].astype(np.int64))
        said = ids.clone()
        said[at] = torch.from_numpy(shard.mask_inputs[some].astype(np.int64))
        with torch.no_grad():
            logits = model(said[None]).logits[0, at]
        losses += torch.nn.functional.cross_entropy(logits, ids[at], reduction="none").tolist()
        right += int((logits.argmax(-1) == ids[at]).sum())
    assert found["held_out_places"] == len(losses)
    # the run may compute in bf16
    assert found["held_out_loss"] == pytest.approx(np.mean(losses), rel=2e-3)
    assert found["held_out_accuracy"] == pytest.approx(right / len(losses), abs=0.02)


def test_a_start_from_the_teacher_is_the_teacher_and_a_narrower_one_is_whole(
    places: Path, tmp_path: Path
) -> None:
    """Bug: a head over rotated states gives NaN in the first step, or the layers stay random."""
    recipe = short("general-distilbert", learning_rate=1e-9, dropout=0.0)
    found = {}
    for student in ("2x32", "1x16"):
        made = job(places, tmp_path / student, "", recipe=recipe, student=student, heads=2)
        found[student] = distill_general(made, Silent())["held_out"]
    assert found["2x32"]["held_out_cosine"] < 0.01
    assert found["2x32"]["held_out_divergence"] < 0.01
    assert found["1x16"]["held_out_cosine"] > 0.1


@pytest.mark.slow
def test_a_compiled_run_learns_what_a_plain_one_does(places: Path, tmp_path: Path) -> None:
    """Bug: hooks that gather masked places, or catch queries, are compiled away."""
    losses = []
    for name in ("general-mlm", "general-minilm"):
        for compiled in (False, True):
            recipe = short(name, dropout=0.0, epochs=0.1)
            out = tmp_path / f"{name}-{compiled}"
            made = job(places, out, name, recipe=recipe, compiled=compiled)
            losses.append(distill_general(made, Silent())["history"][-1])
    for plain, fast in (losses[:2], losses[2:]):
        assert fast == pytest.approx(plain, rel=0.05)
