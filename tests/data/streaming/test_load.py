"""What is streamed, from which sources, and what is refused."""

import re
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from torch import Tensor

from condgen.data import Dataset, SplitConfig, Splits, StreamConfig, Streamed, stream
from condgen.errors import CondgenError, DataError, RequestError
from condgen.schema import Categorical, Condition, Flag, Schema
from tests.data.streaming.sources import COLORS, EACH, N, fields, parquet, picture, shown, tars

SMALL = StreamConfig(buffer=50, sample=100)


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONDGEN_CACHE", str(tmp_path / "cache"))


def one_epoch(splits: Splits, size: int = 10) -> list[int]:
    """The images of the first epoch, and whether their labels are true on the way."""
    assert isinstance(splits.train, Streamed)
    seen: list[int] = []
    for x, condition in splits.train.batches(0, 0, size):
        seen += shown(x)
        assert [row["color"] for row in condition.rows()] == [COLORS[k % 3] for k in shown(x)]
        if len(seen) >= splits.train.epoch:
            return seen[: int(splits.train.epoch)]
    raise AssertionError


def some(data: Dataset, n: int) -> list[tuple[Tensor, Condition]]:
    return list(islice(data.batches(0, 0, 10), n))


def apart(splits: Splits) -> set[int]:
    return {*shown(splits.validation.x), *shown(splits.test.x)}


def complaint(kind: type[CondgenError], source: Path | str, **how: Any) -> str:
    with pytest.raises(kind) as caught:
        some(stream(str(source), **{"streaming": SMALL, **how}).train, 70)
    return str(caught.value)


def folder_of_tars(folder: Path) -> str:
    return str(tars(folder))


def pattern_of_tars(folder: Path) -> str:
    return f"{tars(folder)}/shard-{{000..019}}.tar"


def parquet_file(folder: Path) -> str:
    return str(parquet(folder / "all.parquet"))


