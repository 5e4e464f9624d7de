"""`condgen studio`: trained models on a page."""

from pathlib import Path
from typing import Annotated

import typer

from condgen.cli.options import progress


def studio(
    models: Annotated[
        list[str] | None,
        typer.Argument(metavar="RUN", help="Runs or exported files. NAME=RUN gives a model another name."),
    ] = None,
    port: Annotated[
        int | None, typer.Option(help="Port to listen at, by default 8000 or any free one.", min=0, max=65535)
    ] = None,
    runs: Annotated[
        Path, typer.Option("--runs", metavar="DIR", help="Folder of the runs that the page trains, and shows.")
    ] = Path("runs"),
    open_: Annotated[bool, typer.Option("--open/--no-open", help="Open the page in the browser.")] = True,
    token: Annotated[
        str | None, typer.Option(envvar="CONDGEN_TOKEN", help="Token that every request to the models needs.")
    ] = None,
    check: Annotated[bool, typer.Option("--check", help="Read the models, say what would be shown, and stop.")] = False,
) -> None:
    """Show each RUN on a page, on which you ask, edit, explore, compare and train. Until Ctrl-C.

    Without a RUN, the page shows the latest runs in DIR, or offers to train one.

    The page is for this machine alone. It has the addresses of `condgen serve` as well, at http://127.0.0.1:PORT/v1/.
    """
    from condgen.serving.served import named
    from condgen.studio.app import create_studio
    from condgen.studio.opening import add_found
    from condgen.studio.server import show

    app = create_studio(named(models or []), runs=runs, token=token)
    if not models:
        add_found(app.state.serving, runs, progress())
    if check:
        for served in app.state.serving.models.values():
            print(f"{served.name}: can be asked for {served.generator.schema.example}")
        return
    show(app, port, token=token, browser=open_, progress=progress())
