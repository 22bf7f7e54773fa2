"""`kdc distill --corpus`, `kdc teacher --objective mlm` and what comes after them."""

import csv
import json
from pathlib import Path
from typing import Any

import pytest
from transformers import AutoModelForMaskedLM

from kdc.compress.artifact import read_student
from tests.commands import kdc
from tests.folders import digests
from tests.shards import tiny_corpus, tiny_masked_lm
from tests.tiny import tiny_data, tiny_encoder, tiny_teacher

QUICK = """
rows = "corpus"
[train]
batch_tokens = 64
evaluations = 2
[start]
weights = "random"
"""
TASK = """
[train]
epochs = 1
batch = 16
learning_rate = 2e-3
evaluations = 2
[losses.soft_labels]
"""
CPU = ("--device", "cpu")


def ran(*words: str | Path) -> str:
    result = kdc(*words)
    assert result.exit_code == 0, result.output
    return result.output


def read(path: Path) -> Any:  # noqa: ANN401
    return json.loads(path.read_text())


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder, data = tmp_path_factory.mktemp("cli"), tiny_data()
    (folder / "table").mkdir()
    for name, split in (("train", data.train), ("dev", data.dev)):
        with (folder / "table" / f"{name}.csv").open("w", newline="") as file:
            names = [data.task.labels[int(label)] for label in split.labels]
            csv.writer(file).writerows([("text", "label"), *zip(split.texts, names, strict=True)])
    hard = "[losses.masked_lm]\nsoft = 0.0\nhard = 1.0\n"
    soft = "[losses.masked_lm]\ntemperature = 1.0\nsoft = 1.0\nhard = 0.0\n"
    (folder / "hard.toml").write_text(QUICK + hard)
    (folder / "soft.toml").write_text(QUICK + soft)
    (folder / "relations.toml").write_text(QUICK + "[losses.relations]\n")
    (folder / "task.toml").write_text(TASK)
    tiny_masked_lm(folder / "words")
    tiny_encoder(folder / "bare", hidden=48)
    tiny_teacher(folder / "classes", data)
    tiny_corpus(folder / "shards", folder / "words")
    return folder


def test_the_whole_way_from_shards_to_a_student_of_a_task(folder: Path, tmp_path: Path) -> None:
    """Bug: a folder that one command writes is not one that the next reads."""
    shards, made = ("--corpus", folder / "shards"), tmp_path / "made"
    ran("teacher", "--objective", "mlm", *shards, "--shape", "2x32", "--recipe",
        folder / "hard.toml", "--out", made, *CPU)  # fmt: skip
    AutoModelForMaskedLM.from_pretrained(made)
    said = tmp_path / "said.json"
    output = ran("distill", *shards, "--teacher", made, "--student", "1x32", "--recipe",
                 folder / "soft.toml", "--tokens", "2000", "--out", tmp_path / "general",
                 "--json", said, *CPU)  # fmt: skip
    assert "next: kdc distill --student" in output
    assert read(said) == read(tmp_path / "general" / "metrics.json")
    assert read(said)["tokens"] == pytest.approx(2000, rel=0.05)
    assert {"loss", "accuracy", "divergence", "masked_lm"} <= {
        key.removeprefix("held_out_") for key in read(said)["held_out"]
    }
    ran("distill", "--teacher", folder / "classes", "--data", folder / "table", "--student",
        tmp_path / "general", "--recipe", folder / "task.toml", "--no-controls", "--out",
        tmp_path / "student", *CPU)  # fmt: skip
    assert read_student(tmp_path / "student").student.n == 48


def test_pre_training_goes_on_with_a_model(folder: Path, tmp_path: Path) -> None:
    """Bug: --model is given and the weights start at random."""
    words = ("teacher", "--objective", "mlm", "--corpus", folder / "shards", "--model")
    recipe = ("--recipe", folder / "hard.toml", "--learning-rate", "1e-9", *CPU)
    ran(*words, folder / "words", *recipe, "--out", tmp_path / "more")
    before, after = (
        AutoModelForMaskedLM.from_pretrained(place).get_input_embeddings().weight
        for place in (folder / "words", tmp_path / "more")
    )
    assert float((before - after).detach().abs().max()) < 1e-5


def test_a_run_is_repeated_from_its_recipe(folder: Path, tmp_path: Path) -> None:
    """Bug: recipe.toml lacks something that decides the weights."""
    ran("distill", "--corpus", folder / "shards", "--teacher", folder / "words", "--student",
        "1x32", "--heads", "2", "--recipe", folder / "soft.toml", "--tokens", "900", "--seed", "3",
        "--out", tmp_path / "one", *CPU)  # fmt: skip
    recipe = tmp_path / "one" / "recipe.toml"
    output = ran("distill", "--recipe", recipe, "--out", tmp_path / "two", *CPU)
    told = f"corpus {folder / 'shards'}, student 1x32, tokens 900, seed 3"
    assert f"{recipe}: as in its run: teacher {folder / 'words'}, {told}" in output
    one, two = (tmp_path / name / "model.safetensors" for name in ("one", "two"))
    assert one.read_bytes() == two.read_bytes()


