from itertools import pairwise

import pytest

from kdc.compress.corpus.sentences import sentences
from tests.compress.corpus.texts import times_slower


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("He came. She left! Why? Nobody knew.", ["He came.", "She left!", "Why?", "Nobody knew."]),
        ("Dr. Smith met Mr. J. R. Jones in St. Paul. They ate.", 2),
        ("The U.S. Army came at 5 p.m. on Jan. 3. It rained.", 2),
        ("It grew by 3.5 percent. That is a lot.", 2),
        ("He said “Go.” Then he went.", ["He said “Go.”", "Then he went."]),
        ("See www.example.com for more.", 1),
        ("There were 5. Then there were 4.", 2),
        ("E.g. this is one sentence, i.e. not two.", 1),
        ("Wait... What?", ["Wait...", "What?"]),
        ("今天下雨。明天晴！「好。」他说。", ["今天下雨。", "明天晴！", "「好。」", "他说。"]),  # noqa: RUF001
        ("真的？！好。。", ["真的？！", "好。。"]),  # noqa: RUF001
        ("Он пришёл. Она ушла.", 2),
        ("no capital. here either.", 1),
        ("Ends without a mark", 1),
        ("", 0),
        ("...", 1),
    ],
)
def test_sentences(text: str, found: list[str] | int) -> None:
    made = list(sentences(text))
    assert made == found if isinstance(found, list) else len(made) == found


@pytest.mark.parametrize("mark", [".", "!", "\u2026", "\u3002"])
@pytest.mark.parametrize("tail", ["", "x", '"', " x"])
def test_twice_the_marks_take_twice_the_time(mark: str, tail: str) -> None:
    """Bug: a table of contents with dotted lines, or an excited comment, keeps a worker busy."""

    def cut(text: str) -> list[str]:
        return list(sentences(text))

    assert times_slower(cut, "a" + mark * 16000 + tail, "a" + mark * 32000 + tail) < 3


def test_no_character_but_space_is_lost() -> None:
    """Bug: what stands behind the last mark, or between two marks, is dropped."""
    text = "A b. C d?! E. f. (G h.) „I j.“ K. 。。L！ m n. O"  # noqa: RUF001
    assert "".join(sentences(text)).replace(" ", "") == text.replace(" ", "")
    assert all(one.strip() for one, _ in pairwise(sentences(text)))
