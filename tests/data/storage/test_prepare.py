"""Preparation happens once, survives being killed, and says what it left out."""

import errno
import hashlib
import io
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from itertools import islice
from pathlib import Path

import pytest
import torch
from PIL import Image

from condgen.data import Dataset, load
from condgen.data.storage import images as storage
from condgen.data.storage import prepare
from condgen.data.storage.images import EncodedImage
from condgen.data.storage.mapped import Mapped
from condgen.errors import DataError
from condgen.progress import Silent
from condgen.training.prefetch import ahead


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of its own, in which nothing is too small to be prepared, by processes that are there already."""
    monkeypatch.setenv("CONDGEN_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(prepare, "SMALL", -1)
    monkeypatch.setattr(prepare, "CHUNK", 0)
    monkeypatch.setattr(prepare, "_working", one_after_the_other)
    return tmp_path / "cache" / "prepared"


IN_PROCESSES = prepare._working


def one_after_the_other(images, fit, pixels, done):  # type: ignore[no-untyped-def]
    for start in range(0, len(images), 16):
        if start not in done:
            yield prepare._write(pixels, start, list(images[start : start + 16]), fit)


def picture(k: int, side: int = 8) -> bytes:
    stream = io.BytesIO()
    Image.new("RGB", (side, side), (k % 256, k // 256, 7)).save(stream, "png")
    return stream.getvalue()


def folder(at: Path, n: int = 100) -> Path:
    """Image k has the red value k and the kind a, b, a, …"""
    at.mkdir()
    for k in range(n):
        (at / f"{k}.png").write_bytes(picture(k))
    rows = [f"{k}.png,{'ab'[k % 2]},{k // 4}" for k in range(n)]
    (at / "metadata.csv").write_text("\n".join(["file_name,kind,person", *rows]))
    return at


def images(n: int) -> list[EncodedImage]:
    return [EncodedImage(f"image {k}", picture(k)) for k in range(n)]


def test_prepared_data_is_the_data_in_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = str(folder(tmp_path / "with spaces and ü"))
    mapped = load(source)
    monkeypatch.setenv("CONDGEN_CACHE", str(tmp_path / "another"))
    monkeypatch.setattr(prepare, "SMALL", 10**9)
    held = load(source)
    assert isinstance(mapped.train.observations, Mapped)
    assert isinstance(held.train.observations, torch.Tensor)
    for one, two in ((mapped.train, held.train), (mapped.validation, held.validation), (mapped.test, held.test)):
        assert one.x.equal(two.x)
        assert one.condition.describe() == two.condition.describe()
        assert one.shape == two.shape
        assert one[3:].floats.equal(two[3:].floats)
    batches = zip(islice(mapped.train.batches(0, 7, 11), 12), islice(held.train.batches(0, 7, 11), 12), strict=True)
    assert all(x.equal(y) for (x, _), (y, _) in batches)


def test_a_second_time_nothing_is_decoded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = str(folder(tmp_path / "a"))
    first = load(source)
    monkeypatch.setattr(prepare, "_working", None)
    second = load(source)
    assert first.train.fingerprint == second.train.fingerprint
    assert first.train.x.equal(second.train.x)


def test_a_changed_source_is_noticed(tmp_path: Path) -> None:
    source = folder(tmp_path / "a")
    before = load(str(source))
    (source / "5.png").write_bytes(picture(255))
    after = load(str(source))
    assert before.train.fingerprint != after.train.fingerprint
    assert sum(255 in part.x[:, 0] for part in (after.train, after.validation, after.test)) == 1
    os.utime(source / "5.png", ns=(1, 1))
    assert load(str(source)).train.fingerprint == after.train.fingerprint  # prepared anew, to the same pixels


def test_fingerprints_tell_parts_and_labels_apart(tmp_path: Path) -> None:
    whole = load(str(folder(tmp_path / "a"))).train
    flipped = whole.condition.with_codes("kind", 1 - whole.condition.values["kind"])
    others = [whole[1:], whole[torch.arange(len(whole)).flip(0)], Dataset(whole.observations, flipped)]
    assert len({whole.fingerprint, *(other.fingerprint for other in others)}) == 4


def test_broken_images_are_quarantined_with_reasons(tmp_path: Path, cache: Path) -> None:
    source = folder(tmp_path / "a")
    (source / "31.png").write_bytes(b"")
    (source / "32.png").unlink()
    untouched = {p.name: p.read_bytes() for p in source.iterdir()}
    data = load(str(source), broken=0.05)
    (listed,) = cache.glob("*.quarantine.csv")
    assert "32,31.png" in listed.read_text().replace(f"{source}/", "").replace('"', "")
    assert "does not exist" in listed.read_text()
    (note,) = [note for note in data.notes if str(listed) in note]
    assert "2 of 100" in note
    parts = (data.train, data.validation, data.test)
    reds = torch.cat([part.x[:, 0, 0, 0] for part in parts])
    kinds = torch.cat([part.condition.values["kind"] for part in parts])
    assert sorted(reds.tolist()) == [k for k in range(100) if k not in (31, 32)]
    assert kinds.equal(reds % 2)  # labels stay with their images
    assert untouched == {p.name: p.read_bytes() for p in source.iterdir()}


PASSING = [OSError(number, os.strerror(number)) for number in (errno.EACCES, errno.EIO, errno.EMFILE, errno.ESTALE)]


@pytest.mark.parametrize("small", [-1, 10**9])
@pytest.mark.parametrize("error", [*PASSING, MemoryError()], ids=repr)
def test_an_image_that_cannot_be_read_now_is_not_left_out(
    error: Exception, small: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(image: EncodedImage) -> Image.Image:
        if "50.png" in image.name:
            raise error
        return opened(image)

    monkeypatch.setattr(prepare, "SMALL", small)
    source, opened = str(folder(tmp_path / "a")), storage.opened
    with monkeypatch.context() as patched:
        patched.setattr(storage, "opened", failing)
        with pytest.raises(DataError, match=r"50\.png.* cannot be read: .*same again"):
            load(source)
    data = load(source)
    assert len(data.train) + len(data.validation) + len(data.test) == 100
    assert data.notes == ()


@pytest.mark.parametrize("small", [-1, 10**9])
def test_too_many_broken_images_are_an_error_that_names_them(
    small: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prepare, "SMALL", small)
    source = folder(tmp_path / "a")
    for k in range(6):
        (source / f"{k}.png").write_bytes(b"")
    with pytest.raises(DataError, match=r"6 of 100 .*0\.png.*1\.png.*2\.png.*3 more"):
        load(str(source))
    assert len(load(str(source), broken=0.1).train) > 70


def test_a_full_disk_is_told_beforehand(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prepare.shutil, "disk_usage", lambda path: type("Usage", (), {"free": 1000}))
    with pytest.raises(DataError, match=r"GB free.*CONDGEN_CACHE"):
        prepare.prepare(images(40))
    assert not list(cache.rglob("*.u8"))


def test_what_was_done_is_not_done_again_unless_it_is_damaged(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Killed(BaseException):
        pass

    class Killer(Silent):
        def move(self, done: int, total: int | None = None, values: Mapping[str, float] | None = None) -> None:
            if done >= 48:
                raise Killed

    class Seen(Silent):
        def move(self, done: int, total: int | None = None, values: Mapping[str, float] | None = None) -> None:
            seen.append(done)

    with pytest.raises(Killed):
        prepare.prepare(images(100), progress=Killer())
    (pixels,) = cache.rglob("*.u8")
    with pixels.open("rb+") as file:
        file.seek(20 * 192)
        file.write(b"damage")
    with (pixels.parent / prepare.DONE).open("a") as log:
        log.write('{"start": 9')  # killed in the middle of a line
    seen: list[int] = []
    found = prepare.prepare(images(100), progress=Seen())
    assert seen[0] == 32
    assert isinstance(found.images, Mapped)
    assert found.images.take()[:, 0, 0, 0].tolist() == list(range(100))
    assert not list(cache.glob("*.partial"))


SCRIPT = """
import sys
from pathlib import Path
from condgen.data import load
from condgen.data.storage import images as storage
from condgen.data.storage import prepare
prepare.SMALL, prepare.CHUNK = -1, 0
def working(images, fit, pixels, done):
    for start in range(0, len(images), 16):
        if start not in done:
            yield prepare._write(pixels, start, list(images[start : start + 16]), fit)

