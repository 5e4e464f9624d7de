"""Commands killed at random moments (SIGKILL): what is there is whole, and the same command again ends as always."""

import json
import os
import random
import shutil
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any
from unittest import mock

import torch

from condgen import sealed
from condgen.cache import cache_folder
from condgen.data.storage import prepare
from condgen.evaluation.report import FILE as REPORT
from condgen.pictures import pil_image, save_picture
from condgen.verify import verify

from .world import World, finished, has_checkpoint, killed, moment, same_bits, same_files, sample, train

MOST = 8  # kills of one command, which may then end
BRIEF = ["--samples=200", "--pairs=20", "--useful=0", "--latents=0", "--edits=20"]
PICTURES, SIDE = 600, 64  # to prepare, in many small parts


@dataclass(frozen=True)
class Command:
    """A command that writes into a folder.

    arguments: of the command, for that folder.
    whole: raises AssertionError for contents of the folder that are not as in that of an unharmed command.
    last: relative to the folder, the place whose existence makes the command refuse to begin. None for a command that
        may be given again.
    setting: surroundings, for that folder.
    """

    name: str
    arguments: Callable[[Path], list[str]]
    whole: Callable[[Path, Path], None]
    last: str | None = None
    setting: "Callable[[Path], AbstractContextManager[None]]" = lambda out: empty_cache(out)

    @property
    def title(self) -> str:
        """In the table."""
        return "the preparation of images" if self.name == "prepare" else f"`{self.name}`"


class Kills:
    """Kills of train and resume in turns, and of every other command that writes something."""

    def __init__(self, world: World):
        self.world = world

    def training(self, chance: random.Random, place: Path) -> int:
        """A run that is killed again and again, in `train` and in `resume`."""
        run, said, kills = place / "run", place / "said.txt", 0
        command = train(run)
        for _ in range(chance.randint(1, MOST)):
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

    def of(self, command: Command) -> Callable[[random.Random, Path], int]:
        """An attempt that kills the command again and again, until it ends."""

        def attempt(chance: random.Random, place: Path) -> int:
            wanted, before = self.unharmed(command), contents(self.world.run)
            out, said, kills, ended = place / "out", place / "said.txt", 0, False
            with command.setting(out):
                while not ended and kills < MOST:
                    ended = not killed(command.arguments(out), said, moment(chance, self.world.seconds[command.name]))
                    kills += not ended
                    command.whole(out, wanted)
                    ended = ended or (command.last is not None and (out / command.last).exists())
                if not ended:
                    finished(command.arguments(out), said)
            command.whole(out, wanted)
            assert contents(out).keys() == contents(wanted).keys()
            assert contents(self.world.run) == before, "the run was changed"
            return kills

        return attempt

    def unharmed(self, command: Command) -> Path:
        """The folder of an unharmed command."""
        wanted = self.world.run.with_name("unharmed") / command.name
        if not wanted.exists():
            wanted.parent.mkdir(exist_ok=True)
            self.world.learn(command.name, command.arguments(wanted), wanted, lambda: command.setting(wanted))
        return wanted

    def commands(self) -> list[Command]:
        """The commands that write something besides a run."""
        run, shown = str(self.world.run), str(self.world.samples / "000000.png")
        return [
            Command("sample", lambda out: sample(self.world.run, out), all_or_nothing, ""),
            Command("augment", self._augment, all_or_nothing, ""),
            Command("evaluate", self._evaluate, parts, setting=judges_alone),
            Command("compare", lambda out: ["compare", *self._pair(), f"--out={out}"], parts),
            Command(
                "edit",
                lambda out: ["edit", run, shown, "digit=1", "--from=digit=0", f"--out={out}"],
                all_or_nothing,
                "",
            ),
            Command(
                "gallery",
                lambda out: ["gallery", run, "--only=requests", "-n2", f"--out={out}/page.html", f"--png={out}/png"],
                gallery,
                "png",
            ),
            *(
                Command(f"export --to {to}", partial(self._export, to, name), parts, name)
                for to, name in (("weights", "weights.safetensors"), ("onnx", "model.onnx"))
            ),
            Command("prepare", lambda out: ["verify", self._pictures()], parts, setting=prepared_here),
        ]

    def _augment(self, out: Path) -> list[str]:
        run = str(self.world.run)
        return ["augment", "digits", f"--run={run}", "--attribute=digit", "--to=160", "--worth=0", f"--out={out}"]

    def _export(self, to: str, name: str, out: Path) -> list[str]:
        return ["export", str(self.world.run), f"--to={to}", f"--out={out / name}"]

    def _evaluate(self, out: Path) -> list[str]:
        return ["evaluate", str(self.world.run), *BRIEF, f"--out={out}"]

    def _pair(self) -> list[str]:
        """Two runs with reports."""
        runs = [self.world.run.with_name(f"run-{seed}") for seed in range(2)]
        for seed, run in enumerate(runs):
            if not run.exists():
                finished([*train(run), f"--seed={seed}"], run.with_suffix(".txt"))
                finished(["evaluate", str(run), *BRIEF], run.with_suffix(".txt"))
        return [str(run) for run in runs]

    def _pictures(self) -> str:
        """A folder of pictures, as data."""
        folder = self.world.run.with_name("pictures")
        if not folder.exists():
            for k in range(PICTURES):
                noise = torch.rand(3, SIDE, SIDE, generator=torch.Generator().manual_seed(k))
                (folder / "ab"[k % 2]).mkdir(parents=True, exist_ok=True)
                save_picture(pil_image(noise), folder / "ab"[k % 2] / f"{k}.png")
        return str(folder)


