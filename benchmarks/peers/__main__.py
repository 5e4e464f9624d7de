"""Other libraries, as their authors publish them, beside condgen: the same data, cores, time and judge.

    python -m benchmarks.peers --data ../shared/data/mnist --budget 2m
    python -m benchmarks.peers --data ../shared/data/celeba10k64 --attributes Male,Young,Eyeglasses --budget 2m
    python -m benchmarks.peers --data ../shared/data/mnist --only --scripts PyTorch-GAN/implementations/cgan

Each peer runs in an environment of its own, made once in `--cache` with the versions in `constraints.txt` beside this
file. Its adapter is as short as its own example. The clock starts with images in memory and ends training when the time
is over. Then samples are made for the labels of the test images, as many as their time allows, and a judge trained on
real data only says what they show. Finished rows are kept: the command can be interrupted and repeated.
"""

import argparse
import json
import platform
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from condgen.data import Splits, load
from condgen.errors import RequestError
from condgen.evaluation import Judge, judge_for
from condgen.units import parse_duration

from .catalogue import CLASS, FLAGS, PEERS, Row, own, scripts
from .environment import Unavailable, cache_folder, python_of, version_of
from .judging import as_asked, judged, labels_of
from .table import Found, better, table
from .trial import Failed, Plan, tried, written


@dataclass(frozen=True)
class Contest:
    """What all rows have in common."""

    data: Splits
    judge: Judge
    plan: Plan
    asked: int
    cache: Path
    out: Path

    @property
    def kind(self) -> str:
        """The kind of condition. Raises RequestError for one that no peer could be asked for."""
        kinds = [attribute.kind for attribute in self.data.schema]
        if kinds == ["categorical"]:
            return CLASS
        if kinds and set(kinds) == {"flag"}:
            return FLAGS
        raise RequestError("Peers are asked for one class or for flags. Choose such attributes: `--attributes`.")

    def row(self, row: Row) -> Found:
        """The figures of a row, kept from before or measured now, or the reason why there are none."""
        note = self.out / f"{row.slug}.json"
        if not note.exists():
            note.parent.mkdir(parents=True, exist_ok=True)
            note.write_text(json.dumps(self._measured(row)))
        found: Found = json.loads(note.read_text())
        print(row.name, *(f"{k} {v:.4g}" if isinstance(v, float) else f"{k} {v}" for k, v in found.items()), flush=True)
        return found

    def _measured(self, row: Row) -> dict[str, Any]:
        reason = row.cannot(self.kind, self.data.shape[-1])
        if reason:
            return {"reason": reason}
        try:
            python = python_of(row.environment, row.packages, self.cache)
        except Unavailable as error:
            return {"reason": f"cannot be installed: {error}"}
        version = version_of(row.packages[0], row.environment, self.cache) if row.packages and not row.wrote else ""
        try:
            outcome = tried(python, row.adapter, row.settings, self._given(), self.out / row.slug, self.plan)
        except Failed as error:
            return {"reason": f"failed: {error}", "version": version}
        figures = outcome.figures
        found = {**figures, **judged(self.judge, outcome.samples, self.data), "version": version, "lines": row.lines}
        if not row.takes:
            found["obedience"] = None
        return found | {"speed": figures["images"] / figures["seconds"]}

    def _given(self) -> Path:
        """The file that all rows train on."""
        path = self.out / "given" / "data.npz"
        if path.exists():
            return path
        train, test = self.data.train, self.data.test[: self.asked]
        return written(path.parent, train.x.numpy(), labels_of(train.condition), labels_of(test.condition))


def main(arguments: Sequence[str] | None = None) -> None:
    args = options().parse_args(arguments)
    data = load(args.data, attributes=args.attributes.split(",") if args.attributes else None)
    training, sampling = parse_duration(args.budget), parse_duration(args.sampling)
    plan = Plan(training, sampling, args.seed, 1 if args.processor else args.threads, args.processor)
    folder = args.out / f"{Path(args.data).name}-{args.budget}-{args.seed}"
    contest = Contest(data, judge_for(data), plan, args.samples, args.cache, folder)
    rows = [*chosen([*PEERS, *own(data.shape[-1])], args.only), *scripts(args.scripts)]
    found = [(row.name, contest.row(row)) for row in rows]
    test = data.test[: args.samples]
    real = as_asked(contest.judge, test.floats, test.condition)
    print(f"\n{args.budget} of training on {platform.machine()}, {plan.threads or 'all'} threads.")
    print(f"The judge finds {real:.1%} of real images as labelled.\n\n{table(found)}\n")
    print("\n".join(better(found)))


def options() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--data", default="digits", help="a folder or a built-in dataset")
    add("--attributes", default="", help="to train on and ask for: one class, or several flags")
    add("--budget", default="2m", help="for training, each row")
    add("--sampling", default="30s", help="for samples, at most, each row")
    add("--only", nargs="*", metavar="NAME", help="only these rows, beside scripts")
    add("--scripts", nargs="*", type=Path, default=[], metavar="PATH", help="scripts, or folders of them")
    add("--samples", type=int, default=2_000, help="to make for the judge, if the time allows")
    add("--threads", type=int, default=None, help="of every process; all by default")
    add("--processor", action="store_true", help="count the processor time of one thread: beside other work")
    add("--seed", type=int, default=0)
    add("--cache", type=Path, default=cache_folder(), help="the folder of environments")
    add("--out", type=Path, default=Path("runs/peers"))
    return parser


def chosen(rows: Sequence[Row], names: Sequence[str] | None) -> list[Row]:
    """The rows of these names, all without any. Raises RequestError for an unknown one."""
    if names is None:
        return list(rows)
    if unknown := set(names) - {row.name for row in rows}:
        raise RequestError(
            f"No row is called {', '.join(sorted(unknown))}. There are {', '.join(r.name for r in rows)}."
        )
    return [row for row in rows if row.name in names]


if __name__ == "__main__":
    main()
