"""Every family works in the latents of a codec, with the abilities that it has."""

import json
from functools import cache
from typing import Any

import pytest
import torch

from condgen.export.tracing import kind_of
from condgen.models import FAMILIES, Model, build, rebuild
from condgen.models.abilities import Edits, Guided
from condgen.models.latents.codec import SpatialCodec
from condgen.models.latents.within import InLatents, in_latents
from condgen.models.protocols import (
    Discovers,
    Encodes,
    HasConditionEncoder,
    HasLikelihood,
    HasPrior,
    LearnsFromTeacher,
    Prefers,
    Teaches,
)
from condgen.models.registry import SHAPES
from condgen.rng import Rng
from condgen.schema import Condition, LabelDistribution
from condgen.testing.worlds import conditions

SHAPE = (1, 16, 16)
CONDITION = conditions("all", 6)
IMAGES = torch.rand(6, *SHAPE, generator=torch.Generator().manual_seed(0))
ABILITIES = (Edits, Guided, Discovers, Encodes, HasConditionEncoder, HasPrior, Prefers, Teaches, LearnsFromTeacher)
CASES: list[tuple[str, dict[str, Any]]] = [
    *((name, {}) for name, family in FAMILIES.items() if "image" in family.suits and name != "codec"),
    ("cvae", {"prior": "flow", "embedding": 8}),
    ("cvae", {"prior": "flow"}),
]
every_family = pytest.mark.parametrize(("name", "arguments"), CASES, ids=lambda x: x if isinstance(x, str) else None)


@cache
def codec() -> SpatialCodec:
    torch.manual_seed(0)
    made = SpatialCodec(1, factor=4, latent=2, channels=8, depth=1)
    with torch.no_grad():  # latents and images that differ
        made.encoder.out.weight *= 20
        made.decoder.stem.weight *= 10
    return made


def whole(name: str, arguments: dict[str, Any]) -> InLatents:
    torch.manual_seed(0)
    inner = build(name, CONDITION.schema, codec().latent_shape(SHAPE), channels=8, patch=1, **arguments)
    return in_latents(inner, codec(), SHAPE)


def alive(model: InLatents) -> InLatents:
    """The model without weights that are zero, so that its inputs make a difference."""
    generator = torch.Generator().manual_seed(0)
    for parameter in model.inner.parameters():
        if not parameter.any():
            torch.nn.init.normal_(parameter, std=0.2, generator=generator)
    return model


def asked(model: Model) -> Condition:
    return model.joint(LabelDistribution.of(CONDITION)).draw({}, Rng(range(6)))


@every_family
@torch.no_grad()
def test_samples_are_decoded_latents(name: str, arguments: dict[str, Any]) -> None:
    model = whole(name, arguments).eval()
    x, z = (each.sample(asked(model), Rng(range(6))) for each in (model, model.inner))
    assert x.shape == (6, *SHAPE)
    assert x.equal(codec().decode(z))


@every_family
def test_abilities_stay_but_for_exact_likelihoods(name: str, arguments: dict[str, Any]) -> None:
    model = whole(name, arguments)
    assert [isinstance(model, a) for a in ABILITIES] == [isinstance(model.inner, a) for a in ABILITIES]
    assert not isinstance(model, HasLikelihood)
    assert model.conditional == model.inner.conditional
    assert model.handles_missing == model.inner.handles_missing


@every_family
def test_losses_are_those_of_latents_prepared_or_not(name: str, arguments: dict[str, Any]) -> None:
    model = whole(name, arguments)
    learned = [id(p) for parameters in model.players().values() for p in parameters]
    assert learned
    assert not {id(p) for p in codec().parameters()} & set(learned)
    for player in model.players():
        losses = []
        for x in (IMAGES, codec().encode(IMAGES).detach()):
            torch.manual_seed(1)
            losses.append(model.eval()(x, CONDITION, player)["loss"])
        assert losses[0].equal(losses[1])
        parameters = model.players()[player]
        losses[0].backward(inputs=parameters)
        assert any(p.grad is not None and p.grad.any() for p in parameters)


