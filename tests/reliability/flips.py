"""Single bits that change on the disk: opening or `condgen verify` finds each."""

import random
import shutil
from pathlib import Path

import pytest

from condgen.errors import CondgenError
from condgen.runs.run import Run
from condgen.training import checkpoint
from condgen.verify import verify

from .world import World


def flip(file: Path, chance: random.Random) -> None:
    """Change one bit of a file."""
    content = bytearray(file.read_bytes())
    bit = chance.randrange(8 * len(content))
    content[bit // 8] ^= 1 << bit % 8
    file.write_bytes(content)


class Flips:
    """One bit of a checkpoint, and of exported weights."""

    def __init__(self, world: World):
        self.world = world

    def checkpoint(self, chance: random.Random, place: Path) -> None:
        """Found when the run is opened, and by `verify`."""
        file = place / checkpoint.FILE
        shutil.copyfile(self.world.run / checkpoint.FILE, file)
        flip(file, chance)
        for look in (Run.open, verify):
            with pytest.raises(CondgenError, match="damaged"):
                look(place)

    def weights(self, chance: random.Random, place: Path) -> None:
        """Found when exported weights are opened, and by `verify`."""
        file = Run.open(self.world.run).export("weights", place / "weights.safetensors")
        flip(file, chance)
        for look in (Run.open, verify):
            with pytest.raises(CondgenError, match="damaged"):
                look(file)
