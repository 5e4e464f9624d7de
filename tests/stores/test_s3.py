"""A real S3-compatible server whose requests fail now and then: nothing is lost, and nothing is half-written."""

import csv
import json
import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import condgen
from condgen.bulk.generate import generate
from condgen.data import Splits
from condgen.errors import RunError, StoreError
from condgen.files import write_text
from condgen.outputs import new_folder
from condgen.progress import SILENT
from condgen.runs.run import Run
from condgen.stores import folder_at, patience
from condgen.stores.copies import place, root
from condgen.stores.folder import write
from condgen.stores.lease import leased
from condgen.stores.remote import RemoteFolder
from condgen.training import checkpoint
from tests.bulk.jobs import Here, Stopped
from tests.stores.conftest import Server
from tests.unchecked import unchecked

pytestmark = pytest.mark.slow


def test_all_files_arrive_and_come_back(s3: Server, bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patience, "WAIT", 0.02)
    folder, contents = folder_at(f"{bucket}/set"), {f"part/{k}": os.urandom(977 * k) for k in range(40)}
    s3.fail(every=6, seed=1)
    for name, content in contents.items():
        write(folder, name, content)
    assert {name: folder.read(name) for name in folder.files()} == contents
    assert {"500", "503", "dropped", "lost", "cut"} <= s3.faults.keys()


def test_a_large_file_arrives_in_parts(s3: Server, bucket: str) -> None:
    content = os.urandom(21 * 2**20)
    s3.fail(every=4, seed=2)
    write(folder_at(bucket), "large", content)
    assert folder_at(bucket).read("large") == content
    assert s3.faults.keys() > {"sound"}


def test_only_one_of_two_may_write(s3: Server, bucket: str) -> None:
    s3.fail(every=6, seed=3)
    with (
        leased(f"{bucket}/run"),
        pytest.raises(RunError, match="is being written to by"),
        leased(f"{bucket}/run"),
    ):
        pass
    with leased(f"{bucket}/run"):
        pass


def test_a_file_that_came_after_a_listing_is_read(s3: Server, bucket: str) -> None:
    import s3fs

    folder = folder_at(f"{bucket}/set")
    write(folder, "part/0", b"zero")
    assert [*folder.files()] == ["part/0"]
    s3fs.S3FileSystem(skip_instance_cache=True).pipe_file(f"{bucket}/set/part/1", b"one")  # as another process does
    assert folder.read("part/1") == b"one"


def test_a_missing_bucket_is_said(s3: Server) -> None:
    with pytest.raises(StoreError, match=r"there is no such bucket"):
        write_text(place("s3://no-such-bucket/run/a"), "")
    with pytest.raises(StoreError, match=r"There is nothing at s3://no-such-bucket/another"):
        Run.open("s3://no-such-bucket/another")


def test_missing_credentials_are_said(s3: Server, bucket: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    import s3fs

    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    s3fs.S3FileSystem.clear_instance_cache()
    with pytest.raises(StoreError, match=r"credentials"):
        write(folder_at(bucket), "a", b"")


def test_a_store_that_cannot_be_reached_is_said(s3: Server, bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    import s3fs

    monkeypatch.setattr(patience, "ATTEMPTS", 1)
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    s3fs.S3FileSystem.clear_instance_cache()
    with pytest.raises(StoreError, match=r"127\.0\.0\.1:9.*Check the address and the network"):
        folder_at(bucket).files()


def digits_at(address: str, digits: Splits, n: int = 120) -> None:
    """A dataset of images with a table, put into a store."""
    with new_folder(place(address), "the data") as folder, (folder / "metadata.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["file_name", "digit"])
        for k, row in enumerate(digits.train.condition[:n].rows()):
            Image.fromarray(digits.train.x[k, 0].numpy()).save(folder / f"{k}.png")
            table.writerow([f"{k}.png", row["digit"]])


def test_one_request_in_fifty_fails_from_data_to_report(
    s3: Server, bucket: str, digits: Splits, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    s3.fail(every=50, seed=4)
    digits_at(f"{bucket}/data", digits)
    shutil.rmtree(root())
    data = condgen.load(f"{bucket}/data", progress=SILENT)
    assert sum(map(len, (data.train, data.validation, data.test))) == 120
    small = {"channels": 8, "latent": 4, "previews": 1, "batch": 64, "images": 2_000}
    first = condgen.train("cvae", f"{bucket}/data", f"{bucket}/run", progress=SILENT, **small)

    monkeypatch.setenv("CONDGEN_CACHE", str(tmp_path / "another machine"))
    resumed = condgen.resume(f"{bucket}/run", budget="+1s", progress=SILENT, trust=True)
    assert resumed.info.images > first.info.images
    assert checkpoint.sound(resumed.path / checkpoint.FILE)

    monkeypatch.setenv("CONDGEN_CACHE", str(tmp_path / "a third"))
    opened = Run.open(f"{bucket}/run", trust=True)
    assert opened.fingerprint == resumed.fingerprint
    samples = opened.sample("digit=7", n=20)
    samples.save(f"{bucket}/samples")
    brief = {"samples": 100, "judge_images": 2_000, "pairs": 0, "useful": 0, "edits": 0, "latents": 0}
    condgen.evaluate(opened, progress=SILENT, **brief).save(f"{bucket}/run")

    s3.fail(0)
    again = condgen.load(f"{bucket}/samples", attributes=["digit"], progress=SILENT)
    assert sum(map(len, (again.train, again.validation, again.test))) == 20
    there = folder_at(f"{bucket}/samples")
    pictures = [name for name in there.files() if name.endswith(".png") and name != "grid.png"]
    whole = np.stack([np.asarray(Image.open(place(f"{bucket}/samples/{name}"))) for name in sorted(pictures)])
    assert np.abs(whole / 255 - samples.numpy()[..., 0]).max() <= 0.5 / 255 + 1e-6
    assert json.loads(folder_at(f"{bucket}/run").read("report.json"))
    assert not folder_at(f"{bucket}/run").exists(".lease.json")


def test_one_request_in_fifty_fails_while_workers_write_shards(
    s3: Server, bucket: str, run: Run, tmp_path: Path
) -> None:
    asked: dict[str, Any] = {"n": 5_000, "shard": 250, "progress": SILENT}
    s3.fail(every=50, seed=5)
    with unchecked():
        with pytest.raises(Stopped):
            generate(run, "digit=4|9", out=f"{bucket}/many", engine=Here(most=15), **asked)
        made = generate(run, "digit=4|9", out=f"{bucket}/many", engine="processes", workers=2, **asked)
        assert made.index.samples == 5_000
        assert s3.faults.keys() > {"sound"}
        s3.fail(0)
        generate(run, "digit=4|9", out=tmp_path / "here", engine=Here(), **asked)
    there = RemoteFolder(f"{bucket}/many")
    assert {name: there.read(name) for name in there.facts()} == {
        str(file.relative_to(tmp_path / "here")): file.read_bytes()
        for file in (tmp_path / "here").rglob("*")
        if file.is_file()
    }
