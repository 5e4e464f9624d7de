"""Edits of held-out photographs, measured in several ways of making them, as one table.

    python benchmarks/edits.py runs/faces --n 300

Each way edits the same observations of the data that the run was trained on, its validation part unless --test, one
attribute at a time. Beside the share that an independent judge reads as asked stands what it costs: how much more often
another attribute is read differently than before, how far edits are from their originals in pixels, in the background's
pixels and in features, and how many are still nearest to their own original.
"""

import argparse
from pathlib import Path

from condgen.evaluation import judge_for
from condgen.evaluation.metrics.edits import Edited, Edits, edits
from condgen.runs.editing import EditOptions, parse_strength
from condgen.runs.run import Run

COLUMNS = ("as asked", "before", "real", "else moved", "pixels", "background", "features", "own original")


def ways(strengths: list[str]) -> dict[str, EditOptions]:
    added = {f"strength {s}": EditOptions(strength=parse_strength(s)) for s in strengths}
    return {"decoded": EditOptions(decoded=True)} | added


def cells(edit: Edited) -> list[str]:
    others = [e.value for e in edit.moved.read.values()]
    form = ".3g" if edit.kind == "continuous" else ".1%"
    return [
        *(format(e.value, form) for e in (edit.obeyed, edit.before, edit.real)),
        f"{sum(others) / max(len(others), 1):.1%}",
        f"{edit.moved.pixels.value:.3f}",
        f"{edit.moved.background.value:.3f}" if edit.moved.background else "",
        f"{edit.moved.features.value:.2f}",
        f"{edit.moved.own.value:.1%}",
    ]


def rows(name: str, found: Edits) -> list[str]:
    return [f"| {name} | {e.attribute} → {e.to} ({e.n}) | " + " | ".join(cells(e)) + " |" for e in found.edits]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("--n", type=int, default=300)
    parser.add_argument("--strengths", default="1,1.5,2,auto")
    parser.add_argument("--features", help="as in condgen evaluate; unless given, what photographs are recognised by")
    parser.add_argument("--test", action="store_true", help="on test data: not for choosing")
    args = parser.parse_args()
    run = Run.open(args.run)
    data = run.data()
    judge, held = judge_for(data), data.test if args.test else data.validation
    print(f"| way | edit (n) | {' | '.join(COLUMNS)} |\n|{'---|' * (len(COLUMNS) + 2)}")
    for name, how in ways(args.strengths.split(",")).items():
        print(*rows(name, edits(run, held, judge, n=args.n, features=args.features, editing=how)), sep="\n", flush=True)


if __name__ == "__main__":
    main()
