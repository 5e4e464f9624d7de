"""Obedience of the CVAE for every mechanism and prior, over several seeds, as one table.

    python benchmarks/obedience.py ../shared/data/mnist --budget 3m --out runs/obedience

Each cell trains as `condgen train --model cvae --mechanism M --prior P --budget B --seed S` does, samples every value
of the first attribute 500 times, and asks a judge trained on real data only. Beside obedience stands how varied the
samples of one value are, relative to real images. Finished cells are kept: the command can be interrupted and repeated.
"""

import argparse
import json
import shutil
from itertools import product
from pathlib import Path
from statistics import mean, stdev

import torch
from torch import Tensor

from condgen.data import Dataset, load
from condgen.evaluation import Judge, judge_for
from condgen.quantities import duration
from condgen.run import Run, train


def cell(args: argparse.Namespace, mechanism: str, prior: str, seed: int) -> dict[str, float]:
    """Train and measure one model, or read what was measured before."""
    folder = Path(args.out) / f"{mechanism}-{prior}-{seed}"
    result = folder.with_suffix(".json")
    if not result.exists():
        shutil.rmtree(folder, ignore_errors=True)
        data = load(args.data)
        seconds = duration(args.budget)
        run = train("cvae", data, folder, mechanism=mechanism, prior=prior, seconds=seconds, seed=seed, previews=0)
        result.write_text(json.dumps(measured(run, judge_for(data.train), data.test)))
    found: dict[str, float] = json.loads(result.read_text())
    print(mechanism, prior, seed, found, flush=True)
    return found


def measured(run: Run, judge: Judge, test: Dataset, n: int = 500) -> dict[str, float]:
    attribute = run.schema.attributes[0]
    samples = run.sample({attribute.name: "*"}, n=n)
    return {
        "obedience": judge.agreement(samples.x, samples.condition)[attribute.name],
        "diversity": spread(judge, samples.x, samples.condition.values[attribute.name])
        / spread(judge, test.floats, test.condition.values[attribute.name]),
        "images": run.info.images,
        "seconds": run.info.seconds,
    }


@torch.inference_mode()
def spread(judge: Judge, x: Tensor, codes: Tensor) -> float:
    """Standard deviation of the judge's features within one value, averaged over features and values."""
    features = torch.cat([judge.features(part) for part in x.split(500)])
    return float(torch.stack([features[codes == code].std(0).mean() for code in codes.unique()]).mean())


def row(label: str, cells: list[dict[str, float]]) -> str:
    def shown(key: str, form: str) -> str:
        values = [c[key] for c in cells]
        return f"{mean(values):{form}} ± {stdev(values) if len(values) > 1 else 0:{form}}"

    return f"| {label} | {shown('obedience', '.2%')} | {shown('diversity', '.2f')} | {shown('images', ',.0f')} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", nargs="?", default="digits")
    parser.add_argument("--budget", default="3m")
    parser.add_argument("--mechanisms", default="concat,film,norm,modulate")
    parser.add_argument("--priors", default="standard,gaussian")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--out", default="runs/obedience")
    args = parser.parse_args()
    Path(args.out).mkdir(parents=True, exist_ok=True)
    data = load(args.data)
    judge = judge_for(data.train)
    accuracy = judge.agreement(data.test.floats, data.test.condition)[data.schema.names[0]]
    pairs = list(product(args.mechanisms.split(","), args.priors.split(",")))
    cells: dict[tuple[str, str], list[dict[str, float]]] = {pair: [] for pair in pairs}
    for seed, (mechanism, prior) in product(range(args.seeds), pairs):
        cells[mechanism, prior].append(cell(args, mechanism, prior, seed))
    threads = torch.get_num_threads()
    print(f"\nJudge on held-out real data: {accuracy:.2%}. Budget {args.budget} each, {threads} threads.\n")
    print("| mechanism, prior | obedience | diversity (real = 1) | images seen |\n|---|---|---|---|")
    for (mechanism, prior), found in cells.items():
        print(row(f"{mechanism}, {prior}", found))


if __name__ == "__main__":
    main()
