"""Addresses of files elsewhere: URLs such as s3://bucket/folder. All other places are paths on this disk."""

import re
from pathlib import Path

# Drives of Windows have one letter. hf:/folder is no address, but a data set for the `datasets` library.
_URL = re.compile(r"(?!hf:/[^/])([a-z][a-z0-9+.-]+):(/{1,3})(?=[^/])", re.IGNORECASE)
LOCAL = ("file", "local")


def is_address(place: str | Path) -> bool:
    """Whether a place is the address of something elsewhere, also as a `Path`, which merges the two slashes.

    Only that of an hf://… is taken for `hf:/folder`, a data set on this disk.
    """
    found = _URL.match(str(place))
    return found is not None and found[1].casefold() not in LOCAL


def normalised(place: str | Path) -> str:
    """An address in its one form: the protocol in small letters, two slashes, none at the end."""
    found = _URL.match(str(place))
    assert found is not None, "only addresses are normalised"
    return f"{found[1].casefold()}://{str(place)[found.end() :].rstrip('/')}"


def protocol(address: str) -> str:
    """The protocol of a normalised address, such as s3."""
    return address.partition("://")[0]


def local(place: str | Path) -> Path:
    """The path of a place on this disk, which may be given as file://…."""
    found = _URL.match(str(place))
    return Path(str(place)[found.end() - 1 :] if found else place).expanduser()


def joined(address: str, name: str) -> str:
    """The address of a file below another."""
    return f"{address}/{name}" if name else address


def split(address: str) -> tuple[str, str]:
    """The address of the folder that a file is in, and the file's name there. No name for a bucket or a host."""
    folder, _, name = address.rpartition("/")
    return (address, "") if folder.endswith(("/", ":")) else (folder, name)
