"""The prior of one and the same CVAE: standard normal, learned Gaussian, flow. Likelihood, obedience, fidelity, speed.

    python benchmarks/priors.py ../shared/data/mnist --budget 4m --seeds 3 --out runs/priors

Each cell trains as `condgen train --preset P --prior Q --budget B --seed S` does. The bound is the evidence lower bound
(one sample) of test images in nats per image: a density under the model's Gaussian likelihood, so it can be positive.
The gain is what the prior adds to it on the same encoder and decoder, against N(0, I). The flow's part is exact, by
change of variables. Samples answer the test set's own labels; samples/s are in batches of 500. Finished cells are kept:
the command can be interrupted and repeated.
"""

import argparse
import copy
from itertools import product
from pathlib import Path
from statistics import mean

import torch
from adversarial import quality, sampled_like
from cells import Cell, kept, table, trained

from condgen.data import Splits, load
from condgen.evaluation import Judge, judge_for
from condgen.models.flow.guidance import Guidance
from condgen.models.vae.priors import StandardNormal
from condgen.models.vae.vae import VAE, GuidedLatentFlow
from condgen.runs.run import Run

COLUMNS = {
    "bound, nats": ("bound", ",.1f"),
    "gain over N(0, I)": ("gain", ".2f"),
    "obedience": ("obedience", ".2%"),
    "Fréchet / floor": ("ratio", ".2f"),
    "precision": ("precision", ".3f"),
    "recall": ("recall", ".3f"),
    "diversity (real = 1)": ("diversity", ".2f"),
    "samples/s": ("rate", ",.0f"),
}


@torch.inference_mode()
def bound(model: VAE, data: Splits, most: int) -> float:
    """The mean evidence lower bound of log p(x|c), in nats."""
    generator = torch.Generator(model.device).manual_seed(0)
    parts = (data.test[k : min(k + 500, most)] for k in range(0, most, 500))
    return mean(
        float(model.log_likelihood(p.floats.to(model.device), p.condition.to(model.device), 1, generator).mean())
        for p in parts
    )


def with_standard_normal(model: VAE) -> VAE:
    """The same encoder and decoder, with N(0, I) as the prior."""
    twin = copy.deepcopy(model)
    twin.prior = StandardNormal(model.prior.latent, model.prior.condition_width)
    return twin


def measured(run: Run, judge: Judge, data: Splits, most: int, guidance: float) -> Cell:
    attribute = run.schema.names[0]
    assert isinstance(run.model, VAE)
    if isinstance(run.model, GuidedLatentFlow):
        run.model.guidance = Guidance(guidance)
    samples, rate = sampled_like(run, data.test)
    return {
        "bound": (nats := bound(run.model, data, most)),
        "gain": nats - bound(with_standard_normal(run.model), data, most),
        "obedience": judge.agreement(samples.x, samples.condition)[attribute],
        **quality(judge, samples, data.train, data.test),
        "rate": rate,
        "images": run.info.images,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", nargs="?", default="digits")
    parser.add_argument("--preset", default="digits-cvae")
    parser.add_argument("--priors", default="standard,gaussian,flow")
    parser.add_argument("--guidance", default="1,1.5", help="of the flow prior; a row for each")
    parser.add_argument("--budget", default=None)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--test", type=int, default=1000, help="test images for the bound")
    parser.add_argument("--out", type=Path, default=Path("runs/priors"))
    args = parser.parse_args()
    data = load(args.data)
    judge = judge_for(data)
    rows: dict[str, list[Cell]] = {}
    for seed, prior in product(range(args.seeds), args.priors.split(",")):
        folder = args.out / f"{prior}-{seed}"
        scales = [float(g) for g in args.guidance.split(",")] if prior == "flow" else [1.0]
        for scale in scales:
            cell = kept(
                args.out / f"{prior}-{seed}-{scale:g}.json",
                lambda f=folder, s=seed, p=prior, g=scale: measured(  # type: ignore[misc]
                    trained(data, args.preset, f, s, args.budget, prior=p), judge, data, args.test, g
                ),
            )
            rows.setdefault(f"{prior}, guidance {scale:g}" if prior == "flow" else prior, []).append(cell)
    print(f"\n{torch.get_num_threads()} threads, {args.seeds} seeds.")
    table("prior", COLUMNS, rows)


if __name__ == "__main__":
    main()
