"""How fast a million 64×64 images are prepared, opened and fed to training, as ratios.

    python benchmarks/data.py --n 1_000_000        (12 GB in --cache; 100,000 by default)

The images are 5,000 distinct JPEGs, referred to again and again, so that the source takes no room; each reference has
a name of its own, and is decoded like any other.
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
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from joblib import Parallel, cpu_count, delayed
from PIL import Image

from condgen.data import Dataset, as_float, prepare
from condgen.data.images import EncodedImage
from condgen.data.mapped import Mapped, Store
from condgen.schema import Condition, Flag, Schema
from condgen.training.ahead import ahead

SCHEMA = Schema(attributes=(Flag(name="bright"), Flag(name="warm")))


class Repeated(Sequence[EncodedImage]):
    """n images, of which every 5,000th is the same."""

    def __init__(self, n: int, distinct: int = 5_000):
        random = np.random.default_rng(0)
        coarse = random.integers(0, 256, (distinct, 8, 8, 3), dtype=np.uint8)
        self.content = [_jpeg(Image.fromarray(c).resize((64, 64), Image.Resampling.BICUBIC)) for c in coarse]
        self.n = n

    def __len__(self) -> int:
        return self.n

    def __getitem__(self, k):  # type: ignore[no-untyped-def]
        if isinstance(k, slice):
            return [self[i] for i in range(*k.indices(self.n))]
        if not 0 <= k < self.n:
            raise IndexError(k)
        return EncodedImage(f"image {k}", self.content[k % len(self.content)])


def _jpeg(image: Image.Image) -> bytes:
    stream = io.BytesIO()
    image.save(stream, "jpeg", quality=90)
    return stream.getvalue()


def _decode_only(contents: list[bytes]) -> int:
    return sum(np.asarray(Image.open(io.BytesIO(content))).shape[0] > 0 for content in contents)


def decoder_rate(source: Repeated) -> float:
    """Images a second that the decoder alone turns into arrays on all cores."""
    jobs = [source.content[:1_000]] * 4 * cpu_count()
    with Parallel(n_jobs=-1) as pool:
        pool(delayed(_decode_only)(source.content[:100]) for _ in range(8))  # starts the processes
        began = time.perf_counter()
        done = sum(pool(delayed(_decode_only)(job) for job in jobs))
    return done / (time.perf_counter() - began)


def labels(n: int) -> Condition:
    k = torch.arange(n)
    return Condition(
        SCHEMA, {"bright": (k % 2).float(), "warm": (k // 2 % 2).float()}, torch.ones(n, 2, dtype=torch.bool)
    )


def gather_rate(data: Dataset, seconds: float = 10.0) -> float:
    """Images a second that come as batches of 128, in the order of training, ready for a model."""
    began, seen = time.perf_counter(), 0
    for x, _ in ahead(data.batches(0, 0, 128)):
        seen += len(as_float(x))
        if time.perf_counter() - began > seconds:
            break
    return seen / (time.perf_counter() - began)


def model_rate(data: Dataset, seconds: float = 10.0) -> float:
    """Images a second that the leanest conditional model (a CVAE of 8 channels, 4 latents) trains on."""
    from condgen.models import build

    model = build("cvae", SCHEMA, (3, 64, 64), channels=8, latent=4)
    optimiser = torch.optim.AdamW(model.parameters(), fused=True)
    player = next(iter(model.players()))
    x, condition = next(data.batches(0, 0, 128))
    batch = as_float(x)
    seen, began = 0, time.perf_counter()
    while time.perf_counter() - began < seconds:
        optimiser.zero_grad()
        model(batch, condition, player)["loss"].backward()
        optimiser.step()
        seen += len(batch)
    return seen / (time.perf_counter() - began)


def opened(file: Path, n: int, content: str) -> dict[str, float]:
    """What a process finds that opens the file: run anew, so that its memory is its own."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    began = time.perf_counter()
    data = Dataset(Mapped(Store(file, (n, 3, 64, 64)), torch.arange(n), content), labels(n))
    assert data.fingerprint
    opening = time.perf_counter() - began
    gathered = gather_rate(data)
    memory = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    return {"opening": opening, "gather": gathered, "memory": memory, "model": model_rate(data)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--n", type=int, default=100_000)
    parser.add_argument("--cache", type=Path, default=None, help="a folder with 12.3 kB of room per image")
    parser.add_argument("--open", nargs=2, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.open:
        print(json.dumps(opened(Path(args.open[0]), args.n, args.open[1])))
        return
    cache = Path(tempfile.mkdtemp(dir=args.cache))
    os.environ["CONDGEN_CACHE"] = str(cache)
    try:
        source = Repeated(args.n)
        alone = decoder_rate(source)
        began = time.perf_counter()
        prepare.prepare(source, 64)
        took = time.perf_counter() - began
        began = time.perf_counter()
        images = prepare.prepare(source, 64).images
        again = time.perf_counter() - began
        assert isinstance(images, Mapped)
        (file,) = cache.rglob(prepare.PIXELS)
        command = [sys.executable, __file__, "--n", str(args.n), "--open", str(file), images.content]
        found = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    finally:
        shutil.rmtree(cache)
    report(args.n, took, alone, again, found)


def report(n: int, took: float, alone: float, again: float, found: dict[str, float]) -> None:
    """Print what was found, as ratios."""
    rate, gathered, model, memory = n / took, found["gather"], found["model"], found["memory"]
    print(f"{n:,} images of 64×64 on {cpu_count()} cores")
    print(f"prepared:  {rate:,.0f}/s, {rate / alone:.2f} of the decoder alone ({alone:,.0f}/s)")
    print(f"again:     {again:.2f} s to see that nothing has changed")
    print(f"opened:    {found['opening']:.3f} s, labels and fingerprint included")
    print(f"gathered:  {gathered:,.0f}/s, {gathered / model:.1f} × the leanest model's {model:,.0f}/s")
    print(f"memory:    {memory:,.0f} MB more at its peak, {memory / (n * 12_288 / 2**20):.3f} of the data")


if __name__ == "__main__":
    main()
