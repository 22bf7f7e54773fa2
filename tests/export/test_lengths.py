from dataclasses import replace
from pathlib import Path

import pytest

from kdc.compress.errors import KdcError
from kdc.compress.progress import Silent
from kdc.export.lengths import Length, Texts, choose_texts, parse_lengths, shared_texts
from kdc.export.model_file import ModelFile

OURS = ModelFile(Path("m.onnx"), (), lengths=(4, 9), vocab=1000, max_length=512)
FOREIGN = ModelFile(Path("m.onnx"), (), lengths=None, vocab=None, max_length=None)


class Listener(Silent):
    def __init__(self) -> None:
        self.said: list[str] = []

    def say(self, text: str) -> None:
        self.said.append(text)


@pytest.mark.parametrize(
    ("text", "lengths"),
    [
        ("natural,128", ("natural", 128)),
        (" 16 , natural", (16, "natural")),
        ("8,8,natural,8", (8, "natural")),
    ],
)
def test_lengths_are_read(text: str, lengths: tuple[Length, ...]) -> None:
    assert parse_lengths(text) == lengths


@pytest.mark.parametrize("part", ["0", "-3", "x", "", "1.5", "1e3", "²", "٣", "65537", "9" * 5000])
def test_what_is_no_length_is_one_sentence(part: str) -> None:
    """`int()` takes Arabic digits and spaces, `isdigit()` superscripts, and neither a billion."""
    with pytest.raises(KdcError, match="--length takes natural and whole numbers of tokens"):
        parse_lengths(f"16,{part}")


def test_a_model_of_ours_is_run_on_its_tasks_lengths() -> None:
    said = Listener()
    assert choose_texts(OURS, None, said) == (Texts("natural", (4, 9)), Texts(128, (128,)))
    assert said.said == []


def test_a_foreign_model_is_run_on_fixed_lengths_and_the_user_told() -> None:
    said = Listener()
    assert choose_texts(FOREIGN, None, said) == (Texts(16, (16,)), Texts(128, (128,)))
    assert said.said == ["m.onnx does not tell how long its task's texts are: taking 16 tokens"]


def test_natural_by_name_is_refused_where_the_file_does_not_tell() -> None:
    """What was asked for by name must not silently become something else."""
    with pytest.raises(KdcError, match="give --length numbers of tokens, such as 16,128"):
        choose_texts(FOREIGN, ("natural",), Silent())


@pytest.mark.parametrize(("most", "usual"), [(64, ("natural", 64)), (12, ("natural", 12))])
def test_a_model_of_short_texts_needs_no_option(most: int, usual: tuple[Length, ...]) -> None:
    """`kdc bench` without options failed where the task's texts are cut below 128 tokens."""
    texts = choose_texts(replace(OURS, max_length=most), None, Silent())
    assert tuple(text.length for text in texts) == usual


def test_a_foreign_model_of_very_short_texts_is_run_once() -> None:
    texts = choose_texts(replace(FOREIGN, max_length=12), None, Silent())
    assert texts == (Texts(12, (12,)),)


@pytest.mark.parametrize("file", [OURS, replace(OURS, lengths=(4, 513))])
def test_longer_than_the_model_reads_is_refused_before_it_runs(file: ModelFile) -> None:
    with pytest.raises(KdcError, match="reads at most 512 tokens, so not 513: lower --length"):
        choose_texts(file, ("natural", 513), Silent())


def test_models_in_turns_run_texts_that_all_of_them_read() -> None:
    """Bug: after hours the shorter model failed on the longer one's texts, and nothing was kept."""
    short, listener = replace(FOREIGN, path=Path("s.onnx"), max_length=64), Listener()
    usual = choose_texts(replace(OURS, lengths=(4, 90)), None, listener)
    shared = shared_texts(usual, [OURS, short], None, listener)
    assert shared == (Texts("natural", (4, 64)), Texts(64, (64,)))
    assert listener.said == ["in turns texts are cut at 64 tokens, the most that s.onnx reads"]
    assert shared_texts(usual, [OURS, FOREIGN], None, Silent()) == usual
    with pytest.raises(KdcError, match=r"--vs: s\.onnx reads at most 64 tokens"):
        shared_texts(usual, [OURS, short], ("natural", 128), Silent())
