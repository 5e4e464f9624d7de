"""What AC-GAN's second term does: generator weights 0 … 1 and every head, in worlds of rising difficulty.

    python benchmarks/boundaries.py overlap --out runs/boundaries
    python benchmarks/boundaries.py mixture --out runs/boundaries
    python benchmarks/boundaries.py ../shared/data/mnist --images 200k --out runs/boundaries

The first two worlds have known conditional densities, so samples are compared with the truth; of images a judge trained
on real data only says how far they are from the class boundary, beside real test images. All heads play for the same
non-saturating loss with the same networks. Finished cells are kept: the command can be interrupted and repeated.
"""

import argparse
import tempfile
from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import Any

import torch
from adversarial import quality, sampled_like
from cells import Cell, kept, table
from torch import Tensor

from condgen.data import Mixture, Overlap, Splits, load
from condgen.evaluation import Judge, judge_for
from condgen.rng import Rng
from condgen.runs.run import Run
from condgen.runs.train import train
from condgen.schema import Condition
from condgen.units import parse_count

ROWS: dict[str, tuple[str, dict[str, Any]]] = {
    **{f"acgan, weight {w:g}": ("acgan", {"generator_weight": w}) for w in (0.0, 0.25, 0.5, 1.0)},
    **{name: (name, {}) for name in ("cgan", "projection", "tacgan", "adcgan", "reacgan")},
}
POINTS = {"channels": 32, "depth": 2, "latent": 4, "batch": 256, "images": 300_000}
WORLDS: dict[str, dict[str, tuple[str, str]]] = {
    "overlap": {
        "margin (truth 1)": ("margin", ".2f"),
        "its deviation (truth 1)": ("deviation", ".2f"),
        "beyond the boundary (truth 15.9 %)": ("beyond", ".1%"),
        "distance to the truth": ("distance", ".3f"),
    },
    "mixture": {
        "near a mode (truth 98.9 %)": ("near", ".1%"),
        "radius about it (truth 0.20)": ("radius", ".3f"),
        "log p(x given c) above the truth's": ("excess", ".2f"),
        "boundary distance / true": ("boundary", ".2f"),
    },
    "images": {
        "obedience": ("obedience", ".1%"),
        "margin / real": ("margin", ".2f"),
        "diversity (real = 1)": ("diversity", ".2f"),
        "recall": ("recall", ".3f"),
        "Fréchet / floor": ("ratio", ".1f"),
    },
}


def overlap(run: Run, n: int = 5_000) -> Cell:
    """Samples of the one-dimensional world against the truth; the distance is Wasserstein-1 of the margins."""
    world = Overlap()
    margin = world.margin(*_asked(run, world, n)).sort().values
    truth = 1 + torch.distributions.Normal(0.0, 1.0).icdf((torch.arange(n) + 0.5) / n)
    return {
        "margin": float(margin.mean()),
        "deviation": float(margin.std()),
        "beyond": float((margin < 0).float().mean()),
        "distance": float((margin - truth).abs().mean()),
    }


def mixture(run: Run, n: int = 5_000) -> Cell:
    """Samples of the two-dimensional world against the truth. The class boundary is that between sides."""
    world = Mixture()
    x, condition = _asked(run, world, n)
    truth = world.sample(condition, torch.Generator().manual_seed(5))
    nearest = (x[:, None] - world.modes(condition)).norm(dim=2).min(1).values
    near = nearest < 3 * world.scale
    return {
        "near": float(near.float().mean()),
        "radius": float((nearest[near].square().mean() / 2).sqrt()),
        "excess": float(world.log_prob(x[near], condition[near]).mean() - world.log_prob(truth, condition).mean()),
        "boundary": float(_to_diagonal(x).mean() / _to_diagonal(truth).mean()),
    }


def _asked(run: Run, world: Overlap | Mixture, n: int) -> tuple[Tensor, Condition]:
    condition = world.conditions(n, seed=9)
    return run.model.sample(condition, Rng(range(n))).detach(), condition


def _to_diagonal(x: Tensor) -> Tensor:
    """Distance from the nearest diagonal, which separates the sides."""
    return (x[:, 0].abs() - x[:, 1].abs()).abs() / 2**0.5


@torch.inference_mode()
def images(run: Run, data: Splits, judge: Judge) -> Cell:
    """Samples like the test set, by a judge trained on real data."""
    name = run.schema.names[0]
    samples, _ = sampled_like(run, data.test)
    found = quality(judge, samples, data.train, data.test)
    codes = samples.condition.values[name]
    return {
        "obedience": judge.agreement(samples.x, samples.condition)[name],
        "margin": margin(judge, samples.x, name, codes) / margin(judge, data.test.floats, name, codes),
        **{key: found[key] for key in ("diversity", "recall", "ratio")},
        "images": run.info.images,
    }


@torch.inference_mode()
def margin(judge: Judge, x: Tensor, name: str, codes: Tensor) -> float:
    """How much more the judge gives to the asked value than to the next best, in nats, on average."""
    logits = torch.cat([judge(part)[name] for part in x.split(500)])
    asked = torch.nn.functional.one_hot(codes.long(), logits.shape[1]).bool()
    return float((logits[asked] - logits.masked_fill(asked, -torch.inf).amax(1)).mean())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", nargs="?", default="overlap")
    parser.add_argument("--images", default=None)
    parser.add_argument(
        "--heads", default=",".join({model: None for model, _ in ROWS.values()}), help="families to show"
    )
    parser.add_argument("--seeds", type=int, default=None, help="default 5, of images 3")
    parser.add_argument("--out", type=Path, default=Path("runs/boundaries"))
    args = parser.parse_args()
    data = load(args.data)
    world = args.data if args.data in ("overlap", "mixture") else "images"
    settings: dict[str, Any] = {"images": 200_000} if world == "images" else dict(POINTS)
    settings |= {"images": parse_count(args.images)} if args.images else {}
    measures: dict[str, Callable[[Run], Cell]] = {"overlap": overlap, "mixture": mixture}
    if world == "images":
        judge = judge_for(data)
        measures["images"] = lambda run: images(run, data, judge)

    def measured(row: str, seed: int) -> Cell:
        model, arguments = ROWS[row]
        with tempfile.TemporaryDirectory() as folder:
            arguments = {**settings, **arguments, "loss": "nonsaturating", "seed": seed, "previews": 0}
            return measures[world](train(model, data, Path(folder) / "run", **arguments))

    rows: dict[str, list[Cell]] = {row: [] for row, (model, _) in ROWS.items() if model in args.heads.split(",")}
    seeds = args.seeds or (3 if world == "images" else 5)
    for seed, row in product(range(seeds), rows):
        path = args.out / world / f"{row.replace(', weight ', '-')}-{seed}.json"
        rows[row].append(kept(path, lambda r=row, s=seed: measured(r, s)))  # type: ignore[misc]
    print(f"\n{settings['images']:,} observations seen; mean ± standard deviation over {seeds} seeds.")
    table("head", WORLDS[world], rows)


if __name__ == "__main__":
    main()
