"""Faults of reading that pass, such as a lost connection, and faults of a file that stay."""

import errno

# The path is that of no file, or a damaged file led its decoder to an impossible place.
_LASTING = {errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.ENAMETOOLONG, errno.ELOOP, errno.EINVAL}


def passing(error: Exception) -> bool:
    """Whether an error of reading tells nothing of the file: the system refused, or memory ran out.

    Decoders raise OSError without a number for damaged files.
    """
    if isinstance(error, OSError):
        return error.errno is not None and error.errno not in _LASTING
    return isinstance(error, MemoryError)
