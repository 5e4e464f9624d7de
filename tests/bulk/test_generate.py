import io
import json
import random
import tarfile
from pathlib import Path
from typing import Any
from uuid import uuid4

import pyarrow.parquet as pq
import pytest

import condgen
from condgen.bulk import generate as generating
from condgen.bulk.generate import Bulk, generate
from condgen.data import Splits, StreamConfig
from condgen.errors import RequestError, RunError
from condgen.progress import SILENT
from condgen.runs.run import Run
from condgen.schema import Categorical, Schema
from tests.bulk.jobs import Here, Stopped
from tests.conftest import Command
from tests.unchecked import unchecked

ASKED = ["digit=4", "digit=9"]
Files = dict[str, bytes]


def bulk(run: Run, out: Path | str, asked: Any = ASKED, n: int = 600, engine: Any = None, **how: Any) -> Bulk:
    """Two requests in three shards, of 500, 350 and 350 samples."""
    settings = {"shard": 500, "seed": 7, "progress": SILENT, **how}
    with unchecked():
        return generate(run, asked, n, out, engine=engine or Here(), **settings)


def files(folder: Path) -> Files:
    """The content of all files that are part of the result."""
    return {str(file.relative_to(folder)): file.read_bytes() for file in sorted(folder.rglob("*")) if file.is_file()}


