"""Copies of what lies in a store: brought, kept, put, and never lost."""

import csv
import io
import json
import os
import platform
import tarfile
import time
from pathlib import Path
from threading import Event
from typing import Any

import pytest
from PIL import Image

from condgen.data import Splits, StreamConfig, load
from condgen.data.streaming import stream
from condgen.errors import DataError, RequestError, RunError, StoreError
from condgen.files import write_text
from condgen.locks import held, held_new
from condgen.outputs import new_folder
from condgen.progress import SILENT
from condgen.room import Room
from condgen.runs.addresses import open_generator
from condgen.runs.run import Run
from condgen.stores import copies, folder_at, lease, sending
from condgen.stores.copies import address_of, addressed, copy_of, fetched, named, place, root, unsent
from condgen.stores.folder import write
from condgen.stores.remote import RemoteFolder


def broken(monkeypatch: pytest.MonkeyPatch, method: str = "put") -> list[str]:
    """Let the store fail at a method until the list that is returned is cleared."""
    failing, whole = ["the network is down"], getattr(RemoteFolder, method)

    def fail(self: RemoteFolder, *arguments: Any) -> Any:
        if failing:
            raise StoreError(f"{self.address} cannot be reached: {failing[0]}.")
        return whole(self, *arguments)

    monkeypatch.setattr(RemoteFolder, method, fail)
    return failing


@pytest.mark.parametrize(
    "address", ["s3://bucket/run", "s3://bucket/a b/ü?#%.csv", "http://host:80/x.tar", "memory://x"]
)
def test_a_copy_knows_its_address(memory: str, address: str) -> None:
    assert address_of(copy_of(address)) == address
    assert named(copy_of(address)) == address
    assert address_of(Path("somewhere")) is None


@pytest.mark.parametrize("address", ["s3://bucket/../../etc", "s3://bucket//x", "s3://./x"])
def test_no_address_leads_out_of_the_cache(memory: str, address: str) -> None:
    with pytest.raises(RequestError, match="empty or dots"):
        copy_of(address)


def test_messages_name_addresses_but_not_where_copies_are_meant(memory: str) -> None:
    path = copy_of("s3://bucket/run")
    assert addressed(f"{path} is finished; see file://{path}.") == f"s3://bucket/run is finished; see file://{path}."


def test_a_file_is_put_when_it_is_written(memory: str) -> None:
    write_text(place(f"{memory}/run/report.json"), "{}")
    assert folder_at(f"{memory}/run").read("report.json") == b"{}"


def test_what_changed_there_is_brought_and_what_is_gone_there_is_removed(memory: str) -> None:
    there = folder_at(f"{memory}/run")
    write(there, "a", b"1")
    write(there, "b", b"2")
    path = fetched(there.address)
    write(there, "a", b"one")
    there.remove("b")
    assert fetched(there.address) == path
    assert (path / "a").read_bytes() == b"one"
    assert [file.name for file in path.iterdir()] == ["a"]


def test_what_is_the_same_is_not_fetched_again(memory: str, monkeypatch: pytest.MonkeyPatch) -> None:
    write(folder_at(f"{memory}/run"), "a", b"1")
    fetched(f"{memory}/run")
    broken(monkeypatch, "fetch")
    fetched(f"{memory}/run")


def test_what_could_not_be_put_stays_and_is_put_later(memory: str, monkeypatch: pytest.MonkeyPatch) -> None:
    write_text(place(f"{memory}/run/report.json"), "before")
    down = broken(monkeypatch)
    with pytest.raises(StoreError, match=r"network is down\. Nothing is lost: .*\(1\) lie in file:///.*report\.json"):
        write_text(place(f"{memory}/run/report.json"), "after")
    down.clear()
    path = fetched(f"{memory}/run")
    assert (path / "report.json").read_text() == "after"
    copies.send(path)
    assert folder_at(f"{memory}/run").read("report.json") == b"after"
    assert not unsent(path)


