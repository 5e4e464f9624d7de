"""`condgen augment`: a dataset in which an attribute's values are equally frequent, and what that is worth."""

from typing import Annotated

import typer

from condgen.cli.options import (
    Data,
    Guidance,
    Interval,
    JudgeImages,
    Out,
    Sampler,
    Steps,
    Trust,
    data_of,
    progress,
    sampling_by,
)


def augment(
    data: Data,
    run: Annotated[str, typer.Option("--run", metavar="RUN", help="Run that generates what is missing.")],
    attribute: Annotated[str, typer.Option("--attribute", metavar="NAME", help="Attribute to balance.")],
    out: Out,
    to: Annotated[
        int | None, typer.Option(help="Examples of every value in the end. By default as many as the commonest has.")
    ] = None,
    worth: Annotated[
        int, typer.Option(min=0, help="Seeds for measuring what the generated examples are worth. 0 leaves it out.")
    ] = 3,
    judge_images: JudgeImages = None,
    seed: Annotated[int, typer.Option(help="Seed of the first generated sample of every value.")] = 0,
    guidance: Guidance = None,
    interval: Interval = None,
    sampler: Sampler = None,
    steps: Steps = None,
    trust: Trust = False,
) -> None:
    """Balance DATA: its training part, with generated examples of rare values of an attribute, in a new dataset OUT.

    A number is cut into five ranges. Then predictors are trained on the real examples alone, with the rare ones
    repeated, and with the generated ones, and tested on held-out real examples: what the generated ones are worth.
    """
    from condgen.evaluation.augmentation import augment as augmented
    from condgen.runs.run import Run

    opened = Run.open(run, trust=trust)
    found = augmented(
        opened,
        data_of(opened, data),
        attribute,
        out,
        to=to,
        worth=worth,
        images=judge_images,
        seed=seed,
        sampling=sampling_by(guidance, interval, sampler, steps),
        progress=progress(),
    )
    print(found)
