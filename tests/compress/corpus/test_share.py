"""Bugs: a part that two processes make, or none; the last of an array job that does nothing."""

import pytest

from kdc.compress.corpus.part import Part
from kdc.compress.corpus.share import Share, parse_share
from kdc.compress.errors import KdcError


@pytest.mark.parametrize(("index", "count"), [(3, 3), (0, 0), (-1, 2)])
def test_a_share_that_is_none_is_refused(index: int, count: int) -> None:
    """Bug: the last task of an array job labels nothing, without a word."""
    with pytest.raises(KdcError, match="none of the parts: count them from 0"):
        Share(index, count)


def test_a_share_is_read_from_the_command_line() -> None:
    """Bug: the array job's own count from 1 is taken for another share."""
    assert parse_share("3/4") == Share(3, 4)
    assert parse_share("0/1") == Share()
    with pytest.raises(KdcError, match="4/4 is none of the parts"):
        parse_share("4/4")


@pytest.mark.parametrize(
    "text", ["", "3", "a/b", "1/", "/2", "1/2/3", "-1/2", "0.5/2", " 0/2", "0/9999999"]
)
def test_what_is_no_share_is_named(text: str) -> None:
    """Bug: ValueError out of `int`, or a share nobody asked for."""
    with pytest.raises(KdcError, match="--shard is I/N, such as 0/4 to 3/4"):
        parse_share(text)


@pytest.mark.parametrize("sources", [1, 3, 8])
@pytest.mark.parametrize("count", [1, 3, 4])
def test_every_part_is_made_once_by_one_who_reads_its_source(sources: int, count: int) -> None:
    """Bug: a part that nobody makes, or two do, or one who never opens its source."""
    for source in range(sources):
        for number in range(5):
            part = Part(source, number, [])
            makers = [each for each in shares(count) if each.makes(part, sources)]
            assert len(makers) == 1
            assert makers[0].reads(source, sources)
            assert makers[0].index == makers[0].owner(source, number, sources)


def shares(count: int) -> list[Share]:
    return [Share(index, count) for index in range(count)]
