"""What every app refuses must be refused here, by the one who can still do something about it."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from kdc.compress.errors import KdcError
from kdc.compress.files import write_json
from kdc.export.bundle import bundle
from kdc.export.bundle.app import BundleJob
from kdc.export.bundle.fitness import check_fitness
from kdc.export.phone_model import read_phone
from tests.phones import LABELS, make_phone
from tests.shipping import export
from tests.student import MAX_LENGTH, make_student, remake

Change = Callable[[Path], object]


@pytest.fixture(scope="module")
def ready_phone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_phone(tmp_path_factory.mktemp("ready") / "phone")


@pytest.fixture
def phone(ready_phone: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(ready_phone, tmp_path / "phone"))


def tokenizer(part: str, **fields: object) -> Change:
    """Change one part of `tokenizer.json`; a field that is None is taken out."""

    def change(phone: Path) -> None:
        whole = json.loads((phone / "tokenizer.json").read_text())
        new = {**(whole[part] or {}), **fields}
        whole[part] = {name: value for name, value in new.items() if value is not None}
        write_json(phone / "tokenizer.json", whole)

    return change


def added(**fields: object) -> Change:
    def change(phone: Path) -> None:
        whole = json.loads((phone / "tokenizer.json").read_text())
        whole["added_tokens"][4] |= fields
        write_json(phone / "tokenizer.json", whole)

    return change


def without(part: str) -> Change:
    def change(phone: Path) -> None:
        whole = json.loads((phone / "tokenizer.json").read_text())
        write_json(phone / "tokenizer.json", whole | {part: None})

    return change


def golden(edit: Callable[[dict[str, Any]], dict[str, Any]]) -> Change:
    def change(phone: Path) -> None:
        whole = json.loads((phone / "golden.json").read_text())
        (phone / "golden.json").write_text(json.dumps(whole | edit(whole)))

    return change


def manifest(**fields: object) -> Change:
    """Change fields of the manifest; `task` is changed and not replaced, None takes one out."""

    def change(phone: Path) -> None:
        whole = json.loads((phone / "manifest.json").read_text())
        fields["task"] = whole["task"] | fields.get("task", {})
        new = {name: value for name, value in (whole | fields).items() if value is not None}
        write_json(phone / "manifest.json", new)

    return change


def shipped(**fields: object) -> Change:
    score = {"metric": "accuracy", "value": 0.9, "n": 100, "interval": [0.8, 0.95]}
    return manifest(metrics={"shipped": score | fields})


def write(name: str, text: str) -> Change:
    return lambda phone: (phone / name).write_text(text)


_OTHER_CUT = "cuts texts otherwise than BERT does"
_DAMAGED = r"golden\.json is damaged, and every app replays it"


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (tokenizer("model", vocab=None), "is no tokenizer that can be read"),
        (tokenizer("model", type="Unigram"), 'has the model "Unigram", and the apps read BERT'),
        (tokenizer("model", unk_token="[NONE]"), "has no usable unk_token"),
        (tokenizer("model", continuing_subword_prefix=None), "is no tokenizer that can be read"),
        (without("post_processor"), "has the post_processor null"),
        (tokenizer("post_processor", type="RobertaProcessing"), '"RobertaProcessing", and the'),
        (added(single_word=True), r"has the added token '\[MASK\]' of whole words"),
        (tokenizer("truncation", direction="Left"), rf"{_OTHER_CUT} \(direction 'Left'\)"),
        (tokenizer("truncation", strategy="OnlyFirst"), rf"{_OTHER_CUT} \(strategy 'OnlyFirst'"),
        (tokenizer("truncation", max_length=2), "fewer tokens than stand around them"),
        (write("tokenizer.json", "{}"), "has the model null"),
        (write("golden.json", "{}"), _DAMAGED),
        (write("golden.json", "["), r"golden\.json is not valid JSON"),
        (golden(lambda g: {"texts": g["texts"][1:]}), _DAMAGED),
        (golden(lambda g: {"labels": None}), _DAMAGED),
        (golden(lambda g: {"pairs": g["texts"]}), _DAMAGED),
        (golden(lambda g: {"tolerance": 0}), _DAMAGED),
        (golden(lambda g: {"input_ids": [[1.5], *g["input_ids"][1:]]}), _DAMAGED),
        (golden(lambda g: {"logits": [[float("nan")] * 3, *g["logits"][1:]]}), "json holds NaN"),
        (golden(lambda g: {"logits": [["0.5"] * 3, *g["logits"][1:]]}), _DAMAGED),
        (
            golden(lambda g: {"logits": [[0.0, 1.0], *g["logits"][1:]]}),
            r"golden\.json gives 2 numbers for a text, wanted 3 \(the labels\)",
        ),
        (write("notes~.txt", ""), r"holds 'notes~\.txt', and no app takes such a name"),
        (write("größe.txt", ""), "and no app takes such a name"),
        (lambda phone: (phone / "README.md").unlink(), r"has no README\.md, which apps read"),
        (manifest(task={"name": 5}), "the task's name must be a text for the apps, not 5"),
        (manifest(task={"labels": [0, 1, 2]}), r"labels must be a list of texts .* not \[0, 1, 2"),
        (manifest(task={"labels": "abc"}), "labels must be a list of texts"),
        (manifest(task={"pair": 0}), "the task's pair must be true or false for the apps, not 0"),
        (manifest(max_length=2), "max_length must be a whole number above 2 for the apps, not 2"),
        (manifest(max_length=True), "max_length must be a whole number above 2 .* not True"),
        (manifest(fixed_length="64"), "fixed_length must be a whole number or null"),
        (manifest(quantization={}), "quantization must be a text or null"),
        (manifest(metrics=None), "metrics must be an object for the apps, not None"),
        (manifest(metrics=[]), "metrics must be an object"),
        (manifest(metrics={"student": 0.9}), r"metrics\.student must be a score with metric"),
        (shipped(n=1.5), r"metrics\.shipped must be a score"),
        (shipped(value="0.9"), r"metrics\.shipped must be a score"),
        (shipped(interval=[0.8]), r"metrics\.shipped must be a score"),
        (manifest(session={"threads": 2}), "session options that make no sense"),
        (write("config.json", "[]"), r"config\.json holds no JSON object"),
        (write("config.json", "{"), r"config\.json is not valid JSON"),
        (write("config.json", '{"a": [{"b": 1, "b": 1}]}'), r"has 'b' twice in one object, which"),
        (write("config.json", '{"a": NaN}'), r"config\.json holds NaN, which is no number of JSON"),
        (write("config.json", '{"pad_token_id": -1}'), "pad_token_id must be an id or null"),
        (write("config.json", '{"pad_token_id": 0.5}'), "pad_token_id must be an id or null"),
        (manifest(fixed_length=63), "of at most 63 tokens, and its tokenizer.json cuts them to 64"),
    ],
)
def test_what_an_app_would_refuse_is_refused_in_a_sentence(
    change: Change, told: str, phone: Path
) -> None:
    change(phone)
    remake(phone)
    with pytest.raises(KdcError, match=told) as caught:
        check_fitness(read_phone(phone))
    assert "\n" not in str(caught.value)


def test_what_rust_takes_for_granted_may_be_missing(phone: Path) -> None:
    """Older files name no direction; the apps read them as Rust does."""
    tokenizer("truncation", direction=None)(phone)
    remake(phone)
    check_fitness(read_phone(phone))
    without("truncation")(phone)
    remake(phone)
    check_fitness(read_phone(phone))


def test_what_the_apps_do_without_may_be_missing(phone: Path) -> None:
    """A check that asks for more than the apps do keeps models out that all of them run."""
    manifest(quantization=None, metrics={"shipped": None})(phone)
    write("config.json", "{}")(phone)
    remake(phone)
    whole = json.loads((phone / "manifest.json").read_text())
    nothing = {"session": None, "fixed_length": None, "quantization": None}
    write_json(phone / "manifest.json", whole | nothing)
    check_fitness(read_phone(phone))


@pytest.mark.parametrize(
    ("cut", "told"),
    [
        (9, "of at most 9 tokens, and its golden.json has 64"),
        (64, r"\.onnx reads texts of any number of tokens, and its manifest says 64"),
    ],
)
def test_a_model_of_one_length_gets_no_other(cut: int, told: str, phone: Path) -> None:
    """Bug: texts of more tokens than the model's shape holds ended in an error on the phone."""
    tokenizer("truncation", max_length=cut)(phone)
    manifest(fixed_length=cut)(phone)
    remake(phone)
    with pytest.raises(KdcError, match=told):
        check_fitness(read_phone(phone))


