"""The judge: an independent predictor of every attribute, trained on real data only.

It shares no weights with the models it judges. Its readings of samples are to be compared with its readings of held-out
real data.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Any

import torch
from jaxtyping import Bool, Float, Shaped
from torch import Tensor, nn

from condgen import sealed
from condgen.cache import cache_folder
from condgen.data import Dataset, Splits, as_float
from condgen.data.storage.mapped import Mapped, in_turn, taken
from condgen.evaluation.judge.held_out import judge_splits
from condgen.files import writing
from condgen.messages import setting
from condgen.progress import SILENT, Progress
from condgen.schema import Condition, Schema
from condgen.shifting import shifted
from condgen.units import approximately

MEASURED = 6  # steps after which the expected time is known
LONG = 60  # seconds of training beyond which the expected time is told
FEWER = 50_000  # presentations that are advised if training takes long
VERSION = 2  # version of architecture and training, part of the name in the cache


@dataclass(frozen=True)
class Reading:
    """A judge's readings of n observations.

    features: the input of its heads, [n, feature].
    outputs: per attribute, on the CPU: log-probabilities of the values [n, value]. For a measured attribute, the code
        that it reads [n, size], in the attribute's unit.
    errors: per measured attribute, the standard deviation of the judge's error on validation data, on its scale.
    """

    schema: Schema
    features: Float[Tensor, "n feature"]
    outputs: Mapping[str, Float[Tensor, "n output"]]
    errors: Mapping[str, float]

    @property
    def condition(self) -> Condition:
        """The most likely value of every attribute."""
        values = {a.name: a.density.read(self.outputs[a.name]) for a in self.schema}
        n = len(self.features)
        return Condition(self.schema, values, torch.ones(n, len(self.schema), dtype=torch.bool))

    def log_prob(self, name: str, codes: Float[Tensor, "n ..."]) -> Float[Tensor, " n"]:
        """log q(code|x) of an attribute. For a measured one, the density of a Gaussian around its reading."""
        return self.schema[name].density.log_likelihood(self.outputs[name], codes, self.errors.get(name))

    def errors_of(self, name: str, codes: Float[Tensor, "n ..."]) -> Float[Tensor, " n"]:
        """The error of each code against the reading: 0 or 1, or a distance (see `Attribute.error`)."""
        return self.schema[name].error(self.condition.values[name], codes)

    def misread(self, name: str, codes: Float[Tensor, "n ..."], most: float = 2.0) -> Bool[Tensor, " n"]:
        """A mask of codes that differ from the reading, by `most` standard deviations of the judge's error
        if measured.
        """
        distance = self.schema[name].density.distance(self.outputs[name], codes)
        return distance > most * self.errors.get(name, 0.0)

    def __getitem__(self, index: Any) -> "Reading":
        """The reading of the observations at an index tensor, slice or boolean mask."""
        outputs = {name: out[index] for name, out in self.outputs.items()}
        return Reading(self.schema, self.features[index], outputs, self.errors)


class Judge(nn.Module):
    """Predicts every attribute of a schema from an observation of the given shape.

    temperature: per attribute, the divisor of its logits that calibrates probabilities (Guo et al. 2017). For a
        measured attribute, the standard deviation of the error of the plain encoding. One until calibrated.
    """

    temperature: Float[Tensor, " attribute"]

    def __init__(self, schema: Schema, shape: tuple[int, ...], width: int = 128):
        super().__init__()
        self.schema = schema
        self.shape = shape
        trunk = _image_trunk(shape, width) if len(shape) == 3 else _vector_trunk(shape[0], width)
        self.trunk = nn.Sequential(trunk, nn.ReLU())
        self.heads = nn.ModuleList(nn.Linear(width, a.width) for a in schema)
        self.register_buffer("temperature", torch.ones(len(schema)))

    def features(self, x: Float[Tensor, "batch ..."]) -> Float[Tensor, "batch feature"]:
        """The input of the heads."""
        return self.trunk(_channels_last(x))

    def forward(self, x: Float[Tensor, "batch ..."]) -> dict[str, Float[Tensor, "batch output"]]:
        """A guess of the plain encoding of each attribute, such as logits of its values, before calibration."""
        return self._outputs(self.features(x))

    def _outputs(self, features: Float[Tensor, "batch feature"]) -> dict[str, Float[Tensor, "batch output"]]:
        return {a.name: head(features) for a, head in zip(self.schema, self.heads, strict=True)}

    def loss(self, x: Float[Tensor, "batch ..."], condition: Condition) -> Float[Tensor, ""]:
        """The sum over attributes of the mean loss where the attribute is known."""
        outputs = self(x)
        losses = [
            a.density.loss(outputs[a.name], condition.codes(a.name)) * condition.given(a.name) for a in self.schema
        ]
        counts = [condition.given(a.name).sum().clamp(min=1) for a in self.schema]
        return torch.stack([each.sum() / n for each, n in zip(losses, counts, strict=True)]).sum()

    @torch.inference_mode()
    def read(self, x: Shaped[Tensor, "n ..."] | Mapped, batch: int = 512) -> Reading:
        """The judge's readings of observations (uint8 or floats), in float32 on the CPU."""
        self.eval()
        features = self._all_features(x, batch)
        outputs = self._outputs(features)
        scale = dict(zip(self.schema.names, self.temperature, strict=True))
        read = {a.name: a.density.reading(outputs[a.name], scale[a.name]).cpu() for a in self.schema}
        spreads = {a.name: a.density.spread(float(scale[a.name])) for a in self.schema}
        errors = {name: spread for name, spread in spreads.items() if spread is not None}
        return Reading(self.schema, features.cpu(), read, errors)

    def _all_features(self, x: Shaped[Tensor, "n ..."] | Mapped, batch: int = 512) -> Float[Tensor, "n feature"]:
        device = self.temperature.device
        return torch.cat([self.features(as_float(part.to(device))) for part in in_turn(x, batch)])

    def predict(self, x: Shaped[Tensor, "n ..."] | Mapped, batch: int = 512) -> Condition:
        """The most likely attributes of each observation."""
        return self.read(x, batch).condition

    def agreement(self, x: Shaped[Tensor, "n ..."] | Mapped, condition: Condition) -> dict[str, float]:
        """Accuracy (or mean error of a measured attribute) per attribute, over the observations where it is given."""
        predicted = self.predict(x)
        result = {}
        for a in self.schema:
            given = condition.given(a.name)
            error = a.error(predicted.values[a.name][given], condition.values[a.name][given]).mean()
            result[a.name] = float(1 - error if a.choices else error)
        return result

    @torch.inference_mode()
    def calibrate(self, data: Dataset) -> "Judge":
        """Fit the temperatures to data that the judge was not trained on. Attributes without labels keep theirs."""
        self.eval()
        outputs = {name: out.cpu() for name, out in self._outputs(self._all_features(data.observations)).items()}
        for k, a in enumerate(self.schema):
            given = data.condition.given(a.name)
            if given.any():
                codes = data.condition.values[a.name][given]
                self.temperature[k] = a.density.fitted_scale(outputs[a.name][given], codes)
        return self


