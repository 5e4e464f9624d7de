"""How fast images are streamed from WebDataset shards, as ratios to decoding them and to training.

    python benchmarks/streaming.py --n 20_000        (about 50 MB in a temporary folder)

Streaming is reading labels, shuffling, decoding and batching; decoding alone is what the same threads do with the same
images at hand. The leanest model is the smallest CVAE, trained on the same images in memory and streamed.
"""

import argparse
import io
import json
import tarfile
import tempfile
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

import condgen
from condgen.data import Splits, StreamConfig
from condgen.data.readers import shards
from condgen.data.storage.images import Fit
from condgen.data.streaming.decoding import decoded
from condgen.data.streaming.ledger import Quarantine
from condgen.data.streaming.rows import Choice
from condgen.training.prefetch import ahead

SIDE, EACH, BATCH = 64, 1_000, 128
LEAN: dict[str, Any] = {"channels": 8, "latent": 8, "embedding": 8, "batch": BATCH, "previews": 0}


def write_shards(folder: Path, n: int) -> Path:
    """Shards of 1,000 smooth 64×64 JPEGs with two labels each."""
    random = np.random.default_rng(0)
    for shard in range(n // EACH):
        with tarfile.open(folder / f"shard-{shard:05}.tar", "w") as tar:
            for k in range(EACH):
                coarse = random.integers(0, 256, (8, 8, 3), dtype=np.uint8)
                stream = io.BytesIO()
                Image.fromarray(coarse).resize((SIDE, SIDE), Image.Resampling.BICUBIC).save(stream, "jpeg", quality=90)
                labels = {
                    "bright": int(coarse.mean() > 127),
                    "warm": int(coarse[..., 0].mean() > coarse[..., 2].mean()),
                }
                _add(tar, f"{shard:05}-{k:04}.jpg", stream.getvalue())
                _add(tar, f"{shard:05}-{k:04}.json", json.dumps(labels).encode())
    return folder


def _add(tar: tarfile.TarFile, name: str, content: bytes) -> None:
    info = tarfile.TarInfo(name)
    info.size = len(content)
    tar.addfile(info, io.BytesIO(content))


def rate(items: Iterator[int], most: int) -> float:
    """Images a second, of iterators that yield numbers of images, after the first."""
    next(items)
    start, seen = time.perf_counter(), 0
    for n in items:
        seen += n
        if seen >= most:
            break
    return seen / (time.perf_counter() - start)


def decoding(folder: Path, data: Splits, n: int) -> float:
    """Images a second that the threads of streaming decode, their rows having been read before."""
    rows = [
        row for number, shard in enumerate(shards(str(folder)).train) for row in Choice(data.schema).rows(number, shard)
    ]
    fit = Fit("RGB", SIDE, SIDE)
    return rate((1 for _ in decoded(rows[:n], fit, Quarantine(folder / "broken.csv", 0.05))), n - 1_000)


def training(data: Splits, folder: Path, images: int) -> float:
    """Images a second in training."""
    run = condgen.train("cvae", data, folder, images=images, **LEAN)
    return run.info.images / run.info.seconds


def main() -> None:
    """Print the rates and their ratios."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--n", type=int, default=20_000)
    n = arguments.parse_args().n
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_shards(folder, n)
        start = time.perf_counter()
        streamed = condgen.stream(str(folder), streaming=StreamConfig(sample=n // 4))
        print(f"opening, a sample of {n // 4:,} decoded: {time.perf_counter() - start:.1f} s")
        alone = decoding(folder, streamed, n)
        batches = rate((len(x) for x, _ in ahead(streamed.train.batches(0, 0, BATCH))), n // 2)
        start = time.perf_counter()
        list(
            islice(
                condgen.stream(str(folder), streaming=StreamConfig(sample=n // 4)).train.batches(1, n * 10, BATCH), 1
            )
        )
        resuming = time.perf_counter() - start
        torch.manual_seed(0)
        prepared = condgen.load(str(folder))
        memory = training(prepared, folder / "memory", n // 2)
        through = training(streamed, folder / "streamed", n // 2)
        print(f"decoding alone   {alone:8,.0f} images/s")
        print(f"streaming        {batches:8,.0f} images/s, {batches / alone:.2f} of decoding alone")
        print(
            f"lean model       {memory:8,.0f} images/s in memory; streaming alone is {batches / memory:.1f} times that"
        )
        print(f"lean, streamed   {through:8,.0f} images/s, {through / memory:.2f} of training in memory")
        print(f"first batch after {n * 10:,} images, opening included: {resuming:.1f} s")


if __name__ == "__main__":
    main()
