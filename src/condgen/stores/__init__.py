"""Files on this disk and elsewhere: folders by their address, such as my-run or s3://bucket/my-run."""

from condgen.stores.address import is_address
from condgen.stores.folder import Folder, folder_at

__all__ = ["Folder", "folder_at", "is_address"]
