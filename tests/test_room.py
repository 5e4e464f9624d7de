from pathlib import Path

import pytest

from condgen import room
from condgen.errors import DataError, RequestError
from condgen.room import Room


def test_too_much_is_refused_with_both_numbers_and_the_advice() -> None:
    Room("the memory", 1000).must_hold(1000, "It", "Take less.")
    with pytest.raises(RequestError, match=r"^It would take 1\.0 kB, and the memory has 999 bytes free\. Take less\.$"):
        Room("the memory", 999).must_hold(1000, "It", "Take less.")


def test_a_limit_on_a_container_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "memory.max").write_text("5000\n")
    (tmp_path / "memory.current").write_text("4000\n")
    monkeypatch.setattr(room, "GROUP", tmp_path)
    assert room.memory().free == 1000
    (tmp_path / "memory.current").write_text("6000\n")
    assert room.memory().free == 0
    (tmp_path / "memory.max").write_text("max\n")
    assert room.memory().free > 2**20
    monkeypatch.setattr(room, "GROUP", tmp_path / "nothing")
    assert room.memory().free > 2**20


def test_the_disk_of_a_folder_that_is_not_there_yet_is_known(tmp_path: Path) -> None:
    assert room.disk(tmp_path / "a" / "b").free > 0


def test_small_things_may_unpack_to_small_things_and_large_ones_by_some_factor_only() -> None:
    room.must_unpack_to(1, room.UNPACKED, "It")
    room.must_unpack_to(2**20, room.RATIO * 2**20, "It")
    with pytest.raises(DataError, match=r"It takes 1\.0 MB and unpacks to 4\.3 GB.*bomb"):
        room.must_unpack_to(2**20, 2**32, "It")


@pytest.mark.parametrize(
    ("count", "text"), [(999, "999 bytes"), (1000, "1.0 kB"), (1.26e9, "1.3 GB"), (10**19, "10,000.0 PB")]
)
def test_a_size_is_for_people(count: float, text: str) -> None:
    assert room.size(count) == text
