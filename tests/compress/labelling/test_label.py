"""Labels of a tiny corpus beside the teacher asked by hand, a sequence at a time."""

import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import AutoModel, BertForMaskedLM

from kdc.compress.corpus.folder import read_corpus
from kdc.compress.corpus.share import Share
from kdc.compress.errors import KdcError
from kdc.compress.labelling.label import LabelJob, label
from kdc.compress.labels.method import Method
from kdc.compress.labels.store import read_labels
from kdc.compress.progress import Silent
from kdc.compress.runtime import has_bf16
from tests.crew import Processes
from tests.shards import tiny_corpus, tiny_masked_lm
from tests.tiny import Recorder, tiny_encoder

EXACT = 0.02 if has_bf16(torch.device("cpu")) else 2e-4  # of logits


def job(places: Path, out: Path, method: Method, **changes: Any) -> LabelJob:  # noqa: ANN401
    made = LabelJob(places / "shards", str(places / "teacher"), method, out, device="cpu")
    return replace(made, **changes)


def by_hand(places: Path, name: str) -> tuple[np.ndarray, list[torch.Tensor]]:
    """Return (M, V) probabilities of a shard, and each example's last states, row by row."""
    model = BertForMaskedLM.from_pretrained(places / "teacher").eval()
    shard = read_corpus(places / "shards").open(name)
    found, states = [], []
    for example in range(shard.examples):
        row = example % shard.sequences
        ids = shard.tokens[shard.starts[row] : shard.starts[row + 1]].astype(np.int64)
        some = slice(shard.mask_starts[example], shard.mask_starts[example + 1])
        where = shard.mask_places[some].astype(np.int64)
        ids[where] = shard.mask_inputs[some]
        types = (np.arange(len(ids)) >= shard.seconds[row]) & (shard.seconds[row] > 0)
        inputs = {
            "input_ids": torch.from_numpy(ids)[None],
            "token_type_ids": torch.from_numpy(types.astype(np.int64))[None],
        }
        with torch.no_grad():
            out = model(**inputs, output_hidden_states=True)
        found.append(out.logits[0, where].double().softmax(-1).numpy())
        states.append(out.hidden_states[-1][0])
    return np.concatenate(found), states


@pytest.mark.parametrize("paired", [False, True])
def test_every_place_has_what_the_teacher_says_there(tmp_path: Path, paired: bool) -> None:
    """Bug: places in the order of the batches, the unmasked text, or the other masking."""
    tiny_masked_lm(tmp_path / "teacher")
    tiny_corpus(tmp_path / "shards", tmp_path / "teacher", paired=paired)
    # a batch of 64 tokens is five rows: windows, sorting and cutting all happen
    label(job(tmp_path, tmp_path / "out", Method("topk", 128, 16), batch_tokens=64), Silent())
    labels = read_labels(tmp_path / "out", read_corpus(tmp_path / "shards"))
    for name in ("shard-00001.safetensors", "held-00000.safetensors"):
        expected, _ = by_hand(tmp_path, name)
        said = labels.open(name).targets(slice(None))
        found = np.zeros_like(expected)
        np.put_along_axis(found, said.ids.numpy(), said.shares.numpy(), axis=1)
        np.testing.assert_allclose(found, expected, rtol=20 * EXACT, atol=1e-6)
    index = np.array([5, 0, 17])
    some, every = labels.open(1).targets(index), labels.open(1).targets(slice(None))
    assert torch.equal(some.shares.max(-1).values, every.shares.max(-1).values[index])


def test_states_and_pooled_vectors_are_in_the_order_of_the_examples(
    places: Path, tmp_path: Path
) -> None:
    """Bug: states of padding, or vectors of another example."""
    method = Method("none", states=(0, 2), pooled=True)
    label(job(places, tmp_path / "out", method, batch_tokens=64), Silent())
    found = read_labels(tmp_path / "out", read_corpus(places / "shards")).open(0)
    _, states = by_hand(places, "shard-00000.safetensors")
    close: dict[str, Any] = {"rtol": 0, "atol": 10 * EXACT}
    np.testing.assert_allclose(found.states(2), torch.cat(states).numpy(), **close)
    means = torch.stack([state.mean(0) for state in states]).numpy()
    np.testing.assert_allclose(found.pooled(), means, **close)
    assert found.states(0).shape == found.states(2).shape
    with pytest.raises(KdcError, match="hold states and no masked words"):
        found.targets(slice(3))
    with pytest.raises(KdcError, match="no such states: label with --states 1"):
        found.states(1)


