"""The checks of every family, each a function of a `Lesson`.

A failed check reports the expected and the found value and the usual cause. All thresholds are in this file.
"""

import math
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch.nn.functional import cosine_similarity

from condgen.conditioning import Encoded
from condgen.models.base import loss_of
from condgen.models.protocols import Discovers, Encodes, HasConditionEncoder
from condgen.schema import Condition
from condgen.testing.lesson import Lesson
from condgen.training.probe import IGNORED, condition_effect

FALLS_BY = 0.03  # smallest fall of a loss from the first steps to the last
AGREEMENT = 0.5  # smallest cosine between the changes of samples and of the world
READABLE = 0.53  # largest error of codes read from samples, as a share of the best blind guess's
ROUNDING = 1e-5  # largest difference between a sample alone and in a batch
DIFFERENT = 1e-4  # smallest difference between samples of different seeds


Compared = list[tuple[float, float]]  # numbers compared by a statistical check; each first exceeds its second


class ConformanceError(AssertionError):
    """A family that fails a check."""


def require(holds: object, expected: str, found: object, cause: str) -> None:
    """Raise ConformanceError unless something holds."""
    if not holds:
        raise ConformanceError(f"Expected: {expected}. Found: {found}. Usual cause: {cause}.")


def shape_and_range(lesson: Lesson) -> None:
    """Samples have the shape of the data and are finite. Images lie in [0, 1]."""
    x = lesson.sampled(lesson.asked(5, seed=1), range(5))
    require(
        x.shape == (5, *lesson.shape),
        f"5 samples of shape {lesson.shape}",
        f"shape {tuple(x.shape)}",
        "`sample` returns the network's raw output, or one sample for several requests",
    )
    require(x.isfinite().all(), "finite samples", "NaN or infinity", "a variance or a scale that training lets explode")
    require(
        lesson.sort == "vector" or (x.min() >= 0 and x.max() <= 1),
        "images within 0..1",
        f"{x.min():.3g}..{x.max():.3g}",
        "a decoder without a final sigmoid, or sampling without `clamp(0, 1)`",
    )


def determinism(lesson: Lesson) -> None:
    """Sample k depends on its request and its seed, and not on the rest of the batch."""
    condition = lesson.asked(6, seed=3)
    together = lesson.sampled(condition, range(10, 16))
    alone = torch.cat([lesson.sampled(condition[k : k + 1], range(10 + k, 11 + k)) for k in range(6)])
    gap = float((together - alone).abs().max())
    require(
        gap < ROUNDING * (1 + float(together.abs().max())),
        "the same sample for the same seed, alone or in a batch",
        f"a difference of {gap:.2g}",
        "noise from torch's global generator in place of `rng.normal`, or statistics of the batch in `sample`",
    )
    other = lesson.sampled(condition[:1], range(99, 100))[0]
    require(
        (together[0] - other).abs().max() > DIFFERENT,
        "different samples for different seeds",
        "the same sample",
        "`sample` does not use its `rng`, or the noise has no influence",
    )


def gradients(lesson: Lesson) -> None:
    """Every parameter learns from the loss of its player."""
    model = lesson.model.train()
    model.zero_grad()
    x, condition = lesson.world(32, seed=2)
    for player, parameters in model.players().items():
        loss_of(model(x, condition, player), model).backward(inputs=parameters)
    model.eval()
    idle = [name for name, p in model.named_parameters() if p.grad is None or not p.grad.any()]
    require(
        not idle,
        "a gradient for every parameter",
        f"none for {', '.join(idle[:5])}",
        "a part that the loss does not use, a `detach`, or a parameter of no player",
    )


def loss_falls(lesson: Lesson) -> Compared:
    """The loss falls as the model learns."""
    first, last = (sum(part) / 5 for part in (lesson.losses[:5], lesson.losses[-5:]))
    require(
        last < first - FALLS_BY,
        f"a loss that falls by {FALLS_BY} or more in {lesson.family.practice.steps} steps",
        f"{first:.3g} at first, {last:.3g} at last",
        "a wrong sign, or a learning rate that does not suit (set it in the family's `practice`)",
    )
    return [(math.log(first - last), math.log(FALLS_BY))]  # losses of families and seeds differ by factors


def rebuilding(lesson: Lesson) -> None:
    """Recipe and weights are enough to rebuild the model."""
    model, condition = lesson.model, lesson.asked(4, seed=4)
    twin = lesson.new(**model.recipe["arguments"])
    twin.load_state_dict(model.state_dict())
    gap = float((lesson.sampled(condition, range(4), twin.eval()) - lesson.sampled(condition, range(4))).abs().max())
    require(
        gap == 0,
        "the same samples of a model built from the recipe with the same weights",
        f"a difference of {gap:.2g}",
        "state that is neither a parameter nor a registered buffer, or an argument that the builder changes",
    )


def attributes_move_what_they_name(lesson: Lesson) -> Compared:
    """If one attribute changes, the samples move towards the world under the new condition."""
    _, before = lesson.world(64, seed=5)
    compared = []
    for a in before.schema:
        codes = before.values[a.name]
        u = torch.rand(codes.shape, generator=torch.Generator().manual_seed(0))
        after = before.with_codes(a.name, a.counterfactual(codes, u))
        moved = lesson.sampled(after, range(64)) - lesson.sampled(before, range(64))
        wanted = _observed(lesson, after) - _observed(lesson, before)
        agreement = float(cosine_similarity(moved.flatten(), wanted.flatten(), dim=0))
        compared.append((agreement, AGREEMENT))
        require(
            agreement > AGREEMENT,
            f"samples that follow {a.name} ({a.kind}): a cosine above {AGREEMENT} between how "
            "they move and how the world does",
            f"{agreement:.2f}",
            "a condition that does not reach every player, labels taken in another order than the schema's, or too few "
            "steps of practice",
        )
    return compared