def test_a_file_that_changed_here_and_there_is_not_overwritten(memory: str, monkeypatch: pytest.MonkeyPatch) -> None:
    path = place(f"{memory}/run/report.json")
    write_text(path, "before")
    down = broken(monkeypatch)
    with pytest.raises(StoreError):
        write_text(path, "ours")
    down.clear()
    write(folder_at(f"{memory}/run"), "report.json", b"theirs")
    with pytest.raises(StoreError, match="has changed, and so has its copy"):
        fetched(f"{memory}/run")
    assert path.read_text() == "ours"


def test_a_file_whose_arrival_was_not_noted_is_no_conflict(memory: str) -> None:
    path = place(f"{memory}/run/a")
    write_text(path, "same")
    copies._forget(path)
    assert fetched(f"{memory}/run/a").read_text() == "same"


def test_a_folder_appears_with_its_table_last(memory: str, monkeypatch: pytest.MonkeyPatch) -> None:
    order, put = [], RemoteFolder.put

    def noted(self: RemoteFolder, path: Path, name: str) -> str:
        order.append(name)
        return put(self, path, name)

    monkeypatch.setattr(RemoteFolder, "put", noted)
    with new_folder(place(f"{memory}/set"), "the samples") as partial:
        for name in ("metadata.csv", "schema.json", "0.png", "1.png"):
            write_text(partial / name, name)
        assert not order
    assert sorted(order[:2]) == ["0.png", "1.png"]
    assert order[2:] == ["schema.json", "metadata.csv"]
    assert [*folder_at(f"{memory}/set").files()] == ["0.png", "1.png", "metadata.csv", "schema.json"]


def test_a_folder_that_is_there_is_not_overwritten(memory: str) -> None:
    write(folder_at(f"{memory}/set"), "0.png", b"")
    with (
        pytest.raises(RequestError, match=r"set is there already; nothing was overwritten"),
        new_folder(place(f"{memory}/set"), "the samples"),
    ):
        pass
    with pytest.raises(RequestError, match=r"set is there already"), held_new(place(f"{memory}/set"), "the run"):
        pass


