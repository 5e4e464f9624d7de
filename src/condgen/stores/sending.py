"""Putting a folder into its store while a process writes to it: in the background, again after errors, to the end."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Event, Thread

from condgen.errors import CondgenWarning, StoreError
from condgen.stores.copies import address_of, background, files_of, refresh, remove, send
from condgen.stores.lease import Lease, LostError, leased

EVERY = 30.0  # seconds after which files are looked at even if none was announced
PAUSE = 10.0  # seconds of rest after an error


@contextmanager
def kept(folder: Path) -> Iterator[None]:
    """If a folder is the copy of one elsewhere: nobody else writes there meanwhile, and what this process writes is put
    there. Any other folder is left alone.

    Work goes on while the store cannot be reached. Raises StoreError at the end for what could not be put, RunError if
    somebody else writes there, and LostError at the next file that is written if somebody else has taken over.
    """
    address = address_of(folder)
    if address is None:
        yield
        return
    with leased(address) as lease:
        refresh(folder)  # again, as somebody may have written to it before the lease
        with _sent(folder, lease):
            yield


@contextmanager
def _sent(folder: Path, lease: Lease) -> Iterator[None]:
    sender = _Sender(folder, lease)
    background[folder] = sender.announce
    sender.start()
    try:
        yield
    except BaseException as error:
        del background[folder]
        sender.end()
        if error is not sender.lost:
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
    except (StoreError, LostError) as error:
        with suppress(CondgenWarning):  # where warnings are errors
            warnings.warn(str(error), CondgenWarning, stacklevel=2)


class _Sender(Thread):
    """Puts a folder each time that it changes, and removes what has been removed from it since.

    lost: the error after which it puts nothing more, as another process has taken its lease.
    """

    def __init__(self, folder: Path, lease: Lease):
        super().__init__(daemon=True, name="sender")
        self.folder = folder
        self.lost: LostError | None = None
        self._lease = lease
        self._changed = Event()
        self._ended = Event()
        self._seen = {*files_of(folder)}
        self._told = False

    def run(self) -> None:
        """Go on until `end`."""
        while not self._ended.is_set() and not self.lost:
            self._changed.wait(EVERY)
            self._changed.clear()
            if not self._ended.is_set():
                self._try()

    def announce(self) -> None:
        """Tell of a change. Raises LostError if nothing is put any more."""
        if self.lost:
            raise self.lost
        self._changed.set()

    def end(self) -> None:
        """Finish with what is on its way."""
        self._ended.set()
        self._changed.set()
        self.join()

    def send(self) -> None:
        """Bring the store to the state of the folder. Raises StoreError, and LostError before anything is put."""
        now = {*files_of(self.folder)}
        self._seen |= now
        send(self.folder, self._lease.must_be_mine)
        for file in self._seen - now:
            remove(file)
            self._seen.discard(file)

    def _try(self) -> None:
        try:
            self.send()
            self._told = False
        except LostError as error:
            self.lost = error
        except Exception as error:  # any other, too, would end this thread, and nobody would know
            self._tell(error)
            self._changed.set()
            self._ended.wait(PAUSE)

    def _tell(self, error: Exception) -> None:
        """Say once that the store cannot be reached, or what else went wrong."""
        known = isinstance(error, StoreError)
        text = str(error) if known else f"Files of {address_of(self.folder)} could not be put: {error!r}."
        if not self._told:
            with _told():
                raise StoreError(f"{text} Work goes on, and they are put when the store answers again.")
        self._told = True
