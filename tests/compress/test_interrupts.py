import os
import signal
import threading

import pytest

from kdc.compress.interrupts import Interrupts


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_is_noted_and_nothing_is_cut_short(number: signal.Signals) -> None:
    """Bug: Ctrl-C lands in the middle of a step, and the state is neither old nor new."""
    with Interrupts() as interrupts:
        assert not interrupts.asked
        os.kill(os.getpid(), number)
        done = True
    assert done
    assert interrupts.asked


def test_a_second_signal_ends_at_once() -> None:
    """Bug: a step that takes minutes cannot be stopped at all."""
    with pytest.raises(KeyboardInterrupt), Interrupts():
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)
        raise AssertionError


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_signals_are_given_back(number: signal.Signals) -> None:
    """Bug: after training Ctrl-C does nothing any more."""
    before = signal.getsignal(number)
    with pytest.raises(ZeroDivisionError), Interrupts():
        assert signal.getsignal(number) != before
        raise ZeroDivisionError
    assert signal.getsignal(number) == before


def test_outside_the_main_thread_nothing_is_noted_and_nothing_fails() -> None:
    """Bug: training in a worker thread of a notebook fails on its first line."""
    seen: list[bool] = []

    def work() -> None:
        with Interrupts() as interrupts:
            seen.append(interrupts.asked)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [False]


def test_patient_it_bears_a_second_signal_and_passes_the_first_on() -> None:
    """Bug: torchrun sends a terminal's Ctrl-C on, and the second one ends a run while it saves."""
    told: list[int] = []
    before = signal.signal(signal.SIGTERM, lambda number, frame: told.append(number))
    try:
        with Interrupts(patient=True) as interrupts:
            os.kill(os.getpid(), signal.SIGINT)
            os.kill(os.getpid(), signal.SIGINT)
            assert interrupts.asked
            assert told == []
        assert told == [signal.SIGTERM]
        with Interrupts(patient=True):
            pass
        assert told == [signal.SIGTERM]
    finally:
        signal.signal(signal.SIGTERM, before)
