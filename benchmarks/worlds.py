"""How fast the rendered worlds are drawn, how well a judge reads them, and what they look like.

    python benchmarks/worlds.py                            # images a second, one thread; a few seconds
    python benchmarks/worlds.py --judge                    # and a judge's accuracy on 1,000 fresh images; minutes
    python benchmarks/worlds.py --sheet docs/images/worlds.png

The judge sees 60,000 images of 8,000; of a continuous attribute its mean error is printed, as a share of the range.
The sheet has a row for every body of a car and some of every other world; its portraits are made of the style "Pixel
Art" by DiceBear, CC0 1.0, the digits are scikit-learn's, everything else is condgen's own drawing.
"""

import argparse
import time
from pathlib import Path

import torch

from condgen.data import as_float
from condgen.data.synthetic import Cars, ColoredDigits, Portraits, Shapes, World
from condgen.evaluation import train_judge
from condgen.pictures import grid, save_picture
from condgen.rng import Rng
from condgen.schema import Categorical, Continuous

WORLDS: tuple[World, ...] = (Shapes(), Cars(), Portraits(), ColoredDigits())
ROWS = ((Shapes(64), "shape", 3), (Cars(), "body", 8), (Portraits(), "hair", 4), (ColoredDigits(64), "digit", 1))
COLUMNS = 12


def rate(world: World, n: int) -> float:
    """Images a second, conditions and random numbers included; the best of three."""
    times = []
    world.dataset(64)
    for _ in range(3):
        start = time.perf_counter()
        world.dataset(n)
        times.append(time.perf_counter() - start)
    return n / min(times)


def readings(world: World) -> str:
    """How well a judge reads each attribute."""
    data, fresh = world.dataset(8000), world.dataset(1000, seed=1)
    judge = train_judge(data.x, data.condition, images=60_000, shift=0)
    agreement = judge.agreement(fresh.x, fresh.condition)
    return ", ".join(
        f"{a.name} ±{agreement[a.name] / (a.high - a.low):.1%}"
        if isinstance(a, Continuous)
        else f"{a.name} {agreement[a.name]:.1%}"
        for a in world.schema
    )


def sheet(path: Path) -> None:
    """Rows of images, in some of which one attribute is the same."""
    images, labels = [], []
    for world, name, rows in ROWS:
        attribute = world.schema[name]
        assert isinstance(attribute, Categorical)
        for code in range(rows):
            condition = world.conditions(COLUMNS, seed=10 + code)
            same = rows == len(attribute.values)
            if same:
                condition = condition.with_codes(name, torch.full((COLUMNS,), float(code)))
            images.append(world.render(condition, Rng(range(COLUMNS))))
            labels.append(attribute.values[code] if same else world.name if code == 0 else "")
    save_picture(grid(as_float(torch.cat(images)), COLUMNS, labels), path)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-n", type=int, default=2000, help="images to time")
    parser.add_argument("--judge", action="store_true", help="train a judge on each world")
    parser.add_argument("--sheet", type=Path, help="write a contact sheet there and stop")
    options = parser.parse_args()
    torch.set_num_threads(1)
    if options.sheet:
        sheet(options.sheet)
        return
    for world in WORLDS:
        side = f"{world.size}×{world.size}"
        print(f"{world.name:15} {side:6} {rate(world, options.n):9,.0f} images/s", flush=True)
        if options.judge:
            print(f"{'':15} {readings(world)}", flush=True)


if __name__ == "__main__":
    main()
