"""Every setting of every family does something where it counts, and is refused where it does not."""

import inspect
import re
from functools import cache
from typing import Any

import pytest
import torch
from torch import Tensor

from condgen.errors import RequestError
from condgen.models import FAMILIES, Model, build, rebuild
from condgen.models.blueprint import blueprint
from condgen.parameters import Described, Needs, OfData, described, keyword_arguments
from condgen.rng import Rng
from condgen.schema import Flag, LabelDistribution, Schema
from condgen.testing.worlds import SHAPES, conditions, observations

SMALL = {"channels": 4, "latent": 3, "embedding": 4}
SOONER = {"discover": 32, "decoder_from": 64}  # than what a need suggests, which is for real data
SHOWN_WITH = {
    "guidance_from": {"guidance": 2.0},  # which a call may also give
    "guidance_to": {"guidance": 2.0},
    "coupling": {"world": "categorical"},  # pairs noise among equal conditions, so some must be equal
}
ANOTHER: dict[str, Any] = {"deviation": 4, "transition": (16, 64), "adversarial": 1.0}
UNMET: dict[str, Any] = {  # of what is met by default
    **dict.fromkeys(("head_weight", "vicinity", "r1", "r2", "perceptual"), 0.0),
    **dict.fromkeys(("codes", "continuous"), 0),
    **dict.fromkeys(("encoder_mechanism", "decoder_mechanism"), "film"),
}
EVERYTHING = conditions("all", 1).schema
CASES = [(name, each) for name in FAMILIES for each in described(FAMILIES[name].builder)]
every_setting = pytest.mark.parametrize(("name", "setting"), CASES, ids=lambda x: x if isinstance(x, str) else x.name)


def marks(name: str, setting: str, kind: type) -> list[Any]:
    annotation = inspect.signature(FAMILIES[name].builder).parameters[setting].annotation
    return [mark for mark in annotation.__metadata__ if isinstance(mark, kind)]


def another(setting: Described) -> Any:
    """A valid value that is not the default, from what is said of the values."""
    if setting.name in ANOTHER:
        return ANOTHER[setting.name]
    if setting.values == "true, false":
        return not setting.default
    if setting.values.startswith("a whole number"):
        least = re.search(r"at least (\d+)", setting.values)
        return int(least[1]) if least and int(least[1]) != setting.default else setting.default + 1
    if setting.values.startswith("a number"):
        return setting.default / 2 or 0.5
    if setting.values.startswith("any of: "):
        return (setting.values.removeprefix("any of: ").split(", ")[0],)
    return [choice for choice in setting.values.split(", ") if choice != setting.default][-1]


def counting(name: str, setting: str) -> dict[str, Any]:
    """Arguments under which a setting counts."""
    known = keyword_arguments(FAMILIES[name].builder)
    base = {k: v for k, v in SMALL.items() if k in known and k != setting and known[k]}
    base |= SHOWN_WITH.get(setting, {})
    for need in marks(name, setting, Needs):
        if not need.met(known | base, None):
            other, value = next(iter(need.others.items()))
            base = counting(name, other) | base | {other: SMALL.get(other) or SOONER.get(other, value)}
    return base


@cache
def learned(name: str, arguments: tuple[tuple[str, Any], ...]) -> Tensor:
    """The weights of a model after two steps, and its samples: all that settings can change."""
    given = dict(arguments)
    condition = conditions(given.pop("world", "all"), 128)
    x = observations(condition, "image")
    torch.manual_seed(0)
    model = build(name, condition.schema, SHAPES["image"], **given).train()
    optimisers = {n: torch.optim.SGD(parameters, lr=0.05) for n, parameters in model.players().items()}
    for part in (slice(0, 64), slice(64, 128)):
        for player, optimiser in optimisers.items():
            optimiser.zero_grad()
            model(x[part], condition[part], player)["loss"].backward()
            optimiser.step()
    samples = sampled(model, LabelDistribution.of(condition))
    return torch.cat([*(p.detach().flatten() for p in model.parameters()), samples.flatten()])


