"""Every model × mechanism × prior × attribute kind × kind of data keeps the same promises.

A new model is tested by being in FAMILIES: what it must show follows from its capabilities and its builder's arguments.
"""

from dataclasses import dataclass
from functools import cache
from itertools import product
from typing import Any

import pytest
import torch
from torch import Tensor

from condgen.conditioning import MECHANISMS, Encoded
from condgen.models import FAMILIES, Model, build
from condgen.models.protocols import Discovers, Encodes
from condgen.models.vae.priors import PRIORS
from condgen.parameters import keyword_arguments
from condgen.rng import Rng
from condgen.schema import Condition, LabelDistribution, Schema
from condgen.training import condition_effect
from condgen.training.probe import IGNORED
from tests.conformance.training import ADVERSARIAL, train
from tests.conformance.worlds import ATTRIBUTES, SHAPES, conditions, observations

N = 512


@dataclass(frozen=True)
class Case:
    name: str
    kind: str
    space: str
    arguments: tuple[tuple[str, str | int | float], ...] = ()

    def __str__(self) -> str:
        return "-".join([self.name, self.kind, self.space, *(str(v) for _, v in self.arguments)])


DISCOVERING = ("infogan",)  # attributes of their own
EASIER: dict[str, dict[str, str | int | float]] = {
    "infogan": {"values": 4, "continuous": 1, "info_weight": 1.0, "continuous_weight": 1.0},
    "reacgan": {"margin": 1.0},  # else a world as easy as these leaves nothing to learn
}
LONGER: dict[str, dict[str, Any]] = {
    "flow": {"steps": 300},  # every noise level has to be learned
    "meanflow": {"steps": 500, "lr": 3e-3},  # it learns from its own derivative, which a high rate lets grow
}
VARIATIONAL = ("cvae",)  # quick to train, so every kind of attribute in images too


def cases() -> list[Case]:
    """All mechanisms with all kinds of attribute; all priors and both encodings once with all attributes together.

    Adversarial families, slow to train, see every mechanism and single kinds of attribute in vectors only; flows, and
    attention in any family, single kinds by the family's own mechanism only.
    """
    found = []
    for name, space in product(FAMILIES, SHAPES):
        known = keyword_arguments(FAMILIES[name].builder)
        if "mechanism" not in known:
            found.append(Case(name, "all", space))
            continue
        if name not in VARIATIONAL and space == "image":
            found.append(Case(name, "all", space))
            continue
        kinds = ("all",) if name in DISCOVERING else tuple(ATTRIBUTES)
        every = () if name in LONGER else ("concat", "film", "norm", "modulate")  # mechanisms that see single kinds too
        pairs = [(m, k) for m, k in product(MECHANISMS, kinds) if m != "none"]
        pairs = [(m, k) for m, k in pairs if k == "all" or m in every or m == known["mechanism"]]
        variants = [(k, (("mechanism", m),)) for m, k in pairs]
        variants += [("all", (("prior", p),)) for p in PRIORS if "prior" in known and p != known["prior"]]
        variants += [("all", (("embedding", 16),))] if "embedding" in known else []
        found += [Case(name, kind, space, arguments) for kind, arguments in variants]
    return found


CASES = cases()


@dataclass(frozen=True)
class Trained:
    model: Model
    first: float
    last: float
    joint: LabelDistribution
    data: Schema


@cache
def trained(case: Case) -> Trained:
    """A small model after a few steps in a tiny world, in evaluation mode, with its first and last losses."""
    torch.manual_seed(0)
    condition = conditions(case.kind, N)
    x = observations(condition, case.space)
    known = keyword_arguments(FAMILIES[case.name].builder)
    small = {"channels": 16, "latent": 4, "depth": 1} | EASIER.get(case.name, {}) | dict(case.arguments)
    model = build(case.name, condition.schema, SHAPES[case.space], **{k: v for k, v in small.items() if k in known})
    adversarial = ADVERSARIAL if len(model.players()) > 1 else {}
    losses = train(model, x, condition, **(LONGER.get(case.name, {}) or adversarial))
    return Trained(
        model.eval(),
        sum(losses[:5]) / 5,
        sum(losses[-5:]) / 5,
        model.joint(LabelDistribution.of(condition)),
        condition.schema,
    )


def asked(case: Case, n: int, seed: int) -> Condition:
    """n complete conditions that the model can be asked for."""
    return trained(case).joint.draw({}, Rng(range(seed * 1000, seed * 1000 + n)))


@torch.no_grad()
def sampled(model: Model, condition: Condition, seeds: range) -> Tensor:
    return model.sample(condition, Rng(seeds))


@pytest.mark.parametrize("case", CASES, ids=str)
def test_samples_have_the_shape_of_the_data(case: Case) -> None:
    condition = asked(case, 5, seed=1)
    x = sampled(trained(case).model, condition, range(5))
    assert x.shape == (5, *SHAPES[case.space])
    assert x.isfinite().all()
    assert case.space == "vector" or (x.min() >= 0 and x.max() <= 1)


