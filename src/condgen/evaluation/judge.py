"""The judge: an independent predictor of every attribute, trained on real data only.

It shares no weights with what it judges. Whatever it says about samples is to be read beside what it says about
held-out real data.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Shaped
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy, mse_loss, pad

from condgen.schema import Attribute, Categorical, Condition, Continuous, Schema


@dataclass(frozen=True)
class Obedience:
    """How far samples show what was asked, by a judge whose own skill is stated beside it.

    asked, real: per attribute the share recognised as asked for among samples, and as labelled among held-out real
    data; for continuous attributes the mean absolute error in the attribute's unit.
    """

    asked: dict[str, float]
    real: dict[str, float]

    def lines(self) -> list[str]:
        """One readable line per attribute."""
        return [
            f"{name}: {_shown(value)} as asked (the judge on held-out real data: {_shown(self.real[name])})"
            for name, value in self.asked.items()
        ]


def _shown(value: float) -> str:
    return f"{value:.2%}" if 0 <= value <= 1 else f"off by {value:.3g}"


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
        return self.trunk(x)

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
        return Condition(self.schema, values, torch.ones(len(x), len(self.schema), dtype=torch.bool))

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
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, lr, total_steps=steps, pct_start=0.2)
        for _ in range(steps):
            index = torch.randint(len(x), (min(batch, len(x)),))
            judge.train()
            loss = judge.loss(_shifted(to_float(x[index]), shift), condition[index])
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
    return judge.eval()


def to_float(x: Shaped[Tensor, "batch ..."]) -> Float[Tensor, "batch ..."]:
    """uint8 images to [0, 1]; anything else as it is."""
    return x.float() / 255 if x.dtype == torch.uint8 else x.float()


def _shifted(x: Float[Tensor, "batch ..."], most: int) -> Float[Tensor, "batch ..."]:
    """The batch's images, moved together by up to `most` pixels each way; vectors and tiny images as they are."""
    if x.dim() < 4 or min(x.shape[2:]) < 16:
        return x
    dy, dx = torch.randint(0, 2 * most + 1, (2,)).tolist()
    height, width = x.shape[2:]
    return pad(x, (most,) * 4, mode="replicate")[:, :, dy : dy + height, dx : dx + width]


def _image_trunk(shape: tuple[int, ...], width: int) -> nn.Module:
    channels, height, side = shape
    layers: list[nn.Module] = []
    size, wide = (height, side), 32
    while True:
        layers += [nn.Conv2d(channels, wide, 3, padding=1), nn.BatchNorm2d(wide), nn.ReLU(), nn.MaxPool2d(2)]
        size, channels, wide = (size[0] // 2, size[1] // 2), wide, min(2 * wide, 128)
        if min(size) < 4:
            break
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
