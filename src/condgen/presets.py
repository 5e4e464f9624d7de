"""Presets: named settings as plain dicts, each with its expected result and time.

`model` names the family. The other entries are its arguments and the fields of TrainingConfig. Options on the command
line override them. `expect` gives the measured result and the way of measuring.
"""

from typing import Any

from condgen.errors import unknown
from condgen.lazy import callable_as
from condgen.notebook import Listing
from condgen.units import approximately

Preset = dict[str, Any]
BY_REQUESTS = "benchmarks/requests.py, docs/results.md"
SUSTAINED = 60e12  # operations a second, a fifth of the rate of a card that does 300 · 10¹² in bf16


def larger(preset: Preset, sizes: Preset, operations: float) -> Preset:
    """The same preset for one GPU: wider, deeper, longer.

    operations: of an image in training, in 10⁹, as `python benchmarks/gpu.py --estimate` counts them.
    """
    kept = {key: value for key, value in preset.items() if key != "seconds"}
    time = approximately(operations * 1e9 * sizes["images"] / SUSTAINED)
    estimate = (
        f"estimated, not measured: {operations:g} · 10⁹ operations an image, {time} on a GPU that does "
        f"{SUSTAINED / 1e12:.0f} · 10¹² of them a second, longer if its steps are too short for that "
        "(benchmarks/gpu.py)"
    )
    return kept | sizes | {"precision": "bf16", "expect": estimate}


# ---- parts that presets share

# Adversaries of small images; the families differ in how the critic judges the condition and in nothing else.
ADVERSARIAL: Preset = {"mechanism": "film", "loss": "relativistic", "r1": 0.1, "precision": "auto"}

# Photographs of 64 pixels, a few thousand of them, in three ways. Reconstructions, of what a network of patches sees
# besides the pixels, with a flow in their latents, which carries obedience and variety;
PHOTOGRAPHS: Preset = {
    "model": "cvae",
    "mechanism": "film",
    "prior": "flow",
    "likelihood": "laplace",
    "latent": 256,
    "channels": 64,
    "depth": 2,
    "embedding": 128,
    "prior_width": 1024,
    "prior_depth": 4,
    "prior_draws": 8,
    "perceptual": 3.0,
    "outputs": "deblocked",
    "flip": True,
    "batch": 64,
    "lr": 3e-3,
    "clip": 10.0,
    "precision": "auto",
    "previews": 5,
}
# adversaries, held by both gradient penalties;
PHOTOGRAPHS_GAN: Preset = {
    "model": "projection",
    "mechanism": "film",
    "latent": 128,
    "channels": 64,
    "embedding": 128,
    "outputs": "deblocked",
    "r1": 0.5,
    "r2": 0.5,
    "flip": True,
    "batch": 32,
    "lr": 7e-4,
    "momentum": 0.5,
    "clip": 10.0,
    "precision": "auto",
}
# of fewer photographs more firmly;
FEW_PHOTOGRAPHS_GAN: Preset = PHOTOGRAPHS_GAN | {"r1": 1.0, "r2": 1.0}
# of larger ones in larger patches, since with four times as many a step costs four times as much;
LARGER_PHOTOGRAPHS_GAN: Preset = FEW_PHOTOGRAPHS_GAN | {"patch": 8}
# and a flow in the pixels themselves.
PIXELS: Preset = {
    "model": "flow",
    "mechanism": "film",
    "channels": 64,
    "depth": 2,
    "sampler": "dpm",
    "steps": 16,
    "precision": "auto",
}
PHOTOGRAPHS_FLOW: Preset = PIXELS | {
    "embedding": 128,
    "times": "logit-normal",
    "flip": True,
    "batch": 64,
    "lr": 3e-3,
    "previews": 5,
}

# A codec of photographs of 128 pixels. Its critic of patches comes last: before, an image costs a quarter.
PHOTOGRAPHS_CODEC: Preset = {
    "model": "codec",
    "factor": 4,
    "latent": 4,
    "channels": 32,
    "depth": 1,
    "perceptual": 0.0,
    "adversarial": 0.5,
    "adversarial_from": 115_000,
    "flip": True,
    "precision": "auto",
    "images": 140_000,
}

# Small pictures: adversaries with both gradient penalties, strong ones, without which rarer ways to write a digit get
# lost (`deviation=8` brought it nearer still to real digits in four runs, and lost its critic in a fifth);
# in two sizes;
SMALL_PICTURES: Preset = ADVERSARIAL | {"model": "projection", "r1": 0.5, "r2": 0.5, "lr": 2e-3, "ema": 50_000}
WIDE: Preset = {"channels": 64, "depth": 2}
NARROW: Preset = {"channels": 32, "depth": 1}
# and a flow in their pixels.
SMALL_PICTURES_FLOW: Preset = PIXELS | {"guidance": 2.0, "lr": 5e-3}