def test_a_folder_that_was_put_in_part_is_finished_by_the_same_command(
    memory: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    put, left = RemoteFolder.put, [1, 1]

    def killed(self: RemoteFolder, path: Path, name: str) -> str:
        if not left:
            raise KeyboardInterrupt
        left.pop()
        return put(self, path, name)

    def make() -> None:
        with new_folder(place(f"{memory}/set"), "the samples") as partial:
            for k in range(9):
                (partial / f"{k}.png").write_text(str(k))
            (partial / "metadata.csv").write_text("table")

    monkeypatch.setattr(RemoteFolder, "put", killed)
    with pytest.raises(KeyboardInterrupt):
        make()
    there = folder_at(f"{memory}/set")
    assert 0 < len(there.files()) < 9
    assert not there.exists("metadata.csv")
    monkeypatch.setattr(RemoteFolder, "put", put)
    with pytest.raises(RequestError, match="is there already"):
        make()
    assert len(there.files()) == 10


def test_a_copy_that_would_not_fit_on_the_disk_is_refused(memory: str, monkeypatch: pytest.MonkeyPatch) -> None:
    write(folder_at(f"{memory}/run"), "a", b"much")
    monkeypatch.setattr(copies, "disk", lambda path: Room("the disk", 3))
    with pytest.raises(DataError, match=r"copy of memory://.*/run would take 4 bytes.*CONDGEN_CACHE"):
        fetched(f"{memory}/run")


# ---- one writer


def test_two_do_not_write_at_once(memory: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with held_new(place(f"{memory}/run"), "the run"):
        monkeypatch.setenv("CONDGEN_CACHE", str(tmp_path / "another machine"))
        path = place(f"{memory}/run")
        path.mkdir(parents=True)
        with pytest.raises(RunError, match=r"run is being written to by process \d+"), held(path):
            pass
    with held(path):
        assert folder_at(f"{memory}/run").exists(lease.LEASE)
    assert not folder_at(f"{memory}/run").exists(lease.LEASE)


@pytest.mark.parametrize(("owner", "silent"), [({"host": "elsewhere", "pid": 1}, True), ({"pid": 2**30}, False)])
def test_the_lease_of_one_that_has_ended_is_taken(
    memory: str, monkeypatch: pytest.MonkeyPatch, owner: dict[str, Any], silent: bool
) -> None:
    write(folder_at(f"{memory}/run"), lease.LEASE, json.dumps({"host": platform.node(), **owner}).encode())
    monkeypatch.setattr(lease, "DEAD", -1.0 if silent else 1e9)
    with lease.leased(f"{memory}/run"):
        assert b"token" in folder_at(f"{memory}/run").read(lease.LEASE)


def test_the_lease_of_a_process_of_the_same_number_is_taken_when_it_is_silent(
    memory: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As when a container, whose first process has the number 1, begins anew."""
    stale = json.dumps({"host": platform.node(), "pid": os.getpid()}).encode()
    write(folder_at(f"{memory}/run"), lease.LEASE, stale)
    with pytest.raises(RunError, match="is being written to by"), lease.leased(f"{memory}/run"):
        pass
    monkeypatch.setattr(lease, "DEAD", -1.0)
    with lease.leased(f"{memory}/run"):
        assert folder_at(f"{memory}/run").read(lease.LEASE) != stale


def test_a_run_that_lost_its_lease_stops_and_leaves_that_of_the_new_owner(
    memory: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lease, "RENEWED", 0.01)
    path, there = place(f"{memory}/run"), folder_at(f"{memory}/run")
    theirs = json.dumps({"host": "elsewhere", "pid": 7, "command": "condgen resume"}).encode()

    def train() -> None:
        with held_new(path, "the run"):
            write(there, lease.LEASE, theirs)
            for k in range(1000):
                write_text(path / "log.jsonl", "x" * k)
                time.sleep(0.01)

    with pytest.raises(lease.LostError, match=r"run was taken over by process 7 on elsewhere.*lies in the copy"):
        train()
    assert there.read(lease.LEASE) == theirs
    assert not there.files()


# ---- in the background


def test_work_goes_on_without_a_network_and_all_is_put_in_the_end(memory: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sending, "PAUSE", 0.01)
    path = place(f"{memory}/run")
    with held_new(path, "the run"):
        down = broken(monkeypatch)
        for k in range(3):
            write_text(path / "log.jsonl", "x" * k)
            write_text(path / f"{k}.txt", str(k))
        assert not folder_at(f"{memory}/run").files()
        (path / "0.txt").unlink()
        down.clear()
    assert [*folder_at(f"{memory}/run").files()] == ["1.txt", "2.txt", "log.jsonl"]


def test_what_vanishes_while_files_are_listed_or_put_is_passed_over(
    memory: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, listed, put = place(f"{memory}/run"), os.scandir, RemoteFolder.put
    for name in ("gone/a", "stays/b", "c", ".c.partial/c"):
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).touch()

    def vanishing(folder: str | Path) -> Any:
        assert Path(folder).name != ".c.partial"
        if Path(folder).name == "gone":
            Path(folder, "a").unlink()
            Path(folder).rmdir()
        return listed(folder)

    def removed(self: RemoteFolder, path: Path, name: str) -> str:
        if name == "c":
            path.unlink()
        return put(self, path, name)

    with monkeypatch.context() as patched:
        patched.setattr(os, "scandir", vanishing)
        patched.setattr(RemoteFolder, "put", removed)
        copies.send(path)
    assert [*folder_at(f"{memory}/run").files()] == ["stays/b"]


def test_the_background_goes_on_after_any_error(memory: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sending, "PAUSE", 0.01)
    path, failed, whole = place(f"{memory}/run"), Event(), sending.send

    def once(*arguments: Any) -> None:
        if not failed.is_set():
            failed.set()
            raise MemoryError("no more")
        whole(*arguments)

    monkeypatch.setattr(sending, "send", once)
    with held_new(path, "the run"):
        write_text(path / "a", "1")
        assert failed.wait(60)
        for _ in range(1000):
            if folder_at(f"{memory}/run").files():
                break
            time.sleep(0.01)
        assert [*folder_at(f"{memory}/run").files()] == ["a"]


def test_the_end_says_what_could_not_be_put_and_where_it_lies(memory: str, monkeypatch: pytest.MonkeyPatch) -> None:
    path = place(f"{memory}/run")

    def train() -> None:
        with held_new(path, "the run"):
            broken(monkeypatch)
            write_text(path / "checkpoint", "all of it")

    with pytest.raises(StoreError, match=r"Nothing is lost: .* lie in file:///"):
        train()
    assert (path / "checkpoint").read_text() == "all of it"


def test_a_removed_file_is_removed_there(memory: str) -> None:
    path = place(f"{memory}/run")
    write_text(path / "healthy", "1")
    with held(path):
        (path / "healthy").unlink()
    assert not folder_at(f"{memory}/run").files()


def test_a_lost_cache_removes_nothing(memory: str) -> None:
    path = place(f"{memory}/run")
    write_text(path / "a", "1")
    (path / "a").unlink()
    with held(path):
        pass
    assert folder_at(f"{memory}/run").read("a") == b"1"
    assert (path / "a").exists()


def test_former_checkpoints_stay_here(memory: str) -> None:
    path = place(f"{memory}/run")
    with held_new(path, "the run"):
        write_text(path / "checkpoint.before.safetensors", "")
    assert not folder_at(f"{memory}/run").files()


# ---- runs and data


def put_folder(folder: Path, address: str) -> None:
    for file in folder.rglob("*"):
        if file.is_file():
            RemoteFolder(address).put(file, file.relative_to(folder).as_posix())


def test_a_run_in_a_store_is_opened_sampled_exported_and_asked(memory: str, run: Run) -> None:
    put_folder(run.path, f"{memory}/run")
    found = Run.open(f"{memory}/run")
    assert found.fingerprint == run.fingerprint
    found.sample("digit=7", n=3).save(f"{memory}/samples")
    assert {"000000.png", "metadata.csv", "grid.png"} <= folder_at(f"{memory}/samples").files().keys()
    found.export("weights", f"{memory}/seven.safetensors")
    assert open_generator(f"{memory}/seven.safetensors").fingerprint == run.fingerprint
    with pytest.raises(RequestError, match="is there already"):
        found.export("weights", f"{memory}/seven.safetensors")


def test_a_place_without_a_run_is_refused(memory: str) -> None:
    with pytest.raises(StoreError, match="There is nothing at"):
        Run.open(f"{memory}/nowhere")


def digits_in(folder: Path, digits: Splits, n: int = 40) -> None:
    folder.mkdir()
    with (folder / "metadata.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["file_name", "digit"])
        for k, row in enumerate(digits.train.condition[:n].rows()):
            Image.fromarray(digits.train.x[k, 0].numpy()).save(folder / f"{k}.png")
            table.writerow([f"{k}.png", row["digit"]])


@pytest.mark.parametrize("named", ["data", "data/metadata.csv"])
def test_data_in_a_store_is_that_on_disk(memory: str, tmp_path: Path, digits: Splits, named: str) -> None:
    digits_in(tmp_path / "here", digits)
    put_folder(tmp_path / "here", f"{memory}/data")
    found = load(f"{memory}/{named}", progress=SILENT)
    assert found.train.fingerprint == load(tmp_path / "here", progress=SILENT).train.fingerprint
    assert found.source.address == f"{memory}/{named}"


def shards_in(folder: Path, digits: Splits, shards: int = 3, each: int = 40) -> None:
    folder.mkdir()
    for shard in range(shards):
        with tarfile.open(folder / f"train-{shard:03}.tar", "w") as tar:
            for k in range(shard * each, (shard + 1) * each):
                image = io.BytesIO()
                Image.fromarray(digits.train.x[k, 0].numpy()).save(image, "PNG")
                label = json.dumps(digits.train.condition[k : k + 1].rows()[0]).encode()
                for name, content in ((f"{k}.png", image.getvalue()), (f"{k}.json", label)):
                    entry = tarfile.TarInfo(name)
                    entry.size = len(content)
                    tar.addfile(entry, io.BytesIO(content))


@pytest.mark.parametrize("name", ["", "/train-{000..002}.tar"])
def test_shards_are_streamed_block_by_block_and_leave_nothing_on_disk(
    memory: str, tmp_path: Path, digits: Splits, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("condgen.stores.blocks.BLOCK", 1_000)
    shards_in(tmp_path / "shards", digits)
    put_folder(tmp_path / "shards", f"{memory}/shards")
    how: dict[str, Any] = {"streaming": StreamConfig(buffer=16, sample=30), "progress": SILENT}
    here, there = stream(str(tmp_path / "shards"), **how), stream(f"{memory}/shards{name}", **how)
    assert there.train.fingerprint == here.train.fingerprint
    ours, theirs = (data.train.batches(seed=3, start=8, size=8) for data in (here, there))
    for _ in range(12):
        (x, condition), (y, other) = next(ours), next(theirs)
        assert (x == y).all()
        assert condition.rows() == other.rows()
    assert not [*root().rglob("*.tar")]


def test_parquet_is_streamed_too(memory: str, tmp_path: Path, digits: Splits) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    cells = []
    for k in range(60):
        image = io.BytesIO()
        Image.fromarray(digits.train.x[k, 0].numpy()).save(image, "PNG")
        cells.append({"bytes": image.getvalue(), "path": None})
    labels = [row["digit"] for row in digits.train.condition[:60].rows()]
    (tmp_path / "set").mkdir()
    pq.write_table(pa.table({"image": cells, "digit": labels}), tmp_path / "set/train.parquet", row_group_size=20)
    put_folder(tmp_path / "set", f"{memory}/set")
    how: dict[str, Any] = {"streaming": StreamConfig(buffer=16, sample=30), "progress": SILENT}
    here, there = stream(str(tmp_path / "set"), **how), stream(f"{memory}/set", **how)
    assert there.train.fingerprint == here.train.fingerprint
    assert (next(there.train.batches(0, 0, 8))[0] == next(here.train.batches(0, 0, 8))[0]).all()


def test_a_missing_shard_is_named(memory: str, tmp_path: Path, digits: Splits) -> None:
    shards_in(tmp_path / "shards", digits, shards=1)
    put_folder(tmp_path / "shards", f"{memory}/shards")
    with pytest.raises(ValueError, match="1 do not exist, such as"):
        stream(f"{memory}/shards/train-{{000..001}}.tar", progress=SILENT)


@pytest.mark.parametrize("ending", ["tar", "parquet"])
def test_a_missing_shard_of_a_numbered_folder_is_named(
    memory: str, tmp_path: Path, digits: Splits, ending: str
) -> None:
    shards_in(tmp_path / "tars", digits, shards=1)
    content = (tmp_path / "tars" / "train-000.tar").read_bytes()
    write(folder_at(f"{memory}/set"), f"train-00000-of-00002.{ending}", content)
    with pytest.raises(DataError, match=rf"train-00001-of-00002\.{ending}"):
        stream(f"{memory}/set", progress=SILENT)


def test_one_of_several_shards_is_streamed_when_it_is_asked_for(memory: str, tmp_path: Path, digits: Splits) -> None:
    shards_in(tmp_path / "set", digits, shards=1)
    (tmp_path / "set" / "train-000.tar").rename(tmp_path / "set" / "train-00000-of-00002.tar")
    put_folder(tmp_path / "set", f"{memory}/set")
    how: dict[str, Any] = {"streaming": StreamConfig(buffer=16, sample=30), "progress": SILENT}
    for source in ("train-00000-of-00002.tar", "train-{00000..00000}-of-00002.tar"):
        assert len(stream(f"{memory}/set/{source}", **how).train)