@every_family
def test_it_is_built_again_from_its_recipe(name: str, arguments: dict[str, Any]) -> None:
    model = whole(name, arguments)
    again = rebuild(json.loads(json.dumps(model.recipe)), CONDITION.schema, SHAPE)
    again.load_state_dict(model.state_dict())
    assert type(again) is type(model)
    with torch.no_grad():
        x, y = (each.eval().sample(asked(model), Rng(range(6))) for each in (model, again))
    assert x.equal(y)


@pytest.mark.parametrize(
    ("name", "arguments"), [("cvae", {}), ("cvae", {"prior": "flow"}), ("flow", {"steps": 4}), ("projection", {})]
)
@torch.no_grad()
def test_edits_go_through_encoder_and_decoder(name: str, arguments: dict[str, Any]) -> None:
    model = alive(whole(name, arguments)).eval()
    assert isinstance(model, Edits)
    assert not model.lossless
    changed = CONDITION[torch.arange(5, -1, -1)]
    edited, expected = (
        [edit(x, CONDITION, target) for target in (CONDITION, changed)]
        for edit, x in ((model.edit, IMAGES), (model.inner.edit, codec().encode(IMAGES)))
    )
    torch.testing.assert_close(torch.cat(edited), codec().decode(torch.cat(expected)), atol=1e-3, rtol=0)
    other = model.edit(1 - IMAGES, CONDITION, CONDITION)
    assert (edited[0] - other).abs().max() > 3e-3
    frames = model.interpolate(IMAGES, CONDITION, IMAGES.flip(0), changed, 3)
    assert frames.shape == (6, 3, *SHAPE)


def test_a_model_that_looks_for_its_noise_is_exported_without_edits() -> None:
    assert isinstance(whole("projection", {}), Edits)
    assert kind_of(whole("projection", {})) == "one-pass"
    assert kind_of(whole("cvae", {})) == "one-pass-edits"


def test_a_student_in_latents_learns_the_guided_velocity_of_its_teachers_latents() -> None:
    teacher, student = alive(whole("flow", {"guidance": 3.0})), whole("meanflow", {})
    assert isinstance(student, LearnsFromTeacher)
    student.start_from(teacher)
    ours, theirs = student.inner.network.state_dict(), teacher.inner.transport.network.state_dict()
    assert all(torch.equal(ours[name], tensor) for name, tensor in theirs.items())
    student.learn_from(teacher)
    assert student.teacher is teacher
    x, t = torch.randn(6, *student.inner.shape), torch.linspace(0.1, 0.9, 6)
    wanted = teacher.inner.guidance.velocity(teacher.inner.field, CONDITION)(x, t)
    assert student.inner.direction(x, t, torch.zeros_like(x), CONDITION).equal(wanted)


@torch.no_grad()
def test_an_other_encoder_of_conditions_takes_effect() -> None:
    from condgen.models.twins import with_part

    model = alive(whole("flow", {}))
    other = whole("flow", {}).condition_encoder
    for parameter in other.parameters():
        torch.nn.init.normal_(parameter, std=3)
    twin = with_part(model, model.condition_encoder, other)
    x, y = (each.eval().sample(CONDITION, Rng(range(6))) for each in (model, twin))
    assert not torch.allclose(x, y)


def test_it_counts_as_trained_against_what_its_codec_was() -> None:
    names = [each.name for each in whole("projection", {}).trained_against]
    assert names == ["its own critic", "its own codec's critic of patches"]


def test_a_specialised_one_gives_the_same_images() -> None:
    model, one = whole("cgan", {}).eval(), CONDITION[:1]
    network = model.specialise(one)
    with torch.no_grad():
        x = network(Rng(range(3)).normal(model.inner.generator.latent))
        assert torch.allclose(x, model.sample(Condition.cat([one] * 3), Rng(range(3))), atol=1e-5)


def test_latents_of_another_shape_are_a_mistake() -> None:
    inner = build("flow", CONDITION.schema, SHAPES["image"])
    with pytest.raises(AssertionError, match="other latents"):
        in_latents(inner, codec(), SHAPE)
