import tomllib
from dataclasses import replace
from pathlib import Path

import pytest

from kdc.compress import recipes
from kdc.compress.errors import KdcError
from kdc.compress.losses import LOSSES
from kdc.compress.recipe import (
    DEFAULT,
    FINETUNE,
    Recipe,
    describe_recipes,
    load_recipe,
    load_run,
    recipe_names,
)
from kdc.compress.stages import Stage, Start, Training
from kdc.compress.toml import to_toml

LOSS = "[losses.hard_labels]\n"


def write(folder: Path, text: str) -> str:
    path = folder / "mine.toml"
    path.write_text(text)
    return str(path)


def test_a_recipe_that_an_editor_on_windows_saved_is_read(tmp_path: Path) -> None:
    """Bug: a byte-order mark is an `invalid statement at line 1, column 1`."""
    assert load_recipe(write(tmp_path, f"\ufeff{LOSS}")).losses == ["hard_labels"]


@pytest.mark.parametrize("name", recipe_names())
def test_every_recipe_that_ships_loads_and_comes_back_from_its_own_toml(
    name: str, tmp_path: Path
) -> None:
    """Bug: a student folder's recipe.toml does not repeat the run that wrote it."""
    recipe = load_recipe(name)
    assert recipe.name == name
    assert recipe.about
    assert recipe.source
    assert set(recipe.losses) <= set(LOSSES)
    assert load_recipe(write(tmp_path, to_toml(recipe.as_dict()))) == recipe


def test_the_recipes_that_commands_start_with_are_there() -> None:
    """Bug: `kdc distill` without options names a recipe that was renamed."""
    assert {DEFAULT, FINETUNE} <= set(recipe_names())


def test_the_table_lists_every_recipe() -> None:
    """Bug: a recipe that cannot be found in `kdc list recipes`."""
    columns, rows = describe_recipes()
    assert [row[0] for row in rows] == recipe_names()
    assert all(len(row) == len(columns) and all(row) for row in rows)


def test_a_list_of_layers_comes_back(tmp_path: Path) -> None:
    """Bug: a list from TOML differs from the tuple it was written from."""
    recipe = replace(load_recipe(DEFAULT), start=Start(layers=(0, 2, 5)))
    assert load_recipe(write(tmp_path, to_toml(recipe.as_dict()))) == recipe
    assert Start(layers=[1, 2]) == Start(layers=(1, 2))  # type: ignore[arg-type]


def test_the_run_section_of_a_student_folder_is_passed_over(tmp_path: Path) -> None:
    """Bug: `--recipe student/recipe.toml` is refused for the key that says where it came from."""
    text = 'name = "x"\n' + LOSS + '[run]\nteacher = "/far/away"\nshape = { layers = 3 }\n'
    path = write(tmp_path, text)
    assert load_recipe(path).stages == (Stage("x", {"hard_labels": {}}),)
    assert load_run(path) == {"teacher": "/far/away", "shape": {"layers": 3}}


def test_a_recipe_takes_its_files_name_where_it_has_none(tmp_path: Path) -> None:
    """Bug: metrics of a nameless recipe."""
    assert load_recipe(write(tmp_path, LOSS)).name == "mine"


def test_a_users_own_epochs_are_meant() -> None:
    """Bug: `--epochs 1` on a small table still does 1,200 steps."""
    recipe = load_recipe(DEFAULT)
    assert recipe.with_options(None, None) == recipe
    stages = recipe.with_options(1.5, 3e-4).stages
    assert {(stage.train.epochs, stage.train.min_steps) for stage in stages} == {(1.5, 0)}
    assert stages[0].train.for_width(narrow=True).learning_rate == 3e-4


