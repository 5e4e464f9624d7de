"""Batches of a stream: their order, their memory, broken images, resuming, several processes."""

import itertools
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from condgen.data import StreamConfig, Streamed, stream
from condgen.data.storage.images import EncodedImage
from condgen.data.streaming import decoding, order
from condgen.data.streaming.ledger import Counts
from condgen.errors import DataError, RequestError
from condgen.schema import Condition
from tests.data.streaming.sources import EACH, N, parquet, shown, tars

Batch = tuple[Tensor, Condition]


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONDGEN_CACHE", str(tmp_path / "cache"))


def streamed(source: Path, buffer: int = 50, broken: float = 0.05) -> Streamed:
    train = stream(str(source), streaming=StreamConfig(buffer, sample=100), broken=broken).train
    assert isinstance(train, Streamed)
    return train


def some(train: Streamed, n: int, start: int = 0, seed: int = 0, share: slice = slice(None)) -> list[Batch]:
    return list(itertools.islice(train.batches(seed, start, 16, share=share), n))


def same(a: list[Batch], b: list[Batch]) -> bool:
    return all(
        x.equal(y) and c.present.equal(d.present) and all(c.values[n].equal(d.values[n]) for n in c.values)
        for (x, c), (y, d) in zip(a, b, strict=True)
    )


def test_the_order_is_a_function_of_seed_and_position(tmp_path: Path) -> None:
    source = tars(tmp_path / "data")
    whole = some(streamed(source), 75)  # two epochs and more
    assert same(whole[:40], some(streamed(source), 40))
    assert not same(whole[:5], some(streamed(source), 5, seed=1))
    first, second = (shown(torch.cat([x for x, _ in whole]))[k * 580 :][:580] for k in range(2))
    assert sorted(first) == sorted(second)
    assert first != second


@pytest.mark.parametrize("kind", ["tars", "parquet"])
@pytest.mark.parametrize("known", [False, True])
def test_batches_from_any_position_on_are_those_of_an_uninterrupted_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, known: bool
) -> None:
    source = tars(tmp_path / "data") if kind == "tars" else parquet(tmp_path / "all.parquet")
    whole = some(streamed(source), 80)
    for k in (1, 17, 36, 75):
        if not known:
            monkeypatch.setenv("CONDGEN_CACHE", str(tmp_path / f"empty {k}"))
        assert same(whole[k : k + 3], some(streamed(source), 3, start=16 * k))


def test_what_was_seen_before_is_skipped_without_decoding_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    train = streamed(tars(tmp_path / "data"))
    count = itertools.count()
    pixels = decoding._pixels
    monkeypatch.setattr(decoding, "_pixels", lambda row, fit: (next(count), pixels(row, fit))[1])
    some(train, 1, start=16 * 100)
    assert next(count) <= 16 * (1 + 2 * decoding._workers())


def test_shards_that_were_counted_are_not_read_to_skip_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = tars(tmp_path / "data")
    some(streamed(source), 80)
    train, opened = streamed(source), []
    rows = train.stream.choice.rows
    monkeypatch.setattr(type(train.stream.choice), "rows", lambda _, k, shard: opened.append(k) or rows(k, shard))
    some(train, 1, start=16 * 100)
    assert len(opened) <= 2 * order.OPEN


