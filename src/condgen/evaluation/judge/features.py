"""Feature extractors for distances between samples and real data.

A distance depends on its features, so every extractor has a name that is part of the protocol of each number. Numbers
under different names are on different scales. `judge` knows the data's own attributes and little else. The others were
trained on photographs.
"""

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float, Shaped
from torch import Tensor, nn
from torch.nn.functional import interpolate

from condgen.data import as_float, as_uint8
from condgen.data.storage.mapped import Mapped, in_turn
from condgen.errors import RequestError, unknown
from condgen.evaluation.judge.judge import Judge
from condgen.pretrained import efficientnet, needed

EFFICIENTNET = {"efficientnet": 96, "efficientnet-224": 224}  # name: the side that images are resized to
JUDGE = "judge"
INSTEAD = "ask for 'judge', which is always there"
NAMES = (JUDGE, *EFFICIENTNET, "inception")


@dataclass(frozen=True)
class Extractor:
    """A network that turns observations into features.

    name: its identity, with size and a hash of the weights if the name alone does not identify them.
    network: from the result of `prepare` to features [batch, feature], on `device`.
    prepare: from observations in the form for models to the network's input, on the CPU.
    """

    name: str
    network: Callable[[Tensor], Tensor]
    prepare: Callable[[Tensor], Tensor]
    device: torch.device

    @torch.no_grad()
    def __call__(self, x: Float[Tensor, "batch ..."]) -> Float[Tensor, "batch feature"]:
        """Features of one batch of images in [0, 1] [batch, channel, height, width] or vectors, on the CPU.

        Raises RequestError for vectors, and for images of neither one nor three channels, unless it is the judge's.
        """
        return self.network(self.prepare(x.cpu()).to(self.device)).float().cpu()


def extract(extractor: Extractor, x: Shaped[Tensor, "n ..."] | Mapped, batch: int = 100) -> Float[Tensor, "n feature"]:
    """Features of any number of observations (uint8 images too), `batch` at a time."""
    return torch.cat([extractor(as_float(part)) for part in in_turn(x, batch)])


def must_be_known(name: str) -> None:
    """Raise RequestError for features unknown to `extractor`, before a judge is trained."""
    if name not in NAMES and not Path(name).expanduser().is_dir():
        raise unknown("features", name, [*NAMES, "the folder of a Hugging Face vision model"])


def identity(name: str) -> str:
    """The name of the extractor in reports. Needs no judge. Raises RequestError as `extractor` does."""
    must_be_known(name)
    return name if name == JUDGE else photographic(name, torch.device("cpu")).name


def extractor(name: str, judge: Judge) -> Extractor:
    """The extractor of this name, on the judge's device.

    judge: the input of the judge's heads. The only one for vectors.
    efficientnet: EfficientNet-Lite0 (Tan & Le 2019) trained on ImageNet, for images resized to 96 px, 1280 features.
    efficientnet-224: the same at the size of its training, four to six times as slow.
    inception: Inception v3 from torch-fidelity, for images resized to 299 px as in TensorFlow 1, 2048 features. FID is
        the Fréchet distance in these features only.
    FOLDER: a Hugging Face vision model such as DINOv2, as written by `save_pretrained` or a download.

    Raises RequestError for unknown names, and if the package or weights for a name are missing.
    """
    must_be_known(name)
    device = next(judge.parameters()).device
    if name == JUDGE:
        return Extractor(JUDGE, judge.eval().features, _unchanged, device)
    return photographic(name, device)


def photographic(name: str, device: torch.device) -> Extractor:
    """The extractor of this name that was trained on photographs and needs no judge.

    Raises RequestError if the package or weights for a name are missing.
    """
    if name in EFFICIENTNET:
        return _efficientnet(EFFICIENTNET[name], device)
    if name == "inception":
        return _inception(device)
    return _pretrained(Path(name).expanduser(), device)


# ---- EfficientNet


def _efficientnet(side: int, device: torch.device) -> Extractor:
    network = efficientnet((side, side), INSTEAD)
    network = network.to(device, memory_format=torch.channels_last)
    prepare = partial(_sized, side=side, mean=(127 / 255,), std=(128 / 255,))  # (x − 127)/128 on the scale of 0 to 255
    return Extractor(f"efficientnet-lite0-{side}", partial(_pooled_maps, network), prepare, device)


def _pooled_maps(network: nn.Module, x: Float[Tensor, "batch 3 height width"]) -> Float[Tensor, "batch feature"]:
    """The classifier's input: the last feature maps, averaged over the image."""
    maps: Tensor = network.extract_features(x.contiguous(memory_format=torch.channels_last))  # type: ignore[operator]
    return maps.mean((2, 3))


# ---- Inception


