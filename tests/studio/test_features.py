"""The parts of the page that a model has, by its schema and its data."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import MagicMock

import pytest

from condgen.errors import RequestError
from condgen.runs.generator import Generator
from condgen.schema import Categorical, Schema, Vector
from condgen.studio.features import features
from condgen.studio.insight import Insight
from condgen.studio.labels import Labels
from condgen.studio.material import Material

CODE = Categorical(name="code1", values=("0", "1"))


def material(folder: Path, *attributes: Any, labels: int, **abilities: Any) -> Material:
    """The material of a run in a folder whose model has attributes. labels: how many its data has."""
    generator = MagicMock(spec=Generator, schema=Schema(attributes=attributes), shape=(1, 8, 8), path=folder)
    generator.info = SimpleNamespace(schema={"attributes": [{}] * labels})
    generator.model = SimpleNamespace(**abilities)
    found = Material(generator)
    found.missing = ""
    return found


def test_a_model_of_labels_has_every_part_that_needs_some(tmp_path: Path) -> None:
    labelled = material(tmp_path, CODE, labels=1, encode=None)
    assert {"judge", "latents", "evaluate", "nearest"} <= {*features(labelled)}


def test_a_model_of_data_without_labels_has_no_part_that_needs_them(tmp_path: Path) -> None:
    bare = material(tmp_path, labels=0, encode=None)
    assert {*features(bare)} == {"dataset", "nearest", "report"}
    with pytest.raises(RequestError, match="no attributes"):
        bare.judge()
    with pytest.raises(RequestError, match="no attributes"):
        Insight(bare).encoded()


def test_codes_that_a_model_discovered_are_no_labels(tmp_path: Path) -> None:
    codes = material(tmp_path, CODE, labels=0, read=None)
    assert {*features(codes)} == {"dataset", "nearest", "report"}
    assert "evaluate" in features(material(tmp_path, CODE, labels=1, read=None))
    with pytest.raises(RequestError, match="no attributes of its data"):
        codes.judge()
    assert Labels.of(codes.generator) is None


def test_layers_are_shown_by_two_requests_that_differ_in_a_value(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("condgen.studio.insight.modulates", lambda _: True)
    vector = Vector(name="emb", mean=(0.0, 0.0), scale=(1.0, 1.0))
    assert "film" in features(material(tmp_path, CODE, vector, labels=2))
    assert "film" not in features(material(tmp_path, vector, labels=1))
