"""Files on this disk and elsewhere: folders by their address, such as my-run or s3://bucket/my-run."""

from pathlib import Path

from condgen.stores.address import is_address, local, normalised
from condgen.stores.copies import address_of
from condgen.stores.disk import LocalFolder
from condgen.stores.folder import Folder
from condgen.stores.remote import RemoteFolder

__all__ = ["Folder", "folder_at", "is_address"]


def folder_at(place: str | Path) -> Folder:
    """The folder at a path or an address, or that of which the path is a copy. Nothing is asked of a store yet."""
    address = normalised(place) if is_address(place) else address_of(local(place))
    return RemoteFolder(address) if address else LocalFolder(local(place))
