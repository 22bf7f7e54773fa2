import json
import shlex
import time
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from kdc.cli.main import build
from kdc.compress.corpus.folder import read_corpus
from kdc.compress.corpus.teacher import load_vocabulary
from kdc.compress.errors import KdcError
from kdc.compress.progress import Progress
from tests.compress.corpus.texts import page, tiny_documents, write_dump
from tests.shards import tiny_masked_lm
from tests.tiny import tiny_encoder


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("corpus")
    tiny_encoder(folder / "teacher")
    tiny_masked_lm(folder / "it's words")
    write_dump(folder / "w.xml.bz2", *[page(text) for text in tiny_documents(60)])
    return folder


def run(*arguments: str) -> Result:
    return CliRunner().invoke(build(), ["corpus", *arguments])


def test_a_dump_becomes_shards(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(place)
    options = ["--max-length", "24", "--dupe", "2", "--pairs", "next", "--held-out", "0.2"]
    done = run("w.xml.bz2", "--teacher", "teacher", *options, "--json", "made.json")
    assert done.exit_code == 0, done.output
    found = json.loads(Path("made.json").read_text())
    manifest = json.loads(Path("shards/manifest.json").read_text())
    assert found["complete"] and found["tokens"] == manifest["tokens"]
    assert f"{manifest['tokens']:,}" in done.stdout and "held out" in done.stdout
    assert "next: kdc distill --corpus shards --teacher teacher --student 4x256\n" in done.stderr
    assert manifest["documents"] + manifest["held_out"]["documents"] == 60
    assert "tokens/s" in done.stderr and found["seconds"] > 0
    again = run("w.xml.bz2", "--teacher", "teacher", *options, "--json", "made.json")
    assert "nothing is done" in again.stderr and "tokens/s" not in again.stderr
    assert json.loads(Path("made.json").read_text())["seconds"] == 0


def test_the_time_of_imports_is_no_part_of_the_rate(
    place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Bug: a small corpus is told to be made at a tenth of its rate, or what was made before."""
    monkeypatch.chdir(place)

    def slow(name: str, max_length: int, progress: Progress) -> object:
        time.sleep(1)
        return load_vocabulary(name, max_length, progress)

    monkeypatch.setattr("kdc.compress.corpus.teacher.load_vocabulary", slow)
    common = ["w.xml.bz2", "--teacher", "teacher", "--max-length", "24", "--shard-size", "0.002"]
    common += ["--out", str(tmp_path / "out"), "--json", str(tmp_path / "made.json")]
    start = time.monotonic()
    assert run(*common, "--shard", "0/2").exit_code == 0
    done = run(*common, "--shard", "1/2")
    found = json.loads((tmp_path / "made.json").read_text())
    assert found["seconds"] < time.monotonic() - start - 2
    said = next(line for line in done.stderr.splitlines() if "tokens/s" in line)
    rate = int(said.split()[0].replace(",", ""))
    assert rate * found["seconds"] < 0.8 * found["tokens"]


def test_the_commands_that_follow_can_be_copied(place: Path, tmp_path: Path) -> None:
    """Bug: a space or a quote in a path makes another command of what is printed."""
    out, teacher = str(tmp_path / "ünï cödé"), str(place / "it's words")
    done = run(str(place / "w.xml.bz2"), "--teacher", teacher, "--max-length", "24", "--out", out)
    said = done.stderr.partition("next: ")[2].strip()
    label, _, student = said.partition(", or ")
    assert shlex.split(label) == ["kdc", "label", out, "--teacher", teacher]
    assert shlex.split(student) == ["kdc", "distill", "--corpus", out, "--teacher", teacher]


def test_quiet_prints_the_result_alone(place: Path, tmp_path: Path) -> None:
    common = ["--teacher", str(place / "teacher"), "--max-length", "24", "--out"]
    done = run(str(place / "w.xml.bz2"), *common, str(tmp_path / "out"), "--quiet")
    assert done.stderr == "" and "documents" in done.stdout


def test_a_share_says_that_others_are_missing(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(place)
    common = ["w.xml.bz2", "--teacher", "teacher", "--max-length", "24", "--out", "two"]
    common += ["--shard-size", "0.002"]
    done = run(*common, "--shard", "0/2")
    said = (
        "two: --shard 0/2 is done; 1 of 2 not yet: 1/2; the last of them puts the folder together\n"
    )
    assert done.exit_code == 0 and done.stderr.endswith(said)
    assert not Path("two").exists()
    with pytest.raises(KdcError, match="the corpus two is unfinished: run the same kdc corpus"):
        read_corpus(Path("two"))
    assert "two" in run(*common, "--shard", "1/2").stdout and Path("two/manifest.json").exists()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--pairs", "nxt"], "unknown --pairs 'nxt': did you mean next?"),
        (["--masking", "words"], "did you mean word?"),
        (["--max-length", "4"], "--max-length must be 8"),
        (["--held-out", "1"], "--held-out must be"),
        (["--short-seq-prob", "2"], "--short-seq-prob must be"),
        (["--dupe", "-1"], "--dupe must be 0 to 1,000, not -1\n"),
        (["--shard-size", "0"], "--shard-size must be 0.000001 or more"),
        (["--shard-size", "nan"], "not nan"),
        (["--shard-size", "inf"], "not inf"),
        (["--max-predictions", "0"], "--max-predictions must be 1 or more, not 0\n"),
        (["--packing", "--pairs", "order"], "leave one of them out"),
        (["--text", "body"], "no source is such a file"),
        (["--shard", "2/2"], "--shard 2/2"),
        (["--executor", "dask"], "unknown executor"),
        (["--teacher", "./none"], "there is no folder ./none"),
        (["--json", "w.xml.bz2"], "would replace"),
    ],
)
def test_what_cannot_be_is_one_sentence(
    options: list[str], said: str, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(place)
    done = run("w.xml.bz2", "--teacher", "teacher", "--max-length", "24", "--out", "x", *options)
    assert done.exit_code == 1 and said in done.stderr and done.stderr.count("\n") == 1
    assert not Path("x").exists()
