import re

import pytest

from condgen.errors import RequestError, unknown
from condgen.glossary import KINDS, MODELS, PRESETS, SETTINGS
from condgen.messages import spelled
from condgen.models import FAMILIES
from condgen.parameters import keyword_arguments
from condgen.presets import PRESETS as RECIPES
from condgen.presets import preset
from condgen.runs.arguments import split_arguments
from condgen.training import TrainingConfig

OURS = {
    "setting": set().union(*map(keyword_arguments, [*(f.builder for f in FAMILIES.values()), TrainingConfig])),
    "model": set(FAMILIES),
    "preset": set(RECIPES),
}
SENTENCES = sorted({said for table in KINDS.values() for said in table.values() if " " in said})


@pytest.mark.parametrize(
    ("name", "ours"),
    [
        ("epochs", "counts images, not epochs"),
        ("n_epochs", "images=600000"),
        ("batch_size", "calls it batch"),
        ("Learning-Rate", "calls it lr"),
        ("steps", "counts images, not steps"),
        ("device", "CUDA, MPS or the CPU"),
        ("optimizer", "AdamW"),
        ("z_dim", "calls it latent"),
        ("latent_dim", "calls it latent"),
        ("hidden", "calls it channels"),
        ("num_workers", "no workers to set"),
        ("guidance_scale", "calls it guidance"),
    ],
)
def test_settings_that_people_will_try_are_answered_with_ours(name: str, ours: str) -> None:
    with pytest.raises(RequestError, match=rf"Unknown setting of cvae '{name}'\. .*{ours}"):
        split_arguments("cvae", {name: 1})


def test_a_setting_of_other_models_is_named_as_such() -> None:
    with pytest.raises(RequestError, match="calls it latent, which only other models have"):
        split_arguments("flow", {"z_dim": 1})
    with pytest.raises(RequestError, match="calls it steps"):
        split_arguments("flow", {"timesteps": 1})


@pytest.mark.parametrize(
    ("name", "ours"),
    [
        ("diffusion", "model='flow'"),
        ("DDPM", "predict='noise'"),
        ("conditional-gan", "calls it cgan"),
        ("dcgan", "model='gan'"),
        ("wgan", "loss='wasserstein'"),
        ("beta_vae", "beta=4"),
        ("stable diffusion", "prior='flow'"),
    ],
)
def test_models_that_people_will_try_are_answered_with_ours(name: str, ours: str) -> None:
    with pytest.raises(RequestError, match=rf"Unknown model '{name}'\. .*{ours}"):
        split_arguments(name, {})


@pytest.mark.parametrize(("name", "ours"), [("mnist", "digits"), ("celeba", "faces"), ("vae", "digits-vae")])
def test_presets_that_people_will_try_are_answered_with_ours(name: str, ours: str) -> None:
    with pytest.raises(RequestError, match=rf"Unknown preset '{name}'\. condgen calls it {ours}\."):
        preset(name)


def test_other_names_are_answered_with_the_nearest() -> None:
    assert str(unknown("setting of cvae", "latnt", ["latent"])).endswith("Did you mean latent?")


@pytest.mark.parametrize(("kind", "table"), [("setting", SETTINGS), ("model", MODELS), ("preset", PRESETS)])
def test_every_answer_is_a_name_of_ours_to_a_name_that_is_not(kind: str, table: dict[str, str]) -> None:
    assert {ours for ours in table.values() if " " not in ours} <= OURS[kind]
    assert not table.keys() & (
        OURS[kind] - {"steps", "width"}
    )  # of few families; of others, people mean something else


@pytest.mark.parametrize("sentence", SENTENCES)
def test_what_sentences_mention_can_be_set(sentence: str) -> None:
    mentioned: list[dict[str, object]] = []
    spelled(sentence, lambda mention: mentioned.append(mention.settings))  # type: ignore[func-returns-value]
    assert re.fullmatch(r"[A-Zc].*\.", sentence)
    for settings in filter(None, mentioned):
        split_arguments(str(settings.pop("model", "cvae")), settings)
