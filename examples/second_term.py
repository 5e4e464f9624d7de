"""What AC-GAN's second term does, in the smallest world that shows it: two overlapping Gaussians in one dimension.

python examples/second_term.py --out second-term

A sixth of each class lies beyond the class boundary. AC-GAN's generator is paid for what is easily classified, so it
stays away from the boundary; other heads, and a weight of 0 for that term, do not do this. Takes about three minutes.
"""

import argparse
import tempfile
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import torch
from torch import Tensor

from condgen import Rng, load, train
from condgen.data import Overlap

MODELS: dict[str, dict[str, Any]] = {
    "acgan": {"generator_weight": 1.0},
    "tacgan": {},
    "adcgan": {},
    "reacgan": {},
    "cgan": {},
    "projection": {},
}
WORLD = Overlap()


def margins(model: str, arguments: dict[str, Any], n: int = 10_000) -> Tensor:
    """How far the samples of a trained model lie from the class boundary, on the side that was asked for."""
    settings: dict[str, Any] = {"channels": 32, "depth": 2, "latent": 4, "batch": 256, "images": 300_000, "previews": 0}
    with tempfile.TemporaryDirectory() as folder:
        run = train(model, load("overlap"), Path(folder) / "run", loss="nonsaturating", **settings, **arguments)
    condition = WORLD.conditions(n, seed=1)
    with torch.inference_mode():
        return WORLD.margin(run.model.sample(condition, Rng(range(n))), condition)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("second-term"))
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    grid = torch.linspace(-3, 5, 200)
    truth = torch.distributions.Normal(1.0, 1.0)
    figure, axes = plt.subplots(2, 3, figsize=(9, 4.5), sharex=True, sharey=True, layout="constrained")
    print("the truth: margin 1.00 ± 1.00, 15.9 % beyond the boundary", flush=True)
    for axis, (model, arguments) in zip(axes.flat, MODELS.items(), strict=True):
        margin = margins(model, arguments)
        print(f"{model}: margin {margin.mean():.2f} ± {margin.std():.2f}, {(margin < 0).float().mean():.1%} beyond")
        axis.hist(margin.numpy(), bins=80, range=(-3, 5), density=True, color="#9db8d6")
        axis.plot(grid, truth.log_prob(grid).exp(), color="#222222", linewidth=1)
        axis.set_ylim(0, 1.5)
        axis.axvline(0, color="#b0413e", linewidth=1)
        axis.set_title(model)
    figure.supxlabel("signed distance from the class boundary (line: the true density)")
    figure.savefig(args.out / "margins.png", dpi=110)


if __name__ == "__main__":
    main()
