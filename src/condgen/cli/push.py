"""`condgen push`: a run on the Hugging Face Hub."""

from typing import Annotated

import typer

from condgen.cli.options import RunOrFile, say


def push(
    run: RunOrFile,
    name: Annotated[str, typer.Argument(metavar="OWNER/NAME", help="Name on the Hugging Face Hub.")],
    space: Annotated[
        bool, typer.Option("--space", help="Push a Space that serves RUN over HTTP, instead of the model.")
    ] = False,
    private: Annotated[
        bool, typer.Option("--private", help="Make it visible to you and your organisation only.")
    ] = False,
    licence: Annotated[
        str, typer.Option("--licence", help="Licence of the weights, by the Hub's identifier: apache-2.0, cc-by-4.0.")
    ] = "",
    data_licence: Annotated[
        str, typer.Option("--data-licence", help="Licence of the training data, in words, if condgen does not know it.")
    ] = "",
) -> None:
    """Share RUN on the Hugging Face Hub: weights, config.json, a card with its report, and a picture.

    The card is made from the report that `condgen evaluate RUN` writes. Neither the place of the data nor the settings
    of training are shared. `condgen export RUN --to hub --out FOLDER` writes what would be pushed, for you to look at.

    With --space, an exported model is pushed with a Dockerfile that serves it without PyTorch (`--to space`).

    The Hub knows you by the token that `hf auth login` keeps, or by the environment variable HF_TOKEN.
    """
    from condgen.evaluation.measure import kept_report
    from condgen.runs.run import Run

    opened = Run.open(run)
    if not space and kept_report(opened) is None:
        say(f"Note: {run} has no report of these weights, so its card says that nothing was measured.")
    licences = {"licence": licence, "data_licence": data_licence}
    given = {kind: text for kind, text in licences.items() if text}
    print(opened.push_to_hub(name, space=space, private=private, **given))
    if not space:
        print(f"Next: condgen sample hf:{name} -n 16 --out samples")
