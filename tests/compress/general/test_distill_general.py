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

from kdc.compress import run as run_module
from kdc.compress.corpus.folder import read_corpus
from kdc.compress.errors import Finished, KdcError
from kdc.compress.files import read_json, read_manifest
from kdc.compress.general import folder as folder_module
from kdc.compress.general import teach
from kdc.compress.general.distill import distill_general, make_run
from kdc.compress.general.folder import FORMAT
from kdc.compress.general.job import GeneralJob
from kdc.compress.labels.label import LabelJob, label
from kdc.compress.labels.method import Method
from kdc.compress.progress import Advance, Silent
from kdc.compress.recipe import Recipe, load_recipe
from kdc.compress.stages import Stage
from kdc.compress.workspace import Workspace
from tests.faults import refusing
from tests.shards import tiny_corpus, tiny_masked_lm
from tests.tiny import Recorder, tiny_encoder


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("general")
    tiny_masked_lm(folder / "teacher")
    tiny_encoder(folder / "bare", hidden=48)
    tiny_corpus(folder / "shards", folder / "teacher")
    return folder


def short(name: str, **train: Any) -> Recipe:  # noqa: ANN401
    """Return a recipe of small steps."""
    recipe = load_recipe(name)
    changes = {"batch_tokens": 64, "evaluations": 2, **train}
    stages = [replace(stage, train=replace(stage.train, **changes)) for stage in recipe.stages]
    return replace(recipe, stages=tuple(stages))


def job(places: Path, out: Path, name: str, **changes: Any) -> GeneralJob:  # noqa: ANN401
    made = GeneralJob(
        corpus=places / "shards",
        recipe=short(name or "general-mlm"),
        out=out,
        student="1x32",
        teacher=str(places / "teacher"),
        device="cpu",
    )
    return replace(made, **changes)


