"""The application that the commands of this package are added to."""

import typer

app = typer.Typer(
    name="condgen",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
