import sys
import time

import pytest

from kdc.compress.errors import KdcError
from kdc.export.child import Silence
from kdc.export.conversation import converse

ECHO = (
    "from kdc.compress.errors import KdcError\n"
    "from kdc.export.conversation import answer_lines\n"
    "def answer(line):\n"
    "    if line.get('fail'): raise KdcError('no such thing')\n"
    "    if line.get('die'): import os; os.abort()\n"
    "    if line.get('hang'): import time; time.sleep(60)\n"
    "    if line.get('leave'):\n"
    "        import sys\n"
    "        sys.stderr.write('a last word\\n')\n"
    "        raise SystemExit(3)\n"
    "    return {'heard': line['say'] * line.get('times', 1)}\n"
    "answer_lines(answer)\n"
)


def _command(code: str = ECHO) -> list[str]:
    return [sys.executable, "-c", code]


def test_each_line_is_answered_with_one() -> None:
    with converse(_command()) as talk:
        for word in ("one", "zwei", "trois ünd"):
            assert talk.ask({"say": word}, 30) == {"heard": word}


def test_an_answer_larger_than_a_pipe_arrives_whole() -> None:
    """A pipe holds 64 KB; a reader that stops there waits for ever."""
    with converse(_command()) as talk:
        assert len(talk.ask({"say": "x", "times": 1_000_000}, 30)["heard"]) == 1_000_000


def test_an_expected_error_is_told_and_the_talk_goes_on() -> None:
    with converse(_command()) as talk:
        with pytest.raises(KdcError, match="no such thing"):
            talk.ask({"fail": True}, 30)
        assert talk.ask({"say": "still here"}, 30) == {"heard": "still here"}


def test_a_process_that_dies_tells_how() -> None:
    with converse(_command()) as talk:
        with pytest.raises(Silence) as caught:
            talk.ask({"die": True}, 30)
        assert caught.value.ended is not None and caught.value.ended.returncode == -6
        with pytest.raises(Silence):  # and asking once more is no broken pipe
            talk.ask({"say": "hello?"}, 30)


def test_its_last_words_are_kept() -> None:
    with converse(_command()) as talk, pytest.raises(Silence) as caught:
        talk.ask({"leave": True}, 30)
    assert caught.value.ended is not None
    assert (caught.value.ended.returncode, caught.value.ended.stderr) == (3, "a last word\n")


def test_a_process_that_hangs_is_ended_with_the_block() -> None:
    start = time.monotonic()
    with converse(_command()) as talk:
        talk.ask({"say": "up"}, 30)
        with pytest.raises(Silence) as caught:
            talk.ask({"hang": True}, 0.2)
        assert caught.value.ended is None
        process = talk._process
    assert process.returncode == -9 and time.monotonic() - start < 30


def test_an_answer_that_is_no_json_is_no_answer() -> None:
    code = "import sys\nfor line in sys.stdin: print('nonsense', flush=True)"
    with converse(_command(code)) as talk, pytest.raises(Silence):
        talk.ask({"say": "hello"}, 30)


def test_much_said_on_standard_error_blocks_nobody() -> None:
    """A pipe that nobody reads stops the process that writes to it."""
    code = (
        "import sys\nfor line in sys.stdin: sys.stderr.write('x' * 10**6); print('{}', flush=True)"
    )
    with converse(_command(code)) as talk:
        assert talk.ask({}, 30) == {}
