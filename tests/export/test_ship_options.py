"""What the options of an export change in the phone folder, whose parts must agree throughout."""

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from tokenizers import Tokenizer
from transformers import AutoTokenizer

from kdc.compress.artifact import read_student
from kdc.compress.errors import GateFailed, KdcError
from kdc.compress.files import read_json
from kdc.export.model_file import read_model_file
from kdc.export.phone_model import find_phone, read_phone
from kdc.export.quantizers import QUANTIZERS
from kdc.export.session import open_session
from kdc.export.ship import Shipped
from kdc.export.word_table import word_tables
from tests.shipping import export
from tests.student import FAMILIES, MAX_LENGTH, make_student, make_task, tiny_tokenizer

INT8 = {"method": "int8-dynamic", "max_drop": 60.0}


def golden_of(folder: Path) -> dict[str, Any]:
    golden: dict[str, Any] = read_json(folder / "golden.json")
    return golden


def replayed(folder: Path, model: Path, pad: int | None = None) -> np.ndarray:
    """Answer the golden texts as an app does: with the folder's files and none of our code."""
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    if pad is not None:
        tokenizer.enable_padding(length=pad)
    session = onnxruntime.InferenceSession(str(model), providers=["CPUExecutionProvider"])
    names = [node.name for node in session.get_inputs()]
    logits = []
    for text, ids in zip(*(golden_of(folder)[key] for key in ("texts", "input_ids")), strict=True):
        row = tokenizer.encode(text)
        assert row.ids[: len(ids)] == ids
        given = {"input_ids": row.ids, "attention_mask": row.attention_mask}
        given["token_type_ids"] = row.type_ids
        feeds = {name: np.array([given[name]], dtype=np.int64) for name in names}
        logits.append(session.run(["logits"], feeds)[0][0])
    return np.stack(logits)


def assert_golden_comes_back(done: Shipped, pad: int | None = None) -> None:
    found = replayed(done.folder, find_phone(done.copy).model, pad)
    np.testing.assert_allclose(found, golden_of(done.folder)["logits"], atol=1e-4)


@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_ships_in_int8_or_is_refused_with_figures(family: str, tmp_path: Path) -> None:
    """ALBERT's F1 fell from .80 to .05 in public, without a word from the tool that did it."""
    student = make_student(tmp_path / "student", family)
    out = tmp_path / "out"
    out.mkdir()
    try:
        done = export(student, out / "phone", method="int8-dynamic")
    except GateFailed as error:
        assert "accuracy against the student" in str(error) and "n = 60" in str(error)
        assert list(out.iterdir()) == []
        return
    shipped = done.outcome.shipped
    assert shipped.drop.points <= 1 and (shipped.drop.points <= 0 or shipped.drop.p >= 0.05)
    phone = read_phone(done.folder)
    assert phone.manifest["exporter"] == ("torch" if family == "MobileBert" else "lean")
    assert_golden_comes_back(done)


@pytest.mark.parametrize("standard", [False, True])
def test_a_cut_vocabulary_agrees_from_the_tokenizer_to_the_golden_logits(
    standard: bool, student_folder: Path, tmp_path: Path
) -> None:
    """Model, tokenizer, config and rows each count tokens; one that counts the old ones is off.

    int8-static exports once more, and checks that export on rows: on those before the cut.
    """
    method = "int8-static" if standard else "none"
    done = export(student_folder, tmp_path / "phone", vocab="100", method=method, max_drop=90.0)
    phone = read_phone(done.folder)
    tokenizer = Tokenizer.from_file(str(done.folder / "tokenizer.json"))
    assert tokenizer.get_vocab_size() == 100
    assert len((done.folder / "vocab.txt").read_text(encoding="utf-8").splitlines()) == 100
    assert read_json(done.folder / "config.json")["vocab_size"] == 100
    assert read_model_file(phone.model).vocab == 100
    cut = phone.manifest["vocabulary"]
    assert (cut["rows"], cut["rows_before"], cut["changed"]) == (100, 128, 0.0)
    theirs = AutoTokenizer.from_pretrained(done.folder)
    golden = golden_of(done.folder)
    for text, ids in zip(golden["texts"], golden["input_ids"], strict=True):
        assert theirs(text, truncation=True)["input_ids"] == ids, text
    assert_golden_comes_back(done)
    if not standard:
        (table,) = word_tables(onnx.load(phone.model), 100)
        assert list(table.tensor.dims) == [100, 32]


