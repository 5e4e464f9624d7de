"""Exported models are asked where they lie on the Hub."""

from pathlib import Path

import pytest

from condgen.errors import RequestError, RunError
from condgen.runs.addresses import open_generator
from condgen.runtime.generator import OnnxGenerator
from tests.conftest import Command
from tests.hub.stand_in import Repository, StandIn
from tests.runs.conftest import exported

__all__ = ["exported"]
NAME = "somebody/digits"


@pytest.mark.parametrize("place", [NAME, f"spaces/{NAME}"])
def test_a_file_on_the_hub_is_an_exported_model(
    hub: StandIn, exported: OnnxGenerator, command: Command, tmp_path: Path, place: str
) -> None:
    repository = hub.repositories[place if place.startswith("spaces/") else f"models/{place}"] = Repository()
    version = repository.commit({"model.onnx": exported.path.read_bytes()})
    repository.commit({"model.onnx": b"another"})
    assert open_generator(f"hf:{place}@{version}/model.onnx").fingerprint == exported.fingerprint
    for name, told in (("model.onnx", "not a whole model"), ("other.onnx", "cannot be fetched")):
        with pytest.raises(RunError, match=told):
            open_generator(f"hf:{place}/{name}")
    made = command("sample", f"hf:{place}@{version}/model.onnx", "digit=7", "-n", "1", "--out", tmp_path / "seven")
    assert made.status == 0, made.err


@pytest.mark.parametrize("address", ["hf:model.onnx", "hf:somebody/model.onnx", "hf:a b/c/model.onnx"])
def test_an_address_of_no_file_is_refused_before_anything_is_sent(hub: StandIn, address: str) -> None:
    with pytest.raises(RequestError, match="hf:OWNER/NAME/FILE"):
        open_generator(address)
    assert hub.asked == []