def obedience(lesson: Lesson) -> Compared:
    """The condition has an effect. Cut off it has none, and the probe used in training detects that."""
    effect = condition_effect(lesson.model, lesson.joint)
    require(
        effect > 5 * IGNORED,
        f"a condition effect above {5 * IGNORED:.2g} (see `condgen.training.condition_effect`)",
        f"{effect:.3f}",
        "a condition that is dropped on its way, or a mechanism that starts at zero and gets no gradient",
    )
    compared = [(effect, 5 * IGNORED)]
    if isinstance(lesson.model, HasConditionEncoder):
        severed = _severed_effect(lesson)
        compared.append((IGNORED, severed))
        require(
            severed < IGNORED,
            "no effect of the condition when its encoder says the same of every condition",
            f"an effect of {severed:.3f}",
            "a second way in which the condition enters, past `condition_encoder`",
        )
    return compared


def free_attributes(lesson: Lesson) -> None:
    """Free attributes are encoded as free or refused, and never taken for zero."""
    free = Condition.free(lesson.model.schema, 3)
    if lesson.model.handles_missing:
        x = lesson.sampled(free, range(3))
        require(
            x.isfinite().all(),
            "finite samples of a request that leaves all free",
            "NaN or infinity",
            "an encoding that uses the codes of absent attributes, which may be anything",
        )
        return
    try:
        lesson.sampled(free, range(3))
    except ValueError as error:
        found = str(error)
    else:
        found = "samples of whatever the codes happened to be"
    require(
        "free" in found,
        "a ValueError that says that attributes cannot be left free, as `handles_missing` is false",
        found,
        "an encoder of its own that does not look at `condition.complete`; use `PlainEncoder`, or learn nulls",
    )


def reconstruction(lesson: Lesson) -> Compared:
    """Reconstructions are nearer to the data than the mean is."""
    x, condition = lesson.world(64, seed=6)
    assert isinstance(lesson.model, Encodes)
    with torch.no_grad():
        error = float((lesson.model.reconstruct(x, condition) - x).square().mean())
    of_mean = float((x - x.mean(0)).square().mean())
    require(
        error < of_mean,
        f"reconstructions with an error below that of the mean, {of_mean:.3g}",
        f"{error:.3g}",
        "a latent that says nothing (posterior collapse): a smaller KL weight, or a longer practice",
    )
    return [(of_mean, error)]


def readable_codes(lesson: Lesson) -> Compared:
    """The attributes that a model discovered can be read from its samples."""
    wanted = lesson.asked(200, seed=7)
    assert isinstance(lesson.model, Discovers)
    with torch.no_grad():
        read = lesson.model.read(lesson.sampled(wanted, range(200)))
    compared = []
    for a in lesson.model.schema:
        codes = wanted.values[a.name]
        error = float(a.error(read.values[a.name], codes).mean())
        blind = min(float(a.error(guess, codes).mean()) for guess in codes)
        compared.append((READABLE * blind, error))
        require(
            error < READABLE * blind,
            f"{a.name} read from samples with an error below {READABLE} of the best blind guess's, {blind:.2f}",
            f"{error:.2f}",
            "a generator that gains too little from codes that can be read (the weight of that term)",
        )
    return compared


def _observed(lesson: Lesson, condition: Condition) -> torch.Tensor:
    from condgen.testing.worlds import observations

    return observations(condition, lesson.sort)


def _severed_effect(lesson: Lesson) -> float:
    """The effect of the condition if its encoder returns a constant."""
    assert isinstance(lesson.model, HasConditionEncoder)
    hook = lesson.model.condition_encoder.register_forward_hook(
        lambda module, inputs, c: Encoded(*(torch.zeros_like(part) for part in c))
    )
    try:
        return condition_effect(lesson.model, lesson.joint)
    finally:
        hook.remove()


class Check(NamedTuple):
    """A check: its function, the lessons it applies to, and whether its outcome depends on training."""

    run: Callable[[Lesson], Compared | None]
    concerns: Callable[[Lesson], object] = lambda lesson: True
    statistical: bool = False


CHECKS: dict[str, Check] = {
    "shape_and_range": Check(shape_and_range),
    "determinism": Check(determinism),
    "gradients": Check(gradients),
    "rebuilding": Check(rebuilding),
    "free_attributes": Check(free_attributes, lambda lesson: lesson.model.conditional),
    "loss_falls": Check(loss_falls, lambda lesson: lesson.family.practice.falls, statistical=True),
    "attributes_move_what_they_name": Check(
        attributes_move_what_they_name,
        lambda lesson: lesson.model.conditional and lesson.model.schema == lesson.schema,
        statistical=True,
    ),
    "obedience": Check(obedience, lambda lesson: lesson.model.conditional, statistical=True),
    "reconstruction": Check(reconstruction, lambda lesson: isinstance(lesson.model, Encodes), statistical=True),
    "readable_codes": Check(readable_codes, lambda lesson: isinstance(lesson.model, Discovers), statistical=True),
}
