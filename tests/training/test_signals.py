"""Signals are noted once, and handlers are as they were afterwards."""

import signal
import threading

import pytest

from condgen.training.signals import Signals


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_two_signals_are_noted_and_the_third_does_what_it_did_before(name: str) -> None:
    """The second falls into the saving that the first has asked for."""
    heard: list[int] = []
    number = signal.Signals[name]
    before = signal.signal(number, lambda received, frame: heard.append(received))
    try:
        with Signals() as signals:
            assert signals.received is None
            for _ in range(2):
                signal.raise_signal(number)
                assert (signals.received, heard) == (name, [])
            signal.raise_signal(number)
            assert heard == [number]
        signal.raise_signal(number)
        assert heard == [number, number]
    finally:
        signal.signal(number, before)


def test_the_first_of_two_is_the_reason() -> None:
    with Signals() as signals:
        signal.raise_signal(signal.SIGTERM)
        signal.raise_signal(signal.SIGINT)
        assert signals.received == "SIGTERM"


def test_a_checkpoint_may_be_asked_for_again_and_again() -> None:
    with Signals() as signals:
        for _ in range(5):
            signal.raise_signal(signal.SIGUSR1)
            assert signals.asked
            signals.answered()
            assert not signals.asked
        assert signals.received is None


def test_the_end_of_a_terminal_is_ignored_under_nohup() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with Signals() as signals:
            signal.raise_signal(signal.SIGHUP)
            assert signals.received is None
    finally:
        signal.signal(signal.SIGHUP, before)


def test_used_again_it_has_received_nothing() -> None:
    signals = Signals()
    with signals:
        signal.raise_signal(signal.SIGINT)
    with signals:
        assert signals.received is None


def test_outside_the_main_thread_nothing_is_noted_and_nothing_fails() -> None:
    seen: list[str | None] = []

    def work() -> None:
        with Signals() as signals:
            seen.append(signals.received)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [None]
