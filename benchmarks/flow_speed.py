"""How fast flows train, and what share of the device's own matrix rate that is.

    python benchmarks/flow_speed.py --presets digits-flow
    python benchmarks/flow_speed.py --presets digits-flow,digits-flow-large --compile        # on a GPU

A step is forward, backward and update of one batch of the preset. The device's rate is that of one large matrix product
in the same arithmetic (bf16 on CUDA, else float32), measured in the same run; the share counts the multiplications of
matrix products and convolutions only.
"""

import argparse
import time
from collections.abc import Callable

import torch
from torch.utils.flop_counter import FlopCounterMode

from condgen.models import build
from condgen.parameters import validated
from condgen.presets import preset
from condgen.runs.arguments import split_arguments
from condgen.runs.opening import best_device
from condgen.schema import Categorical, Condition, Schema
from condgen.training import TrainingConfig

SCHEMA = Schema(attributes=(Categorical(name="digit", values=tuple(map(str, range(10)))),))


def seconds(call: Callable[[], object], device: torch.device, repeat: int) -> float:
    """The mean time of a call, after three to warm up."""
    for _ in range(3):
        call()
    _finished(device)
    start = time.perf_counter()
    for _ in range(repeat):
        call()
    _finished(device)
    return (time.perf_counter() - start) / repeat


def _finished(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize()
    elif device.type == "mps":
        torch.mps.synchronize()


def matrix_rate(device: torch.device, kind: torch.dtype, size: int) -> float:
    """Floating-point operations a second of one large matrix product."""
    a = torch.randn(size, size, device=device, dtype=kind)
    return 2 * size**3 / seconds(lambda: a @ a, device, 10)


def report(name: str, shape: tuple[int, int, int], device: torch.device, compiled: bool, repeat: int) -> None:
    recipe = preset(name)
    family = recipe.pop("model")
    for_model, for_training = split_arguments(family, recipe)
    settings = TrainingConfig(**validated(TrainingConfig, for_training))
    model = build(family, SCHEMA, shape, **for_model).to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    optimiser = torch.optim.AdamW(model.parameters(), lr=settings.lr, fused=device.type in ("cpu", "cuda"))
    x = torch.rand(settings.batch, *shape, device=device).contiguous(memory_format=torch.channels_last)
    asked = Condition.of(SCHEMA, [{"digit": k % 10} for k in range(settings.batch)]).to(device)
    kind = torch.bfloat16 if device.type == "cuda" else torch.float32
    loss = torch.compile(model) if compiled else model

    def step() -> None:
        with torch.autocast(device.type, kind, enabled=kind is torch.bfloat16):
            terms = loss(x, asked)
        optimiser.zero_grad()
        terms["loss"].backward()
        optimiser.step()

    with FlopCounterMode(display=False) as counter:
        model(x, asked)["loss"].backward()
    took = seconds(step, device, repeat)
    rate = counter.get_total_flops() / took
    whole = matrix_rate(device, kind, 8192 if device.type == "cuda" else 2048)
    parameters = sum(p.numel() for p in model.parameters())
    print(
        f"{name} at {shape[1]}×{shape[2]}, {parameters:,} parameters, batch {settings.batch}: {1 / took:.2f} steps/s, "
        f"{settings.batch / took:,.0f} images/s; {rate / 1e9:,.0f} GFLOP/s, {rate / whole:.0%} of the device's "
        f"{whole / 1e9:,.0f}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--presets", default="digits-flow")
    parser.add_argument("--size", type=int, default=28)
    parser.add_argument("--channels", type=int, default=1)
    parser.add_argument("--compile", action="store_true")
    parser.add_argument("--repeat", type=int, default=20)
    args = parser.parse_args()
    device = best_device()
    name = torch.cuda.get_device_name() if device.type == "cuda" else f"{device}, {torch.get_num_threads()} threads"
    print(f"{name}; {'compiled' if args.compile else 'not compiled'}")
    for preset_name in args.presets.split(","):
        report(preset_name, (args.channels, args.size, args.size), device, args.compile, args.repeat)


if __name__ == "__main__":
    main()
