"""FiLM layer by layer: γ and β as the layers compute them, and samples with those of one layer replaced."""

import pytest
import torch

from condgen import models
from condgen.data import Splits
from condgen.errors import RequestError
from condgen.models.modulation import Exchanged, Silent, film_layers, replaced
from condgen.runs.modulation import layer_by_layer
from condgen.runs.run import Run
from condgen.schema import Condition


def test_gamma_and_beta_are_those_of_the_layers_on_the_way_to_a_sample(run: Run) -> None:
    found = layer_by_layer(run, *run.requests(["digit=3", "digit=8"]), seed=4)
    assert [part.modulation.name for part in found.layers] == [
        name for name in film_layers(run.model) if name.startswith("decoder.")
    ]
    torch.testing.assert_close(found.samples.x, run.sample(["digit=3", "digit=8"], n=1, seed=4).x)
    c = run.model.condition_encoder(Condition.of(run.schema, [{"digit": 3}, {"digit": 8}]))  # type: ignore[operator,union-attr]
    for part in found.layers:
        gamma, beta = film_layers(run.model)[part.modulation.name].gamma_beta(c.vector).chunk(2, 1)
        torch.testing.assert_close(part.modulation.scale, 1 + gamma)
        torch.testing.assert_close(part.modulation.shift, beta)


def test_each_layer_has_a_part_in_the_samples(run: Run, flow: Run) -> None:
    for each in (run, flow):
        found = layer_by_layer(each, *each.requests(["digit=3", "digit=8"]))
        for part in found.layers[:1]:
            assert not torch.allclose(part.silent, found.samples.x, atol=1e-3)
            assert not torch.allclose(part.exchanged, found.samples.x, atol=1e-4)
            same = layer_by_layer(each, *each.requests(["digit=3", "digit=3"])).layers[0]
            torch.testing.assert_close(same.exchanged[0], same.exchanged[1])


def test_a_model_with_all_layers_exchanged_makes_the_other_sample(run: Run) -> None:
    model = run.model
    for name in film_layers(model):
        model = replaced(model, name, Exchanged)
    twin = Run(model, run.joint, run.info, run.path)
    condition, seeds = Condition.of(run.schema, [{"digit": 3}, {"digit": 8}]), torch.tensor([1, 1])
    torch.testing.assert_close(twin.answer(condition, seeds), run.answer(condition, seeds).flip(0))


def test_a_model_with_all_layers_silent_does_not_hear_its_condition(run: Run) -> None:
    model = run.model
    for name in film_layers(model):
        model = replaced(model, name, Silent)
    x = Run(model, run.joint, run.info, run.path).answer(
        Condition.of(run.schema, [{"digit": 3}, {"digit": 8}]), torch.tensor([1, 1])
    )
    torch.testing.assert_close(x[0], x[1])
    assert not torch.allclose(*run.sample(["digit=3", "digit=8"], n=1).x)


def test_other_mechanisms_have_no_gamma_and_beta(digits: Splits, run: Run) -> None:
    model = models.build("cvae", digits.schema, (1, 8, 8), mechanism="concat", channels=8, latent=4)
    with pytest.raises(RequestError, match="mechanism"):
        layer_by_layer(Run(model, run.joint, run.info, run.path), *run.requests(["digit=3", "digit=8"]))
