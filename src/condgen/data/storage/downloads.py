"""Downloads of published datasets: resumed where they stopped, verified, and published as a whole."""

import hashlib
import http.client
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock

from condgen.cache import cache_folder
from condgen.errors import DataError
from condgen.files import publish
from condgen.progress import shown

_CHUNK = 1 << 16
_PATIENCE = 30.0  # seconds without a byte before giving up


@dataclass(frozen=True)
class Remote:
    """A file on a server: its address, the SHA-256 of its content (hexadecimal), and its size in bytes."""

    url: str
    sha256: str
    size: int

    @property
    def name(self) -> str:
        """The last part of the address."""
        return self.url.rpartition("/")[2]


def datasets_folder() -> Path:
    """The folder for downloads."""
    return cache_folder() / "datasets"


def fetch(remote: Remote, folder: Path) -> Path:
    """The file in a folder, downloaded unless it exists. An interrupted download is resumed.

    Raises DataError that names the address if it cannot be reached, or sends other content than expected.
    """
    target = folder / remote.name
    if target.is_file():
        return target
    folder.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(f"{target.name}.partial")
    with FileLock(f"{partial}.lock"):
        if not target.is_file():
            _download(remote, partial)
            _verify(remote, partial)
            publish(partial, target)
    return target


def _download(remote: Remote, partial: Path) -> None:
    """Fetch the part of a file that is still missing."""
    start = partial.stat().st_size if partial.exists() else 0
    if start >= remote.size:
        return
    request = urllib.request.Request(remote.url, headers={"Range": f"bytes={start}-"} if start else {})
    try:
        with urllib.request.urlopen(request, timeout=_PATIENCE) as answer:
            resumed = start > 0 and answer.status == http.client.PARTIAL_CONTENT
            _must_announce(remote, answer.headers["Content-Length"], start if resumed else 0)
            come = start if resumed else 0
            with (
                partial.open("ab" if resumed else "wb") as file,
                shown().task(f"downloading {remote.name}", remote.size, done=come, unit="bytes") as task,
            ):
                while chunk := answer.read(_CHUNK):
                    come += file.write(chunk)
                    task.move(come)
    except (OSError, http.client.HTTPException) as error:  # URLError is an OSError
        reason = getattr(error, "reason", None) or error
        if isinstance(error, urllib.error.HTTPError):
            error.close()  # it holds the response and its connection
        raise DataError(f"{remote.url} could not be downloaded: {reason}.") from None


def _must_announce(remote: Remote, length: str | None, start: int) -> None:
    """Raise DataError if a response has another length than expected, before any of it is stored."""
    if length is not None and start + int(length) != remote.size:
        raise DataError(
            f"{remote.url} would send {start + int(length):,} bytes, but the file that was published has "
            f"{remote.size:,}: it changed, or something on the way answers in its place (a network's login page?)."
        )


def _verify(remote: Remote, partial: Path) -> None:
    """Raise DataError unless the file is complete and correct. A wrong file is removed."""
    size = partial.stat().st_size
    if size < remote.size:
        raise DataError(
            f"{remote.url} stopped after {size:,} of {remote.size:,} bytes; try again to continue from there."
        )
    with partial.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != remote.sha256:
        partial.unlink()
        raise DataError(
            f"What {remote.url} sent is not the file that was published (SHA-256 {found[:12]}…, not "
            f"{remote.sha256[:12]}…); it was discarded."
        )
