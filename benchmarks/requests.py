"""The three requests: does a preset obey, attribute by attribute and as a whole, and are these pictures or copies?

    python benchmarks/requests.py ../shared/data/mnist --attributes digit --out runs/digits \\
        --presets digits,digits-projection,digits-acgan,digits-cgan,digits-vae,digits-vae-prior,digits-cvae,digits-flow
    python benchmarks/requests.py ../shared/data/celeba10k64 --presets faces,faces-gan,faces-flow --out runs/faces \\
        --attributes Male,Young,Eyeglasses --ask "an old man wearing glasses"
    python benchmarks/requests.py ../shared/data/cars64 --presets cars --images 30k,60k,120k,240k --plot curve.png \\
        --attributes color,body --ask "color=red body=Coupe" --ask "a red sports car" --out runs/cars
    python benchmarks/requests.py ../shared/data/celeba10k64 --presets faces-gan --size 32 --images 64k --seeds 3 \\
        --compare channels=32,label_weight=0 channels=32,label_weight=1 --attributes Male,Young,Eyeglasses --only \\
        --ask "Eyeglasses=yes" --ask "Male=yes, Young=no, Eyeglasses=yes" --judge-images 30k --out runs/rare

Each cell trains as `condgen train DATA --preset P --seed S` does, on all attributes of the data or --only on those of
the tables, and is then asked for the labels of the test images. With --images every preset is trained once for each
number: quality against budget. With --compare it is trained once with each of these settings.

A judge trained on real data only says what it sees in the samples, and beside that what it sees in the test images
themselves. A request counts as obeyed where all of it shows at once; beside it stand the held-out real images that fit
it. Fréchet distances are on the judge's features, relative to those of as many real training images; `within` is the
mean over conditions that the data has enough of, `worst` the largest ratio among them. Copies are samples nearer to a
training image than real images are to each other. What a critic knows is the share of pairs of images that it prefers
with their own values to exchanged ones, 50 % by chance: if that is of training images alone, it knows them by heart.
Finished cells are kept: the command can be interrupted and repeated.
"""

import argparse
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from itertools import product
from pathlib import Path
from statistics import mean
from typing import Any

from cells import Cell, kept, settings_of, table, trained

from condgen.data import Splits, load
from condgen.evaluation.measure import evaluate
from condgen.evaluation.metrics.critic import CRITIC
from condgen.evaluation.metrics.feature_sets import Fidelity
from condgen.evaluation.protocol import EvaluationConfig
from condgen.runs.sampling import SamplingOptions
from condgen.units import parse_count

WITHIN = "within "  # of one condition
FIDELITY = {
    "Fréchet / floor": ("ratio", ".2f"),
    "within": ("within", ".2f"),
    "worst": ("worst", ".2f"),
    "precision": ("precision", ".3f"),
    "(real)": ("precision of real", ".3f"),
    "recall": ("recall", ".3f"),
    "(of real)": ("recall of real", ".3f"),
    "copies": ("copies", ".2%"),
    "images seen": ("images", ",.0f"),
    "minutes": ("minutes", ".1f"),
}


def distances(found: Fidelity) -> Cell:
    """How near samples come to real images, all together and within each condition, beside real images themselves."""
    within = {part.condition: part.made.frechet.value / part.floor.frechet.value for part in found.within}
    return {
        **{WITHIN + condition: ratio for condition, ratio in within.items()},
        "ratio": found.overall.frechet.value / found.floor.frechet.value,
        "within": mean(within.values()) if within else math.nan,
        "worst": max(within.values(), default=math.nan),
        "precision": found.overall.precision.value,
        "recall": found.overall.recall.value,
        "precision of real": found.floor.precision.value,
        "recall of real": found.floor.recall.value,
    }


@dataclass(frozen=True)
class Study:
    """What every run is asked: some attributes of the data's test labels, some whole requests."""

    data: Splits
    attributes: Sequence[str]
    requests: Sequence[str]
    samples: int
    judge_images: int | None
    guidance: float | None

    def cell(self, preset: str, folder: Path, seed: int, images: str, settings: str) -> Cell:
        """All that the tables say of one run, trained by a preset, perhaps for so many images, with these settings."""
        options: dict[str, Any] = {"images": parse_count(images), "seconds": None} if images else {}
        run = trained(self.data, preset, folder, seed, None, **options | settings_of(settings))
        measuring = EvaluationConfig(
            samples=self.samples,
            judge_images=self.judge_images,
            pairs=0,
            useful=0,
            edits=0,
            latents=0,
            ask=tuple(self.requests),
        )
        report = evaluate(run, self.data, measuring, sampling=SamplingOptions(guidance=self.guidance)).report
        found = report.obedience
        assert found is not None
        cell: Cell = {}
        for name in self.attributes:
            cell |= {f"{name} asked": found[name].asked.value, f"{name} real": found[name].real.value}
        for answer, request in zip(report.asked, self.requests, strict=True):
            cell |= {f"{request} asked": answer.obeyed.value, f"{request} real": answer.real.value}
        if known := CRITIC.of(report.results):
            for each in known.attributes:
                cell |= {f"{each.name} seen": each.seen.value, f"{each.name} unseen": each.unseen.value}
        spent = {"images": run.info.images, "minutes": run.info.seconds / 60}
        return cell | distances(report.fidelity[0]) | {"copies": report.memorisation.copies.value} | spent


