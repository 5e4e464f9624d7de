"""Reconstructions of codecs, and samples of models, beside real images.

    python benchmarks/latents.py DATA RUN … --size 128 --attributes color,body --out sheets

Of a codec, the test images are reconstructed. Of another run, samples are drawn for the labels of the test images.
Those of a run of smaller images are enlarged. The Fréchet distance in EfficientNet's features is that from as many
training images, and the floor is that of the test images themselves. The mean absolute error is in shares of the range
of a pixel, and the signal-to-noise ratio (PSNR) in dB, the latter also for latents under noise. With `--attributes`, a
judge trained on real images says how often it reads them as asked, in real images too. A sheet is written for each run:
test images and their reconstructions in turn, or samples.
"""

import argparse
import time
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import torch
from adversarial import sampled_like
from torch import Tensor
from torch.nn.functional import interpolate

from condgen.data import Dataset, Splits, as_uint8, load
from condgen.evaluation import judge_for
from condgen.evaluation.judge.features import Extractor, extract, photographic
from condgen.evaluation.metrics.distances import frechet_distance
from condgen.models.latents.learning import LearningCodec
from condgen.pictures import grid
from condgen.runs.run import Run

SHOWN = 40  # images on a sheet
BATCH = 50
NOISES = (0.05, 0.1, 0.2)  # deviations of noise on latents, in 0..1


@torch.inference_mode()
def reconstructed(model: LearningCodec, data: Dataset) -> Tensor:
    """Images after encoding and decoding."""
    parts = (model.reconstruct(x.to(model.device), condition).cpu() for x, condition in data.in_turn(BATCH))
    return torch.cat([*parts])


def correlation(z: Tensor, apart: int) -> float:
    """The correlation of values in one row and channel that are this many places apart."""
    z = z - z.mean((0, 2, 3), keepdim=True)
    return float((z[..., :-apart] * z[..., apart:]).mean() / z.square().mean())


@torch.inference_mode()
def remark(model: LearningCodec, x: Tensor) -> str:
    """The correlation of neighbouring latents, beside that of pixels as far apart, and what errors of latents cost."""
    z, noise = model.codec.encode(x), torch.randn(model.codec.latent_shape(x.shape[1:]))
    latents, pixels = correlation(z, 1), correlation(x, model.codec.factor)
    under = (f"{errors(model.codec.decode(z + size * noise), x)[1]} under {size:g}" for size in NOISES)
    return (
        f"Neighbouring latents correlate by {latents:.2f}, and pixels as far apart by {pixels:.2f}. "
        f"PSNR with noise on latents: {', '.join(under)}."
    )


def enlarged(x: Tensor, shape: tuple[int, ...]) -> Tensor:
    """Samples as large as the real images."""
    same = x.shape[2:] == shape[1:]
    return x if same else interpolate(x, shape[1:], mode="bicubic", antialias=True).clamp(0, 1)


def errors(made: Tensor, real: Tensor) -> tuple[str, str]:
    """The mean absolute error and the PSNR of reconstructions."""
    off = made - real
    psnr = -10 * off.square().mean((1, 2, 3)).clamp(min=1e-10).log10().mean()
    return f"{off.abs().mean():.4f}", f"{psnr:.1f}"


@dataclass(frozen=True)
class Beside:
    """Test images, and the features of as many training images."""

    test: Dataset
    features: Tensor
    network: Extractor

    @classmethod
    def of(cls, data: Splits, device: torch.device, most: int = 5_000) -> "Beside":
        """The images of a data set. Raises RequestError without the extra `features`."""
        n = min(len(data.test), len(data.train), most)
        network = photographic("efficientnet", device)
        return cls(data.test[:n], extract(network, data.train[:n].observations), network)

    @cached_property
    def floor(self) -> float:
        """The distance of the test images themselves."""
        return frechet_distance(extract(self.network, self.test.observations), self.features)

    def made(self, run: Run) -> tuple[Tensor, float]:
        """Reconstructions of the test images by a codec, or samples for their labels by another run, and how many came
        per second.
        """
        started = time.perf_counter()
        if not isinstance(run.model, LearningCodec):
            samples, rate = sampled_like(run, self.test)
            return enlarged(samples.x, self.test.shape), rate
        made = reconstructed(run.model, self.test)
        return made, len(made) / (time.perf_counter() - started)

    def relative(self, made: Tensor) -> float:
        """The distance of images, divided by the floor."""
        return frechet_distance(extract(self.network, as_uint8(made)), self.features) / self.floor


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data")
    parser.add_argument("runs", nargs="+")
    parser.add_argument("--size", type=int, default=128)
    parser.add_argument("--attributes", type=lambda text: text.split(","), default=[])
    parser.add_argument("--out", type=Path, default=Path("sheets"))
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    data = load(given.data, size=given.size)
    beside, judge = Beside.of(data, torch.device("cpu")), judge_for(data) if given.attributes else None
    real = beside.test.floats

    def obeyed(x: Tensor) -> list[str]:
        found = judge.agreement(x, beside.test.condition) if judge else {}
        return [f"{found[name]:.1%}" for name in given.attributes]

    print(f"{len(real):,} images each; a distance of {beside.floor:.2f} is the floor\n")
    columns = ["run", "images seen", "Fréchet ÷ floor", "error", "PSNR", *given.attributes, "images/s"]
    print(f"| {' | '.join(columns)} |\n|{'---|' * len(columns)}")
    print(f"| {' | '.join(['real', '–', '1.00', '–', '–', *obeyed(real), '–'])} |", flush=True)
    remarks: list[str] = []
    for run in map(Run.open, given.runs):
        (made, rate), codec = beside.made(run), run.model if isinstance(run.model, LearningCodec) else None
        error, psnr = errors(made, real) if codec else ("–", "–")
        cells = [run.path.name, f"{run.info.images:,}", f"{beside.relative(made):.2f}", error, psnr, *obeyed(made)]
        print(f"| {' | '.join([*cells, f'{rate:.0f}'])} |", flush=True)
        shown = torch.stack([real[:SHOWN], made[:SHOWN]], 1).flatten(0, 1) if codec else made
        grid(shown[:SHOWN], 8).save(given.out / f"{run.path.name}.png")
        remarks += [f"{run.path.name}: {remark(codec, real[: 4 * BATCH])}"] if codec else []
    print("\n".join(["", *remarks]))


if __name__ == "__main__":
    main()