def train_judge(
    x: Shaped[Tensor, "n ..."] | Mapped,
    condition: Condition,
    *,
    images: int | None = None,
    batch: int = 128,
    lr: float = 2e-3,
    shift: int = 2,
    seed: int = 0,
    progress: Progress = SILENT,
    advise: bool = True,
    clock: Callable[[], float] = perf_counter,
) -> Judge:
    """A judge trained on real observations: uint8 images [n, channel, height, width] or float vectors [n, dimension].

    images: number of presentations in all. By default 300,000 for vectors, and 15 per image for images, but at least
        100,000 and at most 300,000.
    shift: images are moved by up to this many pixels, if they are large enough.
    progress: is told the expected time after a few steps, if it is long.
    advise: say how to make it shorter, which not every caller's user can.
    clock: in seconds.

    Observations without any label are left out. For images in a file, one batch at a time is in memory.
    """
    known = condition.present.any(1)
    if known.any() and not known.all():
        x, condition = x[known], condition[known]
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        judge = Judge(condition.schema, tuple(x.shape[1:]))
        seen = _presentations(x) if images is None else images
        steps = max(seen // batch, 1)
        optimiser = torch.optim.AdamW(judge.parameters(), lr=lr, weight_decay=0.01)
        judge.train()
        started = 0.0
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, lr, total_steps=steps, pct_start=0.2)
        with progress.task("training a judge", steps * batch, unit="images") as task:
            for step in range(1, steps + 1):
                index = torch.randint(len(x), (min(batch, len(x)),))
                loss = judge.loss(_shaken(as_float(taken(x, index)), shift), condition[index])
                optimiser.zero_grad()
                loss.backward()
                optimiser.step()
                schedule.step()
                task.move(step * batch)
                started = clock() if step == 1 else started
                if step == MEASURED:
                    _announce(progress, seen, (clock() - started) / (MEASURED - 1) * steps, advise)
    return judge.eval()


def _presentations(x: Shaped[Tensor, "n ..."] | Mapped) -> int:
    """The number of presentations by default."""
    return min(max(15 * len(x), 100_000), 300_000) if len(x.shape) == 4 else 300_000


