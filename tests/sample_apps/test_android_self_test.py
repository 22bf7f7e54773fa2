import json
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from kdc.compress.files import write_json
from kdc.compress.task import Kind
from tests.android_assets import (
    Answer,
    change_json,
    make_assets,
    remake_assets,
    runtime,
    runtime_never,
)
from tests.jvm import self_test

Change = Callable[[Path], None]


@pytest.fixture(scope="module")
def ready_assets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_assets(tmp_path_factory.mktemp("ready") / "assets")


@pytest.fixture
def assets(ready_assets: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(ready_assets, tmp_path / "assets"))


@pytest.mark.parametrize(
    ("kind", "pair"),
    [("classification", False), ("classification", True), ("multi-label", False)],
)
def test_the_golden_texts_pass_with_the_model_itself(
    kind: Kind, pair: bool, tmp_path: Path
) -> None:
    """From text to label through the app's own code, with ONNX Runtime in the model's place."""
    assets = make_assets(tmp_path / "assets", kind=kind, pair=pair)
    code, error, told = self_test(assets, runtime(assets))
    assert (code, error) == (0, "")
    assert told[-1] == "passed: 6 exact and 0 wrong of 6"
    assert told[0] == "model onnx/model_quantized.onnx, weights null"


def test_rounding_is_told_apart_from_wrong_answers(assets: Path) -> None:
    """One text in six a little off is a runtime's rounding; two are a runtime that is broken."""
    right = runtime(assets)
    asked: list[list[int]] = []

    def rounded(count: int, by: float) -> Answer:
        asked.clear()

        def answer(ids: list[int], *rest: list[int]) -> Sequence[float]:
            asked.append(ids)
            off = by if len(asked) <= count else 0.0
            return [x + off for x in right(ids, *rest)]

        return answer

    assert self_test(assets, rounded(1, 0.1))[2][-1].startswith("passed: 5 exact and 0 wrong")
    assert self_test(assets, rounded(2, 0.1))[2][-1].startswith("failed: 4 exact and 0 wrong")
    assert self_test(assets, rounded(6, 0.019))[2][-1].startswith("passed: 6 exact")


def test_another_label_or_no_number_fails(assets: Path) -> None:
    """An infinite logit is the largest, so it would pass for a confident answer."""
    right = runtime(assets)
    turned = self_test(assets, lambda *rows: list(reversed(right(*rows))))[2][-1]
    assert turned.startswith("failed")
    assert " 0 wrong" not in turned
    endless = self_test(assets, lambda *rows: [1e39, *right(*rows)[1:]])[2][-1]  # as a float
    assert endless == "failed: 0 exact and 6 wrong of 6"


def in_turn(answers: Sequence[Sequence[float]]) -> Answer:
    """A model that gives these answers to the golden texts, in their order, then the last one."""
    rest = iter(answers)
    return lambda *rows: next(rest, answers[-1])


@pytest.mark.parametrize(
    ("answer", "passed"),
    [([1.99, 2.0, -5.0], True), ([2.0, 1.99, -5.0], True), ([-5.0, 1.99, 2.0], False)],
)
def test_a_tie_excuses_the_tied_labels_alone(
    answer: list[float], passed: bool, assets: Path
) -> None:
    """Where the two likeliest labels tie, a third one is as wrong as anywhere."""
    golden = json.loads((assets / "golden.json").read_text())
    rows = [[2.0, 1.99, -5.0], *golden["logits"][1:]]
    change_json(assets / "golden.json", logits=rows)
    remake_assets(assets)
    told = self_test(assets, in_turn([answer, *rows[1:]]))[2][-1]
    assert told.startswith("passed" if passed else "failed: 5 exact and 1 wrong")


@pytest.mark.parametrize(
    ("scale", "off", "wrong"),
    [(1.0, 0.19, 0), (1.0, 0.21, 1), (1.0, -0.3, 1), (10.0, 1.99, 0), (10.0, 2.01, 1)],
)
def test_a_score_may_be_a_little_off_and_not_more(
    scale: float, off: float, wrong: int, assets: Path
) -> None:
    """One text in six with any score at all was taken for a runtime's rounding.

    Off by 10 tolerances of 0.02, or by 5 % of the scores' range: here 4 times the scale.
    """
    scores = [[scale * score] for score in (0.0, 1.0, 2.0, 3.0, 4.0, 2.0)]
    change_json(assets / "golden.json", logits=scores, labels=[score for (score,) in scores])
    remake_assets(assets)
    task = json.loads((assets / "manifest.json").read_text())["task"]
    task |= {"kind": "regression", "labels": []}
    for name in ("manifest.json", "app.json"):
        change_json(assets / name, task=task)
    given = [[scores[0][0] + off], *scores[1:]]
    told = self_test(assets, in_turn(given))[2][-1]
    verdict = "failed" if wrong else "passed"
    assert told == f"{verdict}: 5 exact and {wrong} wrong of 6"


