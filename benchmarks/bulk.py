"""Generation in bulk: its speed on several workers beside one process, and whether kills at random lose anything.

    python benchmarks/bulk.py RUN                             # speed: 200,000 samples, 1, 2 and 4 processes
    python benchmarks/bulk.py RUN --engine ray
    python benchmarks/bulk.py RUN --chaos 20 --engine ray     # kill workers, the command and the whole Ray
    python benchmarks/bulk.py --report 10000000               # time and memory of a report, from made-up readings

The speed is that of whole commands, with their start. Beside it stand the seconds that their processes computed, which
other work on the machine changes little, and the speed once every worker has written a shard, from the times of the
files. A file per image is flushed to the disk, image by image, which TMPDIR=/dev/shm leaves out. Every worker computes
in one thread, and so does the command without workers.

After each kill, at a random moment, the same command runs again until it ends. Then every seed must be there exactly
once, and every file must have the bytes of one uninterrupted run.
"""

import argparse
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pyarrow.parquet as pq

if TYPE_CHECKING:
    from condgen.data import Splits
    from condgen.evaluation.scale.statistics import Statistics
    from condgen.requests import Request

REQUEST = "digit=*"
PATIENCE = 120.0  # seconds that a command may take to notice that its Ray is gone
MOMENT = 0.1  # seconds within which something is killed after a shard
Files = dict[str, bytes]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, nargs="?")
    parser.add_argument("--request", default=REQUEST)
    parser.add_argument("--samples", type=int, default=20_000, help="per request, of which digit=* is ten")
    parser.add_argument("--engine", default="processes", choices=("processes", "ray"))
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2, 4])
    parser.add_argument("--shard", type=int, default=5_000, help="samples of a shard, when speed is measured")
    parser.add_argument(
        "--without-files", action="store_true", help="leave out the process that writes a file per image"
    )
    parser.add_argument("--chaos", type=int, default=0, help="number of kills, instead of the speed")
    parser.add_argument("--report", type=int, default=0, help="number of samples of a report, instead of the speed")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = "1"
    if args.report:
        return report(args.report)
    with tempfile.TemporaryDirectory() as folder:
        if args.chaos:
            sys.exit(chaos(args, Path(folder)))
        return speed(args, Path(folder))


def command(args: argparse.Namespace, out: Path, *options: object) -> list[str]:
    fixed = ["condgen.cli", "sample", args.run, args.request, "-n", args.samples, "--out", out]
    return [sys.executable, "-m", *map(str, [*fixed, *options])]


def in_bulk(args: argparse.Namespace, out: Path, workers: int, *options: object) -> list[str]:
    return command(args, out, "--engine", args.engine, "--workers", workers, *options)


# ---- speed


def speed(args: argparse.Namespace, folder: Path) -> None:
    """Print a row for one process that writes files, and for every number of workers that write shards."""
    print("| | seconds | samples/s | computed | once all work, samples/s |\n|---|---:|---:|---:|---:|", flush=True)
    if not args.without_files:
        took = Took.by(command(args, folder / "one"))
        row("one process, a file per image", took, len([*(folder / "one").glob("0*.png")]))
        shutil.rmtree(folder / "one")
    for workers in args.workers:
        out = folder / f"with-{workers}"
        took = Took.by(in_bulk(args, out, workers, "--shard", args.shard))
        row(f"{args.engine}, {workers} worker{'s' * (workers > 1)}", took, *working(out, workers))


def working(folder: Path, workers: int) -> tuple[int, float]:
    """The samples of a set, and samples a second after every worker has written its first shard."""
    samples = {path: pq.read_metadata(path).num_rows for path in folder.glob("*.parquet")}
    later = sorted(samples, key=lambda path: path.stat().st_mtime_ns)
    began, ended = (later[k].stat().st_mtime_ns / 1e9 for k in (workers - 1, -1))
    return sum(samples.values()), sum(samples[path] for path in later[workers:]) / (ended - began)


