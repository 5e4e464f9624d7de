"""A source that was opened before is opened again in an instant, unless anything of it has changed."""

import errno
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from condgen.data import SplitConfig, Splits, load, sources
from condgen.data.storage import prepare
from condgen.data.storage.archives import _Column
from condgen.data.storage.index import state
from condgen.data.storage.mapped import Mapped
from condgen.errors import DataError
from condgen.schema import Categorical, Flag, Schema
from tests.data.storage.test_prepare import cache, folder, one_after_the_other, picture  # noqa: F401 (the fixture is for all)

N = 60


def table(at: Path, n: int = N, first: int = 0, group: int = 16) -> Path:
    """A Parquet file of encoded images, as the `datasets` library writes them: image k has the red value k."""
    at.parent.mkdir(parents=True, exist_ok=True)
    images = [{"bytes": picture(first + k), "path": f"{k}.png"} for k in range(n)]
    columns = {"image": images, "kind": ["ab"[k % 2] for k in range(n)], "person": [k // 4 for k in range(n)]}
    pq.write_table(pa.table(columns), at, row_group_size=group)
    return at


def elsewhere(at: Path) -> Path:
    """A table whose images lie in a folder beside its own."""
    folder(at / "images", N)
    lines = (at / "images" / "metadata.csv").read_text().splitlines()
    (at / "images" / "metadata.csv").unlink()
    (at / "tables").mkdir()
    (at / "tables" / "all.csv").write_text("\n".join([lines[0], *(f"../images/{line}" for line in lines[1:])]))
    return at / "tables" / "all.csv"


MAKERS: dict[str, Callable[[Path], Path]] = {
    "folder": lambda at: folder(at / "data", N),
    "parquet": lambda at: table(at / "all.parquet"),
    "shards": lambda at: table(at / "data" / "train-00000-of-00001.parquet").parent,
    "elsewhere": elsewhere,
}


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What was read from its beginning, rather than taken from what is kept."""
    seen: list[str] = []
    read = sources.tables
    monkeypatch.setattr(sources, "tables", lambda source, *more: seen.append(source) or read(source, *more))
    return seen


def same(one: Splits, two: Splits) -> bool:
    parts = zip((one.train, one.validation, one.test), (two.train, two.validation, two.test), strict=True)
    return (one.notes, one.source) == (two.notes, two.source) and all(
        p.fingerprint == q.fingerprint and p.x.equal(q.x) and p.condition.rows() == q.condition.rows() for p, q in parts
    )


def reds(splits: Splits) -> list[int]:
    parts = (splits.train, splits.validation, splits.test)
    return sorted(torch.cat([part.x[:, 0, 0, 0] for part in parts]).tolist())


@pytest.mark.parametrize("kind", MAKERS)
@pytest.mark.parametrize("splitting", [None, SplitConfig("group:person", ("kind=a",))])
def test_a_second_time_nothing_is_read(
    kind: str, splitting: SplitConfig | None, tmp_path: Path, reads: list[str]
) -> None:
    source = str(MAKERS[kind](tmp_path))
    first = load(source, splitting=splitting)
    again = load(source, splitting=splitting)
    assert len(reads) == 1
    assert same(first, again)
    assert reds(first) == (list(range(N)) if splitting is None else list(range(1, N, 2)))
    assert isinstance(again.train.observations, Mapped)


def rewritten(source: Path) -> None:
    """An image, or all of them, with other pixels but of the same size in bytes."""
    if source.suffix == ".parquet":
        table(source, first=1)
    elif (source / "5.png").exists() or source.suffix == ".csv":
        image = (source if source.is_dir() else source.parent.parent / "images") / "5.png"
        image.write_bytes(picture(200))
    else:
        table(source / "train-00000-of-00001.parquet", first=1)


def labelled(source: Path) -> None:
    """One more file, which says what the attributes are."""
    schema = Schema(attributes=(Categorical(name="kind", values=("a", "b", "c")),))
    ((source if source.is_dir() else source.parent) / "schema.json").write_text(schema.dumps())


@pytest.mark.parametrize("kind", MAKERS)
def test_a_rewritten_source_is_noticed(kind: str, tmp_path: Path) -> None:
    source = MAKERS[kind](tmp_path)
    load(str(source))
    rewritten(source)
    assert reds(load(str(source))) != list(range(N))


@pytest.mark.parametrize("kind", MAKERS)
def test_a_schema_that_appears_is_noticed(kind: str, tmp_path: Path) -> None:
    source = MAKERS[kind](tmp_path)
    assert load(str(source)).schema["kind"] == Categorical(name="kind", values=("a", "b"))
    labelled(source)
    assert load(str(source)).schema["kind"] == Categorical(name="kind", values=("a", "b", "c"))


def test_other_labels_another_image_and_a_test_set_are_noticed(tmp_path: Path) -> None:
    source = folder(tmp_path / "a", N)
    described = (source / "metadata.csv").read_text()
    before = load(str(source))
    (source / "metadata.csv").write_text(described.replace("3.png,b", "3.png,a"))
    assert load(str(source)).train.fingerprint != before.train.fingerprint
    (source / "more.png").write_bytes(picture(99))
    (source / "metadata.csv").write_text(f"{described}\nmore.png,a,1")
    assert 99 in reds(load(str(source)))
    shards = table(tmp_path / "b" / "train.parquet").parent
    assert len(load(str(shards)).test) == 0.15 * N
    table(shards / "test.parquet", n=40)
    assert len(load(str(shards)).test) == 40


def test_what_is_wanted_decides_on_what_is_kept(tmp_path: Path, reads: list[str]) -> None:
    source = str(folder(tmp_path / "a", N))
    schema = Schema(attributes=(Categorical(name="kind", values=("a", "b", "c")),))
    first = load(source)
    assert load(source, attributes=["kind"]).schema.names == ["kind"]
    assert load(source, size=16).shape == (3, 16, 16)
    assert load(source, schema=schema).schema == schema
    assert load(source, schema=Schema(attributes=())).schema.names == []
    assert same(load(source), first)
    assert len(reads) == 5


def test_broken_images_stay_left_out_and_noted(tmp_path: Path, reads: list[str]) -> None:
    source = folder(tmp_path / "a", N)
    (source / "7.png").write_bytes(b"")
    first, again = load(str(source)), load(str(source))
    assert len(reads) == 1
    assert same(first, again)
    assert reds(again) == [k for k in range(N) if k != 7]
    with pytest.raises(DataError, match=r"7\.png"):
        load(str(source), broken=0.0)


@pytest.mark.parametrize("damage", ["gone", "short", "no table"])
def test_what_is_damaged_in_the_cache_is_made_again(
    damage: str,
    tmp_path: Path,
    cache: Path,  # noqa: F811
    reads: list[str],
) -> None:
    source = str(table(tmp_path / "all.parquet"))
    before = load(source).train.fingerprint
    (pixels,), (kept,) = cache.rglob(prepare.PIXELS), cache.glob("*.table")
    if damage == "gone":
        shutil.rmtree(pixels.parent)
    elif damage == "short":
        os.truncate(pixels, 100)
    else:
        kept.write_bytes(kept.read_bytes()[:50])
    again = load(source)
    assert again.train.fingerprint == before
    assert reds(again) == list(range(N))
    assert len(reads) == 2


def test_a_state_is_of_files_not_of_when_it_was_looked_at(tmp_path: Path) -> None:
    source = folder(tmp_path / "a", 5)
    before = state([source])
    assert state([source]) == before
    os.utime(source / "3.png", ns=(1, 1))
    changed = state([source])
    (source / "deep").mkdir()
    (source / "deep" / "link").symlink_to(source)
    (source / "deep" / "nowhere").symlink_to(source / "nothing")
    deeper = state([source])
    assert len({before, changed, deeper}) == 3
    assert state([source], deep=False) == changed


def test_images_in_a_table_are_read_in_any_order(tmp_path: Path) -> None:
    file = table(tmp_path / "all.parquet", 300, group=140)
    (found,) = sources.tables(str(file))
    order = [*range(300), *torch.randperm(300).tolist()]
    assert all(found.content[k].read() == picture(k) for k in order)  # type: ignore[union-attr]
    table(file, 300, first=1)
    assert found.content[0].read() == picture(1)  # type: ignore[union-attr]


def test_an_image_that_is_missing_in_a_table_is_told(tmp_path: Path) -> None:
    images = [picture(k) if k != 5 else None for k in range(N)]
    pq.write_table(pa.table({"image": images, "kind": ["a", "b"] * (N // 2)}), tmp_path / "all.parquet")
    found = load(str(tmp_path / "all.parquet"))
    assert sum(map(len, (found.train, found.validation, found.test))) == N - 1
    assert any("row 6" in note and "it is empty" in note for note in found.notes)


def test_a_damaged_part_of_a_table_costs_only_its_images(tmp_path: Path) -> None:
    file = tmp_path / "all.parquet"
    columns = {"image": [picture(k) for k in range(N)], "sharp": [k % 2 for k in range(N)]}
    pq.write_table(pa.table(columns), file, row_group_size=10, compression="none", use_dictionary=False)
    content = bytearray(file.read_bytes())
    column = pq.ParquetFile(file).metadata.row_group(2).column(0)
    content[column.data_page_offset : column.data_page_offset + 20] = b"\xff" * 20
    file.write_bytes(content)
    found = load(str(file), broken=0.5)
    assert reds(found) == [k for k in range(N) if not 20 <= k < 30]
    assert found.schema["sharp"] == Flag(name="sharp")


def test_a_table_that_cannot_be_read_now_is_not_taken_for_damaged(tmp_path: Path) -> None:
    file = tmp_path / "all.parquet"
    pq.write_table(pa.table({"image": [picture(k) for k in range(N)]}), file, row_group_size=10)
    column = _Column(file, "image")
    first = column.cell(0)

    def lost(_: int) -> object:
        raise OSError(errno.EIO, "Input/output error")

    column._batches = map(lost, range(1))
    with pytest.raises(OSError, match="Input/output"):
        column.cell(10)
    assert column.cell(10) == picture(10)
    assert column.cell(0) == first
