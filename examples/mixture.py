"""Vectors instead of images, in a world whose every conditional density is known: does the model find p(x|c)?"""

import tempfile
from pathlib import Path

import torch

from condgen import load, train
from condgen.data import Mixture
from condgen.models import VAE
from condgen.presets import preset


def main() -> None:
    data, world = load("mixture"), Mixture()
    recipe = preset("mixture")
    with tempfile.TemporaryDirectory() as folder:
        run = train(recipe.pop("model"), data, Path(folder) / "run", **recipe)
    assert isinstance(run.model, VAE)

    test = data.test[:1000]
    with torch.inference_mode():
        bound = run.model.log_likelihood(test.floats, test.condition, samples=200).mean()
    print(f"log p(x|c) of held-out points: true {world.log_prob(test.floats, test.condition).mean():.3f} nats,")
    print(f"  importance-weighted bound of the model {bound:.3f} nats")

    asked = run.sample("side=north, far=yes, angle=30", n=2000)
    nearest = (asked.x[:, None] - world.modes(asked.condition)).norm(dim=2).min(1)
    hit = (nearest.values < 3 * world.scale).float().mean()
    share = nearest.indices.float().mean()
    print(f"side=north, far=yes, angle=30: {hit:.1%} of samples within 3 s of a mode (truth: 98.9 %),")
    print(f"  {share:.1%} of them at the second of the two modes (truth: 50 %)")

    free = run.sample("side=west", n=2000, seed=5000)
    truth = world.sample(world.conditions(20_000, seed=3), torch.Generator().manual_seed(0))
    print(f"side=west, the rest free: {free.condition.values['far'].mean():.1%} are far (truth: 50 %),")
    print(f"  mean distance from the origin {free.x.norm(dim=1).mean():.2f} (truth: {truth.norm(dim=1).mean():.2f})")


if __name__ == "__main__":
    main()
