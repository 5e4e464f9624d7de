"""InfoGAN without labels: how often its categorical code, matched one to one with the labels, is wrong.

    python benchmarks/infogan.py ../shared/data/mnist --budget 5m --seeds 5 --out runs/infogan

Labels are looked at only to name the codes, which is done on the validation part; the error is that on test data. A
judge says how many of 2,000 samples, of codes drawn at random, show the label that their code stands for.
"""

import argparse
from pathlib import Path
from statistics import median

import torch
from cells import Cell, kept, trained

from condgen.data import Splits, load
from condgen.evaluation import Judge, judge_for, match_codes
from condgen.runs.run import Run
from condgen.schema import Condition


def measured(run: Run, data: Splits, judge: Judge, n: int = 2000) -> Cell:
    attribute = data.schema.names[0]
    match = match_codes(run.model, data.validation, attribute, tested=data.test)
    samples = run.sample(n=n)
    codes = [match.names[str(row[match.code])] for row in samples.condition.rows()]
    wanted = Condition.of(data.schema, [{attribute: name} for name in codes])
    return {
        "error": match.error,
        "judged": judge.agreement(samples.x, wanted)[attribute],
        "images": run.info.images,
        "seconds": run.info.seconds,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", nargs="?", default="digits")
    parser.add_argument("--preset", default="digits-infogan")
    parser.add_argument("--budget", default=None)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--out", type=Path, default=Path("runs/infogan"))
    args = parser.parse_args()
    data = load(args.data)
    judge = judge_for(data)
    cells = []
    for seed in range(args.seeds):
        folder = args.out / f"{args.preset}-{seed}"
        cells.append(
            kept(
                folder.with_suffix(".json"),
                lambda s=seed, f=folder: measured(trained(data, args.preset, f, s, args.budget), data, judge),  # type: ignore[misc]
            )
        )
    errors = [cell["error"] for cell in cells]
    print(f"\n{torch.get_num_threads()} threads. Error of the code as a classifier, over {len(errors)} seeds:")
    print(f"median {median(errors):.2%}, from {min(errors):.2%} to {max(errors):.2%}")
    judged = [cell["judged"] for cell in cells]
    print(f"Samples that show what their code stands for: from {min(judged):.2%} to {max(judged):.2%}")


if __name__ == "__main__":
    main()