# Little time: a CVAE whose prior is a flow in its latent space. It shows digits as asked after seconds. With more
# guidance those of one digit differ too little.
SOON: Preset = {
    "model": "cvae",
    "mechanism": "film",
    "prior": "flow",
    "likelihood": "gaussian",
    "latent": 16,
    "embedding": 64,
    "guidance": 1.25,
}

# Vectors: a flow, whose likelihood is exact; of a few hundred rows a smaller one.
VECTORS: Preset = {
    "model": "flow",
    "mechanism": "film",
    "channels": 128,
    "depth": 4,
    "condition_dropout": 0.05,
    "batch": 512,
    "lr": 3e-3,
    "previews": 0,
}
FEW_VECTORS: Preset = VECTORS | {"channels": 64, "depth": 3, "batch": 128}

LARGER: Preset = {
    "channels": 128,
    "depth": 4,
    "prior_width": 2048,
    "prior_depth": 6,
    "batch": 256,
    "lr": 2e-3,
    "images": 10_000_000,
}
LARGER_GAN: Preset = {"channels": 128, "depth": 2, "batch": 64, "lr": 5e-4, "images": 10_000_000}
LARGER_FLOW: Preset = {
    "backbone": "transformer",
    "channels": 512,
    "depth": 12,
    "embedding": 256,
    "times": "logit-normal",
    "batch": 256,
    "lr": 3e-4,
    "ema": 500_000,
    "images": 20_000_000,
}

# ---- by request