def parquet_folder(folder: Path) -> str:
    parquet(folder / "train-00000-of-00002.parquet", range(N // 2))
    parquet(folder / "train-00001-of-00002.parquet", range(N // 2, N))
    return str(folder)


def hub_folder(folder: Path) -> str:
    pytest.importorskip("datasets", reason="no Hub datasets; install condgen[hub]")
    return f"hf:{parquet_folder(folder)}"


@pytest.mark.parametrize("source", [folder_of_tars, pattern_of_tars, parquet_file, parquet_folder, hub_folder])
def test_every_image_but_those_set_aside_comes_once_in_an_epoch(source: Any, tmp_path: Path) -> None:
    splits = stream(source(tmp_path / "data"), streaming=SMALL)
    assert splits.shape == (3, 8, 8)
    assert splits.schema == Schema(
        attributes=(Categorical(name="color", values=("blue", "green", "red")), Flag(name="half"))
    )
    assert len(splits.validation) == 5
    assert len(splits.test) == 15
    assert sorted(one_epoch(splits)) == sorted(set(range(N)) - apart(splits))


def test_test_shards_are_tested_on_and_never_trained_on(tmp_path: Path) -> None:
    tars(tmp_path / "data", "train-{:03}.tar")
    tars(tmp_path / "data", "test-{:03}.tar", n=2 * EACH)
    splits = stream(str(tmp_path / "data"), streaming=SMALL)
    assert len(splits.test) == 25
    assert sorted(one_epoch(splits)) == sorted(set(range(N)) - set(shown(splits.validation.x)))


@pytest.mark.parametrize("name", ["all.parquet", "train.parquet"])
def test_rows_marked_for_testing_are_never_trained_on(tmp_path: Path, name: str) -> None:
    marks = ["test" if k % 20 == 3 else "Valid" if k % 20 == 4 else "train" for k in range(N)]
    file = parquet(tmp_path / "data" / name)
    pq.write_table(pq.read_table(file).append_column("split", [marks]), file, row_group_size=EACH)
    splits = stream(str(file.parent if name == "train.parquet" else file), streaming=SMALL)
    train = {k for k in range(N) if marks[k] == "train"}
    assert {marks[k] for k in shown(splits.test.x)} == {"test"}
    assert set(shown(splits.validation.x)) <= train
    assert sorted(one_epoch(splits)) == sorted(train - set(shown(splits.validation.x)))
    assert any("540 train, 30 validation, 30 test" in note for note in splits.notes)


@pytest.mark.parametrize("pattern", ["", "shard-{000..019}.tar"])
def test_examples_that_a_field_marks_otherwise_are_not_trained_on(tmp_path: Path, pattern: str) -> None:
    marked = tars(tmp_path / "data", labels=lambda k: {**fields(k), "split": ("train", "train", "val", "test")[k % 4]})
    splits = stream(f"{marked}/{pattern}", streaming=SMALL)
    assert sorted(one_epoch(splits)) == sorted({k for k in range(N) if k % 4 < 2} - apart(splits))
    assert any("gives the split" in note for note in splits.notes)


def test_a_field_that_gives_no_split_is_named(tmp_path: Path) -> None:
    marked = tars(tmp_path / "data", labels=lambda k: {**fields(k), "split": "fold 7"})
    splits = stream(str(marked), streaming=SMALL)
    assert any("'fold 7'" in note for note in splits.notes)
    assert len(one_epoch(splits)) > N / 2


def test_a_column_that_gives_no_split_is_noted(tmp_path: Path) -> None:
    file = parquet(tmp_path / "all.parquet")
    table = pq.read_table(file).append_column("split", [["fold 1", "train"] * (N // 2)])
    pq.write_table(table, file, row_group_size=EACH)
    splits = stream(str(file), streaming=SMALL)
    assert any("The column split was not used" in note and "'fold 1'" in note for note in splits.notes)
    assert len(one_epoch(splits)) == N - len(apart(splits))


def test_the_sample_is_spread_over_all_shards(tmp_path: Path) -> None:
    splits = stream(folder_of_tars(tmp_path / "data"), streaming=SMALL)
    shards = {k // EACH for part in (splits.train, splits.validation, splits.test) for k in shown(part.x)}
    assert len(shards) == N // EACH


def test_what_is_held_out_never_trains(tmp_path: Path) -> None:
    splits = stream(
        folder_of_tars(tmp_path / "data"), streaming=SMALL, splitting=SplitConfig(hold_out=("color=red, half=yes",))
    )
    held = {k for k in range(N) if fields(k) == {"color": "red", "half": 1}}
    assert splits.held is not None
    assert set(shown(splits.held.x)) <= held
    assert set(one_epoch(splits)) == set(range(N)) - held - apart(splits)


def test_rows_without_any_label_are_left_out_where_they_would_do_harm(tmp_path: Path) -> None:
    source = tars(tmp_path / "data", labels=lambda k: fields(k) if k % EACH != 17 else {})
    splits = stream(str(source), streaming=SMALL)
    assert splits.train.labelled.all(), "the sample says nothing of them"
    missing = {k for k in range(N) if k % EACH == 17}
    assert missing <= {k for x, _ in some(splits.train, 58) for k in shown(x)}
    assert not missing & {k for x, _ in some(splits.train.only_labelled(), 58) for k in shown(x)}


def test_a_label_that_the_schema_lacks_is_told_with_its_shard_row_and_remedy(tmp_path: Path) -> None:
    source = tars(tmp_path / "data", labels=lambda k: fields(k) | ({"color": "mauve"} if k == 200 else {}))
    said = complaint(DataError, source)
    assert "shard-006.tar, row 21, column 'color'" in said
    assert "mauve" in said
    assert "`schema='schema.json'`" in said


def test_a_row_of_a_parquet_file_is_counted_from_its_beginning(tmp_path: Path) -> None:
    schema = Schema(attributes=(Categorical(name="color", values=("red", "blue")),))
    row = re.search(r"all.parquet, row (\d+), column", complaint(DataError, parquet_file(tmp_path), schema=schema))
    assert row is not None
    assert int(row[1]) > EACH, "the sample begins with another row group than the first"
    assert COLORS[(int(row[1]) - 1) % 3] == "green"


def test_a_given_schema_reaches_further_than_the_sample(tmp_path: Path) -> None:
    source = tars(tmp_path / "data", labels=lambda k: fields(k) | ({"color": "mauve"} if k == 200 else {}))
    schema = Schema(attributes=(Categorical(name="color", values=(*COLORS, "mauve")),))
    train = stream(str(source), streaming=SMALL, schema=schema).train
    rows = [row["color"] for _, c in some(train, 58) for row in c.rows()]
    assert rows.count("mauve") == 1


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ({"splitting": SplitConfig("group:color")}, "split by 'color'"),
        ({"size": 7}, "size 7"),
        ({"resize": "bend"}, "bend"),
        ({"attributes": ["colour"]}, "color"),
        ({"splitting": SplitConfig(hold_out=("color=red, color=blue",))}, "color"),
    ],
)
def test_what_a_stream_cannot_do_is_refused(tmp_path: Path, how: dict[str, Any], words: str) -> None:
    assert words in complaint(RequestError, folder_of_tars(tmp_path / "data"), **how)


@pytest.mark.parametrize("source", ["digits", "celeba", "folder"])
def test_what_does_not_come_in_shards_is_refused(tmp_path: Path, source: str) -> None:
    (tmp_path / "red").mkdir()
    (tmp_path / "red" / "0.png").write_bytes(picture(0))
    assert "`stream`" in complaint(RequestError, tmp_path if source == "folder" else source)


def test_nothing_there_and_a_shard_that_is_missing_are_told(tmp_path: Path) -> None:
    assert "does not exist" in complaint(DataError, tmp_path / "nowhere")
    assert "1 do not exist" in complaint(DataError, f"{tars(tmp_path)}/shard-{{000..020}}.tar")


def test_a_buffer_or_sample_of_nothing_is_refused() -> None:
    with pytest.raises(RequestError, match="buffer"):
        StreamConfig(buffer=0)
    with pytest.raises(RequestError, match="too small"):
        StreamConfig(sample=5)
