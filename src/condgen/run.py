"""A trained run: open it, ask it for samples, let it edit."""

import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float, Int
from pydantic import ValidationError
from torch import Tensor

from condgen.arguments import keyword_arguments, validated
from condgen.data import Splits
from condgen.editing import Editing, edited
from condgen.errors import CondgenError, DataError, RequestError, RunError, unknown
from condgen.joint import Joint, OneOf
from condgen.models import MODELS, TRAINING, Flow, MeanFlow, Model, build
from condgen.models.guidance import Weights
from condgen.models.meanflow import meanflow
from condgen.preview import Preview
from condgen.request import Request, Requestable, requests
from condgen.rng import Rng
from condgen.samples import Samples, new_folder
from condgen.sampling import Sampling
from condgen.schema import Condition, Schema
from condgen.training import Monitor, Trainer, Training, checkpoint
from condgen.training.checkpoint import Info

BATCH = 500
DISTILLED = {"share": 0.75, "steps": 1}  # of meanflow: a student knows velocities already; most it learns are steps
STREAMS = 2**40  # seeds from here on are those of the conditions


class Run:
    """A trained model with its schema and the data's joint distribution of attributes."""

    def __init__(self, model: Model, joint: Joint, info: Info, path: Path):
        self.model = model.eval()
        self.joint = joint
        self.info = info
        self.path = path

    @classmethod
    def open(cls, path: str | Path, device: str | torch.device | None = None) -> "Run":
        """The run in a folder, with its averaged weights, on the best device at hand.

        Raises RunError when the folder holds no readable run.
        """
        path = Path(path)
        info, tensors = checkpoint.load(path / checkpoint.FILE)
        model = rebuild(info)
        with _fitting(path, info):
            model.load_state_dict(checkpoint.group(tensors, "ema"))
            joint = checkpoint.restore_joint(model.schema, checkpoint.group(tensors, "joint"))
        return cls(model.to(device or best_device()), joint, info, path)

    @property
    def schema(self) -> Schema:
        """What can be asked for."""
        return self.model.schema

    def sample(
        self,
        asked: Requestable | Sequence[Requestable] = (),
        n: int = 16,
        seed: int = 0,
        extrapolate: bool = False,
        **sampling: Any,
    ) -> Samples:
        """n samples for each request; without one, n samples of attributes drawn from the data.

        Sample k of every request has the seed `seed + k`, so requests differ in what was asked and in nothing else.
        sampling: fields of `Sampling`, for models that are guided. Words are understood as `requests` shows; those that
        were guessed or left out give a UserWarning. Raises RequestError for a wrong request.
        """
        how, found = Sampling.of(sampling), self.requests(asked, extrapolate)
        _tell(found)
        return Samples.cat(list(self.stream(found, n, seed, sampling=how)))

    def requests(self, asked: Requestable | Sequence[Requestable] = (), extrapolate: bool = False) -> list[Request]:
        """The requests that texts or mappings stand for. Raises RequestError for wrong ones."""
        several = [asked] if isinstance(asked, str | Mapping) else list(asked)
        found = [r for each in several for r in requests(each, self.schema, extrapolate)] or [Request({}, "anything")]
        if "conditional" not in self.model.capabilities and any(r.constraints for r in found):
            raise RequestError(
                f"This run's model, {self.info.recipe['model']}, is unconditional: it cannot be asked for "
                f"'{next(r.text for r in found if r.constraints)}'. Train a conditional one (--model cvae)."
            )
        return found

    def stream(
        self,
        asked: Sequence[Request],
        n: int,
        seed: int = 0,
        batch: int = BATCH,
        sampling: Sampling | None = None,
    ) -> Iterator[Samples]:
        """The samples of `sample` in batches, in order.

        Raises RequestError at once for a wrong number or seed, before anything is generated.
        """
        if n < 1:
            raise RequestError(f"The number of samples must be at least 1, not {n}.")
        if not 0 <= seed <= STREAMS - n:
            raise RequestError(f"The seed must be at least 0 and below 2^40, not {seed}.")
        how = sampling or Sampling()
        how.must_suit(self.model)
        return self._stream(asked, n, seed, batch, how)

    def _stream(self, asked: Sequence[Request], n: int, seed: int, batch: int, how: Sampling) -> Iterator[Samples]:
        for index, request in enumerate(asked):
            for start in range(seed, seed + n, batch):
                seeds = torch.arange(start, min(start + batch, seed + n))
                yield self._batch(request, index, seeds, how)

    def _batch(self, request: Request, index: int, seeds: Int[Tensor, " batch"], how: Sampling) -> Samples:
        condition = self._draw(request, seeds, fill=not (how.free or how.compose))
        x = self.answer(condition, seeds, how, self._unwanted(request, seeds))
        return Samples(x, condition, seeds, torch.full_like(seeds, index))

    @torch.inference_mode()
    def answer(
        self,
        condition: Condition,
        seeds: Int[Tensor, " batch"],
        sampling: Sampling | None = None,
        unwanted: Condition | None = None,
    ) -> Float[Tensor, "batch ..."]:
        """One observation per condition, each with the noise of its seed, [batch, *shape] on the CPU.

        What every way of sampling comes down to. A model that does not know free attributes needs complete conditions.
        """
        arguments = (sampling or Sampling()).arguments(self.model, unwanted)
        x = self.model.sample(condition.to(self.model.device), Rng(seeds.tolist()), **arguments)
        return x.float().cpu().contiguous()

    def _unwanted(self, request: Request, seeds: Int[Tensor, " batch"]) -> Condition | None:
        """Values that a request excludes (`color!=red`), one per sample, for guidance to move away from."""
        excluded = {
            name: OneOf(tuple(set(range(len(self.schema[name].choices))) - set(c.codes)))  # type: ignore[union-attr]
            for name, c in request.constraints.items()
            if isinstance(c, OneOf) and c.negated
        }
        if not excluded:
            return None
        return self.joint.draw(excluded, Rng((2 * STREAMS + seeds).tolist()), fill=False).to(self.model.device)

    def _draw(self, request: Request, seeds: Int[Tensor, " batch"], fill: bool) -> Condition:
        """The conditions of a request's samples; from streams of their own, so that the noise does not depend on it.

        What a request leaves free comes, if `fill`, from the data's rows that fit it: training sees few requests for
        three of forty attributes, but whole rows all the time. A request for nothing means: as in the data.
        """
        whole = "conditional" in self.model.capabilities and (fill or not request.constraints)
        return request.draw(self.joint, Rng((STREAMS + seeds).tolist()), fill=whole)

    def edit(
        self,
        x: Float[Tensor, "n ..."],
        source: Condition,
        change: Requestable | Request,
        seed: int = 0,
        editing: Editing | None = None,
    ) -> Samples:
        """Each x, of condition `source`, with the attributes changed that are asked for and the rest kept.

        editing: how; what suits the model unless given. Raises RequestError for a wrong request, or a model that cannot
        encode.
        """
        self.must_edit()
        asked = [change] if isinstance(change, Request) else self.requests(change)
        if len(asked) > 1:
            raise RequestError(f"'{change}' stands for {len(asked)} requests; edit one at a time.")
        if not isinstance(change, Request):
            _tell(asked)
        seeds = torch.arange(seed, seed + len(x))
        target = source.update(asked[0].draw(self.joint, Rng(seeds.tolist()), fill=False))
        return Samples(edited(self.model, x, source, target, editing), target, seeds, torch.zeros_like(seeds))

    def must_edit(self) -> None:
        """Raises RequestError unless the model can encode an image and decode it under another condition."""
        if not {"encodes", "conditional"} <= self.model.capabilities:
            raise RequestError(
                f"The model {self.info.recipe['model']} cannot edit; train a conditional one that encodes (cvae)."
            )

    @torch.inference_mode()
    def read(self, x: Float[Tensor, "n ..."], samples: int = 8, most: int = 64) -> Condition:
        """The condition under which the model finds each x most likely: argmax over c of log p(x|c) + log p(c).

        Candidates are the `most` commonest complete combinations of the training data. Raises RequestError when it has
        none.
        """
        complete = self.joint.rows.present.all(1)
        if not complete.any():
            raise RequestError(
                f"No training example of {self.path} has all its labels, so the model cannot read them from an image. "
                "Say what it shows (--from)."
            )
        counts = self.joint.counts * complete
        order = counts.argsort(descending=True)[: min(most, int(complete.sum()))]
        candidates, log_prior = self.joint.rows[order], counts[order].log()
        generator = torch.Generator(self.model.device).manual_seed(0)
        device = self.model.device
        repeated = x.to(device).repeat_interleave(len(candidates), 0)
        asked = candidates[torch.arange(len(candidates)).repeat(len(x))].to(device)
        scores = [
            self.model.log_likelihood(repeated[k : k + BATCH], asked[k : k + BATCH], samples, generator)  # type: ignore[operator]
            for k in range(0, len(repeated), BATCH)
        ]
        best = (torch.cat(scores).cpu().view(len(x), -1) + log_prior).argmax(1)
        return candidates[best]


