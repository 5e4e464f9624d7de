"""A soak: training, sampling and evaluation in turns in one process, whose memory, files and threads should stay flat.

python -m tests.reliability.soak --seconds 600      prints a table, and fails if the second half grows
"""

import argparse
import gc
import shutil
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import psutil

import condgen
from condgen.progress import SILENT

MEMORY = 0.10  # share by which memory may grow from the middle third of the rounds to the last
TINY = {"images": 2_000, "channels": 8, "latent": 4, "previews": 1}
BRIEF = {"samples": 200, "pairs": 20, "useful": 0, "edits": 0, "latents": 0}


@dataclass(frozen=True)
class State:
    """A process after a round. memory: in MB. files: open. left: temporary files."""

    memory: float
    files: int
    threads: int
    left: int

    @classmethod
    def now(cls) -> "State":
        gc.collect()
        this = psutil.Process()
        left = sum(1 for _ in Path(tempfile.gettempdir()).rglob("*"))
        return cls(this.memory_info().rss / 1e6, len(this.open_files()), threading.active_count(), left)


def one_round(folder: Path, seed: int) -> None:
    run = condgen.train("cvae", "digits", folder / "run", progress=SILENT, seed=seed, **TINY)
    run.sample("digit=*", n=50, seed=seed).save(folder / "samples")
    condgen.evaluate(run, progress=SILENT, **BRIEF).save(folder / "report")
    shutil.rmtree(folder)


def grown(states: list[State]) -> list[str]:
    """The quantities that are larger in the last third of the rounds than in the one before."""
    third = max(len(states) // 3, 1)
    before, after = states[-2 * third : -third], states[-third:]
    found = []
    for name, allowed in (("memory", 1 + MEMORY), ("files", 1.0), ("threads", 1.0), ("left", 1.0)):
        was, now = (median(getattr(state, name) for state in part) for part in (before, after))
        if now > was * allowed:
            found.append(f"{name} grew from {was:,.0f} to {now:,.0f}")
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=600.0)
    given, started, states = parser.parse_args(), time.monotonic(), list[State]()
    with tempfile.TemporaryDirectory() as place:
        tempfile.tempdir = place
        print("| round | memory, MB | open files | threads | temporary files |\n|---|---|---|---|---|")
        while time.monotonic() - started < given.seconds or len(states) < 6:
            one_round(Path(place) / "round", len(states))
            states.append(State.now())
            s = states[-1]
            print(f"| {len(states)} | {s.memory:,.0f} | {s.files} | {s.threads} | {s.left} |", flush=True)
    found = grown(states)
    print("; ".join(found) or "Flat.")
    sys.exit(bool(found))


if __name__ == "__main__":
    main()
