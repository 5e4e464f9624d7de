"""`condgen serve`: trained models behind an HTTP API."""

from typing import Annotated

import typer

from condgen.cli.options import progress, say


def serve(
    models: Annotated[
        list[str],
        typer.Argument(metavar="RUN", help="Runs or exported files. NAME=RUN gives a model another name."),
    ],
    host: Annotated[
        str, typer.Option(help="Address to listen at. 127.0.0.1 is this machine alone, 0.0.0.0 every network.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen at. 0 is any free one.", min=0, max=65535)] = 8000,
    token: Annotated[
        str | None, typer.Option(envvar="CONDGEN_TOKEN", help="Bearer token that every request needs.")
    ] = None,
    batch: Annotated[int, typer.Option(help="Samples generated at once, of any number of requests.")] = 64,
    queue: Annotated[int, typer.Option(help="Samples that may wait. Beyond, requests are refused with 429.")] = 2_000,
    deadline: Annotated[float, typer.Option(help="Seconds after which a request is given up.")] = 60,
    samples: Annotated[int, typer.Option(help="Largest number of samples of one HTTP request.")] = 1_000,
    steps: Annotated[int, typer.Option(help="Largest number of integration steps.")] = 200,
    body: Annotated[int, typer.Option(help="Largest body in bytes.")] = 4 * 2**20,
    threads: Annotated[
        int | None, typer.Option(help="Threads in which a model computes. By default all processors but one.")
    ] = None,
    check: Annotated[
        bool, typer.Option("--check", help="Read the models, say what would be served, and stop.")
    ] = False,
) -> None:
    """Serve each RUN at http://HOST:PORT/v1/NAME, until Ctrl-C. Its name is that of its folder or file.

    Requests that come together share batches. A model is read again when its file changes. SIGTERM and Ctrl-C finish
    what was accepted.

    The API is described at /openapi.json. `condgen sample http://HOST:PORT/NAME "a 7"` asks it.
    """
    from condgen import serving
    from condgen.serving.limits import all_but_one
    from condgen.serving.served import named
    from condgen.serving.server import is_loopback

    limits = serving.Limits(
        batch=batch,
        queue=queue,
        deadline=deadline,
        samples=samples,
        steps=steps,
        body=body,
        threads=all_but_one() if threads is None else threads,
    )
    app = serving.create_app(named(models), limits=limits, token=token, apart=not check)
    if check:
        for served in app.state.serving.models.values():
            print(f"{served.name}: can be asked for {served.generator.schema.example}")
        return
    if not token and not is_loopback(host):
        say("Note: anybody who reaches this machine can use the models. --token restricts that.")
    serving.serve(app, host, port, patience=deadline, progress=progress())
