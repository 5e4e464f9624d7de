"""Composition: combinations that never train, asked for.

    python benchmarks/composition.py diagonal-digits                                 # digit k in colours k, k + 1
    python benchmarks/composition.py diagonal-digits --handwriting mnist --size 16   # with those of MNIST
    python benchmarks/composition.py cars --hold-out "color=red, body=Coupe"
    python benchmarks/composition.py shapes --hold-out "shape=star, color=red"
    python benchmarks/composition.py ../shared/data/cars64 --hold-out "color=red, body=Coupe" --attributes color,body \\
        --rows "cars preset" --images 60k

Obedience of samples asked for unseen combinations, all attributes at once and each alone, beside that for seen ones and
beside what the same judge finds in real images of the unseen ones. The judge is trained with all combinations, or it
could not read them: of the digits in full support, elsewhere with half of what is held out. The condition is `plain`
(one-hot), or embedded: `mixed` embeddings pass through a network that sees all attributes at once, `additive` ones do
not. `guided` and `composed` are ways to sample, by a weight of 2, and by the unconditional velocity and what each
attribute adds to it alone. Mean ± standard deviation over seeds; finished cells are kept, so it can be interrupted and
repeated. --rows picks rows by the beginning of their names, --sheet shows samples of seed 0.
"""

import argparse
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from cells import Cell, kept, table

from condgen.data import Dataset, SplitConfig, Splits, as_float, load
from condgen.data.synthetic import ColoredDigits
from condgen.evaluation import judge_for
from condgen.evaluation.judge.held_out import judge_splits
from condgen.evaluation.judge.judge import Judge
from condgen.evaluation.metrics.combinations import named_codes
from condgen.evaluation.metrics.obedience import obedience
from condgen.evaluation.subject import EvaluatedRun, as_in_data
from condgen.pictures import grid, save_picture
from condgen.presets import preset
from condgen.runs.run import Run
from condgen.runs.sampling import SamplingOptions
from condgen.runs.train import train
from condgen.units import parse_count

FEW = {"latent": 5}  # room for how a digit is written, hardly for its colour: that must come from the condition
EMBEDDED = {**FEW, "embedding": 64, "condition_dropout": 0.0}
LATENT = {"latent": 16, "prior": "flow", "likelihood": "gaussian", "embedding": 64}
PIXELS = {"channels": 32, "depth": 1, "sampler": "dpm"}
PHOTOGRAPHS = {key: value for key, value in preset("cars").items() if key not in {"model", "images", "previews"}}
JOINT = {"joint": SamplingOptions()}
GUIDED = {
    **JOINT,
    "guided": SamplingOptions(guidance=2),
    "composed": SamplingOptions(compose=True),
    "composed and guided": SamplingOptions(compose=True, guidance=2),
}
ROWS: dict[str, tuple[str, dict[str, Any], dict[str, SamplingOptions]]] = {
    "plain CVAE": ("cvae", FEW, JOINT),
    "wide plain CVAE": ("cvae", {}, JOINT),
    "mixed CVAE": ("cvae", EMBEDDED, JOINT),
    "additive CVAE": ("cvae", {**EMBEDDED, "additive": True}, JOINT),
    "projection GAN": ("projection", {}, JOINT),
    "mixed latent flow": ("cvae", LATENT, GUIDED),
    "additive latent flow": ("cvae", {**LATENT, "additive": True}, GUIDED),
    "mixed flow": ("flow", PIXELS, GUIDED),
    "additive flow": ("flow", {**PIXELS, "additive": True}, GUIDED),
    # For photographs, and only if asked for; their guidance is the run's own.
    "cars preset": ("cvae", PHOTOGRAPHS, JOINT),
    "additive cars preset": ("cvae", {**PHOTOGRAPHS, "additive": True}, JOINT),
}
ATTRIBUTES = {"cars": "color,body", "shapes": "shape,color"}  # unless others are asked for


@dataclass(frozen=True)
class Study:
    """A world, what of it never trains, and who judges. unseen: real images of that, which the judge does not know."""

    data: Splits
    unseen: Dataset
    judge: Judge


def diagonal(handwriting: str | None, size: int) -> Study:
    """Coloured digits on the diagonal, judged by one who knows all hundred combinations."""
    ink = load(handwriting, size=size).train if handwriting else None
    data, whole = (ColoredDigits(size, support, ink).splits() for support in ("diagonal", "full"))
    seen = {tuple(codes) for codes in named_codes(data.train.condition).tolist()}
    absent = [tuple(codes) not in seen for codes in named_codes(whole.test.condition).tolist()]
    return Study(data, whole.test[torch.tensor(absent).nonzero()[:, 0]], judge_for(whole))


def held_out(source: str, attributes: str | None, requests: Sequence[str], size: int | None) -> Study:
    """Data of which some combinations are held out."""
    names = attributes.split(",") if attributes else None
    data = load(source, attributes=names, size=size, splitting=SplitConfig(hold_out=tuple(requests)))
    unseen = judge_splits(data).held
    assert unseen is not None
    return Study(data, unseen, judge_for(data))


