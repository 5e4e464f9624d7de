"""Signals are noted once, and handlers are as they were afterwards."""

import signal
import threading

import pytest

from condgen.training.signals import Signals


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_first_signal_is_noted_and_the_second_does_what_it_did_before(number: signal.Signals) -> None:
    heard: list[int] = []
    before = signal.signal(number, lambda received, frame: heard.append(received))
    try:
        with Signals() as signals:
            assert signals.received is None
            signal.raise_signal(number)
            assert (signals.received, heard) == (number.name, [])
            signal.raise_signal(number)
            assert heard == [number]
        signal.raise_signal(number)
        assert heard == [number, number]
    finally:
        signal.signal(number, before)


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
