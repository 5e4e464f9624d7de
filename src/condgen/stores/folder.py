"""Folders by their address. A file is written as a whole or not at all, wherever it is."""

from collections.abc import Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol, runtime_checkable

Stamp = str  # changes with the content of a file


@runtime_checkable
class Folder(Protocol):
    """A folder on this disk or elsewhere, which need not exist before a file is written to it.

    address: as messages name it.

    Names of files are relative, with / between their parts. Every method raises RunError that names the address if a
    store cannot be reached or refuses.
    """

    address: str

    def files(self) -> Mapping[str, Stamp]:
        """The names and stamps of all files in it and below. Hidden ones, whose name begins with a dot, are left out.

        Empty if there is no such folder.
        """

    def exists(self, name: str) -> bool:
        """Whether there is a file of this name."""

    def read(self, name: str) -> bytes:
        """The content of a file. Raises RunError if there is none."""

    def writing(self, name: str) -> AbstractContextManager[Path]:
        """A path on this disk to write a file to, which then appears as a whole under its name, or not at all after an
        error. An older file of that name is replaced.
        """

    def remove(self, name: str) -> None:
        """Remove a file, if there is one."""


def write(folder: Folder, name: str, content: bytes) -> None:
    """Write a file's content. Raises RunError."""
    with folder.writing(name) as partial:
        partial.write_bytes(content)


def is_hidden(name: str) -> bool:
    """Whether a name, or a folder in it, begins with a dot, as locks and unfinished files do."""
    return any(part.startswith(".") for part in name.split("/"))