@pytest.mark.parametrize(
    ("recipe", "teacher", "loads"),
    [
        ("general-mlm", "teacher", AutoModelForMaskedLM),
        ("general-distilbert", "teacher", AutoModelForMaskedLM),
        ("general-tinybert", "teacher", AutoModel),
        ("general-minilm", "bare", AutoModel),
        ("general-minilm", "teacher", AutoModel),
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


def labels_of(places: Path, out: Path, method: Method) -> Path:
    teacher = str(places / "teacher")
    label(LabelJob(places / "shards", teacher, method, out, device="cpu"), Silent())
    return out


def test_full_labels_teach_what_the_teacher_does(
    places: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Bug: labels of one word are taught at another, or of another masking of the sequence."""
    labels = labels_of(places, tmp_path / "labels", Method("full", bits=16))
    losses = []
    for more in ({}, {"labels": labels}):
        out = tmp_path / f"student-{len(more)}"
        recipe = short("general-mlm", epochs=2, learning_rate=2e-3, evaluations=8)
        made = job(places, out, "general-mlm", recipe=recipe, **more)
        losses.append([row["masked_lm"] for row in distill_general(made, Silent())["history"]])
    assert losses[0][-1] < 0.9 * losses[0][0]
    assert losses[1] == pytest.approx(losses[0], rel=0.02)


def test_a_teacher_whose_labels_say_all_is_not_loaded(
    places: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Bug: the teacher runs beside its own labels, and nothing is gained."""
    labels = labels_of(places, tmp_path / "labels", Method("topk", 8))
    monkeypatch.setattr(teach, "load_masked_lm", None)
    metrics = distill_general(job(places, tmp_path / "a", "general-mlm", labels=labels), Silent())
    assert metrics["held_out"]["held_out_masked_lm"] > 0
    with pytest.raises(TypeError, match="NoneType"):  # its states are asked for
        recipe = short("general-distilbert")
        recipe = replace(recipe, stages=(at_temperature_1(recipe.stages[0]),))
        distill_general(
            job(places, tmp_path / "b", "general-mlm", recipe=recipe, labels=labels), Silent()
        )


def at_temperature_1(stage: Stage) -> Stage:
    words = {**stage.losses["masked_lm"], "temperature": 1.0}
    return replace(stage, losses={**stage.losses, "masked_lm": words})


def test_labels_and_states_together(places: Path, tmp_path: Path) -> None:
    """Bug: DistilBERT's cosine has no teacher where its words come from labels."""
    labels = labels_of(places, tmp_path / "labels", Method("draws", 12, temperature=2.0))
    made = job(places, tmp_path / "s", "general-distilbert", labels=labels)
    last = distill_general(made, Silent())["history"][-1]
    assert last["masked_lm"] > 0
    assert last["cosine"] > 0


def test_labels_that_do_not_fit_are_refused(places: Path, tmp_path: Path) -> None:
    """Bug: found in the first step, after the teacher was loaded, or never."""
    labels = labels_of(places, tmp_path / "labels", Method("topk", 8))

    def refused(words: str, **changes: Any) -> None:  # noqa: ANN401
        made = job(places, tmp_path / "never", "general-mlm", **{"labels": labels, **changes})
        with pytest.raises(KdcError, match=words):
            distill_general(made, Silent())

    refused(r"taken at the temperature 1, and masked_lm is trained at 2: label with --temp",
            recipe=short("general-distilbert"))  # fmt: skip
    tiny_masked_lm(tmp_path / "other", seed=5)
    refused("are of another teacher than", teacher=str(tmp_path / "other"))
    refused("no folder of labels", labels=tmp_path)
    tiny_corpus(tmp_path / "unmasked", places / "teacher", duplicates=0)
    refused("not of the corpus", corpus=tmp_path / "unmasked")
    path = labels / "shard-00001.safetensors"
    content = bytearray(path.read_bytes())
    content[-3] ^= 1
    path.write_bytes(content)
    refused("shard-00001.safetensors does not match its sha256")


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


def test_student_and_teacher_get_the_attention_of_their_device(
    places: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Bug: a kernel that takes most of the step, or scores of long texts that fill the memory."""
    monkeypatch.setattr(run_module, "plain_attention", lambda device, longest: longest > 8)
    corpus = read_corpus(places / "shards")
    run = make_run(job(places, tmp_path, ""), corpus, Workspace(tmp_path), Silent())
    (leg,) = run.legs
    run.suit(leg)
    teacher = leg.teacher.model  # type: ignore[attr-defined]
    assert leg.longest == corpus.max_length > 8
    for model in (run.model, teacher):
        assert model.config._attn_implementation == "eager"


def test_a_finished_run_is_not_trained_again(places: Path, tmp_path: Path) -> None:
    """Bug: a job that is queued once more after its end costs the whole run."""
    made = job(places, tmp_path / "s", "general-mlm", resume=True)
    distill_general(made, Silent())
    recorder = Recorder()
    with pytest.raises(Finished, match="s is finished: leave --resume out"):
        distill_general(made, recorder)
    assert not any("distilling" in bar for bar in recorder.bars)
    assert Finished("").exit_code == 0
    distill_general(replace(made, seed=1), Silent())  # another run: the folder is made anew
    assert "seed = 1" in (tmp_path / "s" / "recipe.toml").read_text()


@pytest.mark.parametrize("option", ["student", "teacher"])
def test_what_a_run_reads_is_not_replaced_by_it(places: Path, tmp_path: Path, option: str) -> None:
    """Bug: the encoder that a student goes on from is gone, and its digest names nothing."""
    out = tmp_path / "s"
    distill_general(job(places, out, "pretrain", recipe=short("pretrain"), teacher=None), Silent())
    made = job(places, out, "general-mlm", **{option: str(out)})
    with pytest.raises(KdcError, match=f"--{option} and --out are both"):
        distill_general(made, Silent())


def test_a_teacher_that_runs_beside_its_labels_is_said_to(places: Path, tmp_path: Path) -> None:
    """Bug: labels are believed to have replaced the teacher, which takes most of the time."""
    labels = labels_of(places, tmp_path / "labels", Method("topk", 8, temperature=2.0))
    recorder = Recorder()
    distill_general(job(places, tmp_path / "s", "general-distilbert", labels=labels), recorder)
    assert any("runs as well: its labels do not hold all" in line for line in recorder.said)


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