@pytest.fixture(scope="module")
def whole(run: Run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("bulk") / "whole"
    bulk(run, out)
    return out


def rows(folder: Path) -> list[dict[str, Any]]:
    return [row for file in sorted(folder.glob("*.parquet")) for row in pq.read_table(file).to_pylist()]


def test_each_image_has_the_bytes_that_one_machine_writes(
    run: Run, whole: Path, command: Command, tmp_path: Path
) -> None:
    assert command("sample", run.path, *ASKED, "-n", 600, "--seed", 7, "--out", tmp_path / "one").status == 0
    images = [(tmp_path / "one" / f"{k:06d}.png").read_bytes() for k in range(1_200)]
    found = rows(whole)
    assert [row["image"]["bytes"] for row in found] == images
    assert [row["seed"] for row in found] == [*range(7, 607)] * 2
    assert [row["digit"] for row in found] == ["4"] * 600 + ["9"] * 600
    assert [row["request"] for row in found] == ["digit=4"] * 600 + ["digit=9"] * 600


def test_webdataset_holds_the_same(run: Run, whole: Path, tmp_path: Path) -> None:
    bulk(run, tmp_path / "out", format="webdataset")
    members = []
    for file in sorted((tmp_path / "out").glob("*.tar")):
        with tarfile.open(fileobj=io.BytesIO(file.read_bytes())) as tar:
            members += [(each.name, each.mtime, tar.extractfile(each).read()) for each in tar]  # type: ignore[union-attr]
    assert {mtime for _, mtime, _ in members} == {0}
    assert [name for name, _, _ in members[:3]] == ["000000000.png", "000000000.json", "000000001.png"]
    assert [content for name, _, content in members if name.endswith("png")] == [
        row["image"]["bytes"] for row in rows(whole)
    ]
    labels = [json.loads(content) for name, _, content in members if name.endswith("json")]
    assert labels == [{k: v for k, v in row.items() if k != "image"} for row in rows(whole)]


@pytest.mark.parametrize("form", ["parquet", "webdataset"])
def test_shards_are_a_dataset_with_the_same_labels(run: Run, whole: Path, form: str, tmp_path: Path) -> None:
    if form != "parquet":
        bulk(run, tmp_path / "out", format=form)
    splits = condgen.load(whole if form == "parquet" else tmp_path / "out", progress=SILENT)
    assert splits.schema == run.schema
    assert pairs(splits) == sorted(
        zip((each["digit"] for each in rows(whole)), (pixels(row) for row in rows(whole)), strict=True)
    )


def pairs(splits: Splits) -> list[tuple[str, bytes]]:
    parts = (splits.train, splits.validation, splits.test)
    return sorted(
        (str(row["digit"]), bytes(x.flatten().tolist()))
        for part in parts
        for row, x in zip(part.condition.rows(), part.x, strict=True)
    )


def pixels(row: dict[str, Any]) -> bytes:
    from PIL import Image

    with Image.open(io.BytesIO(row["image"]["bytes"])) as image:
        return image.tobytes()


def test_shards_are_streamed(run: Run, whole: Path) -> None:
    streamed = condgen.stream(str(whole), streaming=StreamConfig(sample=200), progress=SILENT)
    assert streamed.schema == run.schema
    assert streamed.shape == run.shape


def test_vectors_are_columns_in_their_own_units(points: Run, tmp_path: Path) -> None:
    bulk(points, tmp_path / "out", ["side=west, angle=0..20", "far=yes"], n=300)
    with unchecked():
        samples = points.sample(["side=west, angle=0..20", "far=yes"], 300, 7)
    found = rows(tmp_path / "out")
    assert list(found[0]) == ["x0", "x1", "seed", "request", "side", "far", "angle"]
    assert [[row["x0"], row["x1"]] for row in found] == samples.values.tolist()
    told = samples.condition.rows()
    assert [(row["side"], row["far"], row["angle"]) for row in found] == [
        (row["side"], row["far"], float(str(row["angle"]))) for row in told
    ]
    again = condgen.load(tmp_path / "out", progress=SILENT)
    assert (len(again.train) + len(again.validation) + len(again.test), again.shape) == (600, (2,))
    assert again.schema == points.schema


def test_the_index_counts(whole: Path) -> None:
    index = json.loads((whole / "index.json").read_text())
    assert index["samples"] == 1_200
    assert index["requests"] == [{"request": each, "made": 600, "samples": 600} for each in ASKED]
    assert [each["samples"] for each in index["shards"]] == [500, 350, 350]
    assert [each["bytes"] for each in index["shards"]] == [
        (whole / each["file"]).stat().st_size for each in index["shards"]
    ]


# ---- interrupted and started again


def test_interrupted_at_random_it_ends_with_the_same_bytes(run: Run, whole: Path, tmp_path: Path) -> None:
    choice, out, engines = random.Random(5), tmp_path / "out", []
    while not (out / "index.json").exists():
        assert len(engines) < 30
        engines.append(Here(lambda shards: choice.sample(shards, len(shards)), most=choice.randrange(3)))
        try:
            bulk(run, out, engine=engines[-1])
        except Stopped:
            assert not (out / "index.json").exists()
    assert len(engines) > 1
    assert sorted(shard for engine in engines for shard in engine.made) == [0, 1, 2]
    assert files(out) == files(whole)


def test_a_shard_that_was_removed_is_made_again_and_no_other(run: Run, whole: Path, copied: Path) -> None:
    (copied / "train-00001-of-00003.parquet").unlink()
    engine = Here()
    bulk(run, copied, engine=engine)
    assert engine.made == [1]
    assert files(copied) == files(whole)


def test_a_finished_folder_is_left_as_it_is(run: Run, copied: Path) -> None:
    engine = Here()
    assert bulk(run, copied, engine=engine).index.samples == 1_200
    assert engine.made == []


@pytest.fixture
def copied(whole: Path, tmp_path: Path) -> Path:
    import shutil

    return Path(shutil.copytree(whole, tmp_path / "copied"))


def test_a_store_holds_the_same_bytes(run: Run, whole: Path) -> None:
    import fsspec

    address = f"memory://{uuid4().hex}/set"
    with pytest.raises(Stopped):
        bulk(run, address, engine=Here(most=1))
    bulk(run, address)
    store, base = fsspec.filesystem("memory"), address.removeprefix("memory:/")
    found = {path.removeprefix(f"{base}/"): store.cat_file(path) for path in store.find(base)}
    assert found == files(whole)


# ---- refusals


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"n": 601}, "the number of samples"),
        ({"asked": ["digit=4"]}, "the requests"),
        ({"seed": 8}, "the seed"),
        ({"shard": 750, "seed": 9}, "the seed, the size of a shard"),
        ({"format": "webdataset"}, "the kind of files"),
    ],
)
def test_another_request_is_refused(run: Run, copied: Path, change: dict[str, Any], named: str, whole: Path) -> None:
    with pytest.raises(RequestError, match=rf"holds samples of another request, which differs in {named}\."):
        bulk(run, copied, **change)
    assert files(copied) == files(whole)


