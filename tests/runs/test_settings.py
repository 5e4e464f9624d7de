"""The settings of a family, as a person looks them up in Python."""

import pytest

import condgen
from condgen.errors import RequestError
from condgen.parameters import keyword_arguments
from condgen.training import TrainingConfig


def test_settings_of_a_family_show_themselves_with_those_of_its_training() -> None:
    found = condgen.settings("cvae")
    assert set(keyword_arguments(TrainingConfig)) < {each.name for each in found}
    assert "  latent=12: Dimensions of the latent." in repr(found).splitlines()
    page = found._repr_html_()
    assert page.count("<tr>") == 1 + len(list(found))
    assert "Dimensions of the latent." in page


def test_their_defaults_are_those_of_the_family() -> None:
    gan, vae = ({each.name: each.default for each in condgen.settings(model)} for model in ("gan", "vae"))
    assert gan["momentum"] != vae["momentum"]


def test_an_unknown_family_is_answered_with_the_nearest() -> None:
    with pytest.raises(RequestError, match="Did you mean cvae"):
        condgen.settings("cvea")
