"""Named recipes: a plain dict each, with the result and the time to expect.

`model` names the family; the other entries are its arguments and the fields of Training. Options on the command line
win over them. `expect` says what was measured, and how.
"""

from typing import Any

from condgen.errors import unknown

# Photographs of 64 pixels, a few thousand of them: an encoder and a decoder that reconstruct what a critic of patches
# sees besides the pixels, and a flow in their latents, which carries obedience and variety.
PHOTOGRAPHS: dict[str, Any] = {
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
    "adversarial": 0.15,
    "flip": True,
    "batch": 64,
    "lr": 3e-3,
    "clip": 10.0,
    "precision": "auto",
    "previews": 5,
}
LARGER: dict[str, Any] = {
    "channels": 128,
    "depth": 4,
    "prior_width": 2048,
    "prior_depth": 6,
    "batch": 256,
    "lr": 2e-3,
    "precision": "bf16",
    "images": 10_000_000,
    "adversarial_from": 7_500_000,
    "expect": "for a GPU, where it has not been measured yet (benchmarks/photographs.py)",
}

PRESETS: dict[str, dict[str, Any]] = {
    # scikit-learn's digits: a variance learned from the data keeps the writing styles apart that Bernoulli would blur.
    "demo": {
        "model": "cvae",
        "mechanism": "film",
        "likelihood": "gaussian",
        "images": 500_000,
        "expect": "digits: 99 % obedience after about half a minute on two cores (make demo)",
    },
    # Digits: MNIST, or glyphs like it. A CVAE with the command line's defaults.
    "digits-vae": {
        "model": "cvae",
        "mechanism": "film",
        "prior": "standard",
        "latent": 12,
        "seconds": 180.0,
        "expect": "MNIST: 98.5 % obedience, 0.91 of the real variety, in 3 minutes (benchmarks/obedience.py)",
    },
    # The same on the learned prior per digit.
    "digits-vae-prior": {
        "model": "cvae",
        "mechanism": "film",
        "prior": "gaussian",
        "latent": 12,
        "seconds": 180.0,
        "expect": "MNIST: 98.6 % obedience, 0.90 of the real variety, in 3 minutes (benchmarks/obedience.py)",
    },
    # By three adversarial families, which differ in how the critic judges the condition and in nothing else.
    **{
        name: {
            "model": model,
            "mechanism": "film",
            "loss": "relativistic",
            "r1": 0.1,
            "seconds": 300.0,
            "expect": f"MNIST: {share} obedience in 5 minutes (benchmarks/adversarial.py)",
        }
        for name, model, share in (
            ("digits", "projection", "99.6 %"),
            ("digits-acgan", "acgan", "99.7 %"),
            ("digits-cgan", "cgan", "99.2 %"),
        )
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
    # Digits by a flow in pixels, guided.
    "digits-flow": {
        "model": "flow",
        "mechanism": "film",
        "channels": 64,
        "depth": 2,
        "guidance": 2.0,
        "sampler": "dpm",
        "steps": 16,
        "lr": 5e-3,
        "seconds": 600.0,
        "expect": "MNIST: 99.4 % obedience, recall 0.67, in 10 minutes on one thread (benchmarks/flow.py)",
    },
    "faces": PHOTOGRAPHS
    | {
        "images": 240_000,
        "adversarial_from": 180_000,
        "guidance": 2.0,
        "expect": "faces (CelebA, 9,000 images, 40 flags): Male, Young, Eyeglasses right within 2 points of real ones, "
        "in half an hour on one busy core with bf16 units (docs/results.md)",
    },
    "faces-large": PHOTOGRAPHS | {"guidance": 2.0} | LARGER,
    "cars": PHOTOGRAPHS
    | {
        "images": 120_000,
        "adversarial_from": 90_000,
        "guidance": 4.0,
        "expect": "cars (7,344 images): colour as often right as in real images, body 7 points less, coarse pictures; "
        "in half an hour on one busy core with bf16 units (docs/results.md)",
    },
    "cars-large": PHOTOGRAPHS | {"guidance": 4.0} | LARGER,
    # A transformer for one GPU, images of 28 to 64 pixels a side.
    "flow-large": {
        "model": "flow",
        "backbone": "transformer",
        "mechanism": "film",
        "channels": 512,
        "depth": 12,
        "embedding": 256,
        "times": "logit-normal",
        "guidance": 2.0,
        "sampler": "dpm",
        "steps": 16,
        "precision": "bf16",
        "batch": 256,
        "lr": 3e-4,
        "ema": 500_000,
        "images": 20_000_000,
        "expect": "for a GPU, where it has not been measured yet (benchmarks/flow_speed.py, benchmarks/flow.py)",
    },
    # Digits by a CVAE whose prior is a flow in its latent space.
    "digits-cvae": {
        "model": "cvae",
        "mechanism": "film",
        "prior": "flow",
        "likelihood": "gaussian",
        "latent": 16,
        "embedding": 64,
        "guidance": 1.5,
        "seconds": 120.0,
        "expect": "MNIST: 99.9 % obedience in 2 minutes, 1,900 samples/s (benchmarks/priors.py)",
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
    "mixture-flow": {
        "model": "flow",
        "mechanism": "film",
        "channels": 128,
        "depth": 4,
        "condition_dropout": 0.05,
        "batch": 512,
        "lr": 3e-3,
        "images": 3_000_000,
        "previews": 0,
        "expect": "mixture: within 0.04 nats of the true density (benchmarks/known_truth.py)",
    },
}


def preset(name: str) -> dict[str, Any]:
    """The recipe of that name, without what it promises. Raises RequestError with the nearest valid names."""
    if name not in PRESETS:
        raise unknown("preset", name, PRESETS)
    return {key: value for key, value in PRESETS[name].items() if key != "expect"}
