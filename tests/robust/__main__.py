"""Runs every statistical test over seeds, kernels, thread counts and precisions, and prints how much room each has.

    python -m tests.robust --seeds 7 [--out robust] [pytest's arguments, such as -k meanflow or a folder]

A variation that finished is not run again, so an interrupted command goes on where it was; give another --out to start
anew.
"""

import argparse
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from itertools import cycle
from pathlib import Path

from tests.robust.table import collect, table, tight

SETTINGS: dict[str, dict[str, str]] = {
    "native": {},
    "default": {"ATEN_CPU_CAPABILITY": "default"},
    "avx2": {"ATEN_CPU_CAPABILITY": "avx2"},
    "avx512": {"ATEN_CPU_CAPABILITY": "avx512"},
    "onednn-avx2": {"ONEDNN_MAX_CPU_ISA": "AVX2"},
    "threads": {"OMP_NUM_THREADS": "2"},
    "bf16": {"CONDGEN_TEST_PRECISION": "bf16"},
}


def variations(seeds: int, settings: Sequence[str]) -> Iterator[tuple[str, Mapping[str, str]]]:
    """Names and environments: one setting after the other, each time with the next seed.

    Seeds move results more than kernels do, so no seed is measured twice: the spread is that of both together.
    """
    for seed, name in zip(range(seeds), cycle(settings), strict=False):
        yield f"{name}-{seed}", SETTINGS[name] | {"CONDGEN_TEST_SEED": str(seed)}


def run(name: str, environment: Mapping[str, str], out: Path, arguments: list[str]) -> Path:
    """The record of one variation, made unless it is there."""
    done, partial = out / f"{name}.jsonl", out / f"{name}.partial"
    if done.exists():
        return done
    partial.write_text("")
    command = [sys.executable, "-m", "pytest", "-q", "-m", "statistical", "-p", "no:cacheprovider", "--tb=line"]
    own = {"CONDGEN_TEST_RECORD": str(partial), "PYTHONPYCACHEPREFIX": str(out / "compiled")}
    print(f"{name} …", flush=True)
    command += ["-o", "enable_assertion_pass_hook=true", *arguments]
    status = subprocess.run(command, env={**os.environ, **environment, **own}, check=False).returncode
    if status not in (0, 1):  # neither all held nor some failed: it did not run to its end
        sys.exit(status)
    return partial.rename(done)


def main() -> None:
    """Run what is missing, write the table, and fail if a test has too little room."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=len(SETTINGS))
    parser.add_argument("--out", type=Path, default=Path("robust"))
    parser.add_argument(
        "--only", nargs="*", choices=SETTINGS, default=list(SETTINGS), help="settings; all unless given"
    )
    args, others = parser.parse_known_args()
    args.out = args.out.resolve()
    args.out.mkdir(parents=True, exist_ok=True)
    chosen = variations(args.seeds, args.only)
    found = collect([run(name, environment, args.out, others) for name, environment in chosen])
    (args.out / "margins.txt").write_text(table(found) + "\n")
    print(table(found))
    if few := tight(found):
        sys.exit(f"{len(few)} of {len(found)} tests have too little room; see {args.out / 'margins.txt'}")


if __name__ == "__main__":
    main()
