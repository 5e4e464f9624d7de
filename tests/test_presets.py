from pathlib import Path

import pytest

import condgen
from condgen.data import Splits
from condgen.errors import RequestError
from condgen.models import build
from condgen.parameters import validated
from condgen.presets import PRESETS, preset
from condgen.runs.arguments import overridden, split_arguments
from condgen.training import TrainingConfig

every_preset = pytest.mark.parametrize("name", PRESETS)


@every_preset
def test_every_setting_of_a_preset_is_one_that_its_model_or_the_trainer_takes(name: str, digits: Splits) -> None:
    recipe = preset(name)
    data = condgen.load("mixture") if name == "mixture" else digits
    model = recipe.pop("model")
    for_model, for_training = split_arguments(model, recipe)
    build(model, data.schema, data.shape, **for_model)
    settings = validated(TrainingConfig, for_training)
    assert (settings["images"] is None) != (settings["seconds"] is None)


@every_preset
def test_a_preset_says_what_to_expect_but_does_not_pass_it_on(name: str) -> None:
    assert PRESETS[name]["expect"]
    assert "expect" not in preset(name)


def test_changing_a_recipe_does_not_change_the_preset() -> None:
    preset("demo").clear()
    assert preset("demo")["model"] == "cvae"


def test_an_unknown_preset_names_the_nearest() -> None:
    with pytest.raises(RequestError, match=r"'digts'. Did you mean digits"):
        preset("digts")


def test_a_preset_trains(digits: Splits, tmp_path: Path) -> None:
    recipe = preset("demo") | {"images": 200, "channels": 4}
    run = condgen.train(recipe.pop("model"), digits, tmp_path, **recipe)
    assert run.info.recipe["arguments"]["likelihood"] == "gaussian"


def test_entries_that_options_leave_without_effect_are_left_out_and_named() -> None:
    recipe, idle = overridden(preset("digits-cvae"), {"prior": "gaussian", "seed": 3})
    assert idle == ["guidance"]
    assert recipe == {k: v for k, v in preset("digits-cvae").items() if k != "guidance"} | {
        "prior": "gaussian",
        "seed": 3,
    }
    split_arguments(recipe.pop("model"), recipe)
    assert overridden(preset("digits-cvae"), {"mechanism": "norm"})[1] == []


def test_options_themselves_are_never_left_out() -> None:
    recipe, _ = overridden(preset("digits-cvae"), {"prior": "gaussian", "guidance": 2.0})
    with pytest.raises(RequestError, match="guidance of cvae takes effect only with prior=flow"):
        split_arguments(recipe.pop("model"), recipe)


@pytest.mark.parametrize(("name", "bound"), [("digits-cvae", {"images": 200}), ("demo", {"seconds": 5.0})])
def test_one_bound_takes_the_place_of_the_other(name: str, bound: dict[str, object]) -> None:
    recipe, _ = overridden(preset(name), bound)
    assert {k: v for k, v in recipe.items() if k in ("images", "seconds")} == bound
