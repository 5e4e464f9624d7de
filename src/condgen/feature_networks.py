"""Networks whose features a model may be trained against or measured in, and which of them are relatives.

A number in features that the model was trained to match says little: training against ImageNet features improves
distances in any features that learned ImageNet's labels, whatever the pictures look like (Kynkäänniemi et al. 2023,
"The role of ImageNet classes in Fréchet inception distance"). So a run records the networks that it trained against,
and is not measured by them or their relatives.
"""

import json
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from condgen.registry import Registry

IMAGENET = "the labels of ImageNet"
CLASSES = 1_000  # of ImageNet: a classifier with as many has learned its labels


@dataclass(frozen=True)
class FeatureNetwork:
    """A network that turns observations into features or judges them.

    origins: its weights, its method and its labels, in words. Networks that share one of them are relatives.
    names: in settings and reports. A report's names may have a size or a hash after them.
    """

    name: str
    origins: tuple[str, ...]
    names: tuple[str, ...] = ()

    def shared(self, other: "FeatureNetwork") -> str:
        """The origin that makes two networks relatives. Empty if they are not."""
        return next((each for each in self.origins if each in other.origins), "")

    def origin_of(self, name: str) -> str:
        """Its weights, in words, if a name means this network. Otherwise empty."""
        return self.origins[0] if self.is_named(name) else ""

    def is_named(self, name: str) -> bool:
        """Whether a name in settings or in a report means this network."""
        return any(name == each or name.startswith(f"{each}-") for each in (self.name, *self.names))


NETWORKS: Registry[FeatureNetwork] = Registry(
    "feature network",
    "condgen.feature_networks",
    {
        "judge": FeatureNetwork("judge", ("the judge",)),
        "efficientnet": FeatureNetwork(
            "efficientnet", ("the weights of EfficientNet-Lite0", IMAGENET), ("efficientnet-lite0",)
        ),
        "inception": FeatureNetwork("inception", ("the weights of Inception v3", IMAGENET), ("inception-v3",)),
    },
    accepts=lambda entry: isinstance(entry, FeatureNetwork),
    wanted="FeatureNetwork (condgen.feature_networks)",
)


def own(what: str) -> FeatureNetwork:
    """A network that is trained with the model itself, such as its critic."""
    return FeatureNetwork(f"its own {what}", (f"the run's own {what}",))


def network(name: str) -> FeatureNetwork:
    """The network of a name, as settings and reports have it, or of the folder of a Hugging Face vision model.

    A folder's origins are its name, its kind (`model_type`, such as dinov2), and ImageNet's labels if it has as many.
    """
    known = next((each for each in NETWORKS.values() if each.is_named(name)), None)
    return known or _of_folder(Path(name).expanduser())


def _of_folder(folder: Path) -> FeatureNetwork:
    config: dict[str, object] = {}
    with suppress(OSError, ValueError):
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    labels, kind = config.get("id2label"), config.get("model_type")
    classifies = isinstance(labels, dict) and len(labels) == CLASSES
    origins = [f"the weights in {folder.name}", *([f"the method {kind}"] if kind else [])]
    return FeatureNetwork(folder.name, (*origins, *([IMAGENET] if classifies else [])))


def relative(name: str, against: Iterable[FeatureNetwork]) -> tuple[FeatureNetwork, str] | None:
    """The first network of a record that the named one is a relative of, and what they share. None if there is none."""
    asked = network(name)
    return next(((each, why) for each in against if (why := each.shared(asked) or each.origin_of(name))), None)


def unrelated(against: Iterable[FeatureNetwork]) -> list[str]:
    """The names of condgen's own feature networks that are no relatives of a record's."""
    record = tuple(against)
    return [name for name in NETWORKS if relative(name, record) is None]
