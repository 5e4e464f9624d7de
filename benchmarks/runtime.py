"""Images per second of exported models (ONNX Runtime) against PyTorch, eager and compiled, in one process and in turns.

    python benchmarks/runtime.py [--batches 1 16 500] [--seconds 1] [--models …] [--without-compile] [--threads 1]

Models are new ones of the default size, for digits of 28×28. Each number is the median of rounds in which all take
turns, noise included, so that a busy machine slows all alike. Ratios above 1 mean that the exported model is quicker.
The last lines compare a network folded for one condition (`model.specialise`) with an unconditional one of its size.
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import torch
from torch import nn

from condgen.arrays import to_numpy
from condgen.models import build
from condgen.progress import SILENT
from condgen.rng import Stream
from condgen.runs.run import Run
from condgen.runtime.generator import OnnxGenerator
from condgen.schema import Categorical, Condition, LabelDistribution, Schema
from condgen.training.checkpoint import Info

SCHEMA = Schema(attributes=(Categorical(name="digit", values=tuple("0123456789")),))
SHAPE = (1, 28, 28)
MODELS = {
    "cvae": ("cvae", {}),
    "gan (projection)": ("projection", {}),
    "cvae, prior flow": ("cvae", {"prior": "flow", "embedding": 64}),
    "pixel flow": ("flow", {}),
    "one-step student": ("meanflow", {}),
}
ROUNDS = 5


def run_of(name: str, arguments: dict[str, object]) -> Run:
    """A new model as a run."""
    torch.manual_seed(0)
    model = build(name, SCHEMA, SHAPE, **arguments)
    joint = LabelDistribution.of(Condition.of(SCHEMA, [{"digit": k} for k in range(10)]))
    info = Info(recipe=model.recipe, shape=SHAPE, schema=SCHEMA.model_dump(mode="json"), training={}, data={})
    return Run(model.eval(), joint, info, Path("new"))


def compiled(run: Run) -> Run:
    """The same run with compiled networks."""
    twin = Run(deepcopy(run.model), run.joint, run.info, run.path)
    for network in networks(twin.model):
        network.compile(dynamic=True)
    return twin


def networks(model: nn.Module) -> Iterator[nn.Module]:
    """The networks that sampling evaluates."""
    for name in ("generator.backbone", "decoder", "prior.transport.network", "transport.network", "network"):
        try:
            yield model.get_submodule(name)
        except AttributeError:
            continue


def rates(answers: dict[str, Callable[[], object]], n: int, seconds: float) -> dict[str, float]:
    """Images per second of each: the median of rounds in which they take turns."""
    found: dict[str, list[float]] = {name: [] for name in answers}
    for answer in answers.values():
        answer()
    for _ in range(ROUNDS):
        for name, answer in answers.items():
            start, done = time.perf_counter(), 0
            while time.perf_counter() - start < seconds / ROUNDS or not done:
                answer()
                done += n
            found[name].append(done / (time.perf_counter() - start))
    return {name: statistics.median(each) for name, each in found.items()}


def asks(run: Run | OnnxGenerator, n: int) -> Callable[[], object]:
    """A call that answers n requests."""
    condition = Condition.of(SCHEMA, [{"digit": k % 10} for k in range(n)])
    seeds = torch.arange(n)
    if isinstance(run, Run):
        return lambda: run.answer(condition, seeds)
    numbers = to_numpy(seeds)
    drawn = run.joint.draw({}, Stream.CONDITION.rng(numbers))
    return lambda: run.answer(drawn, numbers)  # type: ignore[arg-type]


def compare(title: str, run: Run, exported: OnnxGenerator, batches: list[int], seconds: float, compiling: bool) -> None:
    """Print the rates of one model."""
    ways: dict[str, Run | OnnxGenerator] = {"eager": run, "onnx": exported}
    ways |= {"compiled": compiled(run)} if compiling else {}
    for n in batches:
        found = rates({name: asks(way, n) for name, way in ways.items()}, n, seconds)
        ratio = {name: found["onnx"] / rate for name, rate in found.items() if name != "onnx"}
        shown = "  ".join(f"{value:5.2f} × {name}" for name, value in ratio.items())
        print(f"{title:18} batch {n:3}  onnx {found['onnx']:8.0f} images/s  {shown}", flush=True)


def folded(name: str, unconditional: str, n: int, seconds: float) -> None:
    """Print the rate of a folded network beside that of an unconditional one."""
    model: Any = run_of(name, {}).model
    plain: Any = run_of(unconditional, {}).model
    c = Condition.of(SCHEMA, [{"digit": 7}])
    special = model.specialise(c)
    other = plain.specialise(c)
    size = model.generator.latent if hasattr(model, "generator") else model.prior.latent
    noise = torch.randn(n, size)
    answers = {"folded": lambda: special(noise), "unconditional": lambda: other(noise)}
    with torch.inference_mode():
        found = rates(answers, n, seconds)
    print(f"{name} folded: {found['folded'] / found['unconditional']:.2f} × {unconditional}, batch {n}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 16, 500])
    parser.add_argument("--seconds", type=float, default=1.0, help="per model, batch and way")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--models", nargs="+", default=list(MODELS))
    parser.add_argument("--without-compile", action="store_true")
    parser.add_argument("--without-folding", action="store_true", help="leave out the last lines")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    with tempfile.TemporaryDirectory() as folder:
        for title in options.models:
            name, arguments = MODELS[title]
            run = run_of(name, arguments)
            path = run.export("onnx", Path(folder) / f"{name}{len(arguments)}.onnx", progress=SILENT)
            exported = OnnxGenerator.open(path, options.threads)
            compare(title, run, exported, options.batches, options.seconds, not options.without_compile)
    for name, unconditional in () if options.without_folding else (("projection", "gan"), ("cvae", "vae")):
        for n in options.batches:
            folded(name, unconditional, n, options.seconds)


if __name__ == "__main__":
    main()
