"""The speed of the presets' training steps, kept in a history, so that a slower commit is seen.

    python benchmarks/steps.py digits digits-flow faces-gan
    python benchmarks/steps.py faces-gan --set onlooker=1 --set onlooker_from=0 --set onlooker_every=1
    python benchmarks/steps.py --compare

A step is measured on random data of the preset's usual shape, in turn with a convolution (3×3, 64 channels, forward and
backward) in the same arithmetic. Their ratio, images in the time of one convolution, holds when the machine's speed
drifts. Every line of the history has the commit, the machine, the preset, images/s and the ratio. Times are those
of the process's computing on one thread, so other work beside it matters little.
"""

import argparse
import json
import subprocess
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from reference import convolution, operations
from torch import nn

from condgen.models import FAMILIES, build
from condgen.parameters import keyword_arguments
from condgen.presets import preset
from condgen.runs.arguments import overridden
from condgen.schema import Categorical, Condition, Flag, Schema
from condgen.training import TrainingConfig
from condgen.training.machine import processor
from condgen.training.optimisers import adamw

HISTORY = Path("benchmarks/history.jsonl")
PERIOD = 8  # steps whose operations are counted, as often as penalties come
SLOWER = 0.9  # of the ratio before, from which on a commit is called slower
DIGITS = Schema(attributes=(Categorical(name="digit", values=tuple("0123456789")),)), (1, 28, 28)
PHOTOGRAPHS = Schema(attributes=tuple(Flag(name=name) for name in ("male", "young", "glasses"))), (3, 64, 64)


def step_of(name: str, bf16: bool, others: Mapping[str, str] = {}) -> tuple[Callable[[], None], int]:
    """A training step of a preset with some other settings, every player once, and its number of images."""
    settings, _ = overridden(preset(name), others)
    family = FAMILIES[settings.pop("model")]
    schema, shape = DIGITS if name.startswith("digits") else PHOTOGRAPHS
    of_training = {**family.training, **settings}
    config = TrainingConfig(**{k: v for k, v in of_training.items() if k in keyword_arguments(TrainingConfig)})
    arguments = {k: v for k, v in settings.items() if k in keyword_arguments(family.builder)}
    model = build(preset(name)["model"], schema, shape, **arguments).train()
    model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    optimisers = {player: adamw(parameters, config) for player, parameters in model.players().items()}
    x = torch.rand(config.batch, *shape).contiguous(memory_format=torch.channels_last)
    codes = {a.name: torch.randint(0, 2, (config.batch,)).float() for a in schema}
    condition = Condition(schema, codes, torch.ones(config.batch, len(schema), dtype=torch.bool))

    def step() -> None:
        for player, parameters in model.players().items():
            with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
                terms = model(x, condition, player)
            optimisers[player].zero_grad()
            terms["loss"].backward(inputs=parameters)
            nn.utils.clip_grad_norm_(parameters, config.clip)
            optimisers[player].step()

    return step, config.batch


def in_turn(steps: Mapping[str, Callable[[], None]], times: int) -> dict[str, float]:
    """The fewest seconds of computing that each takes, of several times in turn."""
    best: dict[str, float] = {}
    for k in range(times + 2):  # the first two warm up
        for name, step in steps.items():
            started = time.process_time()
            step()
            taken = time.process_time() - started
            best[name] = min(best.get(name, taken), taken) if k > 1 else taken
    return best


def measured(name: str, bf16: bool, times: int, others: Mapping[str, str]) -> dict[str, Any]:
    """A line of the history."""
    step, images = step_of(name, bf16, others)
    seconds = in_turn({"step": step, "convolution": convolution(bf16)}, times)
    arithmetic = "bf16" if bf16 else "float32"
    speed = images / seconds["step"]
    shown = " ".join([name, *(f"{key}={value}" for key, value in others.items())])
    found = {"preset": shown, "arithmetic": arithmetic, "images/s": round(speed, 1)}
    of_one = min(operations(step) for _ in range(PERIOD)) / images  # the quickest step has no penalty
    share = speed * of_one * seconds["convolution"] / operations(convolution(bf16))
    return {**found, "ratio": float(f"{speed * seconds['convolution']:.4g}"), "share": round(share, 3)}


def where() -> dict[str, str]:
    """The commit and the machine."""
    commit = subprocess.run(["git", "describe", "--always", "--dirty"], capture_output=True, text=True, check=False)
    return {"commit": commit.stdout.strip(), "machine": f"{processor()}, torch {torch.__version__}"}


def compare(history: Path) -> None:
    """Print every preset's ratios in the order of the history, and name what is slower than the line before it."""
    before: dict[tuple[str, ...], float] = {}
    for line in map(json.loads, history.read_text(encoding="utf-8").splitlines()):
        key = (line["machine"], line["preset"], line["arithmetic"])
        change = line["ratio"] / before.get(key, line["ratio"])
        verdict = "  SLOWER" if change < SLOWER else ""
        shown = (
            f"{line['preset']:20} {line['arithmetic']:8} {line['images/s']:9,.0f} images/s  ratio {line['ratio']:8.4g}"
        )
        print(f"{line['commit']:22} {shown}  × {change:.2f}{verdict}")
        before[key] = line["ratio"]


def main() -> None:
    """Measure presets and keep the figures, or compare those that are kept."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("presets", nargs="*", default=["digits", "digits-cvae", "digits-flow", "faces", "faces-gan"])
    parser.add_argument("--history", type=Path, default=HISTORY, help="file of lines of JSON")
    parser.add_argument("--times", type=int, default=10, help="number of measured steps of each")
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="another setting")
    parser.add_argument("--compare", action="store_true", help="print the history, with what became slower")
    args = parser.parse_args()
    if args.compare:
        compare(args.history)
        return
    torch.set_num_threads(1)
    for name in args.presets:
        for bf16 in (False, True):
            line = {**where(), **measured(name, bf16, args.times, dict(each.split("=", 1) for each in args.set))}
            print(json.dumps(line), flush=True)
            with args.history.open("a", encoding="utf-8") as file:
                file.write(json.dumps(line) + "\n")


if __name__ == "__main__":
    main()
