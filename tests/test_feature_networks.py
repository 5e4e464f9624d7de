import json
from pathlib import Path

import pytest

from condgen.feature_networks import FeatureNetwork, network, own, relative, unrelated


def folder(path: Path, kind: str, labels: int) -> Path:
    path.mkdir()
    config = {"model_type": kind, "id2label": {str(k): f"label {k}" for k in range(labels)}}
    (path / "config.json").write_text(json.dumps(config))
    return path


@pytest.mark.parametrize(
    "name", ["efficientnet", "efficientnet-224", "efficientnet-lite0-96", "efficientnet-lite0-224"]
)
def test_one_network_has_several_names_in_settings_and_reports(name: str) -> None:
    assert network(name).name == "efficientnet"


def test_networks_that_learned_the_same_labels_are_relatives() -> None:
    found = relative("inception-v3-2048", [own("critic"), network("efficientnet")])
    assert found is not None
    assert found[0].name == "efficientnet"
    assert "ImageNet" in found[1]
    assert relative("judge", [own("critic"), network("efficientnet")]) is None
    assert unrelated([network("inception")]) == ["judge"]


def test_what_is_trained_with_the_run_is_related_to_nothing_else() -> None:
    assert unrelated([own("critic")]) == ["judge", "efficientnet", "inception"]


def test_a_folders_relatives_are_told_by_its_method_and_labels(tmp_path: Path) -> None:
    small, large = (str(folder(tmp_path / name, "dinov2", 2)) for name in ("dino-small", "dino-large"))
    classifier = str(folder(tmp_path / "vit", "vit", 1_000))
    assert relative(large, [network(small)]) is not None
    assert relative(classifier, [network("efficientnet")]) is not None
    assert relative(small, [network("efficientnet"), network(classifier)]) is None
    assert relative("dino-small-0123abcd", [network(small)]) is not None  # as its report names it


def test_a_name_is_that_of_a_network_only_as_a_whole() -> None:
    assert not FeatureNetwork("judge", ()).is_named("judgement")
