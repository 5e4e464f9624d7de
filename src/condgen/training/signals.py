"""Signals during training: the current step ends and everything is saved."""

import signal
from types import FrameType, TracebackType

from condgen.errors import CondgenError

STOP = ("SIGINT", "SIGTERM", "SIGHUP")  # Ctrl-C, the end of the process, the end of its terminal
SAVE = "SIGUSR1"
PATIENCE = 2  # number of recorded stop signals; the next one has its usual effect


class Interrupted(CondgenError):  # noqa: N818 (an interruption is no error)
    """Training was stopped by a signal, after saving. The exit status is 128 + the number of the signal."""

    told_as = "note"

    def __init__(self, text: str, received: str = "SIGINT"):
        super().__init__(text)
        self.exit_status = 128 + signal.Signals[received]


class Signals:
    """Records signals to the process while a context lasts.

    received: the first signal that asks to stop (Ctrl-C, SIGTERM, SIGHUP). A second one changes nothing, since
        everything is being saved. A third has its usual effect, which ends the process at once.
    asked: whether SIGUSR1 has asked for a checkpoint, until `answered` is called.

    An ignored SIGHUP, as under `nohup`, stays ignored.
    """

    def __init__(self) -> None:
        self.received: str | None = None
        self.asked = False
        self._noted = 0
        self._before: dict[signal.Signals, signal._HANDLER] = {}

    def __enter__(self) -> "Signals":
        self.received, self.asked, self._noted = None, False, 0
        numbers = [signal.Signals[name] for name in (*STOP, SAVE) if name in signal.Signals.__members__]
        try:
            self._before = {number: signal.getsignal(number) for number in numbers if not _kept(number)}
            for number in self._before:
                signal.signal(number, self._note)
        except ValueError:  # outside the main thread, which receives no signals
            self._before = {}
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._restore()

    def answered(self) -> None:
        """Record that the requested checkpoint has been written."""
        self.asked = False

    def _note(self, number: int, frame: FrameType | None) -> None:
        name = signal.Signals(number).name
        if name == SAVE:
            self.asked = True
            return
        self.received = self.received or name
        self._noted += 1
        if self._noted >= PATIENCE:
            self._restore()

    def _restore(self) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)


def _kept(number: signal.Signals) -> bool:
    return number.name == "SIGHUP" and signal.getsignal(number) == signal.SIG_IGN
