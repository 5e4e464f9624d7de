"""What the condition does to the latent space: one table, three pictures. Read with docs/tutorials/latent.md."""

import argparse
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from latent_plots import bars, planes
from torch import Tensor

from condgen import Run, load, train
from condgen.evaluation import Judge, LatentReport, judge_for, latent_report
from condgen.pictures import grid, save_picture

MODELS: dict[str, dict[str, Any]] = {
    "autoencoder": {"model": "autoencoder"},
    "VAE": {"model": "vae"},
    "CVAE": {"model": "cvae"},
    "CVAE, encoder without c": {"model": "cvae", "encoder_mechanism": "none"},
    "CVAE, learned prior": {"model": "cvae", "prior": "gaussian"},
    "CVAE, fixed prior": {"model": "cvae", "prior": "gaussian-fixed"},
    "CVAE, learned prior, decoder without c": {"model": "cvae", "prior": "gaussian", "decoder_mechanism": "none"},
}
COLUMNS = (
    "probe | probe, drawn | overlap | probe, prior out | overlap, prior out | KL | over 0.1 | active | scale | clear"
)


def clear(judge: Judge, x: Tensor) -> float:
    """The share of images for which the judge puts more than 90 % on one digit."""
    return float((judge(x)["digit"].softmax(1).amax(1) > 0.9).float().mean())


def numbers(run: Run, report: LatentReport, judge: Judge) -> list[float]:
    kl = torch.full((32,), torch.nan) if report.kl is None else report.kl
    over = float((kl > 0.1).sum() + 0 * kl.sum())  # nan where there is no KL
    labels = [report.probe, report.drawn_probe, report.overlap, report.noise_probe, report.noise_overlap]
    return [*labels, float(kl.sum()), over, report.active, report.scale, clear(judge, run.sample(n=1_000).x)]


def row(label: str, runs: list[list[float]]) -> str:
    """Mean ± standard deviation over runs."""
    values = torch.tensor(runs)
    spread = values.std(0) if len(runs) > 1 else 0 * values[0]
    cells = [f"{m:.2f} ± {s:.2f}" for m, s in zip(values.mean(0).tolist(), spread.tolist(), strict=True)]
    return f"| {label} | {' | '.join(cells)} |".replace("nan ± nan", "–")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("latent-study"))
    parser.add_argument("--images", type=int, default=200_000)
    parser.add_argument("--seeds", type=int, default=3)
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    data, scratch = load("digits"), TemporaryDirectory()
    judge, digits = judge_for(data), data.test.condition.values["digit"]

    def studied(label: str, latent: int, seed: int) -> tuple[Run, LatentReport]:
        settings = MODELS[label] | {"likelihood": "gaussian", "images": args.images, "previews": 0}
        run = train(data=data, out=Path(scratch.name, f"{label}-{latent}-{seed}"), latent=latent, seed=seed, **settings)
        return run, latent_report(run.model, data.train, data.test, "digit")

    print(f"| model | {COLUMNS} |\n|{'---|' * 11}")
    print(row("real test digits", [[torch.nan] * 9 + [clear(judge, data.test.floats)]]))
    study = {}
    for label in MODELS:
        study[label] = [studied(label, 32, seed) for seed in range(args.seeds)]
        print(row(label, [numbers(*each, judge) for each in study[label]]), flush=True)
    bars({label: [report.kl for _, report in each] for label, each in study.items()}, args.out / "kl.png")

    rows = {label: study[label][0][0].sample(n=14).x for label in ("autoencoder", "VAE", "CVAE")}
    rows["real"] = data.test.floats[:14]
    save_picture(grid(torch.cat(list(rows.values())), 14, list(rows)), args.out / "samples.png")
    planes({label: studied(label, 2, seed=0) for label in MODELS}, digits, args.out / "plane.png")


if __name__ == "__main__":
    main()