def _tell(asked: Sequence[Request]) -> None:
    """Warn where words were guessed or left out in understanding a request."""
    for request in asked:
        if request.notes:
            warnings.warn(request.understood, stacklevel=3)


def best_device() -> torch.device:
    """CUDA, MPS or the CPU, whichever is at hand first."""
    if torch.cuda.is_available():
        return torch.device("cuda")
    return torch.device("mps" if torch.backends.mps.is_available() else "cpu")


def rebuild(info: Info) -> Model:
    """The model of a checkpoint, its weights still random. Raises RunError when this condgen does not know it."""
    try:
        schema = Schema.model_validate(info.schema)
        return build(info.recipe["model"], schema, tuple(info.shape), **info.recipe["arguments"])
    except ValidationError as error:
        raise RunError(f"The schema of the run cannot be read: {error.errors()[0]['msg']}.") from None
    except (CondgenError, KeyError) as error:
        raise RunError(f"This version of condgen cannot rebuild the model {info.recipe}: {error}") from None


@contextmanager
def _fitting(path: Path, info: Info) -> Iterator[None]:
    """Turns the errors of tensors that are missing or of another shape into one paragraph."""
    try:
        yield
    except (RuntimeError, KeyError, ValueError) as error:
        reason = " ".join(str(error).split())[:300]
        raise RunError(f"The checkpoint in {path} does not fit its own recipe {info.recipe}: {reason}") from None


