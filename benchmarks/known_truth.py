"""Flows where the truth is known: likelihood, guidance and composition, over several seeds.

    python benchmarks/known_truth.py guidance       # two overlapping Gaussians, whose guided flow can be computed
    python benchmarks/known_truth.py likelihood     # the mixture: log p(x|c) beside the true one
    python benchmarks/known_truth.py composition    # the mixture, two of its attributes never labelled together

`guidance` integrates the same guided ODE twice: with the trained flow's velocity, and with the exact one. The margin is
the signed distance from the class boundary, without guidance 1 on average; beyond is the share on the wrong side.
"""

import argparse
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from statistics import mean

import torch
from cells import Cell, kept, table
from torch import Tensor

from condgen.data import Mixture, Overlap, Splits
from condgen.data.synthetic.sets import mixture, overlap
from condgen.models import Flow
from condgen.models.flow.guidance import Guidance
from condgen.models.flow.paths import Linear, expand_like
from condgen.models.flow.samplers import Velocity, heun
from condgen.presets import preset
from condgen.rng import Rng
from condgen.runs.train import train
from condgen.schema import Condition

POINTS = 100_000  # of the mixture, so that little is lost to overfitting
QUICK = {"images": 1_000_000, "channels": 64}  # enough where a density to a hundredth of a nat is not asked for
SCALES = (0.0, 1.0, 1.5, 2.0, 3.0)


class Exact:
    """The velocity of the world of two Gaussians, in closed form."""

    world = Overlap()

    def field(self, condition: Condition) -> Velocity:
        """The velocity under each condition; of the mixture of both Gaussians where it is free."""
        right, given = condition.values["right"], condition.given("right")

        def velocity(x: Tensor, t: Tensor) -> Tensor:
            alpha, sigma, alpha_dot, sigma_dot = (expand_like(part, x) for part in Linear().at(t))
            variance = (alpha * self.world.scale).square() + sigma.square()
            logit = 2 * alpha * self.world.mean * x / variance  # of p(right | x_t)
            mixed = logit.sigmoid() * 2 - 1
            centre = self.world.mean * torch.where(given, right * 2 - 1, 0.0)[:, None]
            centre = torch.where(given[:, None], centre, self.world.mean * mixed)  # E[centre | x_t]
            beyond = (x - alpha * centre) / variance
            return alpha_dot * (centre + alpha * self.world.scale**2 * beyond) + sigma_dot * sigma * beyond

        return velocity


def trained(data: Splits, folder: Path, seed: int, **settings: int) -> Flow:
    shutil.rmtree(folder, ignore_errors=True)
    recipe = preset("mixture-flow") | {"seed": seed} | settings
    with torch.inference_mode(False):
        model = train(recipe.pop("model"), data, folder, **recipe).model
    assert isinstance(model, Flow)
    return model


@torch.inference_mode()
def guidance(folder: Path, seed: int, n: int = 5000) -> Cell:
    """Margins of guided samples, by the trained flow and by the exact velocity, from the same noise."""
    model, world = trained(overlap(), folder, seed, **QUICK), Overlap()
    condition, found = world.conditions(n, seed=1), Cell()
    noise = Rng(range(n)).normal(1)
    for scale in SCALES:
        how = Guidance(scale)
        made = model.sample(condition, Rng(range(n)), guidance=how, sampler="heun", steps=50)
        truth = heun(how.velocity(Exact().field, condition), noise, Linear(), 50)
        for name, x in (("flow", made), ("truth", truth)):
            margin = world.margin(x, condition)
            found |= {
                f"{name} {scale:g}": float(margin.mean()),
                f"{name} {scale:g} beyond": float((margin < 0).float().mean()),
            }
    return found


@torch.inference_mode()
def likelihood(folder: Path, seed: int, n: int = 2000) -> Cell:
    """What the flow lacks of the true log-likelihood, in nats, and how many samples lie near a mode."""
    model, world = trained(mixture(POINTS), folder, seed), Mixture()
    condition = world.conditions(n, seed=7)
    x = world.sample(condition, torch.Generator().manual_seed(9))
    model.sampler, model.steps = "heun", 64
    truth, found = world.log_prob(x, condition), model.log_likelihood(x, condition)
    return {
        "truth": float(truth.mean()),
        "flow": float(found.mean()),
        "lacking": float((truth - found).mean()),
        "near": near_a_mode(model.sample(condition, Rng(range(n))), condition),
    }


