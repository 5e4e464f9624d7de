"""Data beside the model: on a device that the tests make up, where it fits."""

from pathlib import Path

import pytest
import torch

from condgen.data import Dataset, Splits
from condgen.data.storage.mapped import Mapped, Store
from condgen.room import Room
from condgen.training import nearby

GPU = torch.device("meta")


@pytest.fixture(autouse=True)
def _room(digits: Splits, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nearby, "memory", lambda device: Room("the GPU", 4 * digits.train.x.numel()))


def test_data_that_fits_is_put_on_the_device(digits: Splits) -> None:
    there = nearby.nearby(digits.train, GPU)
    assert there.observations.device == GPU
    assert there.condition is digits.train.condition
    assert digits.train.observations.device.type == "cpu"  # whose fingerprint is taken later


def test_what_is_too_large_or_no_set_in_memory_stays(digits: Splits) -> None:
    more = Dataset(digits.train.x.repeat(2, 1, 1, 1), digits.train.condition[torch.arange(2 * len(digits.train)) // 2])
    assert nearby.nearby(more, GPU) is more
    stream = object()
    assert nearby.nearby(stream, GPU) is stream
    assert nearby.nearby(digits.train, torch.device("cpu")) is digits.train


def test_mapped_images_pass_through_memory_in_turn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    x = torch.arange(7 * 4, dtype=torch.uint8).view(7, 1, 2, 2)
    (tmp_path / "images").write_bytes(x.numpy().tobytes())
    store = Store(tmp_path / "images", (7, 1, 2, 2))
    monkeypatch.setattr(nearby, "BATCH", 3)
    taken = []
    monkeypatch.setattr(Store, "take", lambda self, rows: taken.append(len(rows)) or x[rows])
    mapped = Mapped(store, torch.tensor([6, 0, 2, 1, 5]), "content")
    assert nearby._copied(mapped, torch.device("cpu")).tolist() == x[mapped.rows].tolist()
    assert taken == [3, 2]