def test_another_model_is_refused(run: Run, copied: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(type(run.model), "fingerprint", "another")
    with pytest.raises(RequestError, match="differs in the model"):
        bulk(Run.open(run.path), copied)


def test_a_model_that_changes_meanwhile_is_noticed(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened = Run.open(run.path)
    monkeypatch.setattr(type(opened.model), "fingerprint", "earlier")

    class Changing(Here):
        def run(self, job: Any, shards: Any) -> Any:
            monkeypatch.undo()
            return super().run(job, shards)

    with pytest.raises(RunError, match="has changed since the first shard was begun"):
        bulk(opened, tmp_path / "out", engine=Changing())


def test_a_folder_with_other_files_is_refused(run: Run, tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(RequestError, match="is not empty; nothing was overwritten"):
        bulk(run, tmp_path)
    assert {file.name for file in tmp_path.iterdir()} == {"mine.txt"}


def test_an_engine_that_leaves_shards_out_is_noticed(run: Run, tmp_path: Path) -> None:
    with pytest.raises(RunError, match="1 shards unfinished"):
        bulk(run, tmp_path / "out", engine=Here(lambda shards: shards[1:]))
    assert not (tmp_path / "out" / "index.json").exists()


def test_wrong_requests_are_refused_before_anything_is_written(run: Run, points: Run, tmp_path: Path) -> None:
    out = tmp_path / "out"
    with pytest.raises(RequestError, match="Unknown format 'tar'"):
        bulk(run, out, format="tar")
    with pytest.raises(RequestError, match="WebDataset shards hold images"):
        bulk(points, out, "far=yes", format="webdataset")
    with pytest.raises(RequestError, match="takes no guidance"):
        bulk(run, out, steps=3)
    with pytest.raises(RequestError, match="Unknown engine 'proceses'"):
        bulk(run, out, engine="proceses")
    assert not out.exists()


def test_attributes_may_have_the_names_of_columns() -> None:
    from condgen.bulk.formats import Facts
    from condgen.bulk.plan import Plan
    from condgen.imprint import Origin

    schema = Schema(attributes=(Categorical(name="Seed", values=("oat", "rye")),))
    assert Facts(schema, Origin(), Plan(1, 1, 0, 250)).own_columns == ("seed_asked", "request")


# ---- the command


def test_the_command_and_python_write_the_same(
    run: Run, whole: Path, command: Command, tmp_path: Path, monkeypatch: Any
) -> None:
    monkeypatch.setattr(generating, "engine_of", None)
    monkeypatch.setattr("condgen.bulk.engine.ENGINES._own", {"here": lambda workers=1: Here()})
    arguments = ("--engine", "here", "--shard", 500, "--workers", 2)
    done = command("sample", run.path, *ASKED, "-n", "0.6k", "--seed", 7, "--out", tmp_path / "out", *arguments)
    assert (done.status, done.out.splitlines()[-1]) == (0, f"1,200 samples in 3 shards in {tmp_path / 'out'}")
    assert files(tmp_path / "out") == files(whole)


def test_options_of_bulk_need_an_engine(run: Run, command: Command, tmp_path: Path) -> None:
    done = command("sample", run.path, "--workers", 2, "--out", tmp_path / "out")
    assert (done.status, done.err) == (
        2,
        "Error: --workers is for generation in bulk; add --engine processes, or leave it out.\n",
    )
    done = command("sample", run.path, "--engine", "processes", "--ray-address", "x", "--out", tmp_path / "out")
    assert (done.status, done.err) == (2, "Error: The engine processes has no --ray-address; leave it out.\n")
    assert not (tmp_path / "out").exists()


# ---- real processes


@pytest.mark.slow
def test_processes_one_of_which_is_killed_write_the_same(run: Run, whole: Path, tmp_path: Path) -> None:
    import psutil

    from condgen.bulk.processes import Processes

    class Killing(Processes):
        def run(self, job: Any, shards: Any) -> Any:
            before = set(psutil.Process().children())  # a browser of other tests, say
            for k, made in enumerate(super().run(job, shards)):
                if k == 0:
                    for child in set(psutil.Process().children()) - before:
                        child.kill()
                yield made

    bulk(run, tmp_path / "out", engine=Killing(1))
    assert files(tmp_path / "out") == files(whole)