@torch.inference_mode()
def composition(folder: Path, seed: int, n: int = 4000) -> Cell:
    """Two attributes, each known of half of the data and never both: how well both can be asked for at once."""
    data, world = mixture(), Mixture()
    halved = replace(data.train, condition=one_label_each(data.train.condition))
    model = trained(replace(data, train=halved), folder, seed, **QUICK)
    complete = world.conditions(n, seed=7)
    asked = complete.drop(torch.tensor([[False, False, True]]).expand(n, -1))  # the angle stays free
    truth = world.sample(complete, torch.Generator().manual_seed(9))
    found = {"truth": obeyed(truth, asked)}
    for name, how in (("joint", Guidance()), ("composed", Guidance(compose=True))):
        x = model.sample(asked, Rng(range(n)), guidance=how, sampler="heun", steps=32)
        found |= {name: obeyed(x, asked), f"{name} spread": spread(x, asked) / spread(truth, asked)}
    return found


def one_label_each(condition: Condition) -> Condition:
    """The side of every other row, and of the rest whether it is far; the angle of none."""
    even = torch.arange(len(condition)) % 2 == 0
    return condition.drop(torch.stack([even, ~even, torch.ones_like(even)], dim=1))


def obeyed(x: Tensor, asked: Condition) -> float:
    """The share of points that lie nearest the centre of what was asked, of all eight."""
    return float((centres()[None] - x[:, None]).norm(dim=2).argmin(1).eq(cell(asked)).float().mean())


def spread(x: Tensor, asked: Condition) -> float:
    """Standard deviation of the points of one request, averaged over requests and coordinates."""
    return mean(float(x[cell(asked) == k].std(0).mean()) for k in range(8))


def cell(asked: Condition) -> Tensor:
    return (asked.values["side"] * 2 + asked.values["far"]).long()


def centres() -> Tensor:
    """The middle between both modes of each side and distance, [8, 2]."""
    rows = [{"side": side, "far": far, "angle": 0} for side in Mixture.schema["side"].choices for far in ("no", "yes")]
    return Mixture().modes(Condition.of(Mixture.schema, rows)).mean(1)


def near_a_mode(x: Tensor, condition: Condition) -> float:
    """The share of points within three standard deviations of one of the two modes of their condition."""
    world = Mixture()
    distance = (x[:, None] - world.modes(condition)).norm(dim=2).min(1).values
    return float((distance < 3 * world.scale).float().mean())


STUDIES: dict[str, Callable[[Path, int], Cell]] = {
    "guidance": guidance,
    "likelihood": likelihood,
    "composition": composition,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("study", choices=STUDIES)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--out", type=Path, default=Path("runs/known-truth"))
    args = parser.parse_args()
    cells = [
        kept(args.out / f"{args.study}-{s}.json", lambda s=s: STUDIES[args.study](args.out / f"{args.study}-{s}", s))  # type: ignore[misc]
        for s in range(args.seeds)
    ]
    if args.study == "guidance":
        columns = {"margin": ("margin", ".3f"), "exact margin": ("exact", ".3f")}
        columns |= {"beyond": ("beyond", ".3f"), "exact beyond": ("exact beyond", ".3f")}
        named = {
            "margin": "flow {}",
            "exact": "truth {}",
            "beyond": "flow {} beyond",
            "exact beyond": "truth {} beyond",
        }
        rows = {f"{g:g}": [{k: c[v.format(f"{g:g}")] for k, v in named.items()} for c in cells] for g in SCALES}
        table("guidance", columns, rows)
    else:
        table(args.study, {key: (key, ".3f") for key in cells[0]}, {f"mean of {len(cells)} seeds": cells})


if __name__ == "__main__":
    main()
