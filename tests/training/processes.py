"""Cases of training that several processes repeat: `torchrun -m tests.training.processes FOLDER CASE …`."""

import sys
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

from condgen.data import load
from condgen.models import Model, build
from condgen.training import Trainer, TrainingConfig
from condgen.training.team import leave

STEPS = 4
GAN: dict[str, Any] = {"r1": 0.5, "r2": 0.5, "penalty_every": 2}
CASES: dict[str, tuple[str, dict[str, Any]]] = {
    "autoencoder": ("autoencoder", {}),
    "vae": ("vae", {}),
    "cvae": ("cvae", {"prior": "gaussian"}),
    "cvae with a flow": ("cvae", {"prior": "flow", "prior_width": 32, "prior_draws": 3, "embedding": 16}),
    "cvae with a critic": ("cvae", {"perceptual": 1.0, "adversarial": 0.5, "adversarial_from": 64}),
    "gan": ("gan", GAN),
    "cgan with augmentation": ("cgan", {"augment": ("translation", "affine", "cutout", "color")}),
    "acgan that preserves": ("acgan", {**GAN, "preserve": 1.0}),
    "tacgan": ("tacgan", {}),
    "adcgan": ("adcgan", {}),
    "reacgan": ("reacgan", {}),
    "projection with label matching": ("projection", {"label_weight": 1.0}),
    "projection with minibatch statistics": ("projection", {**GAN, "deviation": 8}),
    "infogan": ("infogan", {}),
    "infogan that discovers": ("infogan", {"discover": 128}),
    "flow": ("flow", {"depth": 1}),
    "flow with coupling": ("flow", {"depth": 1, "coupling": "optimal", "times": "logit-normal"}),
    "meanflow": ("meanflow", {"depth": 1, "guidance": 1.5}),
}


def trained(case: str, folder: Path) -> tuple[Model, bool]:
    """A model after a few steps, and whether this process is the first."""
    family, arguments = CASES[case]
    data = load("digits")
    torch.manual_seed(0)
    model = build(family, data.schema, data.shape, channels=8, **arguments)
    settings = TrainingConfig(images=10_240, batch=64, lr=1e-3, warmup=1, previews=0, shift=1, threads=1)
    trainer = Trainer(model, data, folder, settings)
    batches = trainer.batches()
    for _ in range(STEPS):
        trainer.step(*next(batches))
        trainer.info.images += settings.batch
    batches.close()
    return model, trainer.team.first


def weights(model: Model) -> dict[str, torch.Tensor]:
    """All tensors of a model, also its counts of steps and images."""
    return {name: tensor.detach().clone().contiguous() for name, tensor in model.state_dict().items()}


if __name__ == "__main__":
    for each in sys.argv[2:]:
        model, first = trained(each, Path(sys.argv[1]))
        if first:
            save_file(weights(model), Path(sys.argv[1]) / f"{each}.safetensors")
    leave()