def test_a_real_model_of_one_length_is_taken(tmp_path: Path) -> None:
    student = make_student(tmp_path / "student")
    done = export(student, tmp_path / "phone", length=MAX_LENGTH, max_drop=100.0)
    check_fitness(read_phone(done.folder))
    manifest(fixed_length=None)(done.folder)
    remake(done.folder)
    with pytest.raises(KdcError, match=rf"of {MAX_LENGTH} tokens, and its manifest says any num"):
        check_fitness(read_phone(done.folder))


def test_labels_that_the_model_has_no_logits_for_are_refused(phone: Path) -> None:
    """The golden answers may be made for the labels, and the model for others."""
    four = (*LABELS, "fourth")
    manifest = json.loads((phone / "manifest.json").read_text())
    manifest["task"]["labels"] = list(four)
    write_json(phone / "manifest.json", manifest)
    golden(lambda g: {"logits": [[*row, -9.0] for row in g["logits"]]})(phone)
    remake(phone)
    with pytest.raises(KdcError, match=r"\.onnx gives 3 numbers for a text, wanted 4 \(the lab"):
        check_fitness(read_phone(phone))


@pytest.mark.parametrize(
    ("task", "told"),
    [
        ({"kind": "regression"}, "is of the kind regression with 3 labels"),
        ({"labels": []}, "is of the kind classification with 0 labels"),
        ({"name": "half \ud83d"}, "holds half a character"),
        ({"labels": ["a", "\udc00", "c"]}, "holds half a character"),
    ],
)
@pytest.mark.usefixtures("some_runtime")
def test_a_task_that_no_app_can_show_is_refused(
    task: dict[str, Any], told: str, phone: Path, tmp_path: Path
) -> None:
    """Half of a surrogate pair ended in an internal error where app.json was written."""
    manifest = json.loads((phone / "manifest.json").read_text())
    manifest["task"] |= task
    (phone / "manifest.json").write_text(json.dumps(manifest))  # escapes stay escapes
    with pytest.raises(KdcError, match=told):
        bundle(BundleJob(phone, "web", tmp_path / "app"))
    assert not (tmp_path / "app").exists()
