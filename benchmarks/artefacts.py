"""Patterns of pixels in photographs, by the outputs of the network that draws them, over several seeds.

    python benchmarks/artefacts.py ../shared/data/celeba10k64 --attributes Male,Wavy_Hair --preset faces-gan \
        --images 48k --size 32 --out runs/artefacts

Each cell trains as `condgen train --preset P --images N --seed S --set outputs=O` does, with warm-up and average as
short as the run, and samples the test set's own labels. The table has the pattern that stands out most relative to real
images (condgen/evaluation/metrics/artefacts.py), every pattern in samples, and the Fréchet distance, precision and
recall in the features of a judge that is trained on real data only. Finished cells are kept: the command can be
interrupted and repeated.
"""

import argparse
from itertools import product
from pathlib import Path

from adversarial import quality, sampled_like
from cells import Cell, kept, table, trained

from condgen.data import Splits, load
from condgen.evaluation import Judge, artefacts, judge_for
from condgen.models.backbones import OUTPUTS
from condgen.runs.run import Run
from condgen.units import parse_count

COLUMNS = {
    "worst ÷ real": ("excess", ".2f"),
    "2 across": ("2 across", ".2f"),
    "2 down": ("2 down", ".2f"),
    "2 diagonal": ("2 diagonal", ".2f"),
    "4 across": ("4 across", ".2f"),
    "4 down": ("4 down", ".2f"),
    "4 diagonal": ("4 diagonal", ".2f"),
    "Fréchet / floor": ("ratio", ".2f"),
    "precision": ("precision", ".3f"),
    "recall": ("recall", ".3f"),
    "diversity": ("diversity", ".2f"),
    "images/s": ("pace", ",.0f"),
}


def measured(run: Run, judge: Judge, data: Splits) -> Cell:
    samples, _ = sampled_like(run, data.test)
    found = artefacts(samples.x, data.test.observations)
    return {
        "excess": found.worst.excess,
        **{f"{p.period} {p.direction}": p.made.value for p in found.patterns},
        **quality(judge, samples, data.train, data.test),
        "pace": run.info.images / run.info.seconds,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", nargs="?", default="portraits")
    parser.add_argument("--attributes", default=None)
    parser.add_argument("--size", type=int, default=64)
    parser.add_argument("--preset", default="faces-gan")
    parser.add_argument("--images", type=parse_count, default=48_000)
    parser.add_argument("--channels", type=int, default=64)
    parser.add_argument("--precision", default="auto")
    parser.add_argument("--judge-images", type=parse_count, default=20_000)
    parser.add_argument("--outputs", default=",".join(OUTPUTS))
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--out", type=Path, default=Path("runs/artefacts"))
    args = parser.parse_args()
    named = args.attributes.split(",") if args.attributes else None
    data = load(args.data, attributes=named, size=args.size)
    judge = judge_for(data, images=args.judge_images)
    rows: dict[str, list[Cell]] = {}
    for outputs, seed in product(args.outputs.split(","), range(args.seeds)):
        name = f"{outputs}-{seed}"
        settings = {
            "outputs": outputs,
            "images": args.images,
            "channels": args.channels,
            "warmup": args.images // 5,
            "ema": args.images // 4,
            "precision": args.precision,
            "previews": 0,
        }

        def cell(name: str = name, seed: int = seed, settings: dict[str, object] = settings) -> Cell:
            run = trained(data, args.preset, args.out / name, seed, None, **settings)
            return measured(run, judge, data)

        rows.setdefault(outputs, []).append(kept(args.out / f"{name}.json", cell))
    table(f"{args.preset}, {args.images:,} images of {args.size} px", COLUMNS, rows)


if __name__ == "__main__":
    main()