STEADY = [c for c in CASES if FAMILIES[c.name].practice.falls]


@pytest.mark.statistical
@pytest.mark.parametrize("case", STEADY, ids=str)
def test_loss_falls(case: Case) -> None:
    assert trained(case).last < trained(case).first - 0.03


@pytest.mark.parametrize("case", CASES, ids=str)
def test_gradients_reach_every_parameter(case: Case) -> None:
    model = trained(case).model.train()
    condition = conditions(case.kind, 32, seed=2)
    model.zero_grad()
    for player, parameters in model.players().items():
        model(observations(condition, case.space), condition, player)["loss"].backward(inputs=parameters)
    model.eval()
    assert [n for n, p in model.named_parameters() if p.grad is None or not p.grad.any()] == []


@pytest.mark.parametrize("case", CASES, ids=str)
def test_same_image_for_the_same_seed_whatever_the_batch_size(case: Case) -> None:
    model, condition = trained(case).model, asked(case, 6, seed=3)
    together = sampled(model, condition, range(10, 16))
    alone = torch.cat([sampled(model, condition[k : k + 1], range(10 + k, 11 + k)) for k in range(6)])
    torch.testing.assert_close(together, alone, atol=1e-5, rtol=1e-4)
    assert (together[0] - sampled(model, condition[:1], range(99, 100))[0]).abs().max() > 1e-4


@pytest.mark.parametrize("case", CASES, ids=str)
def test_recipe_and_weights_rebuild_the_model(case: Case) -> None:
    model, condition = trained(case).model, asked(case, 4, seed=4)
    twin = build(model.recipe["model"], trained(case).data, model.shape, **model.recipe["arguments"])
    twin.load_state_dict(model.state_dict())
    assert torch.equal(sampled(twin.eval(), condition, range(4)), sampled(model, condition, range(4)))


CONDITIONAL = [c for c in CASES if "mechanism" in keyword_arguments(FAMILIES[c.name].builder)]
LABELLED = [c for c in CONDITIONAL if c.name not in DISCOVERING]


@pytest.mark.statistical
@pytest.mark.parametrize("case", LABELLED, ids=str)
def test_each_attribute_moves_what_it_names(case: Case) -> None:
    """Change one attribute: the samples move towards the world under the new condition, not just somewhere."""
    model, before = trained(case).model, conditions(case.kind, 64, seed=5)
    for a in before.schema:
        changed = a.counterfactual(before.values[a.name], torch.Generator().manual_seed(6))
        after = before.with_codes(a.name, changed)
        moved = sampled(model, after, range(64)) - sampled(model, before, range(64))
        wanted = observations(after, case.space) - observations(before, case.space)
        agreement = torch.nn.functional.cosine_similarity(moved.flatten(), wanted.flatten(), dim=0)
        assert agreement > 0.5, (a.name, float(agreement))


@pytest.mark.statistical
@pytest.mark.parametrize("case", CONDITIONAL, ids=str)
def test_severed_condition_is_detected(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    found = trained(case)
    assert condition_effect(found.model, found.joint) > 5 * IGNORED
    encoder = found.model.condition_encoder
    assert isinstance(encoder, torch.nn.Module)
    forward = encoder.forward

    def constant(condition: Condition) -> Encoded:
        return Encoded(*(torch.zeros_like(t) for t in forward(condition)))

    monkeypatch.setattr(encoder, "forward", constant)
    assert condition_effect(found.model, found.joint) < IGNORED


@pytest.mark.parametrize("case", CONDITIONAL, ids=str)
def test_free_attributes_are_encoded_or_refused_but_never_taken_for_zero(case: Case) -> None:
    model = trained(case).model
    free = Condition.free(model.schema, 3)
    if model.handles_missing:
        assert sampled(model, free, range(3)).isfinite().all()
    else:
        with pytest.raises(ValueError, match="free"):
            sampled(model, free, range(3))


@pytest.mark.statistical
@pytest.mark.parametrize("case", CASES, ids=str)
def test_models_that_encode_reconstruct_better_than_the_mean(case: Case) -> None:
    model, condition = trained(case).model, conditions(case.kind, 64, seed=6)
    if not isinstance(model, Encodes):
        pytest.skip("does not encode")
    x = observations(condition, case.space)
    with torch.no_grad():
        error = (model.reconstruct(x, condition) - x).square().mean()
    assert error < (x - x.mean(0)).square().mean()


@pytest.mark.statistical
@pytest.mark.parametrize("case", [c for c in CASES if c.name in DISCOVERING], ids=str)
def test_discovered_codes_can_be_read_from_what_was_generated(case: Case) -> None:
    model, wanted = trained(case).model, asked(case, 200, seed=7)
    assert isinstance(model, Discovers)
    with torch.no_grad():
        read = model.read(sampled(model, wanted, range(200)))
    for a in model.schema:
        codes, found = wanted.values[a.name], read.values[a.name]
        if a.choices:
            assert a.error(found, codes).mean() < 0.4
        else:
            assert a.error(found, codes).mean() < 0.5 * a.error(codes.mean(0, keepdim=True), codes).mean()
