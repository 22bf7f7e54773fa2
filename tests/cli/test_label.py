"""`kdc label` as a user calls it."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from kdc.cli.main import build
from kdc.compress.corpus.folder import read_corpus
from kdc.compress.labels.store import read_labels
from kdc.compress.recipe import load_run

QUICK = """
rows = "corpus"
[train]
batch_tokens = 64
evaluations = 1
[start]
weights = "random"
[losses.masked_lm]
temperature = 1.0
soft = 1.0
hard = 0.0
"""


def kdc(places: Path, *arguments: str) -> tuple[int, str]:
    words = ["label", str(places / "shards"), "--teacher", str(places / "teacher")]
    result = CliRunner().invoke(build(), [*words, "--device", "cpu", *arguments])
    return result.exit_code, result.output


def test_labels_are_written_verified_and_measured(places: Path, tmp_path: Path) -> None:
    """Bug: bytes a token of something else, or a default that cannot be read back."""
    out, told = tmp_path / "out", tmp_path / "told.json"
    code, said = kdc(places, "--out", str(out), "--verify", "--sample", "50", "--json", str(told))
    assert code == 0, said
    assert "KL(labels || teacher)" in said and "next: kdc distill --corpus" in said
    result = json.loads(told.read_text())
    corpus = read_corpus(places / "shards")
    shards = [corpus.open(name) for name in (*corpus.shards, *corpus.held)]
    tokens = sum(shard.duplicates * len(shard.tokens) for shard in shards)
    written = sum(path.stat().st_size for path in out.glob("*.safetensors"))
    assert result["bytes"] == written
    assert result["bytes_per_token"] == pytest.approx(written / tokens)
    assert result["verified"]["places"] >= 50
    less = 4 * result["places"] * 128 / written
    assert f"{less:,.0f} times less than the teacher's logits in fp32" in said
    read_labels(out, corpus)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--topk", "4", "--draws", "3"], "two ways to label: choose one"),
        (["--shard", "3"], "such as 0/4 to 3/4, not '3'"),
        (["--shard", "4/4"], "4/4 is none of the parts: count them from 0, such as 0/4 to 3/4"),
        (["--states", "last"], "a list of layers such as 0,6,12"),
        (["--topk", "4", "--bits", "7"], "--bits is 8 or 16, not 7"),
        (["--topk", "4", "--bits", "0"], "--bits is 8 or 16, not 0"),
        (["--bits", "16"], "--bits is of probabilities, and none is kept: add --topk"),
        (["--states", "1", "--temperature", "2"], "--temperature is of the softmax, and states"),
        (["--topk", "0"], "--topk must be a number from 1"),
        (["--batch-tokens", "0"], "--batch-tokens must be 1 or more"),
        (["--states", "1", "--verify"], "states are all that is kept: add --draws"),
        (["--pooled", "--verify"], "states are all that is kept: add --draws"),
        (["--sample", "50"], "how many places --verify compares: add --verify"),
        (["--verify", "--sample", "0"], "--sample must be 1 or more, not 0"),
    ],
    ids=" ".join,
)
def test_what_cannot_be_asked_for_is_said_in_a_sentence_before_anything_is_read(
    places: Path, tmp_path: Path, arguments: list[str], words: str
) -> None:
    """Bug: a traceback, labels of something that nobody asked for, or hours before the refusal."""
    command = ["label", str(tmp_path / "none"), "--teacher", str(places / "teacher"), *arguments]
    result = CliRunner().invoke(build(), [*command, "--out", str(tmp_path / "out")])
    assert result.exit_code == 1 and words in " ".join(result.output.split())
    assert not (tmp_path / "out").exists()


def test_parts_are_labelled_by_commands_that_share_nothing(places: Path, tmp_path: Path) -> None:
    """Bug: an array job whose tasks write over each other, or leave the last shard out."""
    out = str(tmp_path / "out")
    for part in ("1/2", "0/2"):
        code, said = kdc(places, "--draws", "5", "--shard", part, "--out", out, "--quiet")
        assert code == 0, said
    read_labels(tmp_path / "out", read_corpus(places / "shards"))


def test_the_next_command_is_printed_when_all_is_labelled_and_works(
    places: Path, tmp_path: Path
) -> None:
    """Bug: the command that is shown needs a teacher, or shards that are not labelled yet."""
    out, recipe = tmp_path / "out", tmp_path / "quick.toml"
    code, said = kdc(places, "--shard", "1/2", "--out", str(out))
    assert code == 0 and "next:" not in said
    assert "left to the other parts: 2 of 3 shards" in said
    code, said = kdc(places, "--shard", "0/2", "--out", str(out))
    assert code == 0 and f"of {places / 'teacher'}" in " ".join(said.split())
    command = f"kdc distill --corpus {places / 'shards'} --labels {out}"
    assert f"next: {command}" in " ".join(said.split())
    recipe.write_text(QUICK)
    more = ["--recipe", str(recipe), "--student", "1x32", "--tokens", "64", "--device", "cpu"]
    made = ["--out", str(tmp_path / "student")]
    result = CliRunner().invoke(build(), [*command.split()[1:], *more, *made])
    assert result.exit_code == 0, result.output
    run = load_run(str(tmp_path / "student" / "recipe.toml"))
    assert run["teacher"] == str(places / "teacher")
    assert run["labels_sha256"] == read_labels(out, read_corpus(places / "shards")).digest
    again = tmp_path / "again.toml"
    text = (tmp_path / "student" / "recipe.toml").read_text()
    for digest, told in ((run["labels_sha256"], False), ("0" * 64, True)):
        again.write_text(text.replace(run["labels_sha256"], digest))
        words = ["distill", "--recipe", str(again), "--out", str(tmp_path / "again")]
        result = CliRunner().invoke(build(), [*words, "--device", "cpu"])
        assert result.exit_code == 0, result.output
        assert ("the labels changed since" in result.output) is told


def test_labels_of_states_are_for_losses_on_them(places: Path, tmp_path: Path) -> None:
    """Bug: a recipe that reads no states takes the labels, and runs the teacher all the same."""
    out = tmp_path / "out"
    code, said = kdc(places, "--states", "2", "--out", str(out))
    assert code == 0 and f"--labels {out} --recipe FILE" in said.replace("\n", " ")
    words = ["distill", "--corpus", str(places / "shards"), "--labels", str(out), "--student"]
    more = ["1x32", "--recipe", "general-minilm", "--out", str(tmp_path / "student")]
    result = CliRunner().invoke(build(), [*words, *more, "--device", "cpu"])
    assert result.exit_code == 1
    assert "hold states of 2, and recipe general-minilm does not learn from that" in result.output
    assert not (tmp_path / "student").exists()


def test_quiet_prints_what_was_written_and_nothing_else(places: Path, tmp_path: Path) -> None:
    """Bug: --quiet leaves the result out, or keeps what is none."""
    words = ["label", str(places / "shards"), "--teacher", str(places / "teacher"), "--device"]
    out = ["cpu", "--out", str(tmp_path / "out"), "--quiet"]
    result = CliRunner().invoke(build(), [*words, *out])
    assert "bytes a token" in result.stdout
    assert "times less" not in result.output and "next:" not in result.output


def test_a_space_in_a_path_stays_in_the_next_command(places: Path, tmp_path: Path) -> None:
    out = tmp_path / "lä bels"
    code, said = kdc(places, "--out", str(out))
    assert code == 0 and f"--labels '{out}'" in said.replace("\n", " ")


def test_a_part_that_no_shard_falls_to_ends_well(places: Path, tmp_path: Path) -> None:
    """Bug: an array job of more tasks than shards ends in a ZeroDivisionError."""
    code, said = kdc(places, "--shard", "3/4", "--verify", "--out", str(tmp_path / "out"))
    assert code == 0, said
    assert "no shard falls to part 3 of 4" in said
