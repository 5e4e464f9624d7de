"""Answers to requests from a model and the distribution of its attributes. The model may run in any library."""

import copy
from collections.abc import Sequence
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any

from condgen.arrays import Array, Float, Int, floats, namespace
from condgen.data.coordinates import Coordinates
from condgen.errors import RequestError
from condgen.extras import explained
from condgen.models.abilities import Edits
from condgen.models.flow.guidance import Weights
from condgen.models.registry import that_can
from condgen.parameters import keyword_arguments
from condgen.requests.completion import Completing
from condgen.requests.keywords import by_keywords
from condgen.requests.request import Request, Requestable
from condgen.rng import NumpyRng, Stream
from condgen.runs.best import best, candidates
from condgen.runs.editing import EditOptions, arguments_of_edit, edited, must_be_observations, within
from condgen.runs.generator import Generator, one_change, reader, tell
from condgen.runs.limits import must_hold_samples
from condgen.runs.noise import Change, changed
from condgen.runs.noise import between as noise_between
from condgen.runs.samples import Samples
from condgen.runs.sampling import Part, SamplingOptions
from condgen.schema import Condition, Constraint, LabelDistribution, Schema


class Answering(Generator):
    """A model with the data's joint distribution of attributes. Arrays are those of the distribution's library.

    model: a `condgen.Model`, or an exported one.
    """

    model: Any
    joint: LabelDistribution
    path: Path

    @property
    def schema(self) -> Schema:
        """The attributes that can be asked for."""
        schema: Schema = self.model.schema
        return schema

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of one observation: (channel, height, width) or (dimension,)."""
        shape: tuple[int, ...] = self.model.shape
        return shape

    @property
    def coordinates(self) -> Coordinates | None:
        """The coordinates of the generated vectors. None for images."""
        raise NotImplementedError

    def answer(
        self,
        condition: Condition,
        seeds: Int[Array, " batch"],
        sampling: SamplingOptions | None = None,
        unwanted: Condition | None = None,
    ) -> Float[Array, "batch ..."]:
        """One observation per condition, each with the noise of its seed, [batch, *shape] on the CPU.

        Every way of sampling uses this. A model that cannot handle free attributes needs complete conditions.
        """
        n = (sampling or SamplingOptions()).best_of
        found = [self.from_streams(condition, rng, sampling, unwanted) for rng in candidates(seeds, n)]
        return found[0] if n == 1 else best(found, [self.preference(x, condition) for x in found])

    def preference(self, x: Float[Array, "batch ..."], condition: Condition) -> Float[Array, " batch"]:
        """A score of each observation under its condition, by which the best of several is chosen. Higher is better.

        Raises RequestError if nothing here can tell.
        """
        raise no_critic()

    def from_streams(
        self,
        condition: Condition,
        rng: NumpyRng,
        sampling: SamplingOptions | None = None,
        unwanted: Condition | None = None,
    ) -> Float[Array, "batch ..."]:
        """One observation per condition, each with the noise of its random stream, [batch, *shape] on the CPU."""
        raise NotImplementedError

    @Completing
    def sample(
        self,
        /,
        asked: Requestable | Sequence[Requestable] = (),
        n: int = 16,
        seed: int = 0,
        *,
        extrapolate: bool = False,
        guidance: Weights | str | None = None,
        interval: tuple[float, float] | None = None,
        steps: int | None = None,
        sampler: str | None = None,
        guide: "Answering | Any" = None,
        compose: bool = False,
        free: bool = False,
        best_of: int = 1,
        **attributes: Any,
    ) -> Samples:
        """n samples for each request. Without a request, n samples of attributes drawn from the data.

        asked: in words or terms, `"an old man"` or `"digit=3|5, color!=red"`, as a mapping, or several of these.
        seed: seed of sample 0 of every request. Sample k has `seed + k`, whatever else is asked.
        extrapolate: allow numbers beyond the range of the training data.
        guidance …: see `SamplingOptions`. For guided models.
        guide: a weaker run, or its model.
        best_of: candidates per sample, of which the best is kept.
        attributes: a request by keywords, as in `run.sample(digit=7, n=16)`.

        Words that were guessed or left out give a UserWarning. Raises RequestError for a wrong request.
        """
        how = SamplingOptions(
            guidance=guidance,
            interval=interval,
            steps=steps,
            sampler=sampler,
            guide=guide.model if isinstance(guide, Answering) else guide,
            compose=compose,
            free=free,
            best_of=best_of,
        )
        found = self.requests(
            by_keywords(self.schema, asked, attributes, keyword_arguments(SamplingOptions)), extrapolate
        )
        tell(found)
        samples = self.stream(found, n, seed, sampling=how)
        must_hold_samples(n * len(found), self.model.shape)
        return Samples.cat(list(samples))

    def requests(self, asked: Requestable | Sequence[Requestable] = (), extrapolate: bool = False) -> list[Request]:
        """The requests that texts or mappings stand for. Raises RequestError for wrong ones."""
        found = super().requests(asked, extrapolate)
        if not self.model.conditional and any(r.constraints for r in found):
            raise RequestError(
                f"This run's model, {self._name}, is unconditional: it cannot be asked for "
                f"'{next(r.text for r in found if r.constraints)}'. Train a conditional one "
                f"({that_can(lambda model: model.conditional)})."
            )
        return found

    def together(
        self, parts: Sequence[Part], sampling: SamplingOptions | None = None, change: Change | None = None
    ) -> Samples:
        """The samples of several requests, generated in one batch: of each part in turn, one per seed.

        change: of the noise that samples begin with, [n, ...]. Without it, each is the sample that `stream` gives for
            this request and seed, within the rounding of numbers.

        Raises RequestError for a change beside `best_of`, whose candidates have noise of their own.
        """
        how = sampling or SamplingOptions()
        if change is not None and how.best_of > 1:
            raise RequestError("A sample whose noise is changed has no other candidates; leave out `best_of`.")
        condition = Condition.cat([self._draw(part, fill=not (how.free or how.compose)) for part in parts])
        seeds = self.numbers([seed for part in parts for seed in part.seeds])
        if change is None:
            x = self.answer(condition, seeds, how, self._unwanted(parts))
        else:
            x = self.from_streams(condition, changed(seeds, change), how, self._unwanted(parts))
        index = self.numbers([k for k, part in enumerate(parts) for _ in part.seeds])
        return Samples(x, condition, seeds, index, self.coordinates)

    def _unwanted(self, parts: Sequence[Part]) -> Condition | None:
        """Values that requests exclude (`color!=red`), one per sample. Guidance moves away from them."""
        excluded = [_excluded(part.request, self.schema) for part in parts]
        if not any(excluded):
            return None
        drawn = [
            self.joint.draw(each, Stream.EXCLUDED.rng(self.numbers(part.seeds)), fill=False)
            for part, each in zip(parts, excluded, strict=True)
        ]
        return Condition.cat(drawn).to(self.model.device)

    def _draw(self, part: Part, fill: bool) -> Condition:
        """The conditions of a request's samples. They have random streams of their own, so that the noise does not
        depend on them.

        If `fill` is set, free attributes come from the data's rows that match the request. Training sees whole rows all
        the time, but few conditions with three of forty attributes. An empty request means the distribution of the
        data.
        """
        whole = self.model.conditional and (fill or not part.request.constraints)
        return part.request.draw(self.joint, Stream.CONDITION.rng(self.numbers(part.seeds)), fill=whole)

    def interpolate(
        self,
        start: Requestable | Request,
        end: Requestable | Request,
        n: int = 9,
        seed: int = 0,
        seed_end: int | None = None,
        sampling: SamplingOptions | None = None,
    ) -> Samples:
        """n samples on the way from one to another, both included, through noise and encoded conditions.

        seed, seed_end: of the first and the last sample, by default the same. Noise is interpolated on the sphere.

        Each is generated, not blended. In between, attributes in which the two differ are given as free. Raises
        RequestError for wrong requests, for fewer than two samples, for `best_of`, and for a model without encodings of
        conditions.
        """
        self.must_interpolate()
        if n < 2:
            raise RequestError(f"An interpolation has at least its two ends, so `n` must be 2 or more, not {n}.")
        how = sampling or SamplingOptions()
        how.validate_for(self.model)
        if how.best_of > 1:
            raise RequestError("A sample on the way between two has no other candidates; leave out `best_of`.")
        seed_end = seed if seed_end is None else seed_end
        first, last = self._ends(start, seed, end, seed_end, how)
        shares = [k / (n - 1) for k in range(n)]
        way, how = self._on_the_way_to(last.repeat(n), floats(shares, self.joint.counts), how)
        noise = noise_between(self.numbers([seed] * n), self.numbers([seed_end] * n), shares)
        x = way.from_streams(first.repeat(n), noise, how)
        nearer = self.numbers([seed if share <= 0.5 else seed_end for share in shares])
        return Samples(x, _on_the_way(first, last, n), nearer, 0 * nearer, self.coordinates)

    def must_interpolate(self) -> None:
        """Raise RequestError unless the model encodes conditions, so that there is a way between two of them."""
        raise NotImplementedError

    def model_towards(self, end: Condition, shares: Float[Array, " batch"]) -> Any:
        """The model with the condition of each sample encoded a share of the way to that of `end`."""
        raise NotImplementedError

    def _on_the_way_to(
        self, end: Condition, shares: Float[Array, " batch"], how: SamplingOptions
    ) -> tuple["Answering", SamplingOptions]:
        """This generator and its guide, each with its model towards a condition (see `model_towards`)."""

        def towards(model: Any) -> "Answering":
            own, twin = copy.copy(self), copy.copy(self)
            own.model = model
            twin.model = own.model_towards(end, shares)
            return twin

        return towards(self.model), how if how.guide is None else replace(how, guide=towards(how.guide).model)

    def _ends(
        self, start: Requestable | Request, seed: int, end: Requestable | Request, seed_end: int, how: SamplingOptions
    ) -> tuple[Condition, Condition]:
        """The conditions [1] of an interpolation's ends. Raises RequestError if one alone leaves an attribute free."""
        fill = not (how.free or how.compose)
        first, last = self._one(start, seed, fill), self._one(end, seed_end, fill)
        unlike = [
            a.name for a in self.schema if not fill and bool(first.given(a.name)[0]) != bool(last.given(a.name)[0])
        ]
        if unlike:
            setting = "free" if how.free else "compose"
            raise RequestError(
                f"One end leaves {', '.join(unlike)} free and the other does not, and there is no way between. Ask for "
                f"the same attributes at both, or leave out `{setting}`."
            )
        return first, last

    def _one(self, asked: Requestable | Request, seed: int, fill: bool) -> Condition:
        """The condition [1] of a request's sample with this seed. Raises RequestError for several requests."""
        found = [asked] if isinstance(asked, Request) else self.requests(asked)
        if len(found) > 1:
            raise RequestError(f"'{asked}' stands for {len(found)} requests; an end of an interpolation is one.")
        return self._draw(Part(found[0], range(seed, seed + 1)), fill)

    @Completing
    def edit(
        self,
        /,
        x: Any,
        source: Condition | Requestable | Request | None = None,
        change: Requestable | Request | None = None,
        seed: int = 0,
        editing: EditOptions | None = None,
        mask: Float[Array, "*n height width"] | None = None,
        **attributes: Any,
    ) -> Samples:
        """Each x with the requested attributes changed and the rest kept: `edit(x, digit=1)`, or `edit(x, "digit=1")`.

        x: samples, a part of a dataset, or observations [n, *shape].
        source: the condition of bare observations, as in `edit(x, source, "digit=1")`. By default the model reads it.
        editing: settings of the edit, by default those that suit the model.
        mask: 1 where images may change, 0 where they stay as they are.
        attributes: the change by keywords.

        Raises RequestError for a wrong request, observations or a mask that do not fit, or a model that cannot encode.
        """
        self.must_edit()
        x, source, change = arguments_of_edit(x, source, change)
        wanted = one_change(self, change, attributes)
        x = namespace(self.joint.counts).asarray(x)
        must_be_observations(x, self.shape)
        seeds = self.numbers(range(seed, seed + len(x)))
        source = reader(self).read(x) if source is None else source
        target = source.update(wanted.draw(self.joint, Stream.NOISE.rng(seeds), fill=False))
        changed = edited(self.model, x, source, target, editing)
        return Samples(within(mask, x, changed), target, seeds, 0 * seeds, self.coordinates)

    def studio(self, **settings: Any) -> Any:
        """The studio's page with this model, which shows itself in a notebook's cell.

        settings: of `condgen.studio`, which says more.
        """
        with explained():
            return import_module("condgen.studio.notebook").studio(self, **settings)  # a room that comes after this one

    def must_edit(self) -> None:
        """Raise RequestError unless the model can encode an image and decode it under another condition."""
        if not len(self.schema):
            raise RequestError(f"The model {self._name} has no attributes, so there is nothing to change in an image.")
        if not isinstance(self.model, Edits):
            raise self.no_edits()

    def no_edits(self) -> RequestError:
        """The error for a model that cannot edit."""
        return RequestError(f"The model {self._name} cannot edit; train one that can ({that_can(Edits)}).")

    def stated(self, request: Request, n: int) -> Condition:
        """The condition of n observations that a request describes. Missing attributes are drawn where the model needs
        them.
        """
        streams = Stream.NOISE.rng(self.numbers(range(n)))
        return request.draw(self.joint, streams, fill=not self.model.handles_missing)

    @property
    def _name(self) -> str:
        """The name of the model's family."""
        return str(self.model.recipe.get("model"))

    def numbers(self, numbers: Sequence[int]) -> Int[Array, " n"]:
        """Integers in the library of the distribution."""
        xp = namespace(self.joint.counts)
        return xp.asarray(list(numbers), dtype=xp.int64)


def _on_the_way(start: Condition, end: Condition, n: int) -> Condition:
    """The conditions of an interpolation. Where its ends differ, the samples between them are free."""
    xp = namespace(start.present)
    same = [xp.all(start.codes(name) == end.codes(name)) for name in start.schema.names]
    common = start.drop(~xp.stack(same)[None]) if same else start
    return Condition.cat([start, common.repeat(n - 2), end])


def _excluded(request: Request, schema: Schema) -> dict[str, Constraint]:
    """The constraints on values that a request names as unwanted, by attribute."""
    named = {name: constraint.excluded(schema[name]) for name, constraint in request.constraints.items()}
    return {name: unwanted for name, unwanted in named.items() if unwanted}


def no_critic() -> RequestError:
    """The error for choosing among samples where nothing can tell which is the best."""
    return RequestError("An exported model has no critic to choose by; leave out `best_of`, or sample from the run.")