@torch.no_grad()
def sampled(model: Model, data: LabelDistribution) -> Tensor:
    condition = model.joint(data).draw({}, Rng(range(4)))
    return model.eval().sample(condition, Rng(range(4)))


@every_setting
def test_a_model_with_a_setting_keeps_all_that_it_makes(name: str, setting: Described) -> None:
    # guards against runs that cannot be opened: what is made is counted against the tensors of the file
    given = counting(name, setting.name) | {setting.name: another(setting)}
    schema = conditions(given.pop("world", "all"), 128).schema
    kept = build(name, schema, SHAPES["image"], **given).state_dict()
    blueprint(lambda: build(name, schema, SHAPES["image"], **given), tensors=len(kept))  # or it raises TooLarge


@pytest.mark.slow
@every_setting
def test_a_setting_changes_what_is_learned_or_sampled(name: str, setting: Described) -> None:
    base = counting(name, setting.name)
    plain = learned(name, tuple(base.items()))
    changed = learned(name, (*base.items(), (setting.name, another(setting))))
    assert plain.shape != changed.shape or not torch.equal(plain, changed)


NEEDY = [(name, each) for name, each in CASES if marks(name, each.name, Needs)]


@pytest.mark.parametrize(("name", "setting"), NEEDY, ids=lambda x: x if isinstance(x, str) else x.name)
def test_a_setting_that_nothing_would_use_is_refused_even_at_its_default(name: str, setting: Described) -> None:
    value = another(setting) if setting.default is None else setting.default
    for need in marks(name, setting.name, Needs):
        unmet = {other: UNMET[other] for other in need.others if other in UNMET}
        met = {k: v for k, v in counting(name, setting.name).items() if k not in need.others and k not in SMALL}
        with pytest.raises(
            RequestError, match=f"{setting.name} of {name} takes effect only with {re.escape(need.wanted())}"
        ):
            build(name, EVERYTHING, SHAPES["image"], **met | unmet | {setting.name: value})


OF_DATA = [(name, each) for name, each in CASES if marks(name, each.name, OfData)]


@pytest.mark.parametrize(("name", "setting"), OF_DATA, ids=lambda x: x if isinstance(x, str) else x.name)
def test_a_setting_that_this_data_has_no_use_for_is_refused(name: str, setting: Described) -> None:
    flags = Schema(attributes=(Flag(name="yes"),))
    value = another(setting) if setting.default is None else setting.default
    with pytest.raises(RequestError, match=rf"The setting {setting.name} of {name} is for .*; leave out"):
        build(name, flags, (3,), **counting(name, setting.name) | {setting.name: value})


@every_setting
def test_a_setting_is_described(name: str, setting: Described) -> None:
    assert re.fullmatch(r"[A-Z].*[^.;]\.", setting.sentence)
    assert setting.values
    assert setting.part
    assert setting.part != name  # every setting belongs to a part


@pytest.mark.parametrize("name", FAMILIES)
def test_a_family_is_described_in_a_sentence(name: str) -> None:
    assert re.fullmatch(r"[A-Z].*\.", (FAMILIES[name].builder.__doc__ or "").partition("\n")[0])


def test_a_recipe_of_an_earlier_version_builds_its_model_without_what_does_not_count() -> None:
    """Those named all arguments, also those that nothing used."""
    whole = keyword_arguments(FAMILIES["cvae"].builder) | {"prior_width": 999, "channels": 4}
    model = rebuild({"model": "cvae", "arguments": whole}, EVERYTHING, SHAPES["image"])
    assert model.recipe["arguments"]["channels"] == 4
    assert "prior_width" not in model.recipe["arguments"]
    with pytest.raises(RequestError, match="takes effect only with"):
        build("cvae", EVERYTHING, SHAPES["image"], **whole)