def test_an_image_may_come_anywhere_within_the_buffer_and_shards_are_mixed(tmp_path: Path) -> None:
    seen = shown(torch.cat([x for x, _ in some(streamed(tars(tmp_path / "data"), buffer=240), 15)]))
    assert len({k // EACH for k in seen[:40]}) >= order.OPEN - 1, "rows of one shard follow each other"
    assert seen != sorted(seen)


class Counted:
    """A row that tells when it is let go."""

    held = most = 0

    def __init__(self) -> None:
        Counted.held += 1
        Counted.most = max(Counted.most, Counted.held)

    def __del__(self) -> None:
        Counted.held -= 1


def test_no_more_rows_are_held_than_the_buffer() -> None:
    rows: Any = lambda shard: (Counted() for _ in range(EACH))  # noqa: E731
    seen = order.Order(20, rows, Counts(20), 64).rows_from(0, 0)
    for _ in itertools.islice(seen, 3 * N):
        pass
    assert 64 <= Counted.most <= 64 + 4


BROKEN = {7: b"no image", 100: b"", 333: b"\x89PNG\r\n\x1a\n broken"}


def test_broken_images_are_left_out_listed_and_do_not_shrink_batches(tmp_path: Path) -> None:
    train = streamed(tars(tmp_path / "data", images=BROKEN))
    found = some(train, 2 * 37)
    assert all(len(x) == 16 for x, _ in found)
    seen = shown(torch.cat([x for x, _ in found]))
    assert not set(BROKEN) & set(seen)
    colors = [row["color"] for _, c in found for row in c.rows()]
    assert colors == [("red", "green", "blue")[k % 3] for k in seen], "what stands in brings its own labels"
    assert same(found[40:42], some(streamed(tars(tmp_path / "data", images=BROKEN)), 2, start=16 * 40))
    lines = train.stream.quarantine.path.read_text().splitlines()
    assert lines[0] == "shard,row,image,reason"
    assert len(lines) == 1 + len(BROKEN)
    assert any(line.startswith("4,11,000100.png in ") for line in lines)


def test_more_broken_images_than_are_allowed_are_an_error_that_says_so(tmp_path: Path) -> None:
    source = tars(tmp_path / "data", images={k: b"broken" for k in range(N) if k % EACH > 20})
    with pytest.raises(DataError, match=r"images are unusable.*`broken`"):
        some(streamed(source), 200)
    some(streamed(source, broken=0.5), 80)
    with pytest.raises(DataError, match=r"of \d+ images are unusable"):
        streamed(tars(tmp_path / "worse", images=dict.fromkeys(range(0, N, 2), b"broken")))


def test_an_image_that_is_not_allowed_to_be_broken_stops_the_stream_at_once(tmp_path: Path) -> None:
    train = streamed(tars(tmp_path / "data", images={345: b"broken"}), broken=0.0)
    with pytest.raises(DataError, match=r"1 of \d+ images are unusable"):
        some(train, 40)


def test_processes_share_each_batch_and_decode_only_their_part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    train = streamed(tars(tmp_path / "data"))
    whole = some(train, 40)
    for k in range(2):
        share = slice(k, None, 2)
        assert same([(x[share], c[share]) for x, c in whole], some(train, 40, share=share))
    decoded: list[EncodedImage] = []
    fitted = decoding.fitted
    monkeypatch.setattr(decoding, "fitted", lambda image, fit: (decoded.append(image), fitted(image, fit))[1])
    mine = [k for x, _ in some(train, 4, share=slice(0, None, 2)) for k in shown(x)]
    assert set(mine) <= {int(image.name[:6]) for image in decoded}
    assert len(decoded) <= (2 * decoding._workers() + 2) * decoding.AT_ONCE, "not the other half of each batch"


def test_a_stream_is_not_balanced_and_an_empty_one_is_no_endless_loop(tmp_path: Path) -> None:
    train = streamed(tars(tmp_path / "data"))
    with pytest.raises(RequestError, match="without `stream`"):
        next(train.batches(0, 0, 16, "color"))
    few = streamed(tars(tmp_path / "few", n=2 * EACH))
    assert len(few) == 48
    nothing = order.Order(2, lambda k: iter(()), Counts(2), 8)
    with pytest.raises(DataError, match="no images to train on"):
        next(nothing.rows_from(0, 0))


def test_a_stream_is_known_by_its_shards_and_its_sample(tmp_path: Path) -> None:
    first = streamed(tars(tmp_path / "data"))
    assert first.fingerprint == streamed(tmp_path / "data").fingerprint
    assert first.fingerprint != streamed(tmp_path / "data", buffer=51).fingerprint
    other = streamed(tars(tmp_path / "other", labels=lambda k: {"color": "red" if k % 2 else "green"}))
    assert first.fingerprint != other.fingerprint
