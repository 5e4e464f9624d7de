"""Two commands on one folder at once: one does the work, the other is refused or waits its turn."""

import random
import shutil
import time
from pathlib import Path

from condgen.training import checkpoint
from condgen.verify import verify

from .faults import jumping, slow
from .world import World, killed, process, same_bits, same_files, sample, train, wait


class Together:
    """Two of train, of resume, of sample, and a reader beside a writer."""

    def __init__(self, world: World):
        self.world = world

    def training(self, chance: random.Random, place: Path) -> None:
        """Two `train` into one folder, or two `resume` of one run."""
        run = place / "run"
        if chance.random() < 0.5:
            killed(train(run), place / "said.txt", 0.5 * self.world.seconds["train"])
        if not (run / checkpoint.FILE).exists():
            shutil.rmtree(run, ignore_errors=True)
        command = ["resume", str(run)] if run.exists() else train(run)
        self._one_wins(command, chance, place, self.world.seconds["train"])
        same_bits(run, self.world.run)
        verify(run)

    def sampling(self, chance: random.Random, place: Path) -> None:
        """Two `sample` into one folder."""
        out = place / "out"
        self._one_wins(sample(self.world.run, out), chance, place, self.world.seconds["sample"])
        same_files(out, self.world.samples)

    def slowly(self, chance: random.Random, place: Path) -> int | None:
        """The same on a disk whose calls take long."""
        with slow(chance.uniform(0.001, 0.02), chance):
            return chance.choice([self.training, self.sampling, self.reading])(chance, place)

    def out_of_time(self, chance: random.Random, place: Path) -> int | None:
        """The same while the clock jumps by hours."""
        with jumping(48, chance):
            return chance.choice([self.training, self.sampling, self.reading])(chance, place)

    def _one_wins(self, command: list[str], chance: random.Random, place: Path, seconds: float) -> None:
        with process(command, place / "one.txt") as one:
            time.sleep(chance.uniform(0, 0.5 * seconds))
            with process(command, place / "two.txt") as two:
                statuses = [wait(one), wait(two)]
        said = [(place / name).read_text() for name in ("one.txt", "two.txt")]
        assert 0 in statuses, said
        for status, text in zip(statuses, said, strict=True):
            refused = "is being written to by" in text or "is not empty" in text or "is finished" in text
            assert status == 0 or (status in (1, 2) and refused), f"status {status}: {text[-500:]}"

    def reading(self, chance: random.Random, place: Path) -> int:
        """A run that is opened again and again while it is trained: never a mixture of two checkpoints."""
        run, looks = place / "run", 0
        with process(train(run), place / "said.txt") as pid:
            while (status := wait(pid, chance.uniform(0.0, 0.02))) is None:
                if (run / checkpoint.FILE).exists():
                    info, tensors = checkpoint.load(run / checkpoint.FILE)
                    assert tensors["ema_updates"] == info.images // 64
                    looks += 1
        assert status == 0, (place / "said.txt").read_text()[-500:]
        same_bits(run, self.world.run)
        return looks
