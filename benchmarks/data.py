"""How fast a million photographs in Parquet are inspected, prepared, opened and fed to training, as ratios.

    python benchmarks/data.py --images 1m --folder DIR       (16 GB in DIR; 100,000 images by default)
    python benchmarks/data.py --images 1m --side 32 --folder DIR       (5 GB)

The images are generated here: 5,000 distinct JPEGs, again and again, in shards of 50,000. Inspecting, preparing,
opening and training each happen in a process of their own, through the public interface, so that their memory is their
own.
"""

import argparse
import io
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from joblib import Parallel, cpu_count, delayed
from PIL import Image

from condgen.units import parse_count

DISTINCT, SHARD, BATCH = 5_000, 50_000, 128


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=parse_count, default=100_000)
    parser.add_argument("--side", type=int, default=64, help="of the images, in pixels")
    parser.add_argument("--folder", type=Path, default=None, help="a folder with 16 kB of room per image")
    parser.add_argument("--part", choices=PARTS, help=argparse.SUPPRESS)
    parser.add_argument("--at", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.part:
        print(json.dumps(PARTS[args.part](args.at)))
        return
    if args.folder:
        args.folder.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(dir=args.folder))
    try:
        contents = jpegs(args.side)
        write(folder / "source", contents, args.images)
        before = decoder_rate(contents)
        inspected, prepared = apart("inspect", folder), apart("prepare", folder)
        alone = (before + decoder_rate(contents)) / 2  # the machine may have other work, now or then
        later = [apart(part, folder) for part in ("prepare", "feed", "train")]
        report(args.images, args.side, alone, inspected, prepared, *later)
    finally:
        shutil.rmtree(folder)


# ---- the source


def jpegs(side: int) -> list[bytes]:
    """Smooth coloured pictures, of about 2 kB with 64×64 pixels."""
    coarse = np.random.default_rng(0).integers(0, 256, (DISTINCT, 8, 8, 3), dtype=np.uint8)
    return [_jpeg(Image.fromarray(c).resize((side, side), Image.Resampling.BICUBIC)) for c in coarse]


def _jpeg(image: Image.Image) -> bytes:
    stream = io.BytesIO()
    image.save(stream, "jpeg", quality=90)
    return stream.getvalue()