def trained(model: str, data: Splits, folder: Path, **settings: Any) -> Run:
    """A run, or the one that is finished already."""
    finished = folder / "finished"
    if not finished.exists():
        shutil.rmtree(folder, ignore_errors=True)
        train(model, data, folder, previews=0, **settings)
        finished.touch()
    return Run.open(folder)


def measure(row: str, study: Study, folder: Path, n: int, **settings: Any) -> Cell:
    """Obedience on unseen and on seen combinations, under every way of sampling, in percent."""
    model, arguments, ways = ROWS[row]
    run, found = trained(model, study.data, folder, **{**arguments, **settings}), Cell()
    for way, sampling in ways.items():
        for name, real in (("unseen", study.unseen), ("seen", study.data.test)):
            made = EvaluatedRun(run, study.data, sampling).answer(as_in_data(real, n, 0), torch.arange(n))
            seen = obedience(study.judge, made, real)
            found |= {f"{way} {name}": 100 * seen.joint.value, f"{way} {name} real": 100 * seen.joint_real.value}
            found |= {f"{way} {name} {a.name}": 100 * a.asked.value for a in seen.attributes}
    return found


def of_way(cell: Cell, way: str) -> Cell:
    """What one way of sampling gave."""
    return {key.removeprefix(f"{way} "): value for key, value in cell.items() if key.startswith(f"{way} ")}


def labelled(row: str) -> dict[str, str]:
    """What each way of sampling a row's model is called in the table."""
    ways = ROWS[row][2]
    return {way: f"{row}, {way}" if len(ways) > 1 else row for way in ways}


def show(rows: dict[str, list[Cell]], names: Sequence[str]) -> None:
    """The table, and what the judge gives to real images."""
    first = next(iter(rows.values()))[0]
    print(f"\nThe judge on real images: {first['unseen real']:.1f} % of unseen, {first['seen real']:.1f} % of seen.")
    alone = {f"unseen: {name} alone %": (f"unseen {name}", ".1f") for name in names}
    table("model", {"unseen, all at once %": ("unseen", ".1f"), **alone, "seen %": ("seen", ".1f")}, rows)


def sheet(rows: Sequence[str], study: Study, folder: Path, path: Path, columns: int = 12) -> None:
    """A row of samples of unseen combinations for every row of the table, above it real images of them."""
    real = study.unseen[:columns]
    pictures, labels = [as_float(real.x)], ["real"]
    for row in rows:
        for way, sampling in ROWS[row][2].items():
            run = Run.open(folder / f"{row}-0")
            made = EvaluatedRun(run, study.data, sampling).answer(real.condition, torch.arange(columns))
            pictures.append(as_float(made.x))
            labels.append(labelled(row)[way])
    save_picture(grid(torch.cat(pictures), columns, labels), path)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data")
    parser.add_argument("--hold-out", action="append", default=[], help='as in "color=red, body=Coupe"')
    parser.add_argument("--attributes", help="the only ones to use: a,b")
    parser.add_argument("--handwriting", help="digits to colour in the place of scikit-learn's")
    parser.add_argument("--size", type=int)
    parser.add_argument("--images", default="150k", help="that each run sees")
    parser.add_argument("--samples", type=int, default=1000)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--rows", default="", help="beginnings of the names of rows, separated by semicolons")
    parser.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", help="of every model or its training"
    )
    parser.add_argument("--sheet", type=Path, help="write a picture of samples there, of seed 0")
    parser.add_argument("--out", type=Path, default=Path("out/composition"))
    options = parser.parse_args()
    if options.data == "diagonal-digits":
        study = diagonal(options.handwriting, options.size or 8)
    else:
        attributes = options.attributes or ATTRIBUTES.get(options.data.partition(":")[0])
        study = held_out(options.data, attributes, options.hold_out, options.size)
    folder = options.out / f"{Path(options.data).name}-{study.data.train.fingerprint}-{options.images}"
    wanted = [row for row in ROWS if row.startswith(tuple(options.rows.split(";")))]
    if not options.rows:
        wanted = [row for row in wanted if not row.endswith("preset")]
    settings = dict(pair.split("=", 1) for pair in options.set) | {"images": parse_count(options.images)}
    rows: dict[str, list[Cell]] = {label: [] for row in wanted for label in labelled(row).values()}
    for seed in range(options.seeds):
        for row in wanted:
            place = folder / f"{row}-{seed}"
            work = partial(measure, row, study, place, options.samples, seed=seed, **settings)
            cell = kept(place.with_name(f"{place.name}.json"), work)
            for way, label in labelled(row).items():
                rows[label].append(of_way(cell, way))
    show(rows, study.data.schema.names)
    if options.sheet:
        sheet(wanted, study, folder, options.sheet)


if __name__ == "__main__":
    main()
