"""`kdc distill` as a user calls it: several recipes, several teachers, and a run once more."""

import csv
import json
from pathlib import Path
from typing import Any

import pytest

from kdc.compress.files import sha256
from tests.commands import kdc
from tests.tiny import tiny_data, tiny_teacher

SHORT = """
[train]
epochs = 1
batch = 16
learning_rate = 2e-3
evaluations = 2
"""
STAGES = """
[[stages]]
name = "states"
[stages.losses.hidden_states]
[[stages]]
name = "answers"
[stages.losses.soft_labels]
temperature = 3.0
"""


def read(path: Path) -> Any:  # noqa: ANN401
    return json.loads(path.read_text())


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder, data = tmp_path_factory.mktemp("cli"), tiny_data()
    (folder / "table").mkdir()
    for name, split in (("train", data.train), ("dev", data.dev)):
        with (folder / "table" / f"{name}.csv").open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["body", "label"])
            names = [data.task.labels[int(label)] for label in split.labels]
            writer.writerows(zip(split.texts, names, strict=True))
    (folder / "more.txt").write_text("wake the kitchen up\nplay it\nplay it\n" + data.dev.texts[0])
    (folder / "quick.toml").write_text(SHORT + STAGES)
    (folder / "plain.toml").write_text(SHORT + "[losses.hard_labels]\n")
    (folder / "broken.toml").write_text(
        SHORT.replace("2e-3", "1.0") + "[losses.hard_labels]\nweight = 1e6\n"
    )
    tiny_teacher(folder / "one", data)
    tiny_teacher(folder / "two", data, layers=3)
    return folder