def _inception(device: torch.device) -> Extractor:
    source = needed("torch_fidelity", "inception", INSTEAD).feature_extractor_inceptionv3
    try:  # fetched here, checked against the hash in its name, tensors only: the package does neither
        torch.hub.load_state_dict_from_url(
            source.URL_INCEPTION_V3, progress=False, check_hash=True, weights_only=True, map_location="cpu"
        )
    except (OSError, RuntimeError) as error:
        raise RequestError(
            f"The features 'inception' need weights from {source.URL_INCEPTION_V3}, which could not be downloaded: "
            f"{error}. Put the file into {Path(torch.hub.get_dir()) / 'checkpoints'}, or ask for 'efficientnet'."
        ) from None
    network = source.FeatureExtractorInceptionV3("inception", ["2048"]).to(device)
    return Extractor("inception-v3-2048", lambda x: network(x)[0], lambda x: as_uint8(_coloured(x)), device)


# ---- local weights


def _pretrained(folder: Path, device: torch.device) -> Extractor:
    transformers = needed("transformers", "features", INSTEAD)
    try:
        prepare = _preprocessing(json.loads((folder / "preprocessor_config.json").read_text(encoding="utf-8")))
        model, loaded = transformers.AutoModel.from_pretrained(
            folder, local_files_only=True, use_safetensors=True, output_loading_info=True
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RequestError(
            f"The folder {folder} holds no vision model for features: {error or type(error).__name__}. It needs "
            "config.json, preprocessor_config.json and weights as safetensors, as Hugging Face models come."
        ) from None
    missing = sorted(key for key in loaded["missing_keys"] if "pooler" not in key)
    if missing:
        raise RequestError(f"The weights in {folder} are incomplete: {', '.join(missing[:3])} … would be random.")
    network = getattr(model, "vision_model", model).eval().to(device)  # of a model of images and texts, its image part
    features = partial(_summary, network, pooled=not loaded["missing_keys"])
    return Extractor(f"{folder.resolve().name}-{_hash(folder)}", features, prepare, device)


def _summary(network: nn.Module, x: Float[Tensor, "batch 3 height width"], pooled: bool) -> Tensor:
    """The model's pooled output, [batch, feature], or the class token if it has none or an untrained one.

    For DINOv2 the two are equal.
    """
    output = network(pixel_values=x)
    summary = getattr(output, "pooler_output", None) if pooled else None
    return (output.last_hidden_state[:, 0] if summary is None else summary).flatten(1)


def _preprocessing(config: dict[str, Any]) -> Callable[[Tensor], Tensor]:
    """The preprocessing in preprocessor_config.json, without cropping: whole images are resized to the cropped size.

    Stein et al. 2023, "Exposing flaws of generative model evaluation metrics", do the same for DINOv2.
    """
    size = config["crop_size"] if config.get("do_center_crop") else config["size"]
    side = size if isinstance(size, int) else size.get("height", size.get("shortest_edge"))
    scale = 255 * config.get("rescale_factor", 1 / 255) if config.get("do_rescale", True) else 255.0
    mean, std = (config["image_mean"], config["image_std"]) if config.get("do_normalize", True) else ([0.0], [1.0])
    bilinear = config.get("resample") == 2  # Pillow's number for it
    return partial(
        _sized,
        side=int(side),
        mean=tuple(m / scale for m in mean),
        std=tuple(s / scale for s in std),
        mode="bilinear" if bilinear else "bicubic",
    )


def _hash(folder: Path) -> str:
    """Eight digits that change with the weights and with the folder's preprocessing."""
    total = hashlib.blake2b(digest_size=4)
    for path in (folder / "config.json", folder / "preprocessor_config.json", *sorted(folder.glob("*.safetensors"))):
        with path.open("rb") as file:
            total.update(hashlib.file_digest(file, "blake2b").digest())
    return total.hexdigest()


# ---- shared


def _unchanged(x: Tensor) -> Tensor:
    return x


def _coloured(x: Float[Tensor, "batch ..."]) -> Float[Tensor, "batch 3 height width"]:
    """Images with three channels. Grey ones are repeated."""
    if x.dim() != 4 or x.shape[1] not in (1, 3):
        raise RequestError(
            f"These features are of images with one or three channels, not of observations {list(x.shape[1:])}. "
            "Ask for 'judge', whose features are of the data's own shape."
        )
    return x.expand(-1, 3, -1, -1)


def _sized(
    x: Float[Tensor, "batch ..."],
    side: int,
    mean: tuple[float, ...],
    std: tuple[float, ...],
    mode: str = "bicubic",
) -> Float[Tensor, "batch 3 side side"]:
    """Coloured images, resized with antialiasing as Pillow does, and standardised: (x − mean)/std."""
    x = interpolate(_coloured(x), size=(side, side), mode=mode, antialias=True).clamp(0, 1)
    return (x - torch.tensor(mean).view(1, -1, 1, 1)) / torch.tensor(std).view(1, -1, 1, 1)
