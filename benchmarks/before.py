"""The presets' training and sampling beside those of an earlier commit, each in a process of its own, in turns.

    git worktree add ../before 3318b2b
    python benchmarks/before.py --before ../before digits=../shared/data/mnist faces-gan=../shared/data/celeba10k64
    python benchmarks/before.py --before ../before digits=../shared/data/mnist --cores 2

Training is the whole loop: fetching a batch, the step, averaged weights. The share is that of the rate at which a
convolution computes (reference.py), in the same arithmetic and at the same time. It counts operations of products and
convolutions. On one core times are those of computing, on more of the clock. Sampling is of an untrained run, PNG files
included. Rows are kept in `--out`, so that the command can be interrupted and repeated.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import cache, partial
from pathlib import Path
from statistics import median
from typing import Any

import torch
from reference import convolution, operations

PERIOD = 8  # steps that are timed at once: as often as penalties come
ROUNDS = 3
SAMPLED = {"flow": 64, None: 2000}  # images that a preset samples, by a word in its name
KINDS = [("before", "float32"), ("after", "float32"), ("before", "bf16"), ("after", "bf16")]


class Worker:
    """A process that trains presets with the code of one commit, in one precision."""

    def __init__(self, source: Path, precision: str, cores: int):
        paths = [source / "src", source / "benchmarks", Path(__file__).parent]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, paths)), "OMP_NUM_THREADS": str(cores)}
        command = [sys.executable, __file__, "--worker", precision]
        self.process = subprocess.Popen(
            command,
            env=environment,
            text=True,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )

    def __call__(self, **order: Any) -> dict[str, float]:
        """The answer to an order."""
        assert self.process.stdin
        assert self.process.stdout
        print(json.dumps(order), file=self.process.stdin, flush=True)
        found: dict[str, float] = json.loads(self.process.stdout.readline())
        return found


class Loop:
    """The training loop of a preset, of which a few more steps are timed at every call."""

    def __init__(self, name: str, address: str, precision: str):
        from condgen.models import build
        from condgen.presets import preset
        from condgen.training import Trainer, TrainingConfig
        from condgen.training.arithmetic import Arithmetic

        try:
            from condgen.runs.arguments import split_arguments
        except ModuleNotFoundError:  # an earlier commit
            from condgen.runs.train import split_arguments  # type: ignore[attr-defined]
        data, arguments = loaded(address), preset(name)
        family = arguments.pop("model")
        of_model, of_training = split_arguments(family, arguments, data)
        settings = TrainingConfig(**{**of_training, "images": 10**7, "seconds": None})
        how = Arithmetic(precision, torch.get_num_threads())  # type: ignore[arg-type]
        model = build(family, data.schema, data.shape, **of_model)
        self.folder = Path(tempfile.mkdtemp())
        self.trainer = Trainer(model, data, self.folder / "run", settings, arithmetic=how)
        self.batches = self.trainer.batches()
        self.batch = settings.batch

    def step(self, times: int = 1) -> None:
        """More steps."""
        for _ in range(times):
            self.trainer.step(*next(self.batches))
            self.trainer.info.images += self.batch

    def sampled(self, n: int) -> dict[str, float]:
        """Images sampled and written a second."""
        from speed import sampled_and_written

        (self.folder / "run").mkdir()
        self.trainer.save()
        return {"rate": n / least(lambda: sampled_and_written(self.folder / "run", Path(tempfile.mkdtemp()) / "x", n))}


@cache
def loaded(address: str) -> Any:
    """The data behind an address, read once."""
    from condgen.data import load

    return load(address)


def clock() -> float:
    """Seconds of computing on one core, of the clock on more."""
    return time.process_time() if torch.get_num_threads() == 1 else time.perf_counter()


def least(call: Callable[[], object], times: int = 2) -> float:
    """The seconds of the quickest of some calls."""
    took = []
    for _ in range(times):
        started = clock()
        call()
        took.append(clock() - started)
    return min(took)


def work(precision: str) -> None:
    """Answer orders until there are no more."""
    conv = convolution(precision == "bf16")
    for order in map(json.loads, sys.stdin):
        if order["do"] == "begin":
            loop = Loop(order["preset"], order["data"], precision)
            loop.step()
            of_conv, of_step = operations(conv), operations(loop.step, PERIOD) / loop.batch
            answer = {"operations": of_step, "convolution": of_conv}
        elif order["do"] == "sample":
            answer = loop.sampled(order["n"])
        else:
            conv_seconds = median(least(conv, 1) for _ in range(9))
            took = least(partial(loop.step, PERIOD), 1)
            answer = {"pace": PERIOD * loop.batch / took, "convolution": conv_seconds}
        print(json.dumps(answer), flush=True)


def measured(workers: dict[str, Worker], name: str, address: str) -> dict[str, Any]:
    """A row: images a second and share of every kind, and samples a second before and after."""
    begun = {kind: worker(do="begin", preset=name, data=address) for kind, worker in workers.items()}
    rounds = [{kind: worker(do="step") for kind, worker in workers.items()} for _ in range(ROUNDS)]
    row: dict[str, Any] = {"preset": name}
    for kind in workers:
        pace = max(each[kind]["pace"] for each in rounds)
        seconds = median(each[kind]["convolution"] for each in rounds)
        needed = begun[kind.replace("before", "after")]["operations"]  # its attention is counted, that of before is not
        row[kind] = round(pace, 1)
        row[f"{kind}, share"] = round(pace * needed * seconds / begun[kind]["convolution"], 3)
    n = next(n for word, n in SAMPLED.items() if word is None or word in name)
    for when in ("before", "after"):
        row[f"{when}, samples/s"] = round(workers[f"{when} float32"](do="sample", n=n)["rate"], 1)
    return row


def shown(rows: list[dict[str, Any]]) -> None:
    """Print rows as a Markdown table."""
    kinds = [" ".join(kind) for kind in KINDS]
    print("| preset | " + " | ".join(kinds) + " | quickest | samples/s before | after |\n|---" + "|---" * 7 + "|")
    for row in rows:
        cells = [f"{row[kind]:,.0f} ({row[f'{kind}, share']:.0%})" for kind in kinds]
        before, after = (max(row[f"{when} {how}"] for how in ("float32", "bf16")) for when in ("before", "after"))
        samples = [f"{row[f'{when}, samples/s']:,.0f}" for when in ("before", "after")]
        print("| " + " | ".join([f"`{row['preset']}`", *cells, f"× {after / before:.2f}", *samples]) + " |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("presets", nargs="*", help="PRESET=DATA")
    parser.add_argument("--before", type=Path, help="a worktree of the earlier commit")
    parser.add_argument("--cores", type=int, default=1)
    parser.add_argument("--out", type=Path, default=Path("runs/before"))
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.worker:
        work(args.worker)
        return
    places, rows = {"before": args.before, "after": Path(__file__).parents[1]}, []
    workers: dict[str, Worker] = {}
    for name, _, address in (each.partition("=") for each in args.presets):
        kept = args.out / f"{name}-{args.cores}.json"
        if not kept.exists():
            workers = workers or {" ".join(k): Worker(places[k[0]].absolute(), k[1], args.cores) for k in KINDS}
            kept.parent.mkdir(parents=True, exist_ok=True)
            kept.write_text(json.dumps(measured(workers, name, address or "digits")), encoding="utf-8")
        rows.append(json.loads(kept.read_text(encoding="utf-8")))
        print(json.dumps(rows[-1]), file=sys.stderr, flush=True)
    shown(rows)


if __name__ == "__main__":
    main()