@pytest.fixture
def here(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(folder)
    return folder


COMMON = ["--data", "table", "--text", "body", "--student", "1x32", "--no-controls"]


def test_a_student_folders_recipe_repeats_its_run(here: Path) -> None:
    """Bug: the recipe alone trains the default student on the default data."""
    first = ["--teacher", "one", "--teacher", "two", "--teacher-weights", "2,1", "--seed", "3"]
    first += ["--unlabelled", "more.txt", "--recipe", "quick.toml", "--heads", "4"]
    done = kdc("distill", *COMMON, *first, "--out", "first")
    assert done.exit_code == 0, done.output
    assert "2 unlabelled texts, without 1 of dev, 1 repeated" in done.stderr
    again = kdc("distill", "--recipe", "first/recipe.toml", "--out", "again")
    assert again.exit_code == 0, again.output
    told = "teacher one + two, data table, unlabelled more.txt, student 1x32, seed 3"
    assert f"as in its run: {told}" in again.stderr
    assert sha256(here / "first/manifest.json") == sha256(here / "again/manifest.json")
    assert "changed since" not in again.stderr


def test_a_student_folders_recipe_repeats_its_run_from_anywhere(
    here: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Bug: the run's teacher and data are looked for here, and the network is blamed."""
    first = ["--teacher", "one", "--recipe", "quick.toml", "--unlabelled", "more.txt"]
    done = kdc("distill", *COMMON, *first, "--out", "students/of/one")
    assert done.exit_code == 0, done.output
    monkeypatch.chdir(tmp_path)
    again = kdc("distill", "--recipe", here / "students/of/one/recipe.toml", "--out", "again")
    assert again.exit_code == 0, again.output
    assert f"as in its run: teacher {here / 'one'}, data {here / 'table'}" in again.stderr
    assert "changed since" not in again.stderr
    weights = sha256(here / "students/of/one/model.safetensors")
    assert sha256(tmp_path / "again/model.safetensors") == weights


def test_what_a_user_gives_beside_it_is_meant(here: Path) -> None:
    done = kdc("distill", *COMMON, "--teacher", "one", "--recipe", "quick.toml", "--out", "a")
    assert done.exit_code == 0, done.output
    other = kdc("distill", "--recipe", "a/recipe.toml", "--student", "2x16", "--out", "b")
    assert other.exit_code == 0, other.output
    config = read(here / "b/config.json")
    assert (config["num_hidden_layers"], config["hidden_size"]) == (2, 16)
    assert read(here / "b/manifest.json")["parent"] == read(here / "a/manifest.json")["parent"]


def test_a_changed_table_is_told(here: Path) -> None:
    """Bug: a row was added since, and the repeated run is taken for the same one."""
    (here / "table2").mkdir()
    for name in ("train.csv", "dev.csv"):
        (here / "table2" / name).write_bytes((here / "table" / name).read_bytes())
    options = [option.replace("table", "table2") for option in COMMON]
    kdc("distill", *options, "--teacher", "one", "--recipe", "quick.toml", "--out", "c")
    with (here / "table2" / "train.csv").open("a") as file:
        file.write("stop stop,silence\n")
    done = kdc("distill", "--recipe", "c/recipe.toml", "--out", "d")
    assert done.exit_code == 0, done.output
    assert "not the run of c/recipe.toml: the data changed since" in done.stderr


def test_several_recipes_print_one_table(here: Path) -> None:
    options = ["--teacher", "one", "--recipe", "quick.toml", "--recipe", "plain.toml"]
    done = kdc("distill", *COMMON, *options, "--seeds", "2", "--out", "many", "--json", "many.json")
    assert done.exit_code == 0, done.output
    found = read(here / "many.json")
    assert found == read(here / "many" / "sweep.json")
    assert [entry["out"] for entry in found["runs"]] == [
        "quick-seed0",
        "quick-seed1",
        "plain-seed0",
        "plain-seed1",
    ]
    quick = found["recipes"]["quick"]["dev"]
    line = next(line for line in done.stdout.splitlines() if line.split()[:1] == ["quick"])
    assert f"{100 * quick['mean']:.2f} ± {100 * quick['std']:.2f}" in line
    assert f"{100 * quick['min']:.2f} - {100 * quick['max']:.2f}" in line
    assert "averaged embeddings" in done.stdout
    alone = kdc("distill", "--recipe", "many/quick-seed1/recipe.toml", "--out", "alone")
    assert alone.exit_code == 0, alone.output
    assert sha256(here / "alone/manifest.json") == sha256(here / "many/quick-seed1/manifest.json")


def test_one_failing_run_ends_in_exit_code_1_after_the_table(here: Path) -> None:
    options = ["--teacher", "one", "--recipe", "broken.toml", "--recipe", "plain.toml"]
    with pytest.MonkeyPatch.context() as patch:
        from kdc.compress import sweep
        from kdc.compress.distill import distil_on
        from kdc.compress.errors import KdcError

        def failing(ground: Any, job: Any, *rest: Any) -> Any:  # noqa: ANN401
            if job.recipe.name == "broken":
                raise KdcError("the loss hard_labels became nan at step 2")
            return distil_on(ground, job, *rest)

        patch.setattr(sweep, "distil_on", failing)
        done = kdc("distill", *COMMON, *options, "--out", "some", "--json", "some.json")
    assert done.exit_code == 1
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith("kdc: 1 of 2 runs failed, broken-seed0 first: the loss hard_labels")
    assert "plain" in done.stdout
    assert read(here / "some.json")["recipes"]["plain"]["dev"]["n"] == 1


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--teacher-weights", "1,2"], "2 weights to 1 teacher"),
        (["--teacher-weights", "a"], "numbers with commas between them"),
        (["--teacher", "one", "--teacher", "one"], "must name each teacher once"),
        (["--unlabelled", "missing.txt"], "missing.txt"),
        (["--seeds", "0"], "--seeds must be 1 to 1,000"),
        (["--recipe", "hinton", "--recipe", "hinton"], "two recipes are called hinton"),
        (["--recipe", "tinybert", "--heads", "4"], "heads"),
    ],
)
def test_wrong_input_is_one_sentence_before_anything_is_trained(
    here: Path, words: list[str], said: str
) -> None:
    teacher = [] if "--teacher" in words else ["--teacher", "one"]
    done = kdc("distill", *COMMON, *teacher, *words, "--out", "never")
    assert done.exit_code == 1, done.output
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith("kdc: ") and said in last
    assert not (here / "never").exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--seeds", "0"], "--seeds must be 1 to 1,000"),
        (["--device", "tpu"], "unknown device 'tpu'"),
        (["--heads", "5"], "--heads 5 does not divide"),
    ],
)
def test_options_are_checked_before_the_data_are_read(words: list[str], said: str) -> None:
    """Bug: a typing mistake is refused after 8 to 24 seconds of reading and loading."""
    done = kdc("distill", "--data", "missing.csv", *words, "--out", "never")
    assert done.exit_code == 1 and said in done.stderr and "missing.csv" not in done.stderr