@dataclass(frozen=True)
class Took:
    """Seconds of a command, and seconds that it and its processes computed, those that a Ray starts apart."""

    seconds: float
    computed: float

    @classmethod
    def by(cls, what: Sequence[str]) -> "Took":
        """The times of a command that is run now."""
        start, before = time.monotonic(), resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run(what, check=True, capture_output=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return cls(time.monotonic() - start, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)


def row(title: str, took: Took, total: int, working: float | None = None) -> None:
    rate = "" if working is None else f"{working:,.0f}"
    print(f"| {title} | {took.seconds:.1f} | {total / took.seconds:,.0f} | {took.computed:.1f} | {rate} |", flush=True)


# ---- chaos


def chaos(args: argparse.Namespace, folder: Path) -> int:
    """Kill something `chaos` times, in turns. Print what happened; the number of trials in which something was lost."""
    kinds: list[Callable[[psutil.Process, random.Random], bool]] = [a_worker, the_command]
    if args.engine == "ray":
        kinds.append(the_whole_ray)
    seconds = Took.by(in_bulk(args, folder / "whole", 2, "--shard", 250)).seconds
    whole = files(folder / "whole")
    must_be_once(folder / "whole", args.samples)
    print(f"uninterrupted: {len(whole)} files in {seconds:.1f} s", flush=True)
    lost, hits = 0, Counter[str]()
    shards = len([*(folder / "whole").glob("*.parquet")])
    for trial in range(args.chaos):
        choice, kill = random.Random(args.seed * 1_000 + trial), kinds[trial % len(kinds)]
        out = folder / f"trial-{trial}"
        after = choice.randrange(shards - 2)
        hit, starts = interrupted(in_bulk(args, out, 2, "--shard", 250), out, kill, after, choice)
        same = files(out) == whole
        must_be_once(out, args.samples)
        hits[kill.__name__] += hit
        lost += not same
        told = "equal bytes, every seed once" if same else "DIFFERENT"
        print(f"{trial}: killed {kill.__name__} after {after} shards ({hit}), {starts} starts: {told}", flush=True)
    print(f"{args.chaos} trials, {lost} lost; killed: {dict(hits)}")
    return lost


def interrupted(
    what: Sequence[str],
    out: Path,
    kill: Callable[[psutil.Process, random.Random], bool],
    after: int,
    choice: random.Random,
) -> tuple[bool, int]:
    """Run a command, kill something a moment after so many shards are there, and run it again until it ends well.

    Returns whether there was anything to kill, and the number of starts.
    """
    process = subprocess.Popen(what, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
    while process.poll() is None and len([*out.glob("*.parquet")]) < after:
        time.sleep(0.005)
    time.sleep(choice.uniform(0, MOMENT))
    hit = process.poll() is None and kill(psutil.Process(process.pid), choice)
    try:
        status = process.wait(PATIENCE)
    except subprocess.TimeoutExpired:
        process.kill()
        status = process.wait()
    starts = 1
    while status:
        status, starts = subprocess.run(what, capture_output=True).returncode, starts + 1
        assert starts < 5, "it does not end"
    return hit, starts


def a_worker(process: psutil.Process, choice: random.Random) -> bool:
    """Kill one worker. The command goes on."""
    return _killed(_workers(process)[:1] if choice.random() < 0.5 else _workers(process)[-1:])


def the_command(process: psutil.Process, choice: random.Random) -> bool:
    """Kill the command itself."""
    return _killed([process])


def the_whole_ray(process: psutil.Process, choice: random.Random) -> bool:
    """Kill all processes of the command's Ray, but not the command."""
    return _killed(process.children(recursive=True))


def _workers(process: psutil.Process) -> list[psutil.Process]:
    return [each for each in process.children(recursive=True) if _is_worker(each)]


def _is_worker(process: psutil.Process) -> bool:
    try:
        line = " ".join(process.cmdline())
    except psutil.Error:
        return False
    return "condgen.bulk.worker" in line or "ray::Actor" in line


def _killed(processes: Sequence[psutil.Process]) -> bool:
    hit = False
    for each in processes:
        try:
            each.send_signal(signal.SIGKILL)
            hit = True
        except psutil.NoSuchProcess:
            continue
    return hit


def files(folder: Path) -> Files:
    """The content of everything in a folder, also of hidden records."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def must_be_once(folder: Path, n: int) -> None:
    """Every seed of every request exactly once."""
    tables = [pq.read_table(path, columns=["request", "seed"]).to_pydict() for path in sorted(folder.glob("*.parquet"))]
    pairs = Counter(pair for table in tables for pair in zip(table["request"], table["seed"], strict=True))
    requests = {request for request, _ in pairs}
    assert pairs == Counter((request, seed) for request in requests for seed in range(n)), (
        "a seed is missing or doubled"
    )


# ---- a report


def report(n: int) -> None:
    """Statistics of shards of 10,000 made-up readings of digits, through their files, and the report about all."""
    import torch

    from condgen.data import load
    from condgen.evaluation.judge.judge import Judge
    from condgen.evaluation.scale.report import report_at_scale
    from condgen.evaluation.scale.statistics import Statistics, merged
    from condgen.requests import Request

    torch.set_num_threads(1)
    data, size, before = load("digits"), 10_000, peak()
    judge, asked = Judge(data.schema, data.shape).eval(), [Request({}, "anything")]
    sizes = list[int]()

    def shards() -> Iterator[Statistics]:
        for shard in range(n // size):
            content = made_up(data, shard, size, asked[0]).dumps()
            sizes.append(len(content))
            yield Statistics.loads(content)

    start = time.monotonic()
    found = report_at_scale(merged(shards()), asked, data, judge, {}, "untrained")
    seconds = time.monotonic() - start
    print(
        f"{found.samples:,} samples, {len(sizes):,} shards of {max(sizes):,} bytes of statistics: {seconds:.1f} s with "
        f"the readings, peak of memory {(peak() - before) / 2**20:.0f} MB above the data's"
    )


def made_up(data: "Splits", shard: int, size: int, request: "Request") -> "Statistics":
    """The statistics of readings that nobody read."""
    import torch

    from condgen.evaluation.judge.judge import Reading
    from condgen.evaluation.scale.statistics import Statistics

    draw = torch.Generator().manual_seed(shard)
    index = torch.randint(len(data.train), (size,), generator=draw)
    outputs = {a.name: torch.randn(size, a.width, generator=draw).log_softmax(1) for a in data.schema}
    read = Reading(data.schema, torch.randn(size, 128, generator=draw), outputs, {})
    return Statistics.of(read, data.train.condition[index], request, 0, {})


def peak() -> int:
    """The largest number of bytes that this process has had."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


if __name__ == "__main__":
    main()