def train(
    model: str,
    data: Splits,
    out: str | Path,
    *,
    source: dict[str, Any] | None = None,
    monitor: Monitor | None = None,
    **arguments: Any,
) -> Run:
    """Train a new model, by name, into a new folder and open the result.

    arguments: of the model's builder (`mechanism`, `latent`, …) and fields of Training (`images`, `seconds`, …).
    source: how to load the data again, to resume.

    Raises RequestError for a wrong argument or a folder that is in use, RunError when the folder cannot be written or
    training diverges.
    """
    return _trained_into(model, data, out, arguments, source or {}, monitor)


def _trained_into(
    model: str,
    data: Splits,
    out: str | Path,
    arguments: Mapping[str, Any],
    source: Mapping[str, Any],
    monitor: Monitor | None,
    prepare: Callable[[Model], None] = lambda model: None,
) -> Run:
    """Train a new model into a new folder; `prepare` is called on it first."""
    for_model, for_training = split_arguments(model, arguments)
    settings = Training(**for_training)
    if settings.images is None and settings.seconds is None:
        raise RequestError("Say how long to train: a time (--budget 3m, seconds=180) or a number of --images (500k).")
    torch.manual_seed(settings.seed)
    built = build(model, data.schema, data.shape, **for_model)
    prepare(built)
    if monitor and len(data.schema):
        _say_what_is_not_used(model, built, monitor)
    used, note = _usable(model, built, data)
    if monitor and note:
        monitor.note(note)
    folder = new_folder(Path(out), "the run")
    origin = {**source, "fingerprint": data.train.fingerprint}
    Trainer(built, used, folder, settings, source=origin, monitor=monitor, preview=_preview(built, data)).run()
    return Run.open(folder)


def distil(
    teacher: Run,
    data: Splits,
    out: str | Path,
    *,
    guidance: Weights | str | None = None,
    source: dict[str, Any] | None = None,
    monitor: Monitor | None = None,
    **arguments: Any,
) -> Run:
    """Train a model that does in one step what a flow does in many, guidance included, and open it.

    guidance:  what is learned; the flow's own unless given.
    arguments: `share` and `steps` of `meanflow`, and fields of Training.

    Raises RequestError when the teacher is no flow, or an argument is wrong; RunError as `train` does.
    """
    flow = teacher.model
    if not isinstance(flow, Flow):
        raise RequestError(f"{teacher.path} holds a {teacher.info.recipe['model']}; only a flow can be distilled.")
    if flow.schema != data.schema or flow.shape != data.shape:
        raise RequestError(f"The data does not have the attributes and shape that {teacher.path} was trained on.")
    how = Sampling(guidance=guidance)
    how.must_suit(flow)
    weights = flow.guidance.weights if how.weights is None else how.weights
    recipe = teacher.info.recipe["arguments"]
    shared = {name: recipe[name] for name in keyword_arguments(meanflow) if name in recipe and name != "guidance"}
    origin = {**(source or {}), "teacher": {"path": str(teacher.path.resolve()), "guidance": weights}}
    return _trained_into(
        "meanflow",
        data,
        out,
        {**shared, **DISTILLED, **arguments},
        origin,
        monitor,
        partial(_taught, origin=origin, start=True),
    )