if sys.argv[2] == "alone":
    prepare._working = working
print("ready", flush=True)
data = load(sys.argv[1], size=8)
print(data.train.fingerprint)
"""


def preparing(source: Path, cache: Path, how: str = "alone") -> subprocess.Popen[str]:
    environment = {**os.environ, "CONDGEN_CACHE": str(cache)}
    command = [sys.executable, "-c", SCRIPT, str(source), how]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True, start_new_session=True)


def hashes(cache: Path) -> list[str]:
    return [
        hashlib.sha256(p.read_bytes()).hexdigest() for p in sorted(cache.rglob("*")) if p.name.endswith(("u8", "json"))
    ]


@pytest.mark.slow
def test_killed_at_random_moments_it_ends_with_the_same_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Real processes, real kills, and two at once; prepared here for comparison."""
    source = folder(tmp_path / "a", 1_000)
    cache = tmp_path / "killed"
    waits = random.Random(0)
    for _ in range(2):
        process = preparing(source, cache)
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        time.sleep(waits.uniform(0.05, 0.6))
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()
    both = [preparing(source, cache) for _ in range(2)]
    said = [process.communicate(timeout=60) for process in both]
    assert [process.returncode for process in both] == [0, 0], said
    alone = load(str(source), size=8).train.fingerprint
    assert [out.split()[-1] for out, _ in said] == [alone, alone]
    assert hashes(cache) == hashes(tmp_path / "cache")


