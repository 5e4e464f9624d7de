"""Files on this disk and elsewhere: folders by their address, such as my-run or s3://bucket/my-run."""

from pathlib import Path

from condgen.stores.address import is_address, local, normalised
from condgen.stores.disk import LocalFolder
from condgen.stores.folder import Folder

__all__ = ["Folder", "folder_at", "is_address"]


def folder_at(place: str | Path) -> Folder:
    """The folder at a path or an address. Nothing is asked of a store yet."""
    if is_address(place):
        from condgen.stores.remote import RemoteFolder

        return RemoteFolder(normalised(place))
    return LocalFolder(local(place))