def test_a_teacher_without_a_head_gives_states_of_the_masked_text(tmp_path: Path) -> None:
    """Bug: only teachers of words can label, or states are of a text that no student reads."""
    tiny_encoder(tmp_path / "teacher")
    tiny_corpus(tmp_path / "shards", tmp_path / "teacher")
    label(job(tmp_path, tmp_path / "out", Method("none", pooled=True)), Silent())
    corpus = read_corpus(tmp_path / "shards")
    found = read_labels(tmp_path / "out", corpus).open(0).pooled()
    shard, model = corpus.open(0), AutoModel.from_pretrained(tmp_path / "teacher").eval()
    ids = shard.tokens[shard.starts[7] : shard.starts[8]].astype(np.int64)
    masked = slice(shard.mask_starts[7], shard.mask_starts[8])
    ids[shard.mask_places[masked]] = shard.mask_inputs[masked]
    with torch.no_grad():
        expected = model(torch.from_numpy(ids)[None]).last_hidden_state[0].mean(0).numpy()
    np.testing.assert_allclose(found[7], expected, rtol=0, atol=10 * EXACT)


@pytest.mark.parametrize("method", [Method("topk", 3), Method("none", states=(1,), pooled=True)])
def test_a_corpus_that_is_masked_while_training_cannot_be_labelled(
    places: Path, tmp_path: Path, method: Method
) -> None:
    """Bug: hours of labels, of states among them, that kdc distill then refuses."""
    tiny_corpus(tmp_path / "shards", places / "teacher", duplicates=0)
    asked = job(places, tmp_path / "out", method, corpus=tmp_path / "shards")
    with pytest.raises(KdcError, match=r"masked anew while training.*--dupe 1 or more$"):
        label(asked, Silent())
    assert not (tmp_path / "out").exists()


def test_parts_in_any_order_are_one_run(places: Path, tmp_path: Path) -> None:
    """Bug: parts that overlap, that leave a shard out, or that depend on who came first."""
    method = Method("draws", 6)
    label(job(places, tmp_path / "one", method), Silent())
    for number in (2, 0, 1):
        label(job(places, tmp_path / "parts", method, share=Share(number, 3)), Silent())
    assert files(tmp_path / "one") == files(tmp_path / "parts")
    read_labels(tmp_path / "parts", read_corpus(places / "shards"))


def _label_and_read(asked: LabelJob) -> None:
    """Read every shard as soon as this process is done with its own."""
    ready = label(asked, Silent())
    assert all(ready.finished(name) for name in ready.names)


def test_processes_take_turns_and_wait_for_each_other(places: Path, tmp_path: Path) -> None:
    """Bug: a shard that two write or nobody does, or one that is read before it is written."""
    method = Method("draws", 6)
    _label_and_read(job(places, tmp_path / "one", method))
    crew = Processes(2, _label_and_read, job(places, tmp_path / "two", method))
    assert crew.exit_codes() == [0, 0], crew.said()
    assert files(tmp_path / "one") == files(tmp_path / "two")


def test_draws_do_not_depend_on_the_batches(places: Path, tmp_path: Path) -> None:
    """Bug: another number of tokens at once is another set of labels."""
    method = Method("draws", 12)
    for tokens in (48, 4096):
        label(job(places, tmp_path / str(tokens), method, batch_tokens=tokens), Silent())
    found = [
        read_labels(tmp_path / str(tokens), read_corpus(places / "shards")).open(0)
        for tokens in (48, 4096)
    ]
    drawn = []
    for labels in found:
        said = labels.targets(slice(None))
        drawn.append(torch.zeros(len(said.ids), 128).scatter_add_(1, said.ids, 12 * said.shares))
    moved = (drawn[0] - drawn[1]).abs().sum(-1) / 2
    assert moved.mean() < 0.02 * 12  # at the very edge bf16 may decide for a neighbour


def test_what_is_finished_is_not_asked_again(places: Path, tmp_path: Path) -> None:
    """Bug: a run that is repeated pays for everything again, or leaves a damaged shard."""
    asked, out = job(places, tmp_path / "out", Method("topk", 4)), tmp_path / "out"
    label(asked, Silent())
    before, times = files(out), {path: path.stat().st_mtime_ns for path in out.iterdir()}
    damaged = out / "shard-00001.safetensors"
    data = bytearray(damaged.read_bytes())
    data[-1] ^= 1
    damaged.write_bytes(data)
    said = Recorder()
    label(asked, said)
    assert "labelled already: 2 of 3 shards" in said.said
    assert files(out) == before
    again = {path.name for path in out.iterdir() if path.stat().st_mtime_ns != times[path]}
    assert again == {damaged.name, "shard-00001.json"}