def expected_seconds(data: Splits, batch: int = 128) -> float:
    """The time that `judge_for` would take to train the judge of a dataset here, from a few steps of it."""
    train = judge_splits(data).train
    started = perf_counter()
    train_judge(train.observations, train.condition, images=MEASURED * batch, batch=batch)
    return (perf_counter() - started) * _presentations(train.observations) / (MEASURED * batch)


def _announce(progress: Progress, images: int, seconds: float, advise: bool) -> None:
    """Say how long training takes, if it takes long. advise: say how to make it shorter."""
    if seconds < LONG:
        return
    shorter = approximately(seconds * FEWER / images)
    less = f" {setting(judge_images=FEWER)} takes {shorter}, for a judge that errs more."
    less = less if advise and images > FEWER else ""
    progress.note(f"Training it takes {approximately(seconds)}, once for this data.{less}")


def judge_for(data: Splits, *, progress: Progress = SILENT, advise: bool = True, **arguments: Any) -> Judge:
    """The judge of a dataset: trained once on its training part, calibrated on its validation part, then cached.

    It learns half of the examples of held-out combinations (see `judge_splits`), because otherwise it could not judge
    them. It is cached under the fingerprints of its training and validation data.
    progress, advise, arguments: of `train_judge`.
    The cache is $CONDGEN_CACHE, or `condgen` in the user's cache folder.
    """
    if kept := kept_judge(data, **arguments):
        return kept
    train = judge_splits(data).train
    path = _kept_at(train, data.validation, arguments)
    judge = train_judge(train.observations, train.condition, progress=progress, advise=advise, **arguments)
    judge.calibrate(data.validation)
    with writing(path) as partial:
        sealed.write(partial, judge.state_dict(), {})
    return judge


def kept_judge(data: Splits, **arguments: Any) -> Judge | None:
    """The judge of a dataset, if `judge_for` has trained it before. An unreadable one is removed."""
    train = judge_splits(data).train
    path = _kept_at(train, data.validation, arguments)
    if not path.is_file():
        return None
    judge = Judge(train.schema, train.shape)
    try:
        judge.load_state_dict(sealed.read(path)[1])
    except (RuntimeError, sealed.DamagedError):
        path.unlink()  # damaged, or from another version
        return None
    return judge.eval()


def _kept_at(train: Dataset, validation: Dataset, arguments: Mapping[str, Any]) -> Path:
    """The file of a judge, by what it was trained on and what it was calibrated on."""
    settings = [f"{k}{v}" for k, v in sorted(arguments.items())]
    name = "-".join([train.fingerprint, validation.fingerprint, *settings, f"v{VERSION}.safetensors"])
    return cache_folder() / "judges" / name


def _channels_last(x: Float[Tensor, "batch ..."]) -> Float[Tensor, "batch ..."]:
    """Images in the memory layout in which convolutions on a CPU are fastest. Vectors unchanged."""
    return x.contiguous(memory_format=torch.channels_last) if x.dim() == 4 else x


def _shaken(x: Float[Tensor, "batch ..."], most: int) -> Float[Tensor, "batch ..."]:
    """The batch's images, moved together by up to `most` pixels in each direction.

    Vectors and tiny images unchanged.
    """
    if x.dim() < 4 or min(x.shape[2:]) < 16:
        return x
    down, right = (most - torch.randint(0, 2 * most + 1, (2,)))[:, None].expand(-1, len(x))
    return shifted(x, down, right)


def _image_trunk(shape: tuple[int, ...], width: int) -> nn.Module:
    """Convolutions with batch norm that halve the image until a side is below 4. Large images start at a low
    resolution.

    The stride of the first convolution reduces an image to about 16 pixels a side, where the others are fast.
    """
    channels, height, side = shape
    layers: list[nn.Module] = []
    size, wide = (height, side), 32
    stride = next((s for s in (8, 4, 2) if min(size) >= 12 * s), 1)
    if stride > 1:
        layers += [nn.Conv2d(channels, wide, 2 * stride + 1, stride, padding=stride), nn.BatchNorm2d(wide), nn.ReLU()]
        size, channels, wide = (-(-height // stride), -(-side // stride)), wide, 64
    while min(size) >= 4:
        layers += [nn.Conv2d(channels, wide, 3, padding=1), nn.MaxPool2d(2), nn.BatchNorm2d(wide), nn.ReLU()]
        size, channels, wide = (size[0] // 2, size[1] // 2), wide, min(2 * wide, 128)
    return nn.Sequential(*layers, nn.Flatten(), nn.Dropout(0.2), nn.Linear(channels * size[0] * size[1], width))


def _vector_trunk(inputs: int, width: int) -> nn.Module:
    return nn.Sequential(
        nn.Linear(inputs, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU(), nn.Linear(width, width)
    )
