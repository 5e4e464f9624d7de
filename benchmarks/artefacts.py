"""Patterns of pixels in photographs, and the quality beside them, by settings of the network that draws them.

    python benchmarks/artefacts.py ../shared/data/celeba10k64 --attributes Male,Young,Eyeglasses --preset faces-gan \
        --images 120k --seeds 2 --out runs/artefacts
    python benchmarks/artefacts.py ../shared/data/cars64 --attributes color,body --preset cars-gan --images 120k \
        --compare outputs=pixels outputs=spectrum,channels=48 --out runs/artefacts-cars

Each cell trains as `condgen train --preset P --images N --seed S --set K=V …` does, with warm-up and average no longer
than a fifth and a quarter of it, and samples the test set's own labels. Training with `outputs=deblocked` is training
with `outputs=pixels`: the two are one network, shown in two ways.

The first table has the pattern that stands out most relative to real images (condgen/evaluation/metrics/artefacts.py)
and every pattern in samples. Beside them stands the worst harmonic: of all frequencies that a pattern of eight pixels
can consist of, also aslant, the one that stands out most. The second has Fréchet distance, precision and recall in the
features of a judge that is trained on real data only, and in those of EfficientNet, which knows nothing of the data,
unless the run was trained against it. The third has obedience by attribute, as the judge reads samples and real images.
The last line says what is left of real images by the filter that samples pass with `outputs=deblocked`. A sheet of
samples is written beside each run. Finished cells are kept: the command can be interrupted and repeated.
"""

import argparse
from functools import partial
from itertools import product
from math import nan
from pathlib import Path

import torch
from adversarial import sampled_like
from cells import Cell, kept, settings_of, table, trained
from torch import Tensor

from condgen.data import Dataset, Splits, as_float, load
from condgen.data.storage.mapped import taken
from condgen.evaluation import Judge, artefacts, judge_for
from condgen.evaluation.independence import independent
from condgen.evaluation.judge.features import extract, extractor
from condgen.evaluation.metrics.distances import some
from condgen.evaluation.metrics.feature_sets import FeatureSet, fidelity
from condgen.networks.conv import pattern_period
from condgen.networks.patches import deblocked
from condgen.runs.run import Run
from condgen.runs.samples import Samples
from condgen.training.settings import TrainingConfig
from condgen.units import parse_count

FEATURES = {"judge": "judge", "efficientnet": "EfficientNet"}
SHOWN = 100  # samples on a sheet
PATTERNS = {
    "worst ÷ real": ("excess", ".2f"),
    "worst harmonic ÷ real": ("harmonic", ".2f"),
    **{
        f"{period} {name}": (f"{period} {name}", ".2f")
        for period in (2, 4, 8)
        for name in ("across", "down", "diagonal")
    },
    "images/s": ("pace", ",.0f"),
}
QUALITY = {"Fréchet / floor": "ratio", "precision": "precision", "recall": "recall"}


def measured(run: Run, judge: Judge, data: Splits) -> Cell:
    """All that the tables say of one run."""
    samples, _ = sampled_like(run, data.test)
    samples[:SHOWN].grid(labels=False).save(run.path.with_suffix(".png"))
    found = artefacts(samples.x, data.test.observations)
    return {
        "excess": found.worst.excess,
        "harmonic": harmonic(samples.x, as_float(taken(data.test.observations, slice(0, len(samples))))),
        **{f"{p.period} {p.direction}": p.made.value for p in found.patterns},
        **{k: v for f in FEATURES for k, v in quality(f, judge, samples, data, independent(run, [f])).items()},
        **obedience(judge, samples, data.test),
        "pace": run.info.images / run.info.seconds,
    }


def without_pattern(run: Run, file: Path) -> Run:
    """Its weights, which show images without the pattern of patches."""
    return Run.open(file if file.exists() else run.export("weights", file, deblock=True))


def harmonic(made: Tensor, real: Tensor) -> float:
    """The largest prominence, relative to real images, of a frequency that repeats every eight pixels both ways."""
    return float((prominences(made) / prominences(real).clamp(min=1)).max())


