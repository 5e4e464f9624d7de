"""The judge: an independent predictor of every attribute, trained on real data only.

It shares no weights with what it judges. Whatever it says about samples is to be read beside what it says about
held-out real data.
"""

import os
from pathlib import Path
from typing import Any

import safetensors
import torch
from jaxtyping import Float, Shaped
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy, mse_loss, pad

from condgen.data import Dataset, as_float
from condgen.schema import Attribute, Categorical, Condition, Continuous, Schema

VERSION = 1  # of the judge's architecture and training: part of the name it is cached under


class Judge(nn.Module):
    """Predicts every attribute of a schema from an observation of the given shape."""

    def __init__(self, schema: Schema, shape: tuple[int, ...], width: int = 128):
        super().__init__()
        self.schema = schema
        self.shape = shape
        trunk = _image_trunk(shape, width) if len(shape) == 3 else _vector_trunk(shape[0], width)
        self.trunk = nn.Sequential(trunk, nn.ReLU())
        self.heads = nn.ModuleList(nn.Linear(width, a.width) for a in schema)

    def features(self, x: Float[Tensor, "batch ..."]) -> Float[Tensor, "batch feature"]:
        """What the heads see."""
        return self.trunk(_channels_last(x))

    def forward(self, x: Float[Tensor, "batch ..."]) -> dict[str, Float[Tensor, "batch output"]]:
        """Per attribute: logits of the values, the logit of yes, or the value scaled to [−1, 1]."""
        features = self.features(x)
        return {a.name: head(features) for a, head in zip(self.schema, self.heads, strict=True)}

    def loss(self, x: Float[Tensor, "batch ..."], condition: Condition) -> Float[Tensor, ""]:
        """The sum over attributes of the mean loss where the attribute is known."""
        outputs = self(x)
        losses = [_loss(a, outputs[a.name], condition.values[a.name]) * condition.given(a.name) for a in self.schema]
        counts = [condition.given(a.name).sum().clamp(min=1) for a in self.schema]
        return torch.stack([each.sum() / n for each, n in zip(losses, counts, strict=True)]).sum()

    @torch.inference_mode()
    def predict(self, x: Float[Tensor, "n ..."], batch: int = 512) -> Condition:
        """The most likely attributes of each observation."""
        self.eval()
        parts = [self(part) for part in x.split(batch)]
        values = {a.name: _codes(a, torch.cat([p[a.name] for p in parts])) for a in self.schema}
        return Condition(self.schema, values, torch.ones(len(x), len(self.schema), dtype=torch.bool, device=x.device))

    def agreement(self, x: Float[Tensor, "n ..."], condition: Condition) -> dict[str, float]:
        """Per attribute, over the observations where it is given: accuracy, or mean absolute error if continuous."""
        predicted = self.predict(x)
        result = {}
        for a in self.schema:
            given = condition.given(a.name)
            seen, asked = predicted.values[a.name][given], condition.values[a.name][given]
            errors = (seen - asked).abs()
            result[a.name] = float((errors if isinstance(a, Continuous) else (errors < 0.5).float()).mean())
        return result


def train_judge(
    x: Shaped[Tensor, "n ..."],
    condition: Condition,
    *,
    images: int = 300_000,
    batch: int = 128,
    lr: float = 2e-3,
    shift: int = 2,
    seed: int = 0,
) -> Judge:
    """A judge trained on real observations: uint8 images [n, channel, height, width] or float vectors [n, dimension].

    images: how many are seen in all. shift: images are moved by up to this many pixels, if they are large enough.
    """
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        judge = Judge(condition.schema, tuple(x.shape[1:]))
        steps = max(images // batch, 1)
        optimiser = torch.optim.AdamW(judge.parameters(), lr=lr, weight_decay=0.01)
        judge.train()
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, lr, total_steps=steps, pct_start=0.2)
        for _ in range(steps):
            index = torch.randint(len(x), (min(batch, len(x)),))
            loss = judge.loss(_shifted(as_float(x[index]), shift), condition[index])
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
    return judge.eval()


