"""What is decided, or refused, before a general student is trained."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tokenizers import Tokenizer

from kdc.compress.corpus.folder import read_corpus
from kdc.compress.errors import KdcError
from kdc.compress.general.distill import distill_general, make_run
from kdc.compress.general.job import GeneralJob
from kdc.compress.general.plan import make_plan
from kdc.compress.plan import names_encoder
from kdc.compress.progress import Silent
from kdc.compress.recipe import read_recipe
from kdc.compress.workspace import Workspace
from tests.general import job, short
from tests.shards import tiny_corpus


def pretraining(places: Path, out: Path, **changes: Any) -> GeneralJob:  # noqa: ANN401
    return job(places, out, "", recipe=short("pretrain"), teacher=None, **changes)


def test_a_shape_is_no_folder_that_happens_to_be_called_so(
    places: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Bug: --student 1x32 goes on with what an earlier run wrote to --out 1x32."""
    monkeypatch.chdir(tmp_path)
    for name in ("1x32", "tinybert-4", "mine"):
        Path(name).mkdir()
    assert not names_encoder("1x32") and not names_encoder("tinybert-4")
    assert names_encoder("./1x32") and names_encoder("mine") and not names_encoder("other")
    made = pretraining(places, Path("1x32"))
    assert make_plan(made, read_corpus(made.corpus), None, Silent()).origin is None
    distill_general(made, Silent())
    assert (tmp_path / "1x32" / "model.safetensors").exists()
    with pytest.raises(KdcError, match="--student and --out are both 1x32"):
        distill_general(replace(made, student="./1x32"), Silent())


def test_an_input_is_called_as_the_user_called_it(places: Path, tmp_path: Path) -> None:
    """Bug: `kdc teacher --model X --out X` is told of a --student."""
    made = pretraining(places, tmp_path / "s")
    distill_general(made, Silent())
    with pytest.raises(KdcError, match="--model and --out are both"):
        distill_general(replace(made, student=str(made.out), goes_on=True), Silent())


def test_more_tokens_than_a_run_can_take_are_named(places: Path, tmp_path: Path) -> None:
    """Bug: epochs are refused of which the user has given none."""
    made = pretraining(places, tmp_path / "s", tokens=60_000_000)
    with pytest.raises(KdcError, match=r"--tokens 60,000,000 is 4.* times the 1,\d+ tokens of "):
        make_run(made, read_corpus(made.corpus), Workspace(made.out), Silent())


@pytest.mark.parametrize(
    ("section", "said"),
    [
        ({"start": {"layers": "search"}}, r'layers = "search" in \[start\]'),
        ({"augment": {"copies": 3}}, r"copies = 3 in \[augment\]"),
        ({"train": {"narrow_rate": 5e-4}}, r"narrow_rate = 0\.0005"),
    ],
)
def test_what_only_a_task_does_is_refused(tmp_path: Path, section: Any, said: str) -> None:  # noqa: ANN401
    """Bug: a recipe's line is silently not obeyed, and written beside the student's figures."""
    recipe = read_recipe({"rows": "corpus", "losses": {"cosine": {}}, **section}, "mine", "mine")
    with pytest.raises(KdcError, match=f"recipe mine has {said}, which means nothing on a corpus"):
        GeneralJob(corpus=tmp_path, recipe=recipe, out=tmp_path, student="1x32")


@pytest.mark.parametrize("said", ["[unused3]", {"content": "[unused3]"}, None])
def test_a_new_encoder_has_the_tokenizers_padding(places: Path, tmp_path: Path, said: Any) -> None:  # noqa: ANN401
    """Bug: a tokenizer that pads with <pad> makes a model whose row of <s> is zero for good."""
    folder = tiny_corpus(tmp_path / "shards", places / "teacher")
    (folder / "tokenizer_config.json").write_text(json.dumps({"pad_token": said}))
    made = pretraining(places, tmp_path / "s", corpus=folder)
    corpus = replace(read_corpus(places / "shards"), folder=folder)
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    wanted = tokenizer.token_to_id("[unused3]" if said else "[PAD]")
    assert wanted is not None
    plan = make_plan(made, corpus, None, Silent())
    assert plan.student.config.pad_token_id == wanted
