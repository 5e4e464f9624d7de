"""Likelihood of a conditional VAE beside its unconditional twin, on statically binarised images.

    python benchmarks/likelihood.py ../shared/data/mnist --budget 3m --seeds 3 --samples 500

Test images are binarised once, each pixel one with the probability of its grey value (generator seed 0); training
images anew at every visit. Reported is the importance-weighted bound with `--samples` samples (Burda et al. 2016,
eq. 8) on the first `--test` test images, in nats. Knowing the label can be worth at most its entropy: ln 10 = 2.303
nats for ten equally frequent classes.
"""

import argparse
import math
import tempfile
from pathlib import Path
from statistics import mean, stdev

import torch

from condgen.data import Dataset, Splits, as_uint8, load
from condgen.models import VAE, build
from condgen.progress import shown
from condgen.runs.opening import best_device
from condgen.runs.run import Run
from condgen.training import Trainer, TrainingConfig
from condgen.units import parse_duration


def binarised(data: Dataset, seed: int = 0) -> Dataset:
    ones = torch.bernoulli(data.floats, generator=torch.Generator().manual_seed(seed))
    return Dataset(as_uint8(ones), data.condition)


def trained(name: str, data: Splits, seconds: float, seed: int, latent: int, channels: int) -> VAE:
    torch.manual_seed(seed)
    model = build(name, data.schema, data.shape, latent=latent, channels=channels)
    with tempfile.TemporaryDirectory() as folder:
        settings = TrainingConfig(seconds=seconds, seed=seed, previews=0)
        Trainer(model, data, Path(folder), settings, progress=shown(), augment=torch.bernoulli).run()
        found = Run.open(folder).model
    assert isinstance(found, VAE)
    return found


@torch.inference_mode()
def bound(model: VAE, test: Dataset, samples: int) -> float:
    """The mean importance-weighted bound of log p(x|c), in nats."""
    generator = torch.Generator(best_device()).manual_seed(0)
    device = best_device()
    parts = range(0, len(test), 500)
    return mean(
        float(model.log_likelihood(part.floats.to(device), part.condition.to(device), samples, generator).mean())
        for part in (test[k : k + 500] for k in parts)
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", nargs="?", default="digits")
    parser.add_argument("--budget", default="3m")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--samples", type=int, default=500)
    parser.add_argument("--test", type=int, default=1000)
    parser.add_argument("--latent", type=int, default=24)
    parser.add_argument("--channels", type=int, default=32)
    args = parser.parse_args()
    data = load(args.data)
    test = binarised(data.test)[: args.test]
    found: dict[str, list[tuple[float, float]]] = {"vae": [], "cvae": []}
    for seed in range(args.seeds):
        for name, values in found.items():
            model = trained(name, data, parse_duration(args.budget), seed, args.latent, args.channels)
            values.append((bound(model, test, 1), bound(model, test, args.samples)))
            print(
                f"{name} seed {seed}: ELBO {values[-1][0]:.2f}, {args.samples} samples {values[-1][1]:.2f}", flush=True
            )
    counts = torch.bincount(test.condition.values[data.schema.names[0]].long()).double()
    entropy = -float((counts / counts.sum()).clamp(min=1e-12).log().mul(counts / counts.sum()).sum())
    print(f"\n| model | evidence lower bound | bound with {args.samples} samples |\n|---|---|---|")
    for name, values in found.items():
        print(f"| {name} | " + " | ".join(_shown([v[k] for v in values]) for k in range(2)) + " |")
    gains = [c[1] - u[1] for c, u in zip(found["cvae"], found["vae"], strict=True)]
    print(f"\nGain of the condition: {_shown(gains)} nats.")
    print(f"A label is worth at most its entropy, {entropy:.3f} nats (ln 10 = {math.log(10):.3f}).")


def _shown(values: list[float]) -> str:
    return f"{mean(values):.2f} ± {stdev(values) if len(values) > 1 else 0:.2f}"


if __name__ == "__main__":
    main()
