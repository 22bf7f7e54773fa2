"""Parts of a corpus that several runs label: overlapping, interrupted, and of no shard."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from kdc.compress.corpus.share import Share
from kdc.compress.errors import KdcError, Stopped
from kdc.compress.labelling.label import LabelJob, label, measure
from kdc.compress.labelling.verify import verify
from kdc.compress.labels.method import Method
from kdc.compress.progress import Advance, Silent
from tests.tiny import Recorder

WHOLE = Share()


def job(places: Path, out: Path, share: Share = WHOLE) -> LabelJob:
    teacher, method = str(places / "teacher"), Method("topk", 4)
    return LabelJob(places / "shards", teacher, method, out, share, device="cpu")


def test_an_overlapping_run_leaves_finished_shards_alone(places: Path, tmp_path: Path) -> None:
    """Bug: a shard that another run has finished meanwhile is taken away from its readers."""
    asked = job(places, tmp_path / "out")
    times: dict[Path, int] = {}

    class Overlapped(Silent):
        """Lets another run do everything between the look and the labelling."""

        @contextmanager
        def bar(self, what: str, total: int, done: int = 0) -> Iterator[Advance]:
            label(asked, Silent())
            times.update({path: path.stat().st_mtime_ns for path in asked.out.iterdir()})
            counted: list[int] = []
            yield counted.append
            assert sum(counted) == total

    label(asked, Overlapped())
    assert len(list(asked.out.glob("shard-*.json"))) == 2
    assert {path: path.stat().st_mtime_ns for path in asked.out.iterdir()} == times


def test_only_labels_and_what_is_said_of_them_are_left(places: Path, tmp_path: Path) -> None:
    """Bug: a hidden empty file beside every shard, for ever."""
    asked = job(places, tmp_path / "out")
    label(asked, Silent())
    assert {path.suffix for path in asked.out.iterdir()} == {".json", ".safetensors"}


def test_a_part_that_no_shard_falls_to_is_done(places: Path, tmp_path: Path) -> None:
    """Bug: the last tasks of an array job divide by no tokens."""
    ready = label(job(places, tmp_path / "out", Share(3, 4)), Silent())
    assert measure(ready).as_dict()["bytes_per_token"] == 0
    with pytest.raises(KdcError, match="no shard falls to this part"):
        verify(ready, 10, Silent())


class Interrupted(Silent):
    """Raises what Ctrl-C does, once a shard is done."""

    @contextmanager
    def bar(self, what: str, total: int, done: int = 0) -> Iterator[Advance]:
        counted = 0

        def advance(units: int) -> None:
            nonlocal counted
            counted += units
            if counted > total // 2:
                raise KeyboardInterrupt

        yield advance


def test_ctrl_c_says_that_the_same_command_goes_on(places: Path, tmp_path: Path) -> None:
    """Bug: it is said that nothing was left behind, beside shards that are finished."""
    asked = replace(job(places, tmp_path / "out"), batch_tokens=16)
    with pytest.raises(Stopped, match=r"finished shards in .*out are kept, and the same command"):
        label(asked, Interrupted())
    heard = Recorder()
    label(asked, heard)
    assert "labelled already: 1 of 3 shards" in heard.said
