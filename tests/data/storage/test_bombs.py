"""Small files that hold something huge are refused before they are unpacked."""

import gzip
import zipfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from condgen.data import load
from condgen.data.readers import files
from condgen.data.readers.binary import read_idx
from condgen.data.storage.archives import Member
from condgen.errors import DataError
from condgen.room import RATIO, UNPACKED, Room


def zeros(path: Path, name: str, size: int) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive, archive.open(name, "w", force_zip64=True) as file:
        for _ in range(0, size, 2**20):
            file.write(bytes(2**20))
    return path


def test_a_member_of_a_zip_that_unpacks_to_hundreds_of_times_its_size_is_refused(tmp_path: Path) -> None:
    bomb = zeros(tmp_path / "bomb.zip", "0.png", UNPACKED + 2**20)
    with pytest.raises(DataError, match=r"0\.png in .*bomb\.zip.* takes .* and unpacks to 68\.2 MB"):
        Member(bomb, "0.png").read()
    assert len(Member(zeros(tmp_path / "small.zip", "0.png", 2**20), "0.png").read()) == 2**20


def test_a_listing_in_a_zip_that_is_a_bomb_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="bomb"):
        load(str(zeros(tmp_path / "bomb.zip", "dataset.json", UNPACKED + 2**20)))


def test_a_gzip_bomb_is_not_unpacked(tmp_path: Path) -> None:
    path = tmp_path / "train-images-idx3-ubyte.gz"
    with gzip.open(path, "wb", compresslevel=9) as file:
        for _ in range(2 * UNPACKED // 2**20):
            file.write(bytes(2**20))
    assert path.stat().st_size * RATIO < 2 * UNPACKED
    with pytest.raises(DataError, match="unpacks to"):
        read_idx(path)


def test_a_parquet_file_of_more_values_than_memory_holds_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "bomb.parquet"
    pq.write_table(pa.table({"x0": np.zeros(10**6), "side": np.zeros(10**6, dtype=np.int32)}), path)
    assert path.stat().st_size < 10**5
    monkeypatch.setattr(files, "memory", lambda: Room("the memory", 10**8))
    with pytest.raises(DataError, match=r"2,000,000 values in .*bomb\.parquet would take 200\.0 MB.*`stream`"):
        load(str(path))


def test_a_parquet_file_of_one_text_a_million_times_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "bomb.parquet"
    pq.write_table(pa.table({"x0": np.zeros(20_000), "text": ["a" * 10_000] * 20_000}), path)
    assert path.stat().st_size < 10**5
    monkeypatch.setattr(files, "memory", lambda: Room("the memory", 10**8))
    with pytest.raises(DataError, match=r"The beginning of .*bomb\.parquet would take"):
        load(str(path))
