"""Presets on photographs: does each attribute show, does a whole request, and are these pictures or copies or noise?

    python benchmarks/photographs.py ../shared/data/celeba10k64 --presets faces \
        --attributes Male,Young,Eyeglasses --ask "an old man wearing glasses" --out runs/faces
    python benchmarks/photographs.py ../shared/data/cars64 --presets cars \
        --attributes color,body --ask "color=red body=Coupe" --ask "a red sports car" --out runs/cars

Each cell trains as `condgen train DATA --preset P --seed S` does, on all attributes of the data, and is then asked for
the labels of the test images. A judge trained on real data only says what it sees in the samples, and beside that what
it sees in the test images themselves. A request counts as obeyed where all of it shows at once; beside it stand the
held-out real images that fit it. The Fréchet distance is on the judge's features, relative to that of as many real
training images. Copies are samples nearer to a training image than real images are to each other. Finished cells are
kept: the command can be interrupted and repeated.
"""

import argparse
from pathlib import Path

from cells import Cell, kept, table, trained

from condgen.data import Splits, load
from condgen.evaluation import Judge, judge_for
from condgen.evaluation.asked import ask
from condgen.evaluation.measure import Measuring, evaluate
from condgen.run import Run
from condgen.sampling import Sampling


def measured(run: Run, judge: Judge, data: Splits, attributes: list[str], requests: list[str], how: Cell) -> Cell:
    """All that the tables say of one run."""
    sampling = Sampling.of({k: v for k, v in how.items() if k == "guidance"})
    n = int(how["samples"])
    report = evaluate(run, data, Measuring(samples=n, pairs=0, useful=0), sampling=sampling).report
    found, near = report.obedience, report.fidelity[0]
    assert found is not None
    cell: Cell = {}
    for name in attributes:
        cell |= {f"{name} asked": found[name].asked.value, f"{name} real": found[name].real.value}
    for answer, request in zip(ask(run, judge, data, requests, n, sampling=sampling), requests, strict=True):
        print(answer.line)
        cell |= {f"{request} asked": answer.obeyed.value, f"{request} real": answer.real.value}
        cell[f"{request} ratio"] = answer.relative
    return cell | {
        "ratio": near.overall.frechet.value / near.floor.frechet.value,
        "precision": near.overall.precision.value,
        "recall": near.overall.recall.value,
        "precision of real": near.floor.precision.value,
        "recall of real": near.floor.recall.value,
        "copies": report.memorisation.copies.value,
        "images": run.info.images,
        "minutes": run.info.seconds / 60,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data")
    parser.add_argument("--presets", required=True)
    parser.add_argument("--attributes", required=True, help="of which the tables speak; all are trained on")
    parser.add_argument("--ask", action="append", default=[])
    parser.add_argument("--budget", default=None)
    parser.add_argument("--guidance", type=float, default=None)
    parser.add_argument("--samples", type=int, default=2_000)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    data = load(args.data)
    judge = judge_for(data)
    attributes, presets = args.attributes.split(","), args.presets.split(",")
    how: Cell = {"samples": args.samples} | ({"guidance": args.guidance} if args.guidance else {})
    rows: dict[str, list[Cell]] = {name: [] for name in presets}
    for name in presets:
        for seed in range(args.seeds):
            folder = args.out / f"{name}-{seed}"
            note = folder.with_suffix(f".{args.guidance:g}.json" if args.guidance else ".json")
            rows[name].append(
                kept(
                    note,
                    lambda n=name, s=seed, f=folder: measured(  # type: ignore[misc]
                        trained(data, n, f, s, args.budget), judge, data, attributes, args.ask, how
                    ),
                )
            )
    for title, names in (("attribute", attributes), ("request", args.ask)):
        columns = {f"{n}, {part}": (f"{n} {part}", ".1%") for n in names for part in ("asked", "real")}
        if names:
            table(title, columns, rows)
    table(
        "preset",
        {
            "Fréchet / floor": ("ratio", ".2f"),
            "precision": ("precision", ".3f"),
            "(real)": ("precision of real", ".3f"),
            "recall": ("recall", ".3f"),
            "(of real)": ("recall of real", ".3f"),
            "copies": ("copies", ".2%"),
            "images seen": ("images", ",.0f"),
            "minutes": ("minutes", ".1f"),
        },
        rows,
    )


if __name__ == "__main__":
    main()