DIGITS: dict[str, Preset] = {
    # The best: wider and deeper.
    "digits": SMALL_PICTURES
    | WIDE
    | {
        "images": 640_000,
        "expect": f"MNIST: 99.6 % obedience, Fréchet distance 1.3 × the floor, 10 minutes ({BY_REQUESTS})",
    },
    "digits-projection": ADVERSARIAL
    | {
        "model": "projection",
        "seconds": 300.0,
        "expect": "MNIST: 99.6 % obedience, Fréchet distance 1.8 × the floor, in 5 minutes (benchmarks/adversarial.py)",
    },
    "digits-acgan": ADVERSARIAL
    | {
        "model": "acgan",
        "seconds": 300.0,
        "expect": "MNIST: 99.7 % obedience, Fréchet distance 2.0 × the floor, in 5 minutes (benchmarks/adversarial.py)",
    },
    "digits-cgan": ADVERSARIAL
    | {
        "model": "cgan",
        "seconds": 300.0,
        "expect": "MNIST: 99.2 % obedience, Fréchet distance 2.9 × the floor, in 5 minutes (benchmarks/adversarial.py)",
    },
    # A CVAE with its defaults, and the same on the learned prior per digit.
    "digits-vae": {
        "model": "cvae",
        "mechanism": "film",
        "prior": "standard",
        "latent": 12,
        "seconds": 180.0,
        "expect": "MNIST: 98.5 % obedience, 0.91 of the real variety, in 3 minutes (benchmarks/obedience.py)",
    },
    "digits-vae-prior": {
        "model": "cvae",
        "mechanism": "film",
        "prior": "gaussian",
        "latent": 12,
        "seconds": 180.0,
        "expect": "MNIST: 98.6 % obedience, 0.90 of the real variety, in 3 minutes (benchmarks/obedience.py)",
    },
    "digits-cvae": SOON
    | {
        "guidance": 1.5,
        "seconds": 120.0,
        "expect": "MNIST: 99.9 % obedience in 2 minutes, 1,900 samples/s (benchmarks/priors.py)",
    },
    # A flow in pixels, guided.
    "digits-flow": SMALL_PICTURES_FLOW
    | {
        "seconds": 600.0,
        "expect": "MNIST: 99.4 % obedience, Fréchet distance 2.6 × the floor, in 10 minutes (benchmarks/flow.py)",
    },
    # InfoGAN, with what makes its code a digit: it starts from groups of images that look alike, also when turned or
    # stretched.
    "digits-infogan": {
        "model": "infogan",
        "values": 10,
        "continuous": 0,
        "augment": ("affine",),
        "augment_chance": 0.9,
        "info_weight": 0.3,
        "discover": 25_000,
        "seconds": 180.0,
        "expect": "MNIST: the code is wrong about 1.6 % of test digits, median of 5 seeds (benchmarks/infogan.py)",
    },
}
FACES: dict[str, Preset] = {
    "faces": PHOTOGRAPHS
    | {
        "guidance": 2.0,
        "images": 240_000,
        "expect": "faces, 64×64: 54 % show an old man wearing glasses, of real ones 28 %; Fréchet distance 5.0 × the "
        f"floor; 21 minutes on one core; edits photographs ({BY_REQUESTS})",
    },
    "faces-gan": PHOTOGRAPHS_GAN
    | {
        "images": 250_000,
        "expect": "faces, 64×64: 46 % show an old man wearing glasses, of real ones 28 %; Fréchet distance 1.3 × the "
        f"floor; 28 minutes on one core ({BY_REQUESTS})",
    },
    "faces-flow": PHOTOGRAPHS_FLOW
    | {
        "guidance": 2.0,
        "seconds": 1200.0,
        "expect": "faces, 64×64: 6 % show an old man wearing glasses, of real ones 28 %; Fréchet distance 7.4 × the "
        f"floor; 20 minutes are not enough for it ({BY_REQUESTS})",
    },
}
CARS: dict[str, Preset] = {
    "cars": PHOTOGRAPHS
    | {
        "guidance": 3.0,
        "images": 240_000,
        "expect": "cars, 64×64: 52 % show a red Coupe, of real ones 59 %; Fréchet distance 2.6 × the floor; 21 minutes "
        f"on one core; edits photographs ({BY_REQUESTS})",
    },
    "cars-gan": FEW_PHOTOGRAPHS_GAN
    | {
        "images": 200_000,
        "expect": "cars, 64×64: 54 % show a red Coupe, of real ones 59 %; Fréchet distance 1.1 × the floor; 25 minutes "
        f"on one core ({BY_REQUESTS})",
    },
    "cars-flow": PHOTOGRAPHS_FLOW
    | {
        "guidance": 3.0,
        "seconds": 1200.0,
        "expect": "20 minutes on one core; the settings of faces-flow, not measured on cars yet",
    },
    "cars-gan-128": LARGER_PHOTOGRAPHS_GAN
    | {
        "images": 120_000,
        "expect": "cars, 128×128: coarse cars in the right colours, Fréchet distance 9.9 × the floor, 29 "
        "minutes on one core (benchmarks/latents.py, docs/results.md)",
    },
    "cars-codec-128": PHOTOGRAPHS_CODEC
    | {
        "expect": "cars, 128×128: reconstructions of 24.9 dB, 1.8 × the floor, 15 minutes on one core; models in its "
        "latents are not worth the time on so few cores (benchmarks/latents.py, docs/results.md)",
    },
}
LARGE: dict[str, Preset] = {
    "digits-large": larger(DIGITS["digits"], LARGER_GAN, 0.56),
    "digits-cvae-large": larger(DIGITS["digits-cvae"], LARGER, 0.54),
    "digits-flow-large": larger(DIGITS["digits-flow"], LARGER_FLOW, 11.2),
    "faces-large": larger(FACES["faces"], LARGER, 6.6),
    "faces-gan-large": larger(FACES["faces-gan"], LARGER_GAN, 5.7),
    "faces-flow-large": larger(FACES["faces-flow"], LARGER_FLOW, 58.0),
    "cars-large": larger(CARS["cars"], LARGER, 6.6),
    "cars-gan-large": larger(CARS["cars-gan"], LARGER_GAN, 5.7),
    "cars-flow-large": larger(CARS["cars-flow"], LARGER_FLOW, 58.0),
}
OTHERS: dict[str, Preset] = {
    # scikit-learn's digits: a variance learned from the data keeps the writing styles apart that Bernoulli would blur.
    "demo": {
        "model": "cvae",
        "mechanism": "film",
        "likelihood": "gaussian",
        "images": 500_000,
        "expect": "digits: 99 % obedience after about half a minute on two cores (make demo)",
    },
    # The two-dimensional mixture: vectors, every kind of attribute.
    "mixture": {
        "model": "cvae",
        "mechanism": "film",
        "latent": 2,
        "channels": 32,
        "depth": 3,
        "batch": 256,
        "lr": 4e-3,
        "images": 1_000_000,
        "expect": "mixture: both modes of every condition (examples/mixture.py)",
    },
    # The same by a flow: its likelihood is exact.
    "mixture-flow": VECTORS
    | {
        "images": 3_000_000,
        "expect": "mixture: within 0.04 nats of the true density (benchmarks/known_truth.py)",
    },
}
PRESETS: dict[str, Preset] = OTHERS | DIGITS | FACES | CARS | LARGE


def preset(name: str) -> dict[str, Any]:
    """The preset of that name, without `expect`. Raises RequestError with the nearest valid names."""
    if name not in PRESETS:
        raise unknown("preset", name, PRESETS)
    return {key: value for key, value in PRESETS[name].items() if key != "expect"}


def presets() -> Listing:
    """The presets by name, each with its settings. They display themselves with what they reach and in what time.

    `train(data, out, preset=NAME)` trains one.
    """
    return Listing(PRESETS, ("preset", "model", "expect"), lambda preset: (preset["model"], preset["expect"]))


callable_as(__name__, presets)
