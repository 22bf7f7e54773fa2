import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from tokenizers import Tokenizer, models, pre_tokenizers
from tokenizers.implementations.bert_wordpiece import BertWordPieceTokenizer
from transformers import AutoTokenizer

from kdc.compress.artifact import Student, read_student
from kdc.compress.errors import GateFailed, KdcError
from kdc.export.ship import Shipped
from kdc.export.tokenizer import check_tokenizer, load_tokenizer, write_tokenizer
from tests.student import MAX_LENGTH, remake, tiny_tokenizer, token_of


def changed(student_folder: Path, folder: Path, name: str, text: str) -> Student:
    shutil.copytree(student_folder, folder)
    (folder / name).write_text(text)
    remake(folder)
    return read_student(folder)


def test_transformers_gives_the_golden_ids(shipped: Shipped) -> None:
    """Its AutoTokenizer builds from other files of the folder than the tokenizers library does."""
    golden = json.loads((shipped.folder / "golden.json").read_text(encoding="utf-8"))
    tokenizer = AutoTokenizer.from_pretrained(shipped.folder)
    assert tokenizer.model_max_length == MAX_LENGTH
    for text, ids in zip(golden["texts"], golden["input_ids"], strict=True):
        assert tokenizer(text, truncation=True)["input_ids"] == ids, text


def test_what_ships_cuts_and_never_pads(student_folder: Path, tmp_path: Path) -> None:
    """A saved padding setting makes every short text as slow as the longest."""
    padded = tiny_tokenizer()
    padded.enable_padding(length=20)
    padded.no_truncation()
    student = changed(student_folder, tmp_path / "s", "tokenizer.json", padded.to_str())
    write_tokenizer(student, tmp_path, load_tokenizer(student))
    ours = Tokenizer.from_file(str(tmp_path / "tokenizer.json"))
    assert len(ours.encode("wake me").ids) == 4
    assert len(ours.encode("wake me " * 50).ids) == MAX_LENGTH
    assert json.loads((tmp_path / "tokenizer.json").read_text())["padding"] is None


def test_the_lines_of_vocab_txt_are_the_ids(shipped: Shipped) -> None:
    lines = (shipped.folder / "vocab.txt").read_text(encoding="utf-8").splitlines()
    assert lines == [tiny_tokenizer().id_to_token(index) for index in range(128)]


def test_ids_with_gaps_ship(student_folder: Path, tmp_path: Path) -> None:
    """Bug: a vocab.txt in which a token stands twice leaves an id out, and after hours of training
    no such student could be exported; without a line for it every token behind has another's row.
    """
    lines = [token_of(tiny_tokenizer(), index) for index in range(128)]
    first, gap = lines.index("[unused0]"), "[gap-40]"
    lines[40:41] = ["now"]  # the one behind it counts
    lines[first : first + 2] = [gap, "now"]  # and a token that is called as a gap would be
    (tmp_path / "twice.txt").write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    wordpiece = models.WordPiece.from_file(str(tmp_path / "twice.txt"), unk_token="[UNK]")
    fields = json.loads(tiny_tokenizer().to_str())
    fields["model"]["vocab"] = json.loads(Tokenizer(wordpiece).to_str())["model"]["vocab"]
    gappy = Tokenizer.from_str(json.dumps(fields))
    missing = [index for index in range(128) if gappy.id_to_token(index) is None]
    assert len(missing) == 2 and 40 in missing
    student = changed(student_folder, tmp_path / "s", "tokenizer.json", gappy.to_str())
    write_tokenizer(student, tmp_path, load_tokenizer(student))
    theirs = BertWordPieceTokenizer(str(tmp_path / "vocab.txt"))
    assert [theirs.id_to_token(i) for i in range(128) if i not in missing] == [
        gappy.id_to_token(i) for i in range(128) if i not in missing
    ]
    once, literal = lines.index("now"), f"[{gap}]"  # for that gap's own name is taken
    assert [theirs.id_to_token(index) for index in missing] == [f"[gap-{once}]", literal]
    for text in ["wake me now", "é 7 now stop!", f"[gap-{once}]", literal, f"a{literal}a"]:
        ids = theirs.encode(text).ids
        assert ids == Tokenizer.from_file(str(tmp_path / "tokenizer.json")).encode(text).ids
        assert not set(missing) & set(ids)


