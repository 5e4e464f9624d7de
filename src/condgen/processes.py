"""The processes that train together: which of them this one is."""

import os

RANK = "RANK"  # the variable with the number of a process in distributed training


def writes() -> bool:
    """Whether this process writes files: the first of those that train together."""
    return os.environ.get(RANK, "0") == "0"
