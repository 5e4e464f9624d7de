"""Ctrl-C and termination during training: the current step ends and everything is saved."""

import signal
from types import FrameType, TracebackType

from condgen.errors import CondgenError


class Interrupted(CondgenError):  # noqa: N818 (an interruption is no error)
    """Training was stopped by a signal, after saving."""

    exit_status = 130


class Signals:
    """Records the first Ctrl-C or termination of the process in `received`. A second one stops it at once."""

    def __init__(self) -> None:
        self.received: str | None = None
        self._before: dict[signal.Signals, signal._HANDLER] = {}

    def __enter__(self) -> "Signals":
        self.received = None
        numbers = (signal.SIGINT, signal.SIGTERM)
        try:
            self._before = {number: signal.getsignal(number) for number in numbers}
            for number in numbers:
                signal.signal(number, self._note)
        except ValueError:  # outside the main thread, which receives no signals
            self._before = {}
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _note(self, number: int, frame: FrameType | None) -> None:
        self.received = signal.Signals(number).name
        for each, handler in self._before.items():
            signal.signal(each, handler)