def prominences(x: Tensor) -> Tensor:
    """The power of each such frequency relative to the geometric mean of those two and three steps away, [24]."""
    power = torch.fft.fft2(x - x.mean((2, 3), keepdim=True)).abs().square().mean((0, 1)).log()
    away = [step for step in product((-3, -2, 0, 2, 3), repeat=2) if any(step)]
    around = torch.stack([power.roll(step, (0, 1)) for step in away]).mean(0)
    down, across = (side // 8 for side in x.shape[2:])
    return (power - around)[::down, ::across][:5, :5].exp().flatten()[1:]


def left_by_deblocking(real: Tensor) -> float:
    """The ratio of signal to noise of real images that are deblocked, in dB."""
    shown = deblocked(real, pattern_period(*real.shape[2:])).clamp(0, 1)
    return float(-10 * (shown - real).square().mean().log10())


def quality(features: str, judge: Judge, samples: Samples, data: Splits, tells: bool) -> Cell:
    """Fidelity in these features, overall. That of samples is not a number where it would tell nothing of the run."""
    read = extractor(features, judge)
    train = data.train[some(len(data.train), len(samples))]
    none = samples.condition.select([])
    observed = (samples.x, data.test.observations, train.observations)
    made, real, floor = (FeatureSet(extract(read, x), none) for x in observed)
    found = fidelity(made, real, floor, name=features)
    near, best = found.overall, found.floor
    of_samples = (near.frechet.value / best.frechet.value, near.precision.value, near.recall.value)
    return {
        **{f"{features} {k}": v if tells else nan for k, v in zip(QUALITY.values(), of_samples, strict=True)},
        f"{features} precision real": best.precision.value,
        f"{features} recall real": best.recall.value,
    }


def obedience(judge: Judge, samples: Samples, test: Dataset) -> Cell:
    """Agreement of the judge with what was asked and, beside it, with the labels of real images."""
    asked = judge.agreement(samples.x, samples.condition)
    real = judge.agreement(test.observations, test.condition)
    return asked | {f"{name} real": value for name, value in real.items()}


def tables(title: str, names: list[str], rows: dict[str, list[Cell]]) -> None:
    """The three tables: patterns, quality, obedience."""
    table(title, PATTERNS, rows)
    for features, heading in FEATURES.items():
        beside = {f"real {what}": (f"{features} {what} real", ".3f") for what in ("precision", "recall")}
        table(f"in features of {heading}", {k: (f"{features} {v}", ".3f") for k, v in QUALITY.items()} | beside, rows)
    table("as asked", {f"{n}{part}": (f"{n}{part}", ".1%") for n in names for part in ("", " real")}, rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", nargs="?", default="portraits")
    parser.add_argument("--attributes", default=None)
    parser.add_argument("--size", type=int, default=64)
    parser.add_argument("--preset", default="faces-gan")
    parser.add_argument("--images", type=parse_count, default=48_000)
    parser.add_argument("--precision", default="auto")
    parser.add_argument("--judge-images", type=parse_count, default=60_000)
    parser.add_argument("--compare", nargs="+", default=["outputs=pixels", "outputs=deblocked", "outputs=spectrum"])
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--out", type=Path, default=Path("runs/artefacts"))
    args = parser.parse_args()
    data = load(args.data, attributes=args.attributes.split(",") if args.attributes else None, size=args.size)
    judge = judge_for(data, images=args.judge_images)
    usual = TrainingConfig()
    brief = {"warmup": min(usual.warmup, args.images // 5), "ema": min(usual.ema, args.images // 4)}
    training = brief | {"images": args.images, "precision": args.precision, "previews": 0}

    def run(text: str, seed: int) -> Run:
        place = args.out / f"{text}-{seed}"
        if "outputs=deblocked" in text:
            return without_pattern(run(text.replace("deblocked", "pixels"), seed), Path(f"{place}.safetensors"))
        return trained(data, args.preset, place, seed, None, **training, **settings_of(text))

    def cell(text: str, seed: int) -> Cell:
        return measured(run(text, seed), judge, data)

    rows: dict[str, list[Cell]] = {}
    for seed, text in product(range(args.seeds), args.compare):
        rows.setdefault(text, []).append(kept(args.out / f"{text}-{seed}.json", partial(cell, text, seed)))
    tables(f"{args.preset}, {args.images:,} images of {args.size} px", list(data.schema.names), rows)
    real = as_float(taken(data.validation.observations, slice(0, 1000)))
    print(f"\nDeblocked, real images of the validation part keep {left_by_deblocking(real):.0f} dB.")


if __name__ == "__main__":
    main()