@pytest.mark.parametrize(
    ("field", "value"),
    [("name", "other"), ("kind", "multi-label"), ("pair", True), ("labels", ["a", "b"])],
)
def test_a_model_of_another_task_is_refused(field: str, value: object, assets: Path) -> None:
    """Its answers would be read as those of the task that the app was made for."""
    app = json.loads((assets / "app.json").read_text())
    change_json(assets / "app.json", task=app["task"] | {field: value})
    code, error, _ = self_test(assets, runtime_never)
    assert code == 1 and len(error.splitlines()) == 1
    assert error.startswith("the model is for another task than this app: demo, and the app's is")


@pytest.mark.parametrize(
    ("field", "value", "taken"),
    [
        ("direction", "Left", False),
        ("strategy", "OnlyFirst", False),
        ("direction", None, True),  # as Rust reads it
    ],
)
def test_texts_are_cut_in_one_way(field: str, value: str | None, taken: bool, assets: Path) -> None:
    """Cut from the left, a long text is another text."""
    fields = json.loads((assets / "tokenizer.json").read_text())["truncation"]
    change_json(assets / "tokenizer.json", truncation=fields | {field: value})
    remake_assets(assets)
    code, error, _ = self_test(assets, runtime(assets))
    assert (code == 0) == taken
    assert taken or "cuts texts otherwise than BERT does" in error


def test_other_tokens_fail_even_with_the_right_logits(assets: Path) -> None:
    """A tokenizer that disagrees is what breaks most models on phones."""
    golden = json.loads((assets / "golden.json").read_text())
    golden["input_ids"][0][1] += 1
    write_json(assets / "golden.json", golden)
    remake_assets(assets)
    code, _, told = self_test(assets, runtime(assets))
    assert code == 0
    assert told[0].startswith("not exact: same ids false, same label true")
    assert told[-1] == "failed: 5 exact and 1 wrong of 6"


def test_other_token_types_fail_even_with_the_right_logits(tmp_path: Path) -> None:
    """A pair whose second text is taken for the first moves most logits, and few labels."""
    assets = make_assets(tmp_path / "assets", pair=True)
    golden = json.loads((assets / "golden.json").read_text())
    golden["token_type_ids"][0][-1] -= 1
    write_json(assets / "golden.json", golden)
    remake_assets(assets)
    assert self_test(assets, runtime(assets))[2][-1] == "failed: 5 exact and 1 wrong of 6"


def _truncate(assets: Path) -> None:
    path = assets / "onnx" / "model_quantized.onnx"
    path.write_bytes(path.read_bytes()[:-1])


def _flip(assets: Path) -> None:
    data = bytearray((assets / "tokenizer.json").read_bytes())
    data[-3] ^= 1
    (assets / "tokenizer.json").write_bytes(data)


def _edit(**fields: object) -> Change:
    def edit(assets: Path) -> None:
        manifest = json.loads((assets / "manifest.json").read_text())
        write_json(assets / "manifest.json", {**manifest, **fields})

    return edit


def _escape(assets: Path) -> None:
    manifest = json.loads((assets / "manifest.json").read_text())
    manifest["files"]["../app.json"] = {"sha256": "0" * 64, "bytes": 1}
    write_json(assets / "manifest.json", manifest)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (_truncate, "onnx/model_quantized.onnx does not match its sha256"),
        (_flip, "tokenizer.json does not match its sha256"),
        (lambda assets: (assets / "vocab.txt").unlink(), "vocab.txt is missing"),
        (lambda assets: (assets / "manifest.json").unlink(), "manifest.json is missing"),
        (_edit(format="kdc.phone/2"), "this app reads models of the format kdc.phone/1"),
        (_edit(files={}), "manifest.json names no model"),
        (_edit(task={"kind": "tagging"}), 'its "name" is missing or wrong'),
        (_escape, "names a file outside its folder: ../app.json"),
        (lambda assets: (assets / "manifest.json").write_bytes(b"\xff{}"), "no UTF-8 text"),
    ],
)
def test_a_changed_model_is_refused_in_a_sentence(
    change: Change, sentence: str, assets: Path
) -> None:
    """What a device shows after a bad copy or a tampered file; the model must not be opened."""
    change(assets)
    code, error, told = self_test(assets, runtime_never)
    assert code == 1
    assert sentence in error
    assert len(error.splitlines()) == 1
    assert told == []
