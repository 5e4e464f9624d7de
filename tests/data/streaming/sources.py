"""Small sources in shards; image k shows k, so that a pixel tells which it is."""

import io
import json
import tarfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image
from torch import Tensor

SHARDS, EACH = 20, 30
N = SHARDS * EACH
COLORS = ("red", "green", "blue")


def picture(k: int) -> bytes:
    """A PNG whose first pixel holds k in two of its channels."""
    pixels = np.zeros((8, 8, 3), dtype=np.uint8)
    pixels[:, :] = (k // 256, k % 256, 60 * (k % 3))
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "png")
    return stream.getvalue()


def shown(x: Tensor) -> list[int]:
    """Which images these are."""
    return (x[:, 0, 0, 0].long() * 256 + x[:, 1, 0, 0].long()).tolist()


def fields(k: int) -> dict[str, Any]:
    return {"color": COLORS[k % 3], "half": int(k % 20 >= 10)}


def tars(
    folder: Path,
    name: str = "shard-{:03}.tar",
    images: Mapping[int, bytes] | None = None,
    labels: Callable[[int], dict[str, Any]] = fields,
    n: int = N,
) -> Path:
    """Shards of EACH examples. images: other bytes for some."""
    folder.mkdir(parents=True, exist_ok=True)
    for shard in range(n // EACH):
        with tarfile.open(folder / name.format(shard), "w") as tar:
            for k in range(shard * EACH, (shard + 1) * EACH):
                content = (images or {}).get(k, picture(k))
                _add(tar, f"{k:06}.png", content)
                _add(tar, f"{k:06}.json", json.dumps(labels(k)).encode())
    return folder


def _add(tar: tarfile.TarFile, name: str, content: bytes) -> None:
    info = tarfile.TarInfo(name)
    info.size = len(content)
    tar.addfile(info, io.BytesIO(content))


def parquet(path: Path, numbers: range = range(N), group: int = EACH) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    columns = {"image": [picture(k) for k in numbers]}
    columns |= {name: [fields(k)[name] for k in numbers] for name in fields(0)}
    pq.write_table(pa.table(columns), path, row_group_size=group)
    return path
