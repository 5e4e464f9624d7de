"""Single bits that change on the disk: opening or `condgen verify` finds each."""

import random
import shutil
from pathlib import Path

import pytest

from condgen.errors import CondgenError
from condgen.runs.addresses import open_generator
from condgen.runs.exporting import EXPORTERS
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
    """One bit of a checkpoint, of exported weights and of an exported model."""

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
        self._exported("weights", chance, place)

    def onnx(self, chance: random.Random, place: Path) -> None:
        """Found when an exported model is opened, and by `verify`."""
        self._exported("onnx", chance, place)

    def _exported(self, to: str, chance: random.Random, place: Path) -> None:
        file = Path(shutil.copy(self.whole(to), place))
        flip(file, chance)
        for look in (open_generator, verify):
            with pytest.raises(CondgenError, match=r"damaged|not a whole model"):
                look(file)

    def whole(self, to: str) -> Path:
        """The run, exported."""
        file = self.world.run.with_name(f"whole{EXPORTERS[to].suffix}")
        return file if file.exists() else Run.open(self.world.run).export(to, file)
