"""A distilled flow in one, two and four steps beside its teacher in sixteen, over several seeds.

    python benchmarks/flow.py ../shared/data/mnist --out runs/flow            # trains the teachers
    python benchmarks/one_step.py ../shared/data/mnist --teachers runs/flow --images 80k --out runs/one-step

Each student is made as `condgen distill TEACHER --set images=N --seed S` does. All answer the first `--samples` labels
of the test set, from the same noise. The Fréchet distance is on the judge's features, relative to the teacher's in as
many samples; speed is relative to the teacher's in the same process.
"""

import argparse
import shutil
import time
from pathlib import Path

import torch
from adversarial import quality
from cells import Cell, kept, table

from condgen.data import Splits, load
from condgen.evaluation import Judge, judge_for
from condgen.models import Flow
from condgen.rng import Rng
from condgen.runs.run import Run
from condgen.runs.samples import Samples
from condgen.runs.train import distill
from condgen.units import parse_count

COLUMNS = {
    "obedience": ("obedience", ".2%"),
    "Fréchet / floor": ("ratio", ".2f"),
    "Fréchet / teacher": ("to teacher", ".2f"),
    "precision": ("precision", ".3f"),
    "recall": ("recall", ".3f"),
    "diversity (real = 1)": ("diversity", ".2f"),
    "samples/s": ("rate", ",.0f"),
    "speed / teacher": ("speed", ".1f"),
}


def measured(run: Run, judge: Judge, data: Splits, n: int, steps: int, batch: int = 500) -> Cell:
    attribute, condition = run.schema.names[0], data.test.condition[:n]
    seeds, parts, started = torch.arange(n), [], time.perf_counter()
    for part in seeds.split(batch):
        asked, rng = condition[part].to(run.model.device), Rng(part.tolist())
        with torch.inference_mode():
            parts.append(run.model.sample(asked, rng, steps=steps).cpu())  # type: ignore[call-arg]
    rate = n / (time.perf_counter() - started)
    samples = Samples(torch.cat(parts), condition, seeds, torch.zeros_like(seeds))
    obeyed = judge.agreement(samples.x, condition)[attribute]
    return {"obedience": obeyed, **quality(judge, samples, data.train, data.test[:n]), "rate": rate}


def pair(teacher: Run, data: Splits, judge: Judge, folder: Path, seed: int, images: int, n: int) -> dict[str, Cell]:
    """The figures of a teacher and of its student, by steps."""
    assert isinstance(teacher.model, Flow)
    if not folder.with_suffix(".trained").exists():
        shutil.rmtree(folder, ignore_errors=True)
        distill(teacher, data, folder, images=images, seed=seed, previews=0)
        folder.with_suffix(".trained").touch()
    student = Run.open(folder)
    cells = {"teacher, 16 steps": measured(Run.open(teacher.path), judge, data, n, 16)}
    cells |= {f"student, {k} step{'s' * (k > 1)}": measured(student, judge, data, n, k) for k in (1, 2, 4)}
    first = cells["teacher, 16 steps"]
    for cell in cells.values():
        cell |= {"to teacher": cell["frechet"] / first["frechet"], "speed": cell["rate"] / first["rate"]}
        cell["images"] = student.info.images
    return cells


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", nargs="?", default="digits")
    parser.add_argument("--preset", default="digits-flow", help="of the teachers")
    parser.add_argument("--teachers", type=Path, default=Path("runs/flow"))
    parser.add_argument("--images", default="80k")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--samples", type=int, default=2000)
    parser.add_argument("--out", type=Path, default=Path("runs/one-step"))
    args = parser.parse_args()
    data = load(args.data)
    judge = judge_for(data)
    rows: dict[str, list[Cell]] = {}
    for seed in range(args.seeds):
        teacher = Run.open(args.teachers / f"{args.preset}-{seed}")
        made: dict[str, Cell] = {}
        for label in ("teacher, 16 steps", "student, 1 step", "student, 2 steps", "student, 4 steps"):

            def cell(
                label: str = label, seed: int = seed, teacher: Run = teacher, made: dict[str, Cell] = made
            ) -> Cell:
                folder = args.out / f"student-{seed}"
                made.update(made or pair(teacher, data, judge, folder, seed, parse_count(args.images), args.samples))
                return made[label]

            name = label.replace(", ", "-").replace(" ", "-")
            rows.setdefault(label, []).append(kept(args.out / f"{name}-{seed}.json", cell))
    print(f"\n{torch.get_num_threads()} threads, {args.seeds} seeds.")
    table("model", COLUMNS, rows)


if __name__ == "__main__":
    main()