@pytest.mark.parametrize("after", [0.0, 0.05])
def test_a_killed_run_goes_on_to_the_same_bytes(
    places: Path, tmp_path: Path, root: Path, after: float
) -> None:
    """Bug: half a shard is taken for a whole one, or temporary files stay for ever."""
    method = Method("topk", 4)
    label(job(places, tmp_path / "whole", method, batch_tokens=16), Silent())
    out = tmp_path / "out"
    code = (
        "from pathlib import Path; from kdc.compress.labelling.label import *\n"
        "from kdc.compress.progress import Silent\n"
        f"place = Path({str(places)!r})\n"
        f"label(LabelJob(place / 'shards', str(place / 'teacher'), Method('topk', 4),"
        f" Path({str(out)!r}), device='cpu', batch_tokens=16), Silent())"
    )
    process = subprocess.Popen([sys.executable, "-c", code], cwd=root)
    deadline = time.monotonic() + 120
    while not (out / "manifest.json").exists() and time.monotonic() < deadline:
        time.sleep(0.005)
    time.sleep(after)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    label(job(places, out, method, batch_tokens=16), Silent())
    assert files(out) == files(tmp_path / "whole")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"method": Method("topk", 5)}, "labels of another method"),
        ({"seed": 1}, "labels of another seed"),
        ({"teacher": "other"}, "labels of another teacher"),
    ],
    ids=["method", "seed", "teacher"],
)
def test_other_labels_in_the_folder_are_left_alone(
    places: Path, tmp_path: Path, changes: dict[str, Any], words: str
) -> None:
    """Bug: shards of two teachers under one name."""
    asked = job(places, tmp_path / "out", Method("topk", 4))
    label(asked, Silent())
    if "teacher" in changes:
        changes = {"teacher": str(tiny_masked_lm(tmp_path / "other", seed=1))}
    with pytest.raises(KdcError, match=words):
        label(replace(asked, **changes), Silent())


def test_teachers_that_do_not_fit_are_refused(places: Path, tmp_path: Path) -> None:
    """Bug: hours later the labels are of other words, or of a head that was never trained."""
    method = Method("topk", 4)
    bare = tiny_encoder(tmp_path / "bare")
    with pytest.raises(KdcError, match=r"has no .*masked-LM head"):
        label(job(places, tmp_path / "out", method, teacher=str(bare)), Silent())
    with pytest.raises(KdcError, match=r"--states 3: .* has 2 layers"):
        label(job(places, tmp_path / "out", Method("none", states=(3,))), Silent())
    assert not (tmp_path / "out").exists()
    other = tiny_masked_lm(tmp_path / "other")
    text = (other / "tokenizer.json").read_text()
    (other / "tokenizer.json").write_text(text.replace('"wake"', '"woke"'))
    with pytest.raises(KdcError, match="another vocabulary"):
        label(job(places, tmp_path / "out", method, teacher=str(other)), Silent())


def test_a_teacher_that_answers_nan_is_refused(places: Path, tmp_path: Path) -> None:
    """Bug: labels without a meaning, found when a student learns nothing."""
    broken = tiny_masked_lm(tmp_path / "broken")
    model = BertForMaskedLM.from_pretrained(broken)
    with torch.no_grad():
        model.cls.predictions.bias[3] = float("nan")
    model.save_pretrained(broken)
    with pytest.raises(KdcError, match="NaN or infinity on this corpus"):
        label(job(places, tmp_path / "out", Method("topk", 4), teacher=str(broken)), Silent())
    assert not list((tmp_path / "out").glob("*.safetensors"))


@pytest.mark.parametrize(
    "method", [Method("none", states=(2,)), Method("none", pooled=True)], ids=str
)
def test_a_teacher_whose_states_are_no_numbers_is_refused(
    places: Path, tmp_path: Path, method: Method
) -> None:
    """Bug: a whole corpus of states that are NaN, told by a student that learns nothing."""
    broken = tiny_masked_lm(tmp_path / "broken")
    model = BertForMaskedLM.from_pretrained(broken)
    with torch.no_grad():
        model.bert.encoder.layer[1].output.dense.weight[0, 0] = float("nan")
    model.save_pretrained(broken)
    with pytest.raises(KdcError, match="NaN or infinity on this corpus"):
        label(job(places, tmp_path / "out", method, teacher=str(broken)), Silent())
    assert not list((tmp_path / "out").glob("*.safetensors"))


def test_a_full_disk_ends_in_a_sentence(places: Path, tmp_path: Path, small_disk: Any) -> None:  # noqa: ANN401
    """Bug: an OSError out of a writer, and half a file."""
    disk = small_disk(64)
    with pytest.raises(KdcError, match="the disk is full"):
        label(job(places, disk / "out", Method("full", bits=16)), Silent())
    assert not list((disk / "out").glob("*.safetensors"))


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}