def test_a_users_own_rate_is_the_first_stages() -> None:
    """Bug: what a last stage is to touch up gently is learned anew at the rate of the first."""
    recipe = load_recipe("turc")
    changed = recipe.with_options(None, 2e-4)
    before, after = ([s.train.learning_rate for s in each.stages] for each in (recipe, changed))
    assert after[0] == 2e-4
    assert after == pytest.approx([2 * rate for rate in before])


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (LOSS + "[train]\nepoch = 3", "unknown key in \\[train\\] of .*mine.toml 'epoch'.*epochs"),
        (LOSS + "[start]\nlayer = 'first'", "unknown key in \\[start\\].*did you mean layers"),
        ("lossess = 1\n" + LOSS, "'lossess': did you mean losses"),
        (LOSS + "[start]\nweights = 'techer'", "start of the weights 'techer'.*teacher"),
        (LOSS + "[start]\nweights = 5", "start of the weights '5': did you mean"),
        (
            LOSS + "[start]\nweights = 'random'\nlayers = 'last'",
            'random weights begin with none: leave layers out, or say weights = "teacher"',
        ),
        ("train = 5\n" + LOSS, "\\[train\\] of .* must be a section"),
        (
            LOSS + "[train]\nbatch = '32'",
            "\\[train\\] of .*: batch must be a whole number, not '32'",
        ),
        (LOSS + "[train]\nbatch = 32.5", "batch must be a whole number, not 32.5"),
        (LOSS + "[train]\nbatch = true", "batch must be a whole number"),
        (LOSS + "[train]\nevaluations = 2.0", "evaluations must be a whole number"),
        (LOSS + "[train]\nbatch = 0", "batch must be from 1 to"),
        (LOSS + "[train]\nepochs = [1]", "epochs must be a number, not \\[1\\]"),
        (LOSS + "[train]\nema = true", "ema must be a number, not True"),
        (LOSS + "[train]\nquantize = 4", "unknown method to train for '4': did you mean int4"),
        (LOSS + "[train]\nlearning_rate = nan", "learning_rate must be from"),
        (LOSS + "[train]\nlearning_rate = 0.0", "learning_rate must be from"),
        (LOSS + "[train]\nclip = inf", "clip must be from"),
        (LOSS + "[train]\ndropout = 1.0", "dropout must be from 0.0 to 0.9"),
        (LOSS + f"[train]\nepochs = {'9' * 400}", "epochs must be from"),
        (LOSS + "weight = 0", "weights sum to 0"),
        (LOSS + "weight = -1", "mine: hard_labels: weight must be a number from 0"),
        (LOSS + "weight = nan", "mine: hard_labels: weight must be a number from 0"),
        (LOSS + "weight = inf", "mine: hard_labels: weight must be a number from 0"),
        (LOSS + f"weight = {'9' * 400}", "mine: hard_labels: weight must be a number from 0"),
        (LOSS + "weight = true", "weight must be a number from 0 to 1e\\+06, not True"),
        (LOSS + "weight = 'much'", "mine: hard_labels: weight must be a number from 0"),
        ("name = 'x'", "names no loss"),
        ("losses = []", "names no loss"),
        ("[losses]\nhard_labels = 1", "names no loss"),
        ("[losses]", "weights sum to 0"),
        ("name = ", "not valid TOML"),
        ("x = " + "[" * 5000, "not valid TOML"),
        (LOSS + f"[train]\nepochs = {'9' * 5000}", "not valid TOML"),
        ("\x00", "not valid TOML"),
    ],
    ids=lambda value: value[-30:],
)
def test_a_broken_recipe_is_refused_in_a_sentence(tmp_path: Path, text: str, words: str) -> None:
    """Bug: a traceback of the TOML reader, or a run of hours that trains nothing."""
    with pytest.raises(KdcError, match=words) as caught:
        load_recipe(write(tmp_path, text))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("hintn", "unknown recipe 'hintn': did you mean hinton"),
        ("no.toml", "no recipe file no.toml"),
    ],
)
def test_a_recipe_that_is_not_there_is_named(name: str, words: str) -> None:
    """Bug: FileNotFoundError, or a table of everything."""
    with pytest.raises(KdcError, match=words):
        load_recipe(name)


def test_a_recipe_in_another_encoding_is_no_traceback(tmp_path: Path) -> None:
    """Bug: UnicodeDecodeError for a name with an accent in Latin-1."""
    path = tmp_path / "latin.toml"
    path.write_bytes(b'about = "caf\xe9"\n' + LOSS.encode())
    assert load_recipe(str(path)).about == "caf\ufffd"


def test_every_shipped_value_is_within_the_bounds_of_its_field() -> None:
    """Bug: a default that its own check refuses."""
    assert Training() == Training(
        **tomllib.loads(to_toml(Recipe("", "", "", (Stage("", {"x": {}}),)).as_dict()))["train"]
    )


WARM, END = "[[stages]]\nname = 'warm'\n", "[[stages]]\nname = 'end'\n"
STAGED = WARM + "[stages.losses.hidden_states]\n" + END + "[stages.losses.soft_labels]\n"


