"""Recommendations: does the command that `condgen inspect` suggests end with a doctor that finds nothing grave?

    python benchmarks/recommendations.py wine classes houses letters digits shapes cars --out runs
    python benchmarks/recommendations.py ../shared/data/mnist --out runs
    python benchmarks/recommendations.py ../shared/data/celeba10k64 --precision bf16 --out runs

Of every data set the suggested command is run as it is and the run measured as `condgen doctor` does; one row each.
Some are made up first: the tables `wine` (scikit-learn's), `classes` (600 rows of two classes) and `houses` (5,000 with
skewed numbers), and `letters`, a folder of 3,000 pictures of 16×16 pixels, bold or not. --images and --precision
stand in for what is recommended where a machine is slow; the table says how many images were seen. Finished runs are
kept: the command can be interrupted and repeated.
"""

import argparse
import shlex
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image, ImageDraw, ImageFont
from sklearn.datasets import load_wine, make_classification

from condgen.api import evaluate
from condgen.cli.app import app
from condgen.cli.spelling import spell
from condgen.evaluation.measure import kept_report
from condgen.evaluation.protocol import BRIEF
from condgen.evaluation.report import Report
from condgen.inspection import Inspection, inspect
from condgen.runs.run import Run

HEADINGS = (
    "data",
    "recommended",
    "images seen",
    "minutes",
    "as asked (real)",
    "Fréchet / floor",
    "recall (of real)",
    "copies (of real)",
    "findings, grave ones in bold",
)


def wine() -> pd.DataFrame:
    """178 wines of three cultivars, thirteen measurements each."""
    found = load_wine(as_frame=True)
    return found.data.assign(cultivar=found.target.map(lambda k: "ABC"[k]))


def classes() -> pd.DataFrame:
    """600 rows of eight numbers in two classes, two clusters each."""
    x, y = make_classification(600, 8, n_informative=5, n_redundant=2, class_sep=1.5, random_state=0)
    return pd.DataFrame(x, columns=[f"measure_{k}" for k in range(8)]).assign(kind=np.where(y, "sick", "well"))


def houses() -> pd.DataFrame:
    """5,000 houses: area, age and distance are skewed, and so is the price that follows from them."""
    rng = np.random.default_rng(0)
    n = 5_000
    district = rng.choice(["centre", "harbour", "hills", "suburb", "village"], n, p=[0.15, 0.1, 0.15, 0.4, 0.2])
    centrality = pd.Series(district).map({"centre": 0, "harbour": 0.3, "hills": 0.6, "suburb": 1, "village": 1.8})
    garden = rng.random(n) < 0.2 + 0.3 * centrality
    area = np.exp(rng.normal(4.5 + 0.3 * garden, 0.4))
    age = rng.gamma(1.5, 25, n)
    distance = rng.gamma(3, 0.5 + 2 * centrality)
    price = np.exp(rng.normal(8.2 - 0.25 * centrality - 0.003 * age + 0.1 * garden, 0.2)) * area
    numbers = {"area": area, "age": age, "distance": distance, "price": price}
    return pd.DataFrame({name: np.round(value, 1) for name, value in numbers.items()}).assign(
        district=district, garden=np.where(garden, "yes", "no")
    )


def letters(folder: Path) -> None:
    """3,000 pictures of eight letters, bold or not, turned and moved a little; and the table of their labels."""
    rng = np.random.default_rng(0)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    rows = []
    for k in range(3_000):
        letter, bold = str(rng.choice([*"ABDEKRSX"])), bool(rng.random() < 0.5)
        font = ImageFont.load_default(float(rng.uniform(36, 44)))  # drawn four times as large
        large = Image.new("L", (64, 64))
        place = tuple(rng.uniform(28, 36, 2))
        ImageDraw.Draw(large).text(place, letter, 255, font, anchor="mm", stroke_width=3 if bold else 0)
        turned = large.rotate(float(rng.uniform(-15, 15)), Image.Resampling.BICUBIC)
        turned.resize((16, 16), Image.Resampling.BOX).save(folder / f"{k:04}.png")
        rows.append({"file_name": f"{k:04}.png", "letter": letter, "bold": "yes" if bold else "no"})
    pd.DataFrame(rows).to_csv(folder / "metadata.csv", index=False)


TABLES: dict[str, Callable[[], pd.DataFrame]] = {"wine": wine, "classes": classes, "houses": houses}


def source(data: str, out: Path) -> str:
    """The address of the data; of data that is made here, that of its file or folder."""
    if data == "letters":
        letters(out / "letters-data")
        return str(out / "letters-data")
    if data not in TABLES:
        return data
    path = out / f"{data}.csv"
    out.mkdir(parents=True, exist_ok=True)
    TABLES[data]().to_csv(path, index=False)
    return str(path)


def trained(found: Inspection, folder: Path, options: Sequence[str]) -> Run:
    """The run of the suggested command with these options, or of the time that it was run before."""
    finished = folder.with_suffix(".trained")
    if not finished.exists():
        shutil.rmtree(folder, ignore_errors=True)
        words = shlex.split(spell(found.advice[0]).removeprefix("Train first: "))
        words[words.index("--out") + 1] = str(folder)
        print(shlex.join([*words, *options]), flush=True)
        app([*words[1:], *options], standalone_mode=False)
        finished.touch()
    return Run.open(folder)


def measured(run: Run) -> Report:
    """The report that `condgen doctor` goes by, kept beside the run."""
    kept = kept_report(run)
    if kept is not None:
        return kept
    found = evaluate(run, **BRIEF)
    found.save(run.path)
    return found.result


def row(name: str, found: Inspection, run: Run, report: Report) -> list[str]:
    """All that the table says of one data set."""
    advised, obeyed, fidelity = found.recommendation, report.obedience, report.fidelity[0]
    assert advised is not None
    assert obeyed is not None
    side = f" at {advised.shape[2]}×{advised.shape[1]}" if len(advised.shape) == 3 else ""
    made, floor, copied = fidelity.overall, fidelity.floor, report.memorisation
    return [
        name,
        f"{advised.model}{side}, {advised.images:,}",
        f"{run.info.images:,}",
        f"{run.info.seconds / 60:.1f}",
        f"{obeyed.joint.value:.1%} ({obeyed.joint_real.value:.1%})",
        f"{made.frechet.value / floor.frechet.value:.2f}",
        f"{made.recall.value:.2f} ({floor.recall.value:.2f})",
        f"{copied.copies.value:.1%} ({copied.copies_real.value:.1%})",
        ", ".join(f"**{f.name}**" if f.grave else f.name for f in report.findings) or "none",
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", nargs="+", help=f"{', '.join(TABLES)}, or what `condgen train` takes")
    parser.add_argument("--images", help="to see, in place of the number recommended")
    parser.add_argument("--precision", help="of training, in place of the one recommended")
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    options = ["--images", args.images] if args.images else []
    options += ["--set", f"precision={args.precision}"] if args.precision else []
    rows = []
    for data in args.data:
        name = Path(data).stem
        found = inspect(source(data, args.out))
        run = trained(found, args.out / name, options)
        report = measured(run)
        rows.append(row(name, found, run, report))
        print(*(f"{f.name}: {f.evidence}" for f in report.findings), sep="\n", flush=True)
    print(f"\n| {' | '.join(HEADINGS)} |\n|{'---|' * len(HEADINGS)}")
    print(*(f"| {' | '.join(cells)} |" for cells in rows), sep="\n")


if __name__ == "__main__":
    main()
