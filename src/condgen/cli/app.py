"""The Typer application to which the commands of this package are added."""

import typer
import typer.core

app = typer.Typer(
    name="condgen",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)


class CommandWithContext(typer.core.TyperCommand):
    """A command whose function can ask for its `typer.Context`. Typer itself passes one of another class."""

    context_class = typer.Context
