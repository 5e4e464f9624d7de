"""A guided flow on images of one attribute: quality against guidance and against steps, over several seeds.

    python benchmarks/flow.py ../shared/data/mnist --budget 10m --seeds 3 --out runs/flow --plot docs/images/flow.png
    python benchmarks/flow.py ../shared/data/mnist --budget 10m --seeds 1 --out runs/flow --intervals --validation

Each run trains as `condgen train --preset P --budget B --seed S` does. Samples answer the first `--samples` labels of
the test set, or with `--validation`, as befits a choice, of the validation part; a judge trained on real data only says
what they show. With --only some settings are measured. The Fréchet distance is on the judge's features, relative to
that of as many real training images: the floor, which depends on the number of samples. Evaluations count the
network's, two a step where guidance acts. Finished cells are kept: the command can be interrupted and repeated.
"""

import argparse
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import mean, stdev

import torch
from adversarial import quality
from cells import Cell, kept, table, trained

from condgen.data import Dataset, load
from condgen.evaluation import Judge, judge_for
from condgen.models import Flow
from condgen.models.flow.guidance import EVERYWHERE, Guidance
from condgen.models.flow.samplers import SamplerName
from condgen.rng import Rng
from condgen.runs.run import Run
from condgen.runs.samples import Samples

COLUMNS = {
    "obedience": ("obedience", ".2%"),
    "Fréchet / floor": ("ratio", ".2f"),
    "precision": ("precision", ".3f"),
    "recall": ("recall", ".3f"),
    "diversity (real = 1)": ("diversity", ".2f"),
    "samples/s": ("rate", ",.0f"),
}
GUIDANCE = (1.0, 1.5, 2.0, 2.5, 3.0)
INTERVALS = {  # by weight of guidance; a larger one in less of the time is what the paper recommends
    1.0: [EVERYWHERE],
    2.0: [EVERYWHERE, (0.0, 0.5), (0.2, 0.8), (0.5, 1.0), (0.1, 0.6)],
    3.0: [EVERYWHERE, (0.0, 0.5), (0.2, 0.8), (0.1, 0.6)],
}
INTERVAL_STEPS = (16, 12, 10, 8, 6, 5, 4)
STEPS: dict[SamplerName, tuple[int, ...]] = {"dpm": (4, 8, 16), "heun": (2, 4, 8), "euler": (4, 8, 16)}


@dataclass(frozen=True)
class Setting:
    """One way to sample."""

    guidance: float
    sampler: SamplerName
    steps: int
    part: str = ""  # of the test labels that are asked for: all, or few
    interval: tuple[float, float] = EVERYWHERE  # times at which guidance acts

    def __str__(self) -> str:
        times = "" if self.interval == EVERYWHERE else "{:g}..{:g}".format(*self.interval)
        return "-".join(filter(None, (self.sampler, str(self.steps), f"{self.guidance:g}", times, self.part)))

    @property
    def evaluations(self) -> int:
        """Evaluations of the network by a sampler that takes one a step, twice that where guidance acts."""
        times = [k / self.steps for k in range(self.steps)]
        return self.steps + sum(self.guidance != 1 and self.interval[0] <= t <= self.interval[1] for t in times)


def sampled(run: Run, held: Dataset, how: Setting, batch: int = 500) -> tuple[Samples, float]:
    model, condition, n = run.model, held.condition, len(held)
    assert isinstance(model, Flow)
    guidance = Guidance(how.guidance, how.interval)
    seeds, parts, started = torch.arange(n), [], time.perf_counter()
    for part in seeds.split(batch):
        asked, rng = condition[part].to(model.device), Rng(part.tolist())
        with torch.inference_mode():
            x = model.sample(asked, rng, guidance=guidance, sampler=how.sampler, steps=how.steps)
        parts.append(x.cpu())
    return Samples(torch.cat(parts), condition, seeds, torch.zeros_like(seeds)), n / (time.perf_counter() - started)


def measured(run: Run, judge: Judge, train: Dataset, held: Dataset, how: Setting) -> Cell:
    attribute = run.schema.names[0]
    samples, rate = sampled(run, held, how)
    return {
        "obedience": judge.agreement(samples.x, samples.condition)[attribute],
        **quality(judge, samples, train, held),
        "rate": rate,
        "evaluations": how.evaluations,
        "images": run.info.images,
        "seconds": run.info.seconds,
    }


def by_guidance_and_steps(guidance: float) -> dict[str, dict[str, Setting]]:
    """The rows of two tables: weights of guidance, and samplers and steps at one weight."""
    few = [Setting(guidance, sampler, k, "few") for sampler, steps in STEPS.items() for k in steps]
    return {
        "guidance, dpm 16": {f"{g:g}": Setting(g, "dpm", 16) for g in GUIDANCE},
        "sampler, steps": {f"{s.sampler}, {s.steps}": s for s in few},
    }