def noted(cache: Path) -> int:
    """How many chunks are noted as done by a preparation that is under way."""
    return sum(file.read_text().count("\n") for file in cache.rglob(prepare.DONE))


def until(met: Callable[[], bool]) -> None:
    limit = time.monotonic() + 60
    while not met():
        assert time.monotonic() < limit
        time.sleep(0.01)


def is_over(group: int) -> bool:
    """Whether no process of a group lives any more."""
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return True
    return False


@pytest.mark.slow
def test_killed_with_and_without_its_workers_it_ends_with_the_same_bytes(tmp_path: Path) -> None:
    """Once only the process that directs dies, and its workers must follow; once all die at once, in mid-write."""
    source = folder(tmp_path / "a", 1_000)
    slow = [picture(k, 300) for k in range(50)]  # to decode, so that there is time to kill
    for k, file in enumerate(sorted(source.glob("*.png"))):
        file.write_bytes(slow[k % 50])
    cache = tmp_path / "killed"
    waits, before = random.Random(0), 0
    for kill in (os.kill, os.killpg):
        process = preparing(source, cache, "with workers")
        until(lambda: noted(cache) > before)  # noqa: B023 (it is called here)
        time.sleep(waits.uniform(0, 0.05))
        kill(process.pid, signal.SIGKILL)
        process.communicate(timeout=60)  # its workers hold the pipe open for as long as they live
        until(lambda: is_over(process.pid))  # noqa: B023
        before = noted(cache)
        assert 0 < before < 63
    last = preparing(source, cache, "with workers")
    out, _ = last.communicate(timeout=60)
    assert out.split()[-1] == load(str(source), size=8).train.fingerprint
    assert hashes(cache) == hashes(tmp_path / "cache")


@pytest.mark.slow
def test_processes_make_what_one_makes(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    alone = prepare.prepare(images(100)).images
    monkeypatch.setattr(prepare, "_working", IN_PROCESSES)
    monkeypatch.setenv("CONDGEN_CACHE", str(cache.parent.parent / "another"))
    together = prepare.prepare(images(100)).images
    assert isinstance(alone, Mapped)
    assert isinstance(together, Mapped)
    assert alone.take().equal(together.take())
    assert alone.content == together.content


def test_one_colour_image_among_many_makes_all_colour() -> None:
    stream = io.BytesIO()
    Image.new("L", (8, 8), 9).save(stream, "png")
    grey = [EncodedImage("grey", stream.getvalue())] * 5_000
    assert prepare.plan(grey, None, "crop")[0].mode == "L"
    assert prepare.plan([*grey[:3], *images(1), *grey], None, "crop")[0].mode == "RGB"


def test_images_are_read_in_any_order_and_none_at_all() -> None:
    found = prepare.prepare(images(100)).images
    assert isinstance(found, Mapped)
    assert found[torch.arange(10, 20)].take(torch.tensor([3, 1]))[:, 0, 0, 0].tolist() == [13, 11]
    assert found.take(torch.tensor([], dtype=torch.long)).shape == (0, *found.shape[1:])


def test_images_are_read_alike_where_positions_are_shared(monkeypatch: pytest.MonkeyPatch) -> None:
    found = prepare.prepare(images(100)).images
    assert isinstance(found, Mapped)
    at_once = found.take()
    monkeypatch.delattr(os, "preadv")
    assert found.take().equal(at_once)


def test_a_file_of_pixels_that_is_cut_short_says_so() -> None:
    found = prepare.prepare(images(100)).images
    assert isinstance(found, Mapped)
    os.truncate(found.store.path, 5_000)
    with pytest.raises(DataError, match=r"cut short\. Delete the folder"):
        found.take()


def test_items_made_ahead_keep_their_order_and_errors() -> None:
    def items():  # type: ignore[no-untyped-def]
        yield from range(5)
        raise DataError("broken")

    made = ahead(items())
    assert list(islice(made, 5)) == list(range(5))
    with pytest.raises(DataError, match="broken"):
        next(made)
    assert list(ahead(iter(()))) == []
    assert list(ahead(range(50))) == list(range(50))