def test_stages_take_from_the_top_what_they_do_not_say(tmp_path: Path) -> None:
    """Bug: the batch of the top-level [train] reaches no stage, or overrules a stage's own."""
    text = "rows = 'task'\n[train]\nbatch = 8\nepochs = 2\n" + STAGED
    text += "[stages.train]\nepochs = 5\n" + END.replace("end", "last") + "rows = 'all'\n"
    recipe = load_recipe(write(tmp_path, text + "[stages.losses.hard_labels]\n"))
    assert [stage.name for stage in recipe.stages] == ["warm", "end", "last"]
    assert [(s.train.batch, s.train.epochs, s.rows) for s in recipe.stages] == [
        (8, 2, "task"),
        (8, 5, "task"),
        (8, 2, "all"),
    ]
    assert recipe.losses == ["hidden_states", "soft_labels", "hard_labels"]


def test_a_recipe_of_stages_comes_back_from_its_own_toml(tmp_path: Path) -> None:
    recipe = load_recipe(write(tmp_path, "[augment]\ncopies = 3\n" + STAGED))
    assert recipe.augment.copies == 3
    assert load_recipe(write(tmp_path, to_toml(recipe.as_dict()))) == recipe
    one = replace(recipe, stages=recipe.stages[:1])
    assert load_recipe(write(tmp_path, to_toml(one.as_dict()))) == one


def test_options_reach_every_stage(tmp_path: Path) -> None:
    """Bug: --epochs 1 shortens the first stage only."""
    recipe = load_recipe(write(tmp_path, STAGED)).with_options(0.5, 1e-3)
    assert {(s.train.epochs, s.train.learning_rate) for s in recipe.stages} == {(0.5, 1e-3)}


@pytest.mark.parametrize("loss", ["embeddings", "hidden_states", "attention"])
def test_each_loss_of_tinybert_is_left_out_by_deleting_its_section(
    tmp_path: Path, loss: str
) -> None:
    """Bug: an ablation needs a change of code, or a weight of 0 that still asks the teacher."""
    text = (Path(recipes.__file__).parent / "tinybert.toml").read_text()
    start = text.index(f"[stages.losses.{loss}]")
    end = text.index("\n[", start) + 1
    recipe = load_recipe(write(tmp_path, text[:start] + text[end:]))
    left = {"embeddings", "hidden_states", "attention"} - {loss}
    assert set(recipe.stages[0].losses) == left
    assert recipe.stages[1:] == load_recipe("tinybert").stages[1:]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (STAGED + "[losses.soft_labels]", "beside \\[\\[stages\\]\\]: put each loss into a stage"),
        (
            STAGED + "[stages.train]\nepoch = 1",
            "\\[stages.train\\] of stage end of .*did you mean epo",
        ),
        (
            STAGED + "[stages.train]\nbatch = 0",
            "\\[stages.train\\] of stage end .*batch must be from",
        ),
        (WARM + "los = 1", "unknown key in stage warm of .* 'los': did you mean losses"),
        (WARM, "stage warm of .*names no loss: add a section such as \\[stages.losses.soft"),
        (STAGED.replace("end", "warm"), "two stages called warm"),
        ("stages = []", "must be sections"),
        ("stages = 1", "must be sections"),
        ("stages = [1]", "stage 1 of .* must be a section"),
        (WARM + "rows = 'al'\n[stages.losses.soft_labels]", "rows in warm 'al': did you mean all"),
        (WARM + "[stages.losses.soft_labels]\nweight = 0", "warm: its losses' weights sum to 0"),
        (STAGED + "[stages.train]\ndropout = 0.3", "different dropout.*top-level"),
        (LOSS + "[augment]\ncopy = 3", "unknown key in \\[augment\\].*did you mean copies"),
        (LOSS + "[augment]\ncopies = -1", "copies must be"),
        ("rows = 3\n" + LOSS, "rows in mine '3': did you mean"),
    ],
    ids=lambda value: value[-30:],
)
def test_a_broken_stage_is_refused_in_a_sentence(tmp_path: Path, text: str, words: str) -> None:
    """Bug: the sentence names the file and not the stage of five that is wrong."""
    with pytest.raises(KdcError, match=words) as caught:
        load_recipe(write(tmp_path, text))
    assert "\n" not in str(caught.value)