def test_the_vocabulary_is_only_cut_unasked_where_dev_loses_nothing(
    student_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A default that costs answers would make every export a little worse than it need be."""
    unused = sum("unused" in token for token in tiny_tokenizer().get_vocab())
    free = export(student_folder, tmp_path / "free", vocab=None)
    assert free.prepared.rows == 128 - unused
    assert free.as_dict()["vocabulary"]["drop"]["points"] == 0.0
    # no common words, and training that knows no word of dev: words are cut into letters
    monkeypatch.setattr("kdc.compress.kept_tokens.common_words", tuple)
    monkeypatch.setattr(
        "kdc.compress.artifact.Student.token_counts", lambda _: np.zeros(128, dtype=np.int64)
    )
    dear = export(student_folder, tmp_path / "dear", vocab=None)
    assert (dear.prepared.rows, dear.prepared.vocabulary) == (128, None)
    assert read_phone(dear.folder).manifest["vocabulary"] is None


def test_factorised_embeddings_are_two_matrices(student_folder: Path, tmp_path: Path) -> None:
    """Rank 31 of 32 keeps nearly all of a table: an answer that moves is a factor in disorder."""
    done = export(student_folder, tmp_path / "phone", embedding_rank=24, max_drop=30.0)
    sizes = [list(t.dims) for t in onnx.load(done.copy).graph.initializer]
    assert [128, 24] in sizes and [24, 32] in sizes and [128, 32] not in sizes
    assert done.outcome.shipped.parity.agreement is not None
    assert done.outcome.shipped.parity.agreement > 0.8
    assert_golden_comes_back(done)


def test_a_student_that_was_trained_in_factors_ships_in_them(tmp_path: Path) -> None:
    """Its folder holds the product, so that transformers reads it; the phone needs the factors."""
    from safetensors.torch import load_file, save_file

    from kdc.compress.examples import save_examples
    from tests.student import remake, tiny_examples, tiny_model

    folder = make_student(tmp_path / "student")
    weights = load_file(folder / "model.safetensors")
    name = "bert.embeddings.word_embeddings.weight"
    _, _, right = np.linalg.svd(weights[name].double().numpy())
    weights[name] = weights[name] @ weights[name].new_tensor(right[:8].T @ right[:8])
    save_file(weights, folder / "model.safetensors", {"format": "pt"})
    model = tiny_model("Bert", 3)
    model.load_state_dict(weights)
    save_examples(folder / "dev.npz", tiny_examples(model, make_task(), 60, seed=1))
    remake(folder)
    done = export(folder, tmp_path / "phone")
    sizes = [list(t.dims) for t in onnx.load(done.copy).graph.initializer]
    assert [128, 8] in sizes and [8, 32] in sizes and [128, 32] not in sizes
    assert done.outcome.shipped.parity.largest < 1e-3


@pytest.mark.parametrize("pair", [False, True])
def test_a_fixed_length_cuts_the_texts_that_ship(pair: bool, tmp_path: Path) -> None:
    """A text of more tokens than the graph's only shape holds ends an app in an error."""
    student = make_student(tmp_path / "student", task=make_task(pair=pair))
    length = 20 if pair else 9
    assert read_student(student).dev().lengths.max() > length
    done = export(student, tmp_path / "phone", length=length, max_drop=100.0)
    phone = read_phone(done.folder)
    assert (phone.max_length, phone.manifest["fixed_length"]) == (length, length)
    file = read_model_file(done.copy)
    assert (file.max_length, file.fixed_length, max(file.lengths or ())) == (length, length, length)
    assert read_json(done.folder / "tokenizer_config.json")["model_max_length"] == length
    golden = golden_of(done.folder)
    assert max(map(len, golden["input_ids"])) == length
    assert done.prepared.dev.lengths.max() == done.prepared.calibration.lengths.max() == length
    if not pair:
        assert_golden_comes_back(done, pad=length)
    assert done.prepared.length_drop == done.outcome.shipped.drop  # in fp32 all of it
    told = done.as_dict()  # bug: printed, and missing in --json
    assert told["length_drop"] == told["tried"][-1]["drop"]


def test_what_is_lost_by_cutting_texts_is_not_blamed_on_the_method(
    student_folder: Path, tmp_path: Path
) -> None:
    """Bug: "fp16 loses 40 points" sent users to train for fp16, and no method could have passed."""
    said = (
        r"fp16 loses .*; in fp32 --length alone loses \d+\.\d\d points: .*; give a larger --length"
    )
    with pytest.raises(GateFailed, match=said):
        export(student_folder, tmp_path / "phone", method="fp16", length=4)
    assert export(student_folder, tmp_path / "phone", length=24).prepared.length_drop is None


def _told(student: Path, out: Path, **options: Any) -> str:  # noqa: ANN401
    with pytest.raises(GateFailed) as caught:
        export(student, out, **options)
    return str(caught.value)


def test_what_fewer_tokens_or_a_lower_rank_lose_is_not_blamed_on_the_method(
    student_folder: Path, tmp_path: Path
) -> None:
    """Bug: "fp16 loses 30 points: export with --method none", which lost the same 30."""
    out = tmp_path / "phone"
    told = _told(student_folder, out, method="fp16", embedding_rank=1)
    lost = re.search(r"in fp32 --embedding-rank alone loses (\d+\.\d\d) points: nothing", told)
    assert (
        lost
        and float(lost[1]) > 1
        and told.endswith("give a larger --embedding-rank, or raise --max-drop")
    )
    same = _told(student_folder, out, method="none", embedding_rank=1)
    assert f"none loses {lost[1]} points" in same and "--method none" not in same
    told = _told(student_folder, out, method="fp16", vocab="78")
    assert re.search(r"in fp32 --vocab alone loses \d+\.\d\d points: nothing", told)
    assert told.endswith("; give a larger --vocab, or raise --max-drop")
    told = _told(student_folder, out, method="fp16", vocab="78", embedding_rank=1, length=4)
    assert "in fp32 --length and --vocab and --embedding-rank alone lose " in told


def test_the_card_of_a_fixed_length_pads(student_folder: Path, tmp_path: Path) -> None:
    """Code without padding fails on every text that is not of exactly that length."""
    done = export(student_folder, tmp_path / "phone", length=MAX_LENGTH)
    text = (done.folder / "README.md").read_text(encoding="utf-8")
    assert f"padded to {MAX_LENGTH} tokens" in text
    assert f"tokenizer.enable_padding(length={MAX_LENGTH}, pad_id=0)" in text
    assert f'padding: "max_length", max_length: {MAX_LENGTH}' in text


@pytest.mark.parametrize("length", [-1, 0, 2, MAX_LENGTH + 1])
def test_lengths_that_hold_no_text_or_too_many_are_refused(
    length: int, student_folder: Path, tmp_path: Path
) -> None:
    with pytest.raises(KdcError, match=f"--length {length} does not fit.* 3 to {MAX_LENGTH} tok"):
        export(student_folder, tmp_path / "phone", length=length)
    assert not (tmp_path / "phone").exists()


def test_probabilities_are_the_softmax_of_the_logits(student_folder: Path, tmp_path: Path) -> None:
    done = export(student_folder, tmp_path / "phone", probabilities=True)
    session = onnxruntime.InferenceSession(str(done.copy), providers=["CPUExecutionProvider"])
    ids = np.array([golden_of(done.folder)["input_ids"][0]], dtype=np.int64)
    feeds = {"input_ids": ids, "attention_mask": ids * 0 + 1}
    logits, found = session.run(["logits", "probabilities"], feeds)
    powers = np.exp(logits - logits.max())
    np.testing.assert_allclose(found, powers / powers.sum(), rtol=1e-5)


def test_the_manifest_says_how_it_was_made_and_is_opened(
    student_folder: Path, tmp_path: Path
) -> None:
    done = export(
        student_folder, tmp_path / "phone", method="int8-static", target="x86", max_drop=90.0
    )
    fields = read_phone(done.folder).manifest
    assert fields["session"] == QUANTIZERS["int8-static"].session.as_dict()
    assert json.loads(open_session(done.copy).metadata["kdc.session"]) == fields["session"]
    assert [fields[name] for name in ("exporter", "target", "layout", "vocabulary")] == [
        "lean",
        "x86",
        "single",
        None,
    ]
    domains = {node.domain for node in onnx.load(done.copy).graph.node}
    assert domains <= {"", "ai.onnx"}


@pytest.mark.parametrize("method", ["int4", "int8-static", "auto", "fp16"])
def test_every_method_ships_at_one_length(
    student_folder: Path, tmp_path: Path, method: str
) -> None:
    """Methods run calibration rows of their own lengths, which a fixed graph does not take."""
    done = export(student_folder, tmp_path / "phone", method=method, length=16, max_drop=90.0)
    (shape, *_) = onnx.load(done.copy).graph.input
    assert [axis.dim_value for axis in shape.type.tensor_type.shape.dim] == [1, 16]
