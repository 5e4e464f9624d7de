"""Putting a folder into its store while a process writes to it: in the background, again after errors, to the end."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Event, Thread

from condgen.errors import CondgenWarning, StoreError
from condgen.stores.copies import address_of, background, files_of, refresh, remove, send
from condgen.stores.lease import leased

EVERY = 30.0  # seconds after which files are looked at even if none was announced
PAUSE = 10.0  # seconds of rest after an error


@contextmanager
def kept(folder: Path) -> Iterator[None]:
    """If a folder is the copy of one elsewhere: nobody else writes there meanwhile, and what this process writes is put
    there. Any other folder is left alone.

    Work goes on while the store cannot be reached. Raises StoreError at the end for what could not be put, and RunError
    if somebody else writes there.
    """
    address = address_of(folder)
    if address is None:
        yield
        return
    with leased(address):
        refresh(folder)  # again, as somebody may have written to it before the lease
        with _sent(folder):
            yield


@contextmanager
def _sent(folder: Path) -> Iterator[None]:
    sender = _Sender(folder)
    background[folder] = sender.changed
    sender.start()
    try:
        yield
    except BaseException:
        del background[folder]
        sender.end()
        with _told():
            sender.send()
        raise
    del background[folder]
    sender.end()
    sender.send()


@contextmanager
def _told() -> Iterator[None]:
    """Turn what cannot be put into a warning."""
    try:
        yield
    except StoreError as error:
        with suppress(CondgenWarning):  # where warnings are errors
            warnings.warn(str(error), CondgenWarning, stacklevel=2)


class _Sender(Thread):
    """Puts a folder each time that it changes, and removes what has been removed from it since."""

    def __init__(self, folder: Path):
        super().__init__(daemon=True, name="sender")
        self.folder = folder
        self.changed = Event()
        self._ended = Event()
        self._seen = {*files_of(folder)}
        self._told = False

    def run(self) -> None:
        """Go on until `end`."""
        while not self._ended.is_set():
            self.changed.wait(EVERY)
            self.changed.clear()
            if not self._ended.is_set():
                self._try()

    def end(self) -> None:
        """Finish with what is on its way."""
        self._ended.set()
        self.changed.set()
        self.join()

    def send(self) -> None:
        """Bring the store to the state of the folder. Raises StoreError."""
        now = {*files_of(self.folder)}
        self._seen |= now
        send(self.folder)
        for file in self._seen - now:
            remove(file)
            self._seen.discard(file)

    def _try(self) -> None:
        try:
            self.send()
            self._told = False
        except StoreError as error:
            self._tell(error)
            self.changed.set()
            self._ended.wait(PAUSE)

    def _tell(self, error: StoreError) -> None:
        """Say once that the store cannot be reached."""
        if not self._told:
            with _told():
                raise StoreError(f"{error} Work goes on, and they are put when the store answers again.")
        self._told = True