def test_two_tokens_of_one_id_are_refused(student_folder: Path, tmp_path: Path) -> None:
    """One of them would have no line, and become the unknown token of whoever reads vocab.txt."""
    fields = json.loads(tiny_tokenizer().to_str())
    fields["model"]["vocab"]["wake"] = fields["model"]["vocab"]["me"]
    student = changed(student_folder, tmp_path / "s", "tokenizer.json", json.dumps(fields))
    with pytest.raises(KdcError, match="two tokens"):
        write_tokenizer(student, tmp_path, load_tokenizer(student))


def test_ids_that_are_nearly_all_gaps_are_refused(student_folder: Path, tmp_path: Path) -> None:
    """Bug: one hostile id makes a vocab.txt of 20 GB."""
    fields = json.loads(tiny_tokenizer().to_str())
    fields["model"]["vocab"]["wake"] = 2_000_000_000
    student = changed(student_folder, tmp_path / "s", "tokenizer.json", json.dumps(fields))
    with pytest.raises(KdcError, match="128 tokens and ids up to 2,000,000,000, too many gaps"):
        write_tokenizer(student, tmp_path, load_tokenizer(student))


def test_other_kinds_of_tokenizer_ship_without_a_vocab_txt(
    student_folder: Path, tmp_path: Path
) -> None:
    """A reader that finds a vocab.txt takes it for WordPiece."""
    kind = Tokenizer(models.WordLevel({"<unk>": 0, "wake": 1}, unk_token="<unk>"))
    kind.pre_tokenizer = pre_tokenizers.Whitespace()
    student = changed(student_folder, tmp_path / "s", "tokenizer.json", kind.to_str())
    write_tokenizer(student, tmp_path, load_tokenizer(student))
    assert not (tmp_path / "vocab.txt").exists()


def test_the_config_keeps_no_code_or_path_and_a_class_that_both_majors_know(
    student_folder: Path, tmp_path: Path
) -> None:
    """transformers 4 cannot load a `TokenizersBackend`; `auto_map` would run foreign code."""
    config: dict[str, object] = {"tokenizer_class": "TokenizersBackend", "pad_token": "[PAD]"}
    config |= {"auto_map": {"AutoTokenizer": "evil.py"}}
    config |= {"name_or_path": "/home/me/teacher", "max_length": 512}
    text = json.dumps(config)
    student = changed(student_folder, tmp_path / "s", "tokenizer_config.json", text)
    write_tokenizer(student, tmp_path, load_tokenizer(student))
    assert json.loads((tmp_path / "tokenizer_config.json").read_text()) == {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "pad_token": "[PAD]",
        "model_max_length": MAX_LENGTH,
    }


def test_a_damaged_tokenizer_is_one_sentence(student_folder: Path, tmp_path: Path) -> None:
    student = changed(student_folder, tmp_path / "s", "tokenizer.json", '{"model": ')
    with pytest.raises(KdcError, match=r"tokenizer.json is no tokenizer"):
        write_tokenizer(student, tmp_path, load_tokenizer(student))


def test_a_tokenizer_that_cuts_dev_otherwise_fails_the_gate(student_folder: Path) -> None:
    """The model would be as good as measured, and every app would feed it other tokens."""
    dev = read_student(student_folder).dev()
    check_tokenizer(tiny_tokenizer(), dev)
    other = replace(dev, texts=[*dev.texts[:-1], "another text"])
    with pytest.raises(GateFailed, match=f"dev text {len(dev)} "):
        check_tokenizer(tiny_tokenizer(), other)
