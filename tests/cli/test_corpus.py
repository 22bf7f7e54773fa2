import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from kdc.cli.main import build
from tests.compress.corpus.texts import page, tiny_documents, write_dump
from tests.tiny import tiny_encoder


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("corpus")
    tiny_encoder(folder / "teacher")
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
    assert "next: kdc label shards --teacher teacher, or kdc distill" in " ".join(
        done.stderr.split()
    )
    assert manifest["documents"] + manifest["held_out"]["documents"] == 60


def test_a_share_says_that_others_are_missing(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(place)
    common = ["w.xml.bz2", "--teacher", "teacher", "--max-length", "24", "--out", "two"]
    common += ["--shard-size", "0.002"]
    done = run(*common, "--shard", "0/2")
    assert done.exit_code == 0 and "who is last" in done.stderr
    assert not Path("two").exists()
    assert "two" in run(*common, "--shard", "1/2").stdout and Path("two/manifest.json").exists()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--pairs", "nxt"], "unknown --pairs 'nxt': did you mean next?"),
        (["--masking", "words"], "did you mean word?"),
        (["--max-length", "4"], "--max-length must be 8"),
        (["--held-out", "1"], "--held-out must be"),
        (["--short-seq-prob", "2"], "--short-seq-prob must be"),
        (["--dupe", "-1"], "--dupe must be 0 or more, not -1\n"),
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
