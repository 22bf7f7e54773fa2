from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from kdc.compress.errors import KdcError
from kdc.compress.general import teach
from kdc.compress.general.distill import distill_general
from kdc.compress.labelling.label import LabelJob, label
from kdc.compress.labels.method import Method
from kdc.compress.progress import Silent
from kdc.compress.stages import Stage
from tests.general import job, short
from tests.shards import tiny_corpus, tiny_masked_lm
from tests.tiny import Recorder


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


def test_a_teacher_that_runs_beside_its_labels_is_said_to(places: Path, tmp_path: Path) -> None:
    """Bug: labels are believed to have replaced the teacher, which takes most of the time."""
    labels = labels_of(places, tmp_path / "labels", Method("topk", 8, temperature=2.0))
    recorder = Recorder()
    distill_general(job(places, tmp_path / "s", "general-distilbert", labels=labels), recorder)
    assert any("runs as well: its labels do not hold all" in line for line in recorder.said)