def test_a_run_over_its_own_folder_says_what_changed(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Bug: the new run is compared with itself, since its recipe.toml took the old one's place."""
    monkeypatch.chdir(tmp_path)
    ran("distill", "--corpus", folder / "shards", "--teacher", folder / "words", "--student",
        "1x32", "--recipe", folder / "hard.toml", "--tokens", "64", *CPU)  # fmt: skip
    tiny_masked_lm(tmp_path / "other", seed=1)
    again = ("distill", "--recipe", "student/recipe.toml", *CPU)
    assert "not the run of" not in ran(*again)
    output = ran(*again, "--teacher", tmp_path / "other")
    assert "not the run of student/recipe.toml: the teacher changed since" in output


def test_epochs_that_are_given_take_the_place_of_a_runs_tokens(
    folder: Path, tmp_path: Path
) -> None:
    """Bug: a run made with --tokens cannot be repeated for longer: both say how long to train."""
    ran("distill", "--corpus", folder / "shards", "--teacher", folder / "words", "--student",
        "1x32", "--recipe", folder / "hard.toml", "--tokens", "64", "--out",
        tmp_path / "one", *CPU)  # fmt: skip
    again = ("distill", "--recipe", tmp_path / "one" / "recipe.toml", *CPU)
    ran(*again, "--epochs", "1", "--out", tmp_path / "two")
    ran(*again, "--out", tmp_path / "three")
    tokens = [read(tmp_path / name / "metrics.json")["tokens"] for name in ("one", "two", "three")]
    assert tokens[0] == tokens[2] < tokens[1]
    assert tokens[1] == read(folder / "shards" / "manifest.json")["tokens"]


def test_what_comes_after_pre_training_can_be_done(folder: Path, tmp_path: Path) -> None:
    """Bug: kdc label is named, which refuses a corpus that is masked while training."""
    tiny_corpus(tmp_path / "anew", folder / "words", duplicates=0)
    for shards, after in ((folder / "shards", "label"), (tmp_path / "anew", "distill --corpus")):
        out = tmp_path / after
        output = ran("teacher", "--objective", "mlm", "--corpus", shards, "--shape", "1x32",
                     "--tokens", "64", "--recipe", folder / "hard.toml", "--out", out,
                     *CPU)  # fmt: skip
        assert f"next: kdc {after} {shards} --teacher " in output


def test_a_seed_that_nothing_can_hold_is_wrong_usage() -> None:
    """Bug: torch's OverflowError, as an internal error."""
    result = kdc("distill", "--seed", "18446744073709551616")
    assert result.exit_code == 2 and "--seed" in result.output


def test_a_finished_run_tells_its_figures_again(folder: Path, tmp_path: Path) -> None:
    """Bug: a job that is queued once more ends well and leaves its next step without the file."""
    shards, out = ("--corpus", folder / "shards"), ("--out", tmp_path / "one", "--resume", *CPU)
    recipe = ("--recipe", folder / "hard.toml")
    words = ("teacher", "--objective", "mlm", *shards, "--shape", "1x32", *recipe, *out)
    ran(*words, "--json", tmp_path / "first.json")
    output = ran(*words, "--json", tmp_path / "again.json")
    assert "one is finished: leave --resume out to train it again" in output
    assert read(tmp_path / "again.json") == read(tmp_path / "first.json")


def test_a_finished_teacher_of_a_task_tells_the_same_figures(folder: Path, tmp_path: Path) -> None:
    """Bug: the file of the second time has another form than that of the first."""
    words = ("teacher", "--model", folder / "bare", "--data", folder / "table", "--epochs", "1",
             "--resume", "--out", tmp_path / "one", *CPU)  # fmt: skip
    ran(*words, "--json", tmp_path / "first.json")
    ran(*words, "--json", tmp_path / "again.json")
    assert read(tmp_path / "again.json") == read(tmp_path / "first.json")


def test_pre_training_is_repeated_without_a_teacher(folder: Path, tmp_path: Path) -> None:
    """Bug: a run that had no teacher is repeated with the usual one, which is another run."""
    ran("teacher", "--objective", "mlm", "--corpus", folder / "shards", "--shape", "1x32",
        "--recipe", folder / "hard.toml", "--out", tmp_path / "one", *CPU)  # fmt: skip
    output = ran("distill", "--recipe", tmp_path / "one" / "recipe.toml", "--out", tmp_path / "two",
                 *CPU)  # fmt: skip
    assert "changed since" not in output
    assert digests(tmp_path / "one") == digests(tmp_path / "two")


def test_the_usual_recipe_is_the_one_that_the_teacher_can_answer(
    folder: Path, tmp_path: Path
) -> None:
    """Bug: minilm is asked for masked words, which it cannot fill in."""
    words = ("distill", "--corpus", folder / "shards", "--tokens", "1", "--student", "1x32", *CPU)
    for teacher, recipe in (("words", "general-mlm"), ("bare", "general-best")):
        output = ran(*words, "--teacher", folder / teacher, "--out", tmp_path / teacher)
        assert f"recipe: {recipe}" in output


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--recipe", "hinton"), "recipe hinton distils on a task: with --corpus use one of those"),
        (
            ("--recipe", "general-mlm", "--teacher", "bare", "--student", "1x32"),
            "no masked-LM head, which masked_lm",
        ),
        (("--recipe", "pretrain", "--labels", "nowhere"), "nowhere"),
        (("--data", "table"), "--data belongs to a task"),
        (("--vocab", "task"), "--vocab belongs to a task"),
        (("--tokens", "5", "--epochs", "1"), "--tokens and --epochs both say"),
        (("--tokens", "0"), "--tokens must be 1 or more"),
        (("--teacher", "words", "--teacher", "bare"), "a general student has one teacher"),
        (("--student", "words", "--heads", "2"), "has its sizes already: leave --heads out"),
    ],
    ids=lambda words: " ".join(words) if isinstance(words, tuple) else "",
)
def test_what_does_not_go_together_is_said_in_a_sentence(
    folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    words: tuple[str, ...],
    said: str,
) -> None:
    """Bug: a traceback, or an option that is silently not obeyed."""
    monkeypatch.chdir(folder)
    fixed = ("--corpus", "shards", "--out", tmp_path / "out", *CPU)
    teacher = () if "--teacher" in words else ("--teacher", "words")
    result = kdc("distill", *fixed, *teacher, *words)
    assert result.exit_code == 1
    assert said in result.output.splitlines()[-1]
    assert result.output.count("kdc: ") == 1
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("distill", "--recipe", "general-mlm", "--teacher", "classes", "--data", "table"),
         "recipe general-mlm is for a corpus: give --corpus"),
        (("distill", "--labels", "x"), "--labels goes with --corpus"),
        (("distill", "--compile"), "--compile goes with --corpus"),
        (("teacher", "--corpus", "shards"), "--corpus goes with --objective mlm"),
        (("teacher", "--objective", "mlm", "--shape", "1x32"), "give --corpus"),
        (("teacher", "--objective", "mlm", "--corpus", "shards"), "give --model to go on"),
        (("teacher", "--objective", "mlm", "--corpus", "shards", "--model", "bare"),
         "has no masked-LM head"),
        (("teacher", "--objective", "mlm", "--corpus", "shards", "--shape", "1x32",
          "--recipe", "general-mlm"), "asks a teacher for masked words, and there is none"),
        (("teacher", "--objective", "words"), "objective"),
        (("teacher", "--recipe", "pretrain", "--data", "table"), "is for a corpus"),
        (("export", "general"), "is a general student, which knows no task yet: distil it"),
        (("predict", "x", "--model", "general"), "is a general student, which knows no task"),
    ],
    ids=lambda words: " ".join(words) if isinstance(words, tuple) else "",
)  # fmt: skip
def test_a_corpus_and_a_task_are_not_mixed_up(
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    words: tuple[str, ...],
    said: str,
) -> None:
    """Bug: a recipe for the one runs on the other, or fails in its first step."""
    monkeypatch.chdir(folder)
    asks = words[0] in ("export", "predict")
    if asks and not Path("general").exists():
        ran("teacher", "--objective", "mlm", "--corpus", "shards", "--shape", "1x32", "--tokens",
            "64", "--out", "general", *CPU)  # fmt: skip
    result = kdc(*words, *(() if asks else (*CPU, "--out", "never")))
    assert result.exit_code == 1
    assert said in result.output
    assert not Path("never").exists()


def test_another_vocabulary_is_refused(folder: Path, tmp_path: Path) -> None:
    """Bug: token 17 of one vocabulary is taught as token 17 of another."""
    other = tmp_path / "other"
    tiny_masked_lm(other)
    text = (other / "tokenizer.json").read_text().replace('"kitchen"', '"kitchens"')
    (other / "tokenizer.json").write_text(text)
    result = kdc("distill", "--corpus", folder / "shards", "--teacher", other, "--out",
                 tmp_path / "out", *CPU)  # fmt: skip
    assert result.exit_code == 1
    assert "has another vocabulary than the teacher that" in result.output