def by_interval() -> dict[str, dict[str, Setting]]:
    """The rows of a table of intervals of guidance for each number of steps."""
    found = {}
    for steps in INTERVAL_STEPS:
        rows = [Setting(g, "dpm", steps, "few", each) for g, intervals in INTERVALS.items() for each in intervals]
        named = {"{:g}, {:g} to {:g}".format(s.guidance, *s.interval): s for s in rows}
        found[f"guidance, times, dpm {steps}"] = named
    return found


def some(tables: dict[str, dict[str, Setting]], names: set[str]) -> dict[str, dict[str, Setting]]:
    """The rows of these settings, and the tables that have any."""
    found = {title: {label: s for label, s in rows.items() if str(s) in names} for title, rows in tables.items()}
    return {title: rows for title, rows in found.items() if rows}


def plot(found: dict[Setting, list[Cell]], default: Setting, path: Path) -> None:
    """Quality against guidance, and against network evaluations."""
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(1, 2, figsize=(11, 4), layout="constrained")
    scales = [Setting(g, default.sampler, default.steps) for g in GUIDANCE]
    for key, label in (("obedience", "obedience"), ("precision", "precision"), ("recall", "recall")):
        _line(axes[0], GUIDANCE, [[c[key] for c in found[s]] for s in scales], label)
    ratio = axes[0].twinx()
    _line(ratio, GUIDANCE, [[c["ratio"] for c in found[s]] for s in scales], "Fréchet / floor", "black")
    axes[0].set(xlabel="guidance (1 is plain conditional)", ylim=(0, 1.02))
    ratio.set(ylabel="Fréchet distance / real against real", ylim=(0, None))
    axes[0].legend(loc="lower left")
    for sampler, steps in STEPS.items():
        evaluations = [2 * k * (2 if sampler == "heun" else 1) for k in steps]
        cells = [found[Setting(default.guidance, sampler, k, "few")] for k in steps]
        _line(axes[1], evaluations, [[c["ratio"] for c in some] for some in cells], sampler)
    axes[1].set(xscale="log", yscale="log", xlabel="network evaluations a sample (guided)", ylabel="Fréchet / floor")
    axes[1].legend()
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)


def _line(axes, x, values, label, colour=None) -> None:  # type: ignore[no-untyped-def]
    spread = [stdev(v) if len(v) > 1 else 0 for v in values]
    axes.errorbar(x, [mean(v) for v in values], spread, label=label, marker="o", capsize=3, color=colour)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", nargs="?", default="digits")
    parser.add_argument("--preset", default="digits-flow")
    parser.add_argument("--budget", default=None)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--step-seeds", type=int, default=None, help="seeds for the table of samplers and steps")
    parser.add_argument("--samples", type=int, default=2000)
    parser.add_argument("--few", type=int, default=1000, help="samples for the table of samplers and steps")
    parser.add_argument("--guidance", type=float, default=2.0, help="for the samplers and steps")
    parser.add_argument("--intervals", action="store_true", help="the tables of intervals of guidance, and no other")
    parser.add_argument("--only", default="", help="some settings by their names, as cells have them: dpm-16-2-few,…")
    parser.add_argument("--validation", action="store_true", help="samples under labels of validation data, beside it")
    parser.add_argument("--plot", type=Path, default=None)
    parser.add_argument("--out", type=Path, default=Path("runs/flow"))
    args = parser.parse_args()
    data = load(args.data)
    judge, held = judge_for(data), data.validation if args.validation else data.test
    tables = by_interval() if args.intervals else by_guidance_and_steps(args.guidance)
    if args.only:
        tables = some(tables, set(args.only.split(",")))
    found: dict[Setting, list[Cell]] = {how: [] for rows in tables.values() for how in rows.values()}
    for how, cells in found.items():
        for seed in range((args.step_seeds if how.part else None) or args.seeds):
            folder = args.out / f"{args.preset}-{seed}"

            def measure(how: Setting = how, seed: int = seed, folder: Path = folder) -> Cell:
                run = trained(data, args.preset, folder, seed, args.budget)
                return measured(run, judge, data.train, held[: args.few if how.part else args.samples], how)

            part = "-validation" * args.validation
            cells.append(kept(args.out / f"{args.preset}-{seed}-{how}{part}.json", measure))
    images = [cell["images"] for cells in found.values() for cell in cells]
    print(f"\n{torch.get_num_threads()} threads, {args.seeds} seeds, {mean(images):,.0f} images seen.")
    columns = COLUMNS | ({"evaluations": ("evaluations", ".0f")} if args.intervals else {})
    for title, rows in tables.items():
        table(title, columns, {label: found[how] for label, how in rows.items()})
    if args.plot:
        plot(found, Setting(args.guidance, "dpm", 16), args.plot)


if __name__ == "__main__":
    main()