def _taught(model: Model, origin: Mapping[str, Any], start: bool = False) -> None:
    """Give a model the teacher that its run names, if any; at the start of training also the teacher's weights."""
    if not origin.get("teacher"):
        return
    teacher = Run.open(origin["teacher"]["path"]).model
    assert isinstance(model, MeanFlow)
    assert isinstance(teacher, Flow)
    if start:
        model.start_from(teacher)
    teacher.guidance = teacher.guidance.but(weights=origin["teacher"]["guidance"])
    model.learn_from(teacher)


def _say_what_is_not_used(name: str, model: Model, monitor: Monitor) -> None:
    """Labels that a family ignores by design are not ignored silently."""
    if "discovers" in model.capabilities:
        asked = ", ".join(model.schema.names)
        monitor.note(f"The model {name} ignores these attributes by design and discovers its own: {asked}.")
    elif "conditional" not in model.capabilities:
        monitor.note(f"The model {name} ignores these attributes by design; --model cvae learns them.")


def _usable(name: str, model: Model, data: Splits) -> tuple[Splits, str]:
    """The data that a model learns from, and a note on what is left out: unlabelled rows, where they would do harm.

    A flow learns from them what all data has in common, an unconditional model needs no labels. Any other would learn
    from them to ignore its condition: an encoder can put into the latent what the label does not say, and a label drawn
    from all data is wrong. Raises DataError when nothing is left.
    """
    labelled = data.train.labelled
    harmed = "conditional" in model.capabilities and not {"unlabelled", "discovers"} & model.capabilities
    if not harmed:
        return data, ""
    if not labelled.any():
        raise DataError(f"No training example has a label, so {name} cannot learn what they mean.")
    note = (
        f"{int((~labelled).sum()):,} of {len(labelled):,} training examples have no labels at all and are left out; a "
        "flow can learn from them too (--model flow)."
    )
    return replace(data, train=data.train.only_labelled()), "" if labelled.all() else note


def _preview(model: Model, data: Splits) -> Preview:
    return Preview(model.joint(Joint.of(data.train.condition)))


def split_arguments(model: str, arguments: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The complete arguments of a model's builder, and of Training. Raises RequestError for what fits neither."""
    if model not in MODELS:
        raise unknown("model", model, MODELS)
    of_model, of_training = keyword_arguments(MODELS[model]), keyword_arguments(Training)
    for name in arguments:
        if name not in of_model and name not in of_training:
            raise unknown(f"setting of {model}", name, [*of_model, *of_training])
    return (
        validated(MODELS[model], {k: v for k, v in arguments.items() if k in of_model}),
        validated(Training, TRAINING[model] | {k: v for k, v in arguments.items() if k in of_training}),
    )


def resume(path: str | Path, data: Splits, monitor: Monitor | None = None) -> Run:
    """Continue an interrupted run, bit for bit as if it had not been interrupted (on the same machine).

    Raises RunError when there is nothing to continue, or the data is not what the run was trained on.
    """
    folder = Path(path)
    info, tensors = checkpoint.load(folder / checkpoint.FILE)
    if data.train.fingerprint != info.data.get("fingerprint"):
        raise RunError(f"The data is not what {path} was trained on: its images or labels have changed since.")
    try:
        settings = Training(**validated(Training, info.training))
    except RequestError as error:
        raise RunError(f"This version of condgen cannot continue {path}: {error}") from None
    model = rebuild(info)
    _taught(model, info.data)
    data, _ = _usable(info.recipe["model"], model, data)
    preview = _preview(model, data)
    trainer = Trainer(model, data, folder, settings, source=info.data, monitor=monitor, preview=preview)
    with _fitting(folder, info):
        trainer.restore(info, tensors)
    trainer.run()
    return Run.open(folder)