# ---- surroundings of a command


@contextmanager
def empty_cache(out: Path) -> Iterator[None]:
    with mock.patch.dict(os.environ, CONDGEN_CACHE=str(out.with_name(f"{out.name}-cache"))):
        yield


@contextmanager
def judges_alone(out: Path) -> Iterator[None]:
    """A cache with the judges that were trained before, and nothing else."""
    judges = cache_folder() / "judges"
    with empty_cache(out):
        shutil.copytree(judges, cache_folder() / "judges")
        yield


@contextmanager
def prepared_here(out: Path) -> Iterator[None]:
    """A cache in that folder, and data that is prepared in parts by this process, however little it is."""
    here = {"CONDGEN_CACHE": str(out), "LOKY_MAX_CPU_COUNT": "1"}
    with mock.patch.dict(os.environ, here), mock.patch.multiple(prepare, SMALL=-1, CHUNK=0):
        yield


# ---- what must be whole


def all_or_nothing(out: Path, wanted: Path) -> None:
    """The folder is there with everything, or not at all."""
    if out.exists():
        same_files(out, wanted)


def parts(out: Path, wanted: Path) -> None:
    """Files appear one by one, each as a whole."""
    whole = contents(wanted)
    for name, content in contents(out).items():
        assert content == whole[name], f"{name} has other contents"


def gallery(out: Path, wanted: Path) -> None:
    """The page is whole, and the pictures are all there or not at all."""
    parts(out, wanted)
    all_or_nothing(out / "png", wanted / "png")


def contents(folder: Path) -> dict[str, Any]:
    """The contents of all files in a folder that have their final names."""
    files = {str(file.relative_to(folder)): file for file in sorted(folder.rglob("*")) if file.is_file()}
    return {name: content(file) for name, file in files.items() if not any(map(unfinished, Path(name).parts))}


def unfinished(name: str) -> bool:
    return name.startswith(".") or name.endswith((".partial", ".lock"))


def content(file: Path) -> Any:
    """The content of a file, without the time that it took to make."""
    if file.suffix in (".safetensors", ".table"):
        texts, tensors = sealed.read(file)
        return texts, {name: (t.dtype, t.tolist()) for name, t in tensors.items()}
    if file.name == REPORT:
        return {name: value for name, value in json.loads(file.read_text()).items() if name != "seconds"}
    if file.name == "report.html":
        return file.read_text().partition("Made by condgen in")[0]
    return file.read_bytes()
