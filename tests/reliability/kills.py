"""Commands killed at random moments (SIGKILL): the next one goes on and ends with the same bits."""

import random
import shutil
import time
from pathlib import Path

from condgen.evaluation.report import Report
from condgen.verify import verify

from .world import World, finished, has_checkpoint, killed, moment, same_bits, same_files, sample, train


class Kills:
    """Kills of train and resume, of sample, of evaluate, and of preparation."""

    def __init__(self, world: World):
        self.world = world

    def training(self, chance: random.Random, place: Path) -> int:
        """A run that is killed up to four times, in `train` and in `resume`."""
        run, said, kills = place / "run", place / "said.txt", 0
        command = train(run)
        for _ in range(chance.randint(1, 4)):
            if not killed(command, said, moment(chance, self.world.seconds["train"])):
                break
            kills += 1
            if has_checkpoint(run):
                command = ["resume", str(run)]
            else:  # nothing was trained yet
                shutil.rmtree(run, ignore_errors=True)
        else:
            finished(command, said)
        same_bits(run, self.world.run)
        verify(run)
        return kills

    def sampling(self, chance: random.Random, place: Path) -> int:
        """Samples that are never there in part, and continue."""
        out, said, kills = place / "samples", place / "said.txt", 0
        while kills < 3 and killed(sample(self.world.run, out), said, moment(chance, self.world.seconds["sample"])):
            kills += 1
            if out.exists():
                same_files(out, self.world.samples)
                return kills
        if not out.exists():
            finished(sample(self.world.run, out), said)
        same_files(out, self.world.samples)
        return kills

    def evaluating(self, chance: random.Random, place: Path) -> int:
        """A report that is whole or not there."""
        out, said = place / "report", place / "said.txt"
        few = ["--samples=200", "--pairs=20", "--useful=0", "--latents=0", "--edits=0"]
        command = ["evaluate", str(self.world.run), *few, "--out", str(out)]
        if "evaluate" not in self.world.seconds:
            finished(command, said)  # which trains the judge
            shutil.rmtree(out)
            started = time.monotonic()
            finished(command, said)
            self.world.seconds["evaluate"] = time.monotonic() - started
            shutil.rmtree(out)
        kills = int(killed(command, said, moment(chance, self.world.seconds["evaluate"])))
        if (out / "report.json").exists():
            Report.load(out / "report.json")
        if (out / "report.html").exists():
            assert (out / "report.html").read_text().rstrip().endswith("</html>")
        same_bits(self.world.run, self.world.run)
        return kills
