import json
import os
import signal
import tomllib
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from kdc.compress.artifact import read_student
from kdc.compress.distill import distill
from kdc.compress.errors import Finished, KdcError
from kdc.compress.progress import Silent
from kdc.compress.recipe import load_recipe
from kdc.compress.report import Report
from kdc.compress.workspace import Workspace
from tests.changes import JobChanges
from tests.faults import die_at_fsync, exit_code_of
from tests.folders import digests
from tests.tiny import Recorder, tiny_data, tiny_job, tiny_recipe, tiny_teacher

ASKING = "asking the teacher"


@pytest.fixture(scope="module")
def teacher(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_teacher(tmp_path_factory.mktemp("models") / "teacher")


@pytest.fixture(scope="module")
def done(teacher: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Report]:
    out = tmp_path_factory.mktemp("reference") / "student"
    return out, distill(tiny_job(teacher, out), Silent())


class TestFolder:
    """What the next command, and any other program, relies on."""

    def test_every_file_is_there_and_the_reader_takes_it(self, done: tuple[Path, Report]) -> None:
        out, report = done
        names = {"config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"}
        names |= {"recipe.toml", "metrics.json", "dev.npz", "calibration.npz", "manifest.json"}
        names |= {"token_counts.npz"}
        assert names <= {path.name for path in out.iterdir()}
        student = read_student(out)
        assert student.task == tiny_data().task
        assert student.max_length == 32
        assert student.student.value == pytest.approx(report.dev["student"].value, abs=1e-6)
        assert student.manifest["labels"] == ["alarm", "music", "silence", "room"]

    def test_it_loads_with_transformers_and_answers_as_dev_npz_says(
        self, done: tuple[Path, Report]
    ) -> None:
        """Bug: weights, tokenizer and kept answers are of three different moments."""
        out, _ = done
        model = AutoModelForSequenceClassification.from_pretrained(out).eval()
        tokenizer, dev = AutoTokenizer.from_pretrained(out), read_student(out).dev()
        assert dev.logits is not None
        assert model.config.id2label[1] == "music"
        assert len(dev) == 48
        for index in range(0, len(dev), 5):
            inputs = tokenizer(dev.texts[index], return_tensors="pt")
            assert inputs["input_ids"][0].tolist() == dev.row(index)[0].tolist()
            with torch.no_grad():
                logits = model(**inputs).logits[0].numpy()
            np.testing.assert_allclose(logits, dev.logits[index], atol=1e-5)

    def test_the_metrics_are_those_of_dev_npz(self, done: tuple[Path, Report]) -> None:
        out, report = done
        dev, metrics = read_student(out).dev(), json.loads((out / "metrics.json").read_text())
        assert dev.logits is not None
        right = float((dev.logits.argmax(1) == tiny_data().dev.labels).mean())
        assert metrics["student"]["value"] == pytest.approx(right, abs=1e-6)
        assert {"metric", "value", "n", "interval"} <= set(metrics["teacher"])
        assert metrics["retained"] == pytest.approx(right / metrics["teacher"]["value"], abs=1e-5)
        assert set(metrics["baselines"]) == {"static_embeddings", "bag_of_words", "majority"}
        assert metrics["baselines"]["majority"]["value"] == 0.25
        assert set(metrics["test"]) == {"teacher", "student", *metrics["baselines"]}
        assert report.agreement == metrics["agreement"]

    def test_it_learns(self, done: tuple[Path, Report]) -> None:
        """Bug: everything is written, and nothing was trained."""
        _, report = done
        assert report.dev["teacher"].value > 0.9
        assert report.dev["student"].low > report.dev["majority"].value

    def test_the_recipe_repeats_the_run(self, done: tuple[Path, Report], teacher: Path) -> None:
        out, _ = done
        assert load_recipe(str(out / "recipe.toml")) == tiny_job(teacher, out).recipe
        run = tomllib.loads((out / "recipe.toml").read_text())["run"]
        assert (run["teacher"], run["data"], run["student"]) == (str(teacher), "tiny", "1x32")
        assert (run["seed"], run["max_length"]) == (0, 32)
        parent = read_student(out).manifest["parent"]
        assert parent == {"teacher": run["teacher_sha256"], "data": tiny_data().digest()}

    def test_the_calibration_rows_are_training_rows(self, done: tuple[Path, Report]) -> None:
        """Bug: a quantizer calibrated on dev scores too well on dev."""
        rows = read_student(done[0]).calibration()
        assert rows.texts == tiny_data().train.texts
        assert rows.logits is None

    def test_the_tokens_of_the_training_text_are_counted(self, done: tuple[Path, Report]) -> None:
        """Bug: dev is counted too, and the vocabulary is cut to fit what it is measured on."""
        counts = read_student(done[0]).token_counts()
        tokenizer = AutoTokenizer.from_pretrained(done[0])
        by_hand: Counter[int] = Counter()
        for text in tiny_data().train.texts:
            by_hand.update(tokenizer(text, truncation=True)["input_ids"])
        assert counts is not None
        assert counts.shape == (128,)
        assert {index: n for index, n in enumerate(counts.tolist()) if n} == dict(by_hand)

    def test_nothing_but_kept_answers_stays_beside_it(self, done: tuple[Path, Report]) -> None:
        out, _ = done
        assert sorted(os.listdir(out.parent)) == [".kdc", "student"]
        assert not Workspace(out).state.exists()


class TestRepeating:
    def test_the_same_seed_gives_the_same_bytes_of_every_file(
        self, teacher: Path, done: tuple[Path, Report], tmp_path: Path
    ) -> None:
        torch.manual_seed(123)
        distill(tiny_job(teacher, tmp_path / "again"), Silent())
        assert digests(tmp_path / "again") == digests(done[0])
        distill(tiny_job(teacher, tmp_path / "other", seed=1), Silent())
        assert (
            digests(tmp_path / "other")["model.safetensors"]
            != digests(done[0])["model.safetensors"]
        )

    @pytest.mark.parametrize("at_fsync", [1, 4, 6, 9, 15, 18, 24, 35])
    def test_killed_and_resumed_the_folder_is_the_same(
        self, teacher: Path, done: tuple[Path, Report], tmp_path: Path, at_fsync: int
    ) -> None:
        """Bug: a kill while answers, states or the folder itself are written changes the result."""
        out = str(tmp_path / "student")
        assert exit_code_of(distill_and_die, str(teacher), out, at_fsync) == -signal.SIGKILL
        distill(tiny_job(teacher, tmp_path / "student", resume=True), Silent())
        assert digests(tmp_path / "student") == digests(done[0])

    def test_a_second_run_does_not_ask_the_teacher_again(
        self, teacher: Path, tmp_path: Path
    ) -> None:
        first, second = Recorder(), Recorder()
        distill(tiny_job(teacher, tmp_path / "a"), first)
        distill(tiny_job(teacher, tmp_path / "b", student="2x32"), second)
        assert ASKING in first.bars
        assert ASKING not in second.bars
        kept = next((tmp_path / ".kdc" / "kept").glob("*.safetensors"))
        kept.write_bytes(kept.read_bytes()[:-1])
        third = Recorder()
        distill(tiny_job(teacher, tmp_path / "a"), third)
        assert ASKING in third.bars
        assert any("does not match its sha256" in line for line in third.said)


def distill_and_die(teacher: str, out: str, at_fsync: int) -> None:
    die_at_fsync(at_fsync)
    distill(tiny_job(Path(teacher), Path(out)), Silent())


class TestResuming:
    def test_other_options_are_refused(self, teacher: Path, tmp_path: Path) -> None:
        """Bug: --resume with another student or seed trains a mixture of both."""
        out = tmp_path / "student"
        assert exit_code_of(distill_and_die, str(teacher), str(out), 14) == -signal.SIGKILL
        others: list[JobChanges] = [
            {"seed": 1},
            {"student": "2x32"},
            {"recipe": tiny_recipe()},
            {"embedding_rank": 8},
        ]
        for changes in others:
            with pytest.raises(KdcError, match="give the same options to --resume it"):
                distill(replace(tiny_job(teacher, out, **changes), resume=True), Silent())

    def test_with_nothing_kept_it_simply_starts(
        self, teacher: Path, done: tuple[Path, Report], tmp_path: Path
    ) -> None:
        """Bug: who names another --out than that of the stopped run is not told that it starts.

        Or, of a run stopped once its teacher was ready, that "nothing is kept": the teacher is.
        """
        recorder, out = Recorder(), tmp_path / "student"
        distill(tiny_job(teacher, out, resume=True), recorder)
        assert digests(out) == digests(done[0])
        told = "--resume: the teacher is ready, but nothing is kept of the student's training to "
        told += f"{out}, so that starts anew"
        assert told in recorder.said
        assert not any("replacing" in line for line in recorder.said)

    def test_a_student_is_not_replaced_without_a_word(self, teacher: Path, tmp_path: Path) -> None:
        """Bug: a second `kdc distill` in a folder takes the place of an hour's student."""
        recorder = Recorder()
        distill(tiny_job(teacher, tmp_path / "student"), Silent())
        distill(tiny_job(teacher, tmp_path / "student", seed=1), recorder)
        told = f"replacing the student in {tmp_path / 'student'} once the new one is finished"
        assert told in recorder.said

    def test_what_is_finished_is_not_trained_again(self, teacher: Path, tmp_path: Path) -> None:
        """Bug: the line of a queue that is run once more costs the whole training."""
        job = tiny_job(teacher, tmp_path / "student")
        distill(job, Silent())
        before, recorder = digests(tmp_path / "student"), Recorder()
        with pytest.raises(Finished, match="student is finished: leave --resume out"):
            distill(replace(job, resume=True), recorder)
        assert not any("distilling" in bar for bar in recorder.bars)
        distill(replace(job, resume=True, seed=1), Silent())  # another run replaces it
        assert digests(tmp_path / "student") != before


class TestEmbeddingRank:
    def test_the_student_is_plain_and_its_embedding_is_of_that_rank(
        self, teacher: Path, done: tuple[Path, Report], tmp_path: Path
    ) -> None:
        """Bug: the factors are saved, and transformers finds no embedding in the folder."""
        out = tmp_path / "student"
        distill(tiny_job(teacher, out, embedding_rank=8), Silent())
        model = AutoModelForSequenceClassification.from_pretrained(out).eval()
        table = model.get_input_embeddings().weight.detach().double()
        assert table.shape == (128, 32)
        values = torch.linalg.svdvals(table)
        assert int((values > 1e-5 * values[0]).sum()) == 8
        dev = read_student(out).dev()
        with torch.no_grad():
            logits = model(input_ids=torch.from_numpy(dev.row(3)[0])[None]).logits[0]
        assert dev.logits is not None
        np.testing.assert_allclose(logits.numpy(), dev.logits[3], atol=1e-5)
        runs = [tomllib.loads((f / "recipe.toml").read_text())["run"] for f in (out, done[0])]
        assert runs[0] == {**runs[1], "embedding_rank": 8}

    def test_a_rank_that_saves_nothing_is_refused_before_any_work(
        self, teacher: Path, tmp_path: Path
    ) -> None:
        progress = Recorder()
        with pytest.raises(KdcError, match="--embedding-rank must be from 1 to 25"):
            distill(tiny_job(teacher, tmp_path / "student", embedding_rank=32), progress)
        with pytest.raises(KdcError, match=r"--embedding-rank must be from 1 to \d+ .* of 70 x 32"):
            job = tiny_job(teacher, tmp_path / "student", embedding_rank=25, vocab="70")
            distill(job, progress)
        assert progress.bars == []


def test_a_folder_that_is_named_like_a_shape_is_no_student_to_go_on_from(
    teacher: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Bug: the same line once more refused its own --out, or went on from what it had made."""
    monkeypatch.chdir(tmp_path)
    first = distill(tiny_job(teacher, Path("1x32"), student="1x32"), Silent())
    again = distill(tiny_job(teacher, Path("1x32"), student="1x32"), Silent())
    assert again.as_dict() == first.as_dict()
    with pytest.raises(KdcError, match="--student and --out are both 1x32"):
        distill(tiny_job(teacher, Path("1x32"), student="./1x32"), Silent())
