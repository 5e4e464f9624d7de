"""Speed and memory: what a newcomer waits for. Ratios come from one run on one machine; absolute numbers are noisy.

    python benchmarks/speed.py --data ../shared/data/mnist

Measures `condgen --help`, training throughput and peak memory, `condgen sample` of 10,000 images including PNG files,
and Concat's convolution against the literal one with repeated channels.
"""

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch
from torch import nn

from condgen.conditioning import MECHANISMS, Concat, Encoded

CONDGEN = [sys.executable, "-m", "condgen.cli"]


def seconds(call: Callable[[], object], repeat: int = 5) -> float:
    """The shortest of several times."""
    times = []
    for _ in range(repeat):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return min(times)


def command(*arguments: str) -> float:
    """Seconds that a command takes. Raises if it fails."""
    start = time.perf_counter()
    subprocess.run([*CONDGEN, *arguments], check=True, capture_output=True)
    return time.perf_counter() - start


def command_line(data: str, images: str, folder: Path) -> None:
    print(f"condgen --help: {seconds(lambda: command('--help')):.2f} s")
    took = command("train", data, "--images", images, "--out", str(folder / "run"), "--set", "previews=0")
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    print(f"condgen train, {images} images: {took:.1f} s in all, peak memory {peak:,.0f} MB")
    took = command("sample", str(folder / "run"), "-n", "10000", "--out", str(folder / "samples"))
    print(f"condgen sample, 10,000 PNG files: {took:.1f} s in all, {10_000 / took:,.0f} images/s with start-up")
    start = time.perf_counter()
    written = sampled_and_written(folder / "run", folder / "again")
    print(f"the same without start-up: {written / (time.perf_counter() - start):,.0f} images/s")


def sampled_and_written(run: Path, out: Path, n: int = 10_000) -> int:
    from condgen.runs.run import Run
    from condgen.runs.samples import save_samples

    opened = Run.open(run)
    asked = opened.requests()
    save_samples(opened.stream(asked, n), opened.schema, [r.text for r in asked], out)
    return n


class Literal(nn.Module):
    """Concat as it is usually written: the condition repeated as maps, concatenated to the input."""

    def __init__(self, channels: int, width: int):
        super().__init__()
        self.layer = nn.Conv2d(channels + width, channels, 3, padding=1)

    def forward(self, x: torch.Tensor, c: Encoded) -> torch.Tensor:
        """The convolution of x and the repeated condition."""
        maps = c.vector[:, :, None, None].expand(-1, -1, *x.shape[2:])
        return self.layer(torch.cat([x, maps], 1))


def step(layer: nn.Module, x: torch.Tensor, c: Encoded) -> None:
    layer(x, c).sum().backward()


def mechanisms(channels: int = 32, width: int = 40, size: int = 16) -> None:
    """Forward and backward of one convolution under each mechanism, relative to the plain convolution."""
    x = torch.randn(128, channels, size, size).to(memory_format=torch.channels_last).requires_grad_()
    c = Encoded(torch.randn(128, width), torch.zeros(128, 1, width))
    layers: dict[str, nn.Module] = {
        n: m(nn.Conv2d(channels, channels, 3, padding=1), width) for n, m in MECHANISMS.items()
    }
    assert isinstance(layers["concat"], Concat)
    layers["concat, literal"] = Literal(channels, width)
    times = {name: seconds(partial(step, layer, x, c), repeat=20) for name, layer in layers.items()}
    print(f"\n3×3 convolution, {channels} channels, {size}×{size}, condition of {width} numbers, relative to none:")
    for name, took in times.items():
        print(f"  {name:16} {took / times['none']:.2f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default="digits")
    parser.add_argument("--images", default="200k")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        command_line(args.data, args.images, Path(folder))
    mechanisms()


if __name__ == "__main__":
    main()
