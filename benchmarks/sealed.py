"""The price of digests: saving and opening a checkpoint with them and without.

python benchmarks/sealed.py [--megabytes 230] [--repeats 7]
"""

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import torch
from safetensors import safe_open
from safetensors.torch import save_file

from condgen import sealed
from condgen.files import writing

TENSORS = 80


def milliseconds(action: Callable[[], object], repeats: int) -> str:
    taken = []
    for _ in range(repeats):
        started = time.perf_counter()
        action()
        taken.append(1000 * (time.perf_counter() - started))
    return f"{median(taken):5.0f} ms (from {min(taken):.0f} to {max(taken):.0f})"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--megabytes", type=int, default=230)
    parser.add_argument("--repeats", type=int, default=7)
    args = parser.parse_args()
    tensors = {f"t{k}": torch.randn(args.megabytes * 250_000 // TENSORS) for k in range(TENSORS)}
    with tempfile.TemporaryDirectory(dir=".") as folder:
        plain, digests = Path(folder) / "plain", Path(folder) / "digests"

        def save(path: Path, write: Callable[[Path], None]) -> None:
            with writing(path) as partial:
                write(partial)

        def open_plain() -> float:
            with safe_open(plain, "pt") as file:
                return sum(float(file.get_tensor(name).sum()) for name in tensors)

        def open_sealed() -> float:
            return sum(float(tensor.sum()) for tensor in sealed.read(digests)[1].values())

        for title, action in (
            ("saving, without digests", lambda: save(plain, lambda path: save_file(tensors, path))),
            ("saving, with digests", lambda: save(digests, lambda path: sealed.write(path, tensors, {}))),
            ("opening, without digests", open_plain),
            ("opening, with digests", open_sealed),
        ):
            print(f"{title:26}{milliseconds(action, args.repeats)}")


if __name__ == "__main__":
    main()
