"""The owner of a folder that one process at a time writes to, as a lock or a lease names it in a file."""

import json
import os
import platform
import shlex
import sys
from collections.abc import Mapping
from typing import Any

from condgen.errors import shorten

FACTS = {"pid", "host", "command"}


def this_process() -> dict[str, Any]:
    """The facts about this process."""
    return {"pid": os.getpid(), "host": platform.node(), "command": shlex.join(sys.argv)}


def parsed(text: str | bytes) -> dict[str, Any]:
    """The facts in a file. Empty for a damaged one."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def sentence(facts: Mapping[str, Any]) -> str:
    """The owner in a message. The file may come from anybody, so that long or unprintable facts are cut."""
    told = {name: shorten(str(value), 200) for name, value in facts.items()}
    return "process {pid} on {host} ({command})".format_map(told) if told.keys() >= FACTS else "another process"
