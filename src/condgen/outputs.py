"""New folders that appear whole: written as FOLDER.partial, and renamed when they are finished.

A process that is killed leaves FOLDER.partial, in which the same request may go on.
"""

import json
import shutil
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from condgen.errors import CondgenWarning, RequestError, RunError
from condgen.files import make_folder, publish, write_text
from condgen.locks import LOCK, OWNER, held

ASKED = ".asked.json"  # in a partial folder: the request that it answers
OWN = {ASKED, LOCK, OWNER}  # files of a partial folder that its final one does not have


@contextmanager
def new_folder(path: Path, what: str, request: Mapping[str, Any] | None = None) -> Iterator[Path]:
    """A folder to write to, which is then moved to `path`, a name that nothing or an empty folder has.

    request: identifies the contents. An unfinished folder of an equal request is handed out again, with everything that
        is in it. Without one, writing starts anew.

    Raises RequestError if `path` is in use or an unfinished folder is of another request, and RunError if another
    process writes there, or it cannot be written.
    """
    _must_be_free(path, what)
    partial = path.with_name(f"{path.name}.partial")
    try:
        make_folder(partial)
        with held(partial):
            _take_up(partial, what, request)
            with _kept_if_started(partial, request):
                yield partial
            (partial / ASKED).unlink()
        if path.exists():
            path.rmdir()  # an empty folder, of which some systems do not let another take the name
        publish(partial, path)
    except OSError as error:
        raise RunError(f"{path} cannot be written: {error.strerror or error}. Choose another for {what}.") from None
    finally:
        with suppress(OSError):
            partial.rmdir()  # if nothing is in it


def _must_be_free(path: Path, what: str) -> None:
    if path.is_dir() and not any(path.iterdir()):
        return
    if path.exists():
        raise RequestError(f"The folder {path} is not empty; nothing was overwritten. Choose a new one for {what}.")


def _take_up(partial: Path, what: str, request: Mapping[str, Any] | None) -> None:
    """Continue in an unfinished folder, or begin a new one."""
    asked, before = json.dumps(request, sort_keys=True), partial / ASKED
    if before.exists():
        if request is None:
            _empty(partial)
        elif before.read_text(encoding="utf-8") != asked:
            raise RequestError(
                f"{partial} holds the beginning of something else. Ask for the same again to finish it, remove it, or "
                f"choose another folder for {what}."
            )
    elif any(file.name not in OWN for file in partial.iterdir()):
        raise RequestError(f"The folder {partial} is not empty; nothing was overwritten. Choose another for {what}.")
    write_text(before, asked)


@contextmanager
def _kept_if_started(partial: Path, request: Mapping[str, Any] | None) -> Iterator[None]:
    """After an error, keep what the same request can continue, and remove the rest."""
    try:
        yield
    except BaseException:
        if request is None or all(file.name in OWN for file in partial.iterdir()):
            _empty(partial)
            with suppress(OSError):
                (partial / ASKED).unlink()
        else:
            text = f"The finished part is kept in {partial}. The same request again continues there."
            warnings.warn(text, CondgenWarning, stacklevel=2)
        raise


def _empty(partial: Path) -> None:
    for file in partial.iterdir():
        if file.name not in OWN:
            shutil.rmtree(file) if file.is_dir() else file.unlink()
