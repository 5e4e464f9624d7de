import json

import pytest

from condgen.models import FAMILIES
from condgen.parameters import described, keyword_arguments
from condgen.training import TrainingConfig
from tests.conftest import Command


def test_without_a_model_every_family_has_a_sentence(command: Command) -> None:
    listed = command("settings")
    assert listed.status == 0
    first = [line.split()[0] for line in listed.out.splitlines() if line and not line.startswith(" ")]
    assert first[: len(FAMILIES)] == list(FAMILIES)
    assert json.loads(command("settings", "--json").out)["models"].keys() == set(FAMILIES)


@pytest.mark.parametrize("name", FAMILIES)
def test_every_setting_of_a_family_and_of_training_is_listed_readably(command: Command, name: str) -> None:
    listed = command("settings", name)
    assert listed.status == 0
    assert max(map(len, listed.out.splitlines())) <= 80
    words = " ".join(listed.out.split())
    for setting in [*described(FAMILIES[name].builder), *described(TrainingConfig)]:
        assert f" {setting.name} " in words
        assert setting.sentence in words
        assert setting.values in words
        for need in setting.needs:
            assert need in words


def test_settings_are_listed_with_the_defaults_that_hold_for_the_family(command: Command) -> None:
    told = json.loads(command("settings", "flow", "--json").out)
    defaults = {each["name"]: each["default"] for each in told["settings"]}
    assert defaults == keyword_arguments(FAMILIES["flow"].builder)
    training = {each["name"]: each["default"] for each in told["training"]}
    assert training == keyword_arguments(TrainingConfig) | FAMILIES["flow"].training
    assert f"lr = {FAMILIES['flow'].training['lr']}" in command("settings", "flow").out


def test_a_model_that_does_not_exist_is_answered_with_the_nearest(command: Command) -> None:
    refused = command("settings", "cvea")
    assert refused.status == 2
    assert "Did you mean cvae" in refused.err
    assert "--model flow" in command("settings", "ddpm").err
