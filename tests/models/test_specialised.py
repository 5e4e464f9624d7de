"""A model specialised for a condition gives the samples of that condition, by ordinary layers alone."""

import pytest
import torch
from torch import nn

from condgen.conditioning import MECHANISMS, Encoded, Mechanism
from condgen.conditioning.folding import fold
from condgen.conditioning.mechanisms import Bound
from condgen.errors import RequestError
from condgen.models import Model, build
from condgen.models.protocols import Specialises
from condgen.rng import Rng
from condgen.schema import Schema
from condgen.testing import ATTRIBUTES
from condgen.testing.worlds import conditions

SCHEMA = Schema(attributes=ATTRIBUTES["all"])
IMAGE = (1, 16, 16)
CASES = [
    *[("cvae", IMAGE, {"mechanism": name}) for name in MECHANISMS if name != "none"],
    *[("cvae", (3,), {"mechanism": name}) for name in MECHANISMS if name != "none"],
    ("cvae", IMAGE, {"embedding": 16, "prior": "gaussian"}),
    ("cvae", IMAGE, {"embedding": 16, "prior": "flow"}),
    ("cvae", IMAGE, {"outputs": "deblocked"}),
    ("cgan", IMAGE, {}),
    ("cgan", IMAGE, {"outputs": "deblocked"}),
    ("cgan", (3,), {"embedding": 16}),
    ("meanflow", IMAGE, {}),
    ("meanflow", (3,), {"steps": 3}),
    ("vae", IMAGE, {}),
]


def alive(model: Model) -> Model:
    """The model with random numbers for parameters that start at zero, so that the condition has an effect."""
    generator = torch.Generator().manual_seed(0)
    for parameter in model.parameters():
        if not parameter.any():
            nn.init.normal_(parameter, std=0.1, generator=generator)
    return model.eval()


@pytest.mark.parametrize(("name", "shape", "arguments"), CASES)
@torch.no_grad()
def test_it_gives_the_samples_of_its_condition(name: str, shape: tuple[int, ...], arguments: dict[str, object]) -> None:
    torch.manual_seed(0)
    model = alive(build(name, SCHEMA, shape, **arguments))
    assert isinstance(model, Specialises)
    for c in (conditions("all", 3, seed=1)[k : k + 1] for k in range(2)):
        network = model.specialise(c)
        assert not [m for m in network.modules() if isinstance(m, Mechanism) and _folds(m, network)]
        for n in (1, 4):
            wanted = sampled(model, c, n)
            found = network(noise_of(model, n))
            torch.testing.assert_close(found, wanted, atol=2e-5, rtol=1e-4)
    assert not torch.allclose(sampled(model, conditions("all", 3, seed=1)[:1], 4), found, atol=1e-3) or name == "vae"


def _folds(mechanism: Mechanism, network: nn.Module) -> bool:
    """Whether a mechanism is left outside of a flow, whose mechanisms get the time, too."""
    return not any(mechanism in [*m.modules()] for name, m in network.named_modules() if name.endswith("transport"))


def noise_of(model: Model, n: int) -> torch.Tensor:
    rng = Rng(range(n))
    latent = getattr(model, "prior", getattr(model, "generator", None))
    return rng.normal(*(model.shape if latent is None else (latent.latent,)))


def sampled(model: Model, c: object, n: int) -> torch.Tensor:
    """n samples under one condition; of vectors the expected ones, without the likelihood's noise."""
    repeated = c.repeat(n)
    if hasattr(model, "prior") and len(model.shape) == 1:
        encoded = model.condition_encoder(repeated)
        return model.likelihood.mean(model.decoder(model.prior.from_noise(noise_of(model, n), encoded), encoded))
    return model.sample(repeated, Rng(range(n)))


@pytest.mark.parametrize("name", MECHANISMS)
@pytest.mark.parametrize("layer", ["linear", "same", "pointwise", "strided", "unbiased"])
@torch.no_grad()
def test_every_mechanism_folds_into_ordinary_layers(name: str, layer: str) -> None:
    torch.manual_seed(1)
    made = {
        "linear": lambda: nn.Linear(8, 12),
        "same": lambda: nn.Conv2d(8, 12, 3, padding=1),
        "pointwise": lambda: nn.Conv2d(8, 12, 1),
        "strided": lambda: nn.Conv2d(8, 12, 3, padding=1, stride=2),
        "unbiased": lambda: nn.Conv2d(8, 12, 3, padding=1, bias=False),
    }[layer]()
    mechanism = MECHANISMS[name](made, 5)
    for parameter in mechanism.parameters():
        parameter.normal_(std=0.5)
    c = Encoded.of(torch.randn(1, 3, 5))
    x = torch.randn(4, 8) if layer == "linear" else torch.randn(4, 8, 6, 7)
    folded = mechanism.folded(c, x[:1])
    assert not any(isinstance(m, Mechanism) for m in folded.modules())
    every = Encoded(*(part.expand(4, *part.shape[1:]) for part in c))
    torch.testing.assert_close(folded(x), mechanism(x, every), atol=2e-5, rtol=1e-4)


@torch.no_grad()
def test_a_mechanism_of_another_package_is_bound_to_the_condition() -> None:
    class Shift(Mechanism):
        def forward(self, x: torch.Tensor, c: Encoded) -> torch.Tensor:
            return self.layer(x) + c.vector.sum(1, keepdim=True)

    mechanism, x, c = Shift(nn.Linear(2, 3), 4), torch.randn(5, 2), Encoded.of(torch.randn(1, 4))
    folded = mechanism.folded(c, x[:1])
    assert isinstance(folded, Bound)
    torch.testing.assert_close(folded(x), mechanism(x, c.vector.expand(5, -1)))


def test_folding_leaves_the_network_as_it_was() -> None:
    model = alive(build("cgan", SCHEMA, IMAGE))
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    c = model.condition_encoder(conditions("all", 1))
    fold(model.generator.backbone, c, torch.zeros(1, model.generator.latent))
    assert all(torch.equal(before[name], tensor) for name, tensor in model.state_dict().items())
    assert all(p.requires_grad for p in model.parameters())


def test_one_condition_is_needed() -> None:
    with pytest.raises(RequestError, match="one condition, not for 3"):
        build("cgan", SCHEMA, IMAGE).specialise(conditions("all", 3))
