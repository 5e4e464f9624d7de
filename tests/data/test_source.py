"""How data was loaded travels with it, is saved as JSON, and loads the same data again."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from condgen.data import (
    BUILTIN,
    DataSource,
    SplitConfig,
    Splits,
    StreamConfig,
    Streamed,
    load,
    load_source,
    sources,
    stream,
)
from condgen.data.builtin import load_builtin
from condgen.data.storage import prepare
from condgen.errors import DataError, RequestError
from condgen.schema import Categorical, Schema
from tests.data.storage.test_prepare import one_after_the_other, picture
from tests.data.streaming.sources import parquet, tars

ATTRIBUTES = Schema(attributes=(Categorical(name="kind", values=("a", "b", "c, d")),))
LITTLE = StreamConfig(buffer=50, sample=100)


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONDGEN_CACHE", str(tmp_path / "cache"))


def saved(source: DataSource) -> DataSource:
    """What is left of a source in the header of a run."""
    return DataSource.read(json.loads(json.dumps({**source.dump(), "fingerprint": "0", "teacher": {"path": "x"}})))


def alike(one: Splits, two: Splits) -> bool:
    parts = [(one.train, two.train), (one.validation, two.validation), (one.test, two.test)]
    parts += [(one.held, two.held)] if one.held and two.held else []
    same = all(a.fingerprint == b.fingerprint for a, b in parts)
    return same and (one.held is None) == (two.held is None) and type(one.train) is type(two.train)


def comes_again(data: Splits) -> bool:
    again = load_source(saved(data.source))
    return alike(data, again) and again.source == data.source == saved(data.source)


def photos(folder: Path, n: int = 60) -> Path:
    """Images of two kinds of three persons each."""
    folder.mkdir(parents=True)
    for k in range(n):
        (folder / f"{k}.png").write_bytes(picture(k))
    lines = [f"{k}.png,{'ab'[k % 2]},{k % 5},{k % 12}" for k in range(n)]
    (folder / "metadata.csv").write_text("\n".join(["file_name,kind,size,person", *lines]))
    return folder


# ---- what is loaded again is the same


@pytest.mark.parametrize("name", [n for n in BUILTIN if n not in ("cars", "portraits", "shapes")])
def test_built_in_data(name: str) -> None:
    data = load(name)
    assert data.source == DataSource(name)
    assert comes_again(data)


@pytest.mark.parametrize(
    "how",
    [
        {"attributes": ["color"]},
        {"splitting": SplitConfig("stratified:color")},
        {"splitting": SplitConfig(hold_out=("color=red",))},
    ],
    ids=str,
)
def test_built_in_data_loaded_in_another_way(how: dict[str, Any]) -> None:
    data = load("diagonal-digits", **how)
    assert comes_again(data)
    assert not alike(data, load("diagonal-digits"))


def test_a_split_that_is_the_usual_one_leaves_built_in_data_as_it_comes() -> None:
    assert alike(load("diagonal-digits", splitting=SplitConfig()), load_builtin("diagonal-digits"))


def test_a_rendered_world_of_another_number_and_size() -> None:
    data = load("shapes:40", size=16)
    assert (data.source.address, data.source.size) == ("shapes:40", 16)
    assert comes_again(data)


WAYS: dict[str, dict[str, Any]] = {
    "as it is": {},
    "attributes": {"attributes": ["size", "kind"]},
    "size and resize": {"size": 4, "resize": "pad"},
    "schema": {"schema": ATTRIBUTES},
    "broken": {"broken": 0.5},
    "stratified": {"splitting": SplitConfig("stratified:kind")},
    "groups, a combination held out": {"splitting": SplitConfig("group:person", ("kind=a, size=0|1",))},
}


@pytest.mark.parametrize("way", WAYS)
def test_a_folder_loaded_in_any_way(way: str, tmp_path: Path) -> None:
    where = photos(tmp_path / "data")
    (where / "7.png").write_bytes(b"broken")
    data = load(str(where), **({"broken": 0.1} | WAYS[way]))
    assert data.source.address == str(where)
    assert comes_again(data)


STREAMS: dict[str, Callable[[Path], str]] = {
    "a folder of shards": lambda at: str(tars(at)),
    "a pattern": lambda at: f"{tars(at)}/shard-{{000..019}}.tar",
    "a Parquet file": lambda at: str(parquet(at / "all.parquet")),
}


@pytest.mark.parametrize("kind", STREAMS)
def test_a_stream(kind: str, tmp_path: Path) -> None:
    data = stream(STREAMS[kind](tmp_path / "data"), streaming=LITTLE, splitting=SplitConfig(hold_out=("color=red",)))
    assert data.source.streaming == LITTLE
    assert comes_again(data)


def test_a_local_copy_of_a_published_dataset(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Path | None] = []
    monkeypatch.setattr(
        sources, "read_published", lambda name, folder: asked.append(folder) or sources.read(str(folder))
    )
    photos(tmp_path / "copy")
    monkeypatch.chdir(tmp_path)
    data = load("mnist", data_dir="copy")
    assert (data.source.address, data.source.data_dir) == ("mnist", str(tmp_path / "copy"))
    monkeypatch.chdir("/")
    assert comes_again(data)
    assert asked[-1] == tmp_path / "copy"


# ---- addresses


@pytest.mark.parametrize("written", ["my, data", "./my, data", "~/my, data", "other/../my, data"])
def test_an_address_means_the_same_in_every_folder(
    written: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    photos(tmp_path / "my, data")
    (tmp_path / "other").mkdir()
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    data = load(written)
    assert data.source.address == str(tmp_path / "my, data")
    monkeypatch.chdir("/")
    assert comes_again(data)


def test_a_link_is_followed_by_its_own_name(tmp_path: Path) -> None:
    """As in a snapshot of the Hub, where names say what files are and what they lead to does not."""
    blob = parquet(tmp_path / "all.parquet").rename(tmp_path / "0123abcd")
    (tmp_path / "train.parquet").symlink_to(blob)
    assert comes_again(load(str(tmp_path / "train.parquet")))


def test_the_same_data_opened_from_another_folder_is_not_read_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prepare, "SMALL", -1)  # data that stays in memory is read again, in no time
    monkeypatch.setattr(prepare, "_working", one_after_the_other)
    photos(tmp_path / "data")
    monkeypatch.chdir(tmp_path)
    data = load("data", attributes=["kind"])
    monkeypatch.setattr(sources, "tables", None)
    assert comes_again(data)


# ---- what is done to data afterwards


def test_selected_attributes_are_selected_again(tmp_path: Path) -> None:
    held_out = SplitConfig(hold_out=("kind=a, size=0|1",))
    data = load(str(photos(tmp_path / "data")), splitting=held_out).select(["size"])
    assert data.source.selected == ("size",)
    assert data.held is not None
    assert comes_again(data)
    assert comes_again(data.select([]))


def test_selected_attributes_of_a_stream_are_those_of_all_its_batches(tmp_path: Path) -> None:
    held_out = SplitConfig(hold_out=("color=red",))
    data = stream(str(tars(tmp_path / "data")), streaming=LITTLE, splitting=held_out).select(["half"])
    assert comes_again(data)
    assert isinstance(data.train, Streamed)
    _, condition = next(data.train.batches(0, 0, 30))
    assert condition.schema.names == ["half"]
    whole = stream(str(tars(tmp_path / "data")), streaming=LITTLE, splitting=held_out).train.batches(0, 0, 30)
    assert condition.rows() == next(whole)[1].select(["half"]).rows()


@pytest.mark.parametrize(
    "changed",
    [
        lambda digits: Splits(digits.train, digits.validation, digits.test),
        lambda digits: replace(digits, train=digits.train[:100]),
        lambda digits: replace(digits, notes=("by hand",)).select(["digit"]),
    ],
    ids=["put together", "a part of it", "and selected"],
)
def test_what_somebody_put_together_is_built_in_memory(digits: Splits, changed: Callable[[Splits], Splits]) -> None:
    source = changed(digits).source
    assert source.address is None
    assert source.describe().startswith("data built in memory")
    with pytest.raises(DataError, match="built in memory"):
        load_source(source)


# ---- what is written down


@pytest.mark.parametrize(
    ("header", "source"),
    [
        ({}, DataSource()),
        ({"fingerprint": "c1b9"}, DataSource()),
        ({"source": "digits", "fingerprint": "c1b9"}, DataSource("digits")),
        (
            {
                "source": "/data/faces",
                "attributes": ["age", "smiling"],
                "size": 64,
                "schema": None,
                "data_dir": None,
                "resize": "pad",
                "broken": 0.1,
                "splitting": ["group:person", ["smiling=yes"]],
                "streaming": None,
                "fingerprint": "c1b9",
            },
            DataSource(
                "/data/faces",
                attributes=("age", "smiling"),
                size=64,
                resize="pad",
                broken=0.1,
                splitting=SplitConfig("group:person", ("smiling=yes",)),
            ),
        ),
        (
            {
                "source": "/data/s-{0..3}.tar",
                "schema": ATTRIBUTES.model_dump(mode="json"),
                "splitting": ["random", []],
                "streaming": {"buffer": 64, "sample": 200},
                "teacher": {"path": "/runs/flow", "guidance": 2.0},
            },
            DataSource("/data/s-{0..3}.tar", schema=ATTRIBUTES, streaming=StreamConfig(64, 200)),
        ),
    ],
)
def test_headers_of_runs_trained_before_are_read(header: dict[str, Any], source: DataSource) -> None:
    assert DataSource.read(header) == source


@pytest.mark.parametrize(
    ("header", "culprit"),
    [
        ({"source": 3}, "source"),
        ({"source": "x", "splitting": ["random"]}, "splitting"),
        ({"source": "x", "splitting": ["bent", []]}, "bent"),
        ({"source": "x", "streaming": {"buffer": 0, "sample": 200}}, "buffer"),
        ({"source": "x", "schema": {"attributes": [{"kind": "none"}]}}, "schema"),
    ],
)
def test_a_damaged_header_names_the_key_at_fault(header: dict[str, Any], culprit: str) -> None:
    with pytest.raises(DataError, match=culprit):
        DataSource.read(header)


def test_a_line_says_what_is_out_of_the_ordinary() -> None:
    assert DataSource("digits").describe() == "digits"
    how = {"attributes": ("age",), "size": 64, "schema": ATTRIBUTES, "splitting": SplitConfig("group:who", ("age=3",))}
    assert (
        DataSource("/data/faces", **how).describe()
        == "/data/faces (attributes: age, size: 64, schema: given, splitting: group:who; without age=3)"
    )


def test_a_stream_has_no_local_copy() -> None:
    with pytest.raises(RequestError, match="stream"):
        DataSource("mnist", data_dir="/copy", streaming=LITTLE)
