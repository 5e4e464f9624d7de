"""The data of a run is found again, where it was or where it is now."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from condgen.data import DataSource, SplitConfig, Splits, StreamConfig, load, stream
from condgen.errors import CondgenError, RunError
from condgen.runs.data import elsewhere, load_again
from condgen.runs.resume import resume
from condgen.runs.run import Run
from condgen.training.checkpoint import Info
from tests.data.streaming.sources import tars
from tests.data.test_source import photos

RUN = Path("my run")


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONDGEN_CACHE", str(tmp_path / "cache"))


def trained_on(data: Splits, **header: Any) -> Info:
    """The header of a run that was trained on this data."""
    kept = {**data.source.dump(), "fingerprint": data.train.fingerprint, **header}
    return Info({}, data.shape, data.schema.model_dump(), {}, kept)


def complaint(*arguments: Any, error: type[CondgenError] = RunError) -> str:
    with pytest.raises(error) as caught:
        load_again(RUN, *arguments)
    return str(caught.value)


HELD_OUT = SplitConfig("group:person", ("kind=a, size=0",))

WAYS: dict[str, Callable[[Path], Splits]] = {
    "as it is": lambda at: load(str(at)),
    "resized": lambda at: load(str(at), size=4, resize="squash", attributes=["kind"]),
    "split by groups, a combination held out": lambda at: load(str(at), splitting=HELD_OUT),
    "selected": lambda at: load(str(at), splitting=HELD_OUT).select(["size"]),
}


@pytest.mark.parametrize("way", WAYS)
def test_data_that_moved_is_loaded_as_it_was(way: str, tmp_path: Path) -> None:
    data = WAYS[way](photos(tmp_path / "data"))
    info = trained_on(data)
    assert load_again(RUN, info).train.fingerprint == data.train.fingerprint
    (tmp_path / "data").rename(tmp_path / "moved")
    said = complaint(info)
    assert all(part in said for part in (str(RUN), str(tmp_path / "data"), "does not exist", "`data=DATA`"))
    again = load_again(RUN, info, str(tmp_path / "moved"))
    assert again.train.fingerprint == data.train.fingerprint
    assert again.test.fingerprint == data.test.fingerprint
    assert again.source.address == str(tmp_path / "moved")


def test_a_stream_that_moved_is_streamed(tmp_path: Path) -> None:
    data = stream(str(tars(tmp_path / "data")), streaming=StreamConfig(50, 100))
    info = trained_on(data)
    shutil.move(tmp_path / "data", tmp_path / "moved")
    assert load_again(RUN, info, str(tmp_path / "moved")).train.fingerprint == data.train.fingerprint


def test_other_data_is_labelled_alike(tmp_path: Path) -> None:
    info = trained_on(load(str(photos(tmp_path / "data"))))
    table = photos(tmp_path / "other") / "metadata.csv"
    table.write_text(table.read_text().replace(",b,", ",a,"))  # alone, it would tell of no kind at all
    other = load_again(RUN, info, str(tmp_path / "other"))
    assert other.schema == load(str(tmp_path / "data")).schema
    assert "kind" not in load(str(tmp_path / "other")).schema.names


def test_built_in_data_keeps_its_own_schema_reduced_to_the_attributes_of_the_run(tmp_path: Path) -> None:
    info = trained_on(load("colored-digits", attributes=["color"]))
    again = load_again(RUN, info, "diagonal-digits")
    assert again.schema.names == ["color"]
    streamed = trained_on(load("digits"), streaming={"buffer": 50, "sample": 100}, data_dir=None)
    assert elsewhere(streamed, "digits").streaming is None


def test_data_that_changed_is_refused_unless_it_is_named(tmp_path: Path) -> None:
    info = trained_on(load(str(photos(tmp_path / "data"))))
    with (tmp_path / "data" / "metadata.csv").open("a") as file:
        file.write("\n0.png,b,1,1")
    said = complaint(info)
    assert all(part in said for part in (str(RUN), str(tmp_path / "data"), "have changed", "`data=DATA`"))
    assert load_again(RUN, info, str(tmp_path / "data")).train.fingerprint != info.data["fingerprint"]


def test_data_built_in_memory_is_asked_for(digits: Splits) -> None:
    info = trained_on(Splits(digits.train, digits.validation, digits.test))
    said = complaint(info)
    assert all(part in said for part in (str(RUN), "built in memory", "`data=DATA`", f"condgen.resume('{RUN}', data)"))
    assert load_again(RUN, info, "digits").train.fingerprint == info.data["fingerprint"]


def test_a_run_knows_its_source_and_resumes_by_itself(run: Run, tmp_path: Path) -> None:
    assert run.source == DataSource("digits")
    assert run.data().train.fingerprint == run.info.data["fingerprint"]
    copied = shutil.copytree(run.path, tmp_path / "run")
    first, second = resume(copied, budget="+0.1s"), resume(copied, "digits", budget="+0.1s")
    assert second.info.images > first.info.images > run.info.images
    with pytest.raises(RunError, match="have changed"):
        resume(copied, "colored-digits")
