"""Harm condgen again and again for some time and count what was lost.

    python -m tests.reliability --seconds 300 --seed 0 [--only kill flip …]

Prints a table in Markdown. The exit status is 1 if anything was lost.
"""

import argparse
import os
import resource
import sys
import tempfile
import warnings
from pathlib import Path

MEMORY = 12 * 2**30  # bytes of addresses, of which torch takes many without using them
QUICK = Path("/dev/shm")  # a disk in memory, which a killed process cannot take with it


def main() -> None:
    """Run every campaign for its share of the time."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=300.0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", nargs="*", default=[], help="words in titles")
    args = parser.parse_args()
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    with tempfile.TemporaryDirectory(dir=QUICK if os.access(QUICK, os.W_OK) else None) as folder:
        os.environ["CONDGEN_CACHE"] = str(Path(folder) / "cache")
        sys.exit(torture(Path(folder), args.seconds, args.seed, args.only))


def torture(folder: Path, seconds: float, seed: int, only: list[str]) -> int:
    """All campaigns, in a folder; the exit status."""
    import torch

    from condgen.errors import CondgenWarning

    from .campaign import table
    from .plan import campaigns
    from .world import World

    warnings.simplefilter("ignore", CondgenWarning)
    torch.set_num_threads(1)  # the commands are processes forked from this one
    chosen = [c for c in campaigns(World.make(folder)) if not only or any(word in c.title for word in only)]
    second = seconds / sum(each.weight for each in chosen)
    for number, each in enumerate(chosen):
        each.run(seed, each.weight * second, folder / f"campaign-{number}")
        print(f"{each.title}: {each.tried:,} tried, {len(each.lost)} lost", file=sys.stderr, flush=True)
        for text in each.lost[:3]:
            print(f"  {text}", file=sys.stderr)
    print(table(chosen))
    return int(any(each.lost for each in chosen))


if __name__ == "__main__":
    main()