def write(folder: Path, contents: list[bytes], n: int) -> None:
    """Shards of n images with three columns of labels."""
    folder.mkdir()
    shards = -(-n // SHARD)
    for k in range(shards):
        rows = range(k * SHARD, min(n, (k + 1) * SHARD))
        columns = {
            "image": pa.array([contents[row % DISTINCT] for row in rows]),
            "bright": [row % 2 for row in rows],
            "color": [["red", "green", "blue"][row // 2 % 3] for row in rows],
            "age": [row % 97 / 2 for row in rows],
        }
        file = folder / f"train-{k:05d}-of-{shards:05d}.parquet"
        pq.write_table(pa.table(columns), file, row_group_size=10_000, compression="none", use_dictionary=False)


def decoder_rate(contents: list[bytes]) -> float:
    """Images a second that the decoder alone turns into arrays, in as many processes as there are cores."""
    jobs = [contents] * 2 * cpu_count()
    with Parallel(n_jobs=-1) as pool:
        pool(delayed(_decode)(contents[:100]) for _ in range(8))  # starts the processes
        began = time.perf_counter()
        done = sum(pool(delayed(_decode)(job) for job in jobs))
    return done / (time.perf_counter() - began)


def _decode(contents: list[bytes]) -> int:
    return sum(np.asarray(Image.open(io.BytesIO(content))).shape[0] > 0 for content in contents)


# ---- what each process finds


def apart(part: str, folder: Path) -> dict[str, float]:
    """What a part measures in a process of its own."""
    environment = {**os.environ, "CONDGEN_CACHE": str(folder / "cache")}
    command = [sys.executable, __file__, "--part", part, "--at", str(folder)]
    said = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, env=environment).stdout
    found: dict[str, float] = json.loads(said.splitlines()[-1])
    return found


@contextmanager
def measured() -> Iterator[dict[str, float]]:
    """Seconds, and MB by which memory grew at its peak, in this process."""
    found: dict[str, float] = {}
    before, began = _resident(), time.perf_counter()
    with _peak() as peak:
        yield found
    found |= {"seconds": time.perf_counter() - began, "memory": (peak[0] - before) / 2**20}


@contextmanager
def _peak(every: float = 0.02) -> Iterator[list[int]]:
    """The largest resident size, looked at again and again: the system's own figure holds what was before, too."""
    peak, over = [_resident()], threading.Event()

    def watch() -> None:
        while not over.wait(every):
            peak[0] = max(peak[0], _resident())

    watching = threading.Thread(target=watch)
    watching.start()
    try:
        yield peak
    finally:
        over.set()
        watching.join()


def _resident() -> int:
    """Bytes in memory, those that merely lie in the system's cache of files but are mapped included."""
    try:
        return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def _inspect(folder: Path) -> dict[str, float]:
    """Inspection, which comes before anything is prepared."""
    from condgen import inspect

    with measured() as found:
        inspect(str(folder / "source"))
    return found


def _prepare(folder: Path) -> dict[str, float]:
    """Opening the source; the first time, it is prepared."""
    from condgen.data import load

    with measured() as found:
        splits = load(str(folder / "source"))
        assert splits.train.fingerprint
    return found


def _feed(folder: Path) -> dict[str, float]:
    """Images a second that come as batches, in the order of training, and that the leanest model trains on."""
    from condgen.data import as_float, load
    from condgen.training.prefetch import ahead

    data = load(str(folder / "source")).train
    with measured() as found:
        began, seen = time.perf_counter(), 0
        for x, _ in ahead(data.batches(0, 0, BATCH)):
            seen += len(as_float(x))
            if time.perf_counter() - began > 10:
                break
    return found | {"rate": seen / found["seconds"]}


def _train(folder: Path, seconds: float = 20.0) -> dict[str, float]:
    """Training the leanest conditional model: its rate, and its memory beyond that of training on a few images."""
    import torch

    from condgen.data import Dataset, Splits, load
    from condgen.models import build
    from condgen.training.settings import TrainingConfig
    from condgen.training.trainer import Trainer

    def run(data: Splits, name: str, **bound: Any) -> Trainer:
        model = build("cvae", data.schema, data.shape, channels=8, latent=4)
        trainer = Trainer(model, data, folder / name, TrainingConfig(**bound))
        trainer.folder.mkdir()
        trainer.run()
        return trainer

    data = load(str(folder / "source"))
    few = Dataset(data.train.take(torch.arange(1_000)), data.train.condition[:1_000])
    run(Splits(few, few[:100], few[:100]), "few", images=20_000)  # what the model and its libraries need
    with measured() as found:
        trainer = run(data, "all", seconds=seconds)
    return found | {"rate": trainer.info.images / trainer.info.seconds}


PARTS = {"inspect": _inspect, "prepare": _prepare, "feed": _feed, "train": _train}


def report(n: int, side: int, alone: float, inspected: Any, prepared: Any, opened: Any, fed: Any, trained: Any) -> None:
    """Print what was found, as ratios."""
    rate, data = n / prepared["seconds"], n * 3 * side**2 / 2**20
    print(f"{n:,} images of {side}×{side}, {data:,.0f} MB prepared, on {cpu_count()} cores")
    print(f"inspected: {inspected['seconds']:.0f} s, {inspected['memory']:,.0f} MB more at the peak")
    print(f"prepared:  {rate:,.0f}/s, {rate / alone:.2f} of the decoder alone ({alone:,.0f}/s)")
    print(f"           {prepared['memory']:,.0f} MB more at the peak of the process that directs it")
    print(f"opened:    {opened['seconds']:.3f} s the second time, fingerprint included; {opened['memory']:,.0f} MB")
    print(f"gathered:  {fed['rate']:,.0f}/s, {fed['rate'] / trained['rate']:.1f} × the leanest model's")
    print(f"trained:   {trained['rate']:,.0f}/s; {trained['memory']:,.0f} MB above the model's, ", end="")
    print(f"{trained['memory'] / data:.3f} of the data")


if __name__ == "__main__":
    main()