def judge_for(data: Dataset, **arguments: Any) -> Judge:
    """The judge of a training set: trained once, then kept in the cache under the data's fingerprint.

    arguments: of `train_judge`. The cache is $CONDGEN_CACHE, or `condgen` in the user's cache folder.
    """
    settings = "-".join(f"{k}{v}" for k, v in sorted(arguments.items()))
    path = cache_folder() / "judges" / f"{data.fingerprint}{'-' * bool(settings)}{settings}-v{VERSION}.safetensors"
    if path.is_file():
        judge = Judge(data.schema, data.shape)
        try:
            judge.load_state_dict(load_file(path))
            return judge.eval()
        except (RuntimeError, safetensors.SafetensorError):
            path.unlink()  # cut short, or from another version: train it again
    judge = train_judge(data.x, data.condition, **arguments)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(f".{os.getpid()}.partial")
    save_file({k: v.contiguous() for k, v in judge.state_dict().items()}, partial)
    partial.replace(path)
    return judge


def cache_folder() -> Path:
    """Where condgen keeps what it can make again."""
    default = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "condgen"
    return Path(os.environ.get("CONDGEN_CACHE", default))


def _channels_last(x: Float[Tensor, "batch ..."]) -> Float[Tensor, "batch ..."]:
    """Images in the memory layout that convolutions on a CPU are quickest with; vectors as they are."""
    return x.contiguous(memory_format=torch.channels_last) if x.dim() == 4 else x


def _shifted(x: Float[Tensor, "batch ..."], most: int) -> Float[Tensor, "batch ..."]:
    """The batch's images, moved together by up to `most` pixels each way; vectors and tiny images as they are."""
    if x.dim() < 4 or min(x.shape[2:]) < 16:
        return x
    dy, dx = torch.randint(0, 2 * most + 1, (2,)).tolist()
    height, width = x.shape[2:]
    return pad(x, (most,) * 4, mode="replicate")[:, :, dy : dy + height, dx : dx + width]


def _image_trunk(shape: tuple[int, ...], width: int) -> nn.Module:
    """Convolutions with batch norm, halving the image until a side is below 4; large images are halved at once."""
    channels, height, side = shape
    layers: list[nn.Module] = []
    size, wide = (height, side), 32
    if min(size) >= 24:
        layers += [nn.Conv2d(channels, wide, 5, stride=2, padding=2), nn.BatchNorm2d(wide), nn.ReLU()]
        size, channels, wide = (-(-height // 2), -(-side // 2)), wide, 64
    while min(size) >= 4:
        layers += [nn.Conv2d(channels, wide, 3, padding=1), nn.MaxPool2d(2), nn.BatchNorm2d(wide), nn.ReLU()]
        size, channels, wide = (size[0] // 2, size[1] // 2), wide, min(2 * wide, 128)
    return nn.Sequential(*layers, nn.Flatten(), nn.Dropout(0.2), nn.Linear(channels * size[0] * size[1], width))


def _vector_trunk(inputs: int, width: int) -> nn.Module:
    return nn.Sequential(
        nn.Linear(inputs, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU(), nn.Linear(width, width)
    )


def _loss(a: Attribute, output: Float[Tensor, "batch output"], codes: Float[Tensor, " batch"]) -> Tensor:
    """The loss of each observation [batch], on logits where the attribute is discrete."""
    if isinstance(a, Categorical):
        return cross_entropy(output, codes.long(), reduction="none")
    if isinstance(a, Continuous):
        return mse_loss(output, a.encode(codes), reduction="none")[:, 0]
    return binary_cross_entropy_with_logits(output[:, 0], codes, reduction="none")


def _codes(a: Attribute, output: Float[Tensor, "batch output"]) -> Float[Tensor, " batch"]:
    if isinstance(a, Categorical):
        return output.argmax(1).float()
    if isinstance(a, Continuous):
        return a.low + (output[:, 0] + 1) / 2 * (a.high - a.low)
    return (output[:, 0] > 0).float()
