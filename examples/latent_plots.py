"""The pictures of latent_study.py: latents in the plane, and how much each latent dimension carries."""

from io import BytesIO
from pathlib import Path

import matplotlib.pyplot as plt
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import Image
from torch import Tensor

from condgen import Condition, Run
from condgen.evaluation import LatentReport
from condgen.models import VAE

COLOURS = plt.get_cmap("tab10")
plt.switch_backend("Agg")


def planes(study: dict[str, tuple[Run, LatentReport]], digits: Tensor, path: Path) -> None:
    """Latents of models with two latent dimensions; at last what remains in the last model's without its prior."""
    figure, axes = plt.subplots(2, 4, figsize=(14, 7.4), layout="constrained")
    for panel, (label, (run, report)) in zip(axes.flat, study.items(), strict=False):
        scatter(panel, f"{label}\noverlap {report.overlap:.2f}", report.z, digits)
        if isinstance(run.model, VAE):
            rings(panel, run.model)
    scatter(axes.flat[-1], f"the last one, prior taken out\noverlap {report.noise_overlap:.2f}", report.noise, digits)
    figure.legend(*axes.flat[0].collections[0].legend_elements(), loc="outside right center", title="digit")
    save(figure, path)


def scatter(axes: Axes, title: str, z: Tensor, digits: Tensor) -> None:
    axes.scatter(z[:, 0], z[:, 1], c=digits, cmap=COLOURS, s=12)
    axes.set(title=wrapped(title), xticks=[], yticks=[], aspect="equal", adjustable="datalim")


def rings(axes: Axes, model: VAE) -> None:
    """Two standard deviations around the mean of the prior: of each digit, or of all where it is one for all."""
    angle = torch.linspace(0, 2 * torch.pi, 60)
    for k in range(10 if model.prior.conditional else 1):
        c = model.condition_encoder(Condition.of(model.schema, [{"digit": k}] * len(angle)))
        ring = model.prior.from_noise(2 * torch.stack([angle.cos(), angle.sin()], dim=1), c).detach()
        axes.plot(ring[:, 0], ring[:, 1], color=COLOURS(k) if model.prior.conditional else "grey", linewidth=1)


def bars(kl: dict[str, list[Tensor | None]], path: Path) -> None:
    """KL per dimension, most used first, averaged over seeds; models without one are left out."""
    figure, axes = plt.subplots(2, 3, figsize=(12, 6), sharex=True, sharey=True, layout="constrained")
    known = {label: [k.sort(descending=True)[0] for k in each if k is not None] for label, each in kl.items()}
    for panel, (label, each) in zip(axes.flat, ((k, v) for k, v in known.items() if v), strict=True):
        heights = torch.stack(each).mean(0)
        panel.bar(range(1, len(heights) + 1), heights)
        panel.axhline(0.1, color="grey", linewidth=0.8)
        panel.set_title(wrapped(f"{label}: {heights.sum():.1f} nats"))
    figure.supxlabel("latent dimension, most used first")
    figure.supylabel("KL in nats")
    save(figure, path)


def wrapped(title: str) -> str:
    return title.replace(", decoder", ",\ndecoder")


def save(figure: Figure, path: Path) -> None:
    """A small PNG: 128 colours are plenty."""
    picture = BytesIO()
    figure.savefig(picture, dpi=72)
    Image.open(picture).convert("RGB").quantize(128).save(path, optimize=True)