def farthest(rows: dict[str, list[Cell]]) -> None:
    """The condition farthest from real images, on average over seeds: a single seed's worst is partly chance."""
    for label, cells in rows.items():
        means = {key: mean(cell[key] for cell in cells) for key in cells[0] if key.startswith(WITHIN)}
        if means:
            worst = max(means, key=means.__getitem__)
            print(f"\n{label}: farthest on average {worst.removeprefix(WITHIN)}, {means[worst]:.2f}")


def curve(path: Path, rows: dict[str, list[Cell]], names: Sequence[str]) -> None:
    """Each name's share of what the judge finds in real images, and the Fréchet distance, against images seen."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    cells = [cell for row in rows.values() for cell in row]
    images = [cell["images"] for cell in cells]
    figure, (left, right) = pyplot.subplots(1, 2, figsize=(9, 3.6), layout="constrained")
    for name in names:
        relative = [c[f"{name} asked"] / c[f"{name} real"] for c in cells]
        left.plot(images, relative, "o-", label=name)
    left.axhline(1, color="grey", linewidth=0.8)
    left.set(xlabel="images seen", ylabel="obedience, relative to real images", xscale="log")
    left.legend()
    right.plot(images, [cell["ratio"] for cell in cells], "o-")
    right.set(xlabel="images seen", ylabel="Fréchet distance / floor", xscale="log")
    figure.savefig(path, dpi=110)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data")
    parser.add_argument("--presets", required=True)
    parser.add_argument("--attributes", required=True, help="of which the tables speak")
    parser.add_argument("--only", action="store_true", help="train on these attributes alone, not on all")
    parser.add_argument("--size", type=int, help="pixels of a side")
    parser.add_argument(
        "--compare", nargs="+", default=[""], metavar="SETTINGS", help="as in label_weight=1,channels=32"
    )
    parser.add_argument("--ask", action="append", default=[])
    parser.add_argument("--images", default="", help="in place of the presets' own: 30k,60k,…")
    parser.add_argument("--guidance", type=float, default=None)
    parser.add_argument("--samples", type=int, default=2_000)
    parser.add_argument("--judge-images", type=parse_count, help="presentations in training the judge")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--plot", type=Path, help="quality against images seen, of one preset")
    parser.add_argument("--out", type=Path, default=Path("runs/requests"))
    args = parser.parse_args()
    attributes = args.attributes.split(",")
    data = load(args.data, attributes=attributes if args.only else None, size=args.size)
    study = Study(data, attributes, args.ask, args.samples, args.judge_images, args.guidance)
    rows: dict[str, list[Cell]] = {}
    cells = product(args.presets.split(","), args.images.split(","), args.compare, range(args.seeds))
    for preset, images, settings, seed in cells:
        name = "-".join(part for part in (preset, images, settings, str(seed)) if part)
        note = args.out / f"{name}{f'@{args.guidance:g}' if args.guidance else ''}.json"
        found = kept(note, partial(study.cell, preset, args.out / name, seed, images, settings))
        rows.setdefault(" ".join(part for part in (preset, images, settings) if part), []).append(found)
    for title, names in (("attribute", study.attributes), ("request", study.requests)):
        columns = {f"{n}, {part}": (f"{n} {part}", ".1%") for n in names for part in ("asked", "real")}
        if names:
            table(title, columns, rows)
    table("preset", FIDELITY, rows)
    known = [n for n in study.attributes if all(f"{n} seen" in cell for row in rows.values() for cell in row)]
    if known:
        parts = {"seen": "training", "unseen": "held-out"}
        columns = {f"{n}, {told}": (f"{n} {part}", ".0%") for n in known for part, told in parts.items()}
        table("known to the critic", columns, rows)
    farthest(rows)
    if args.plot:
        curve(args.plot, rows, [*study.attributes, *study.requests])


if __name__ == "__main__":
    main()
