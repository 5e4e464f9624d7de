"""The state that the studio has beside the models that it serves."""

from dataclasses import dataclass
from pathlib import Path

from starlette.requests import Request


@dataclass
class Studio:
    """The state of a studio's application.

    runs: the folder of the runs that the page trains.
    trains: whether this machine can train.
    frames: origins of pages that may show this one in a frame.
    """

    runs: Path
    trains: bool
    frames: tuple[str, ...] = ()


def studio_of(request: Request) -> Studio:
    """The state of the studio that is asked."""
    found: Studio = request.app.state.studio
    return found
