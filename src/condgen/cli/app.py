"""The Typer application to which the commands of this package are added."""

import typer

app = typer.Typer(
    name="condgen",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
