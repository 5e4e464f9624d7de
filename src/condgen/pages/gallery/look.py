"""The context of a gallery: the run, the requests, and the judge's readings of pictures."""

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import torch
from jaxtyping import Float, Int
from torch import Tensor

from condgen.data import Splits
from condgen.evaluation.judge.judge import Judge
from condgen.pages.gallery.panels import PanelRow
from condgen.pages.sheets import missed_by
from condgen.requests.request import Request
from condgen.rng import Stream
from condgen.runs.editing import EditOptions
from condgen.runs.run import Run
from condgen.runs.sampling import SamplingOptions
from condgen.schema import Attribute, Condition, LabelDistribution

MOST_ATTRIBUTES = 6  # largest number of attributes shown by default
MOST_VALUES = 10  # largest number of values per attribute
STEPS = 7  # steps of an interpolation
ROWS = 4  # rows of a sweep: noises, each with its own other attributes


@dataclass(frozen=True)
class GalleryContext:
    """A run with the settings of its gallery.

    asked: the requests to show. Empty for default requests.
    columns: images per request.
    data: the run's training data. Without it, `no_data` gives the reason, and sections with real photographs are left
        out.
    judge: reads the attributes of pictures, if there is one.
    """

    run: Run
    asked: tuple[Request, ...] = ()
    seed: int = 0
    columns: int = 10
    data: Splits | None = None
    no_data: str = "No data was given."
    judge: Judge | None = None
    sampling: SamplingOptions = field(default_factory=SamplingOptions)

    @property
    def joint(self) -> LabelDistribution:
        """The distribution of the attributes that can be asked for."""
        return self.run.joint

    @property
    def conditional(self) -> bool:
        """Whether anything can be asked for."""
        return self.run.model.conditional and len(self.run.schema) > 0

    @property
    def editing(self) -> EditOptions:
        """The settings for edits of photographs."""
        return EditOptions.suited(self.run.model)

    @cached_property
    def attributes(self) -> list[Attribute]:
        """The attributes that are varied: those in the requests, or else the first ones."""
        named = dict.fromkeys(name for r in self.asked for name in r.constraints)
        return [self.run.schema[name] for name in named or self.run.schema.names][:MOST_ATTRIBUTES]

    def seeds(self, n: int) -> Int[Tensor, " n"]:
        """The seeds of n images."""
        return torch.arange(self.seed, self.seed + n)

    def base(self, n: int) -> Condition:
        """n complete conditions from the data that match the first request, if there is one. The same in every call."""
        request = self.asked[0] if self.asked else Request({}, "anything")
        return request.draw(self.joint, Stream.CONDITION.rng(self.seeds(n)), fill=True)

    def made(self, condition: Condition, seeds: Int[Tensor, " n"]) -> Float[Tensor, "n ..."]:
        """The run's samples for complete conditions, each with the noise of its seed."""
        return self.run.answer(condition, seeds, self.sampling)

    def under(self, guidance: int | float) -> "GalleryContext":
        """The same with another guidance. Where that is none, no interval of it either."""
        interval = None if guidance == 1 else self.sampling.interval
        return replace(self, sampling=replace(self.sampling, guidance=guidance, interval=interval))

    def shown(self, asked: Condition, *varied: Attribute) -> Condition:
        """The part of complete conditions that pictures should show: the varied attributes and those in requests.

        The other attributes are examples from the data, and the judge's reading of them does not matter.
        """
        return asked.about({a.name for a in varied}.union(*(r.constraints for r in self.asked)))

    def command(self, what: str, *requests: str, **options: object) -> str:
        """A shell command about this run, with the gallery's options of sampling."""
        words = ["condgen", what, str(self.run.path), *requests]
        words += [word for name, value in options.items() for word in (_option(name), str(value))]
        return shlex.join([*words, *self._sampling(options)])

    def section(self, name: str) -> str:
        """The command that makes a section of this gallery again."""
        texts = [r.text for r in self.asked]
        return self.command("gallery", *texts, only=name, seed=self.seed, n=self.columns, out="gallery.html")

    def _sampling(self, options: dict[str, object]) -> list[str]:
        how = {name: getattr(self.sampling, name) for name in ("guidance", "interval", "steps", "sampler")}
        given = {name: value for name, value in how.items() if value is not None and name not in options}
        return [word for name, value in given.items() for word in (_option(name), _value(value))]

    def row(self, label: str, x: Tensor, asked: Condition, captions: Sequence[str] = ()) -> PanelRow:
        """Images for conditions, with the judge's reading under those where it differs."""
        captions = list(captions) or [""] * len(x)
        if self.judge is None:
            return PanelRow(label, x, tuple(captions))
        read = self.judge.read(x)
        wrong = torch.stack([missed_by(read, asked, name) for name in asked.schema.names], 1)
        told = [_otherwise(*row) for row in zip(read.condition.rows(), wrong.tolist(), strict=True)]
        right = len(x) - int(wrong.any(1).sum())
        both = tuple("; ".join(filter(None, pair)) for pair in zip(captions, told, strict=True))
        return PanelRow(label, x, both, f"the judge reads {right} of {len(x)} as asked")


def _otherwise(seen: Mapping[str, str | None], wrong: Sequence[bool]) -> str:
    """The judge's readings that differ from the request, at most three of them."""
    read = [f"{name}={value}" for (name, value), off in zip(seen.items(), wrong, strict=True) if off]
    return "reads " + ", ".join(read[:3]) + ", …" * (len(read) > 3) if read else ""


def _option(name: str) -> str:
    return f"-{name}" if len(name) == 1 else f"--{name}"


def _value(value: object) -> str:
    """A setting of sampling as its option takes it: weights as a=2,b=3, and an interval as 0.2..0.8."""
    if isinstance(value, Mapping):
        return ",".join(f"{name}={weight}" for name, weight in value.items())
    return "..".join(map(str, value)) if isinstance(value, tuple) else str(value)


# ---- values


def steps(joint: LabelDistribution, a: Attribute, most: int = MOST_VALUES) -> list[tuple[str, Float[Tensor, "1 ..."]]]:
    """The values of an attribute to go through, as text and codes."""
    given = joint.rows.given(a.name)
    codes = a.sweep(joint.rows.values[a.name][given], joint.counts[given], most)
    return [(a.show(code.tolist()), code[None]) for code in codes]


def alike(code: Float[Tensor, "1 ..."], n: int) -> Float[Tensor, "n ..."]:
    """The same code n times."""
    return code.expand(n, *code.shape[1:])
