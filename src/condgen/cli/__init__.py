"""The command line. Heavy modules are imported inside the commands, so that `--help` answers at once."""

import os
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from functools import partial
from io import TextIOWrapper
from typing import Annotated, Any, NoReturn
from warnings import catch_warnings

import typer

from condgen.cli.app import CommandWithContext, app
from condgen.cli.augment import augment
from condgen.cli.compare import compare
from condgen.cli.datasets import datasets, presets
from condgen.cli.edit import edit
from condgen.cli.evaluate import doctor, evaluate
from condgen.cli.export import export
from condgen.cli.gallery import gallery
from condgen.cli.inspect import inspect
from condgen.cli.push import push
from condgen.cli.sample import sample
from condgen.cli.serve import serve
from condgen.cli.settings import settings
from condgen.cli.studio import studio
from condgen.cli.train import distill, resume, train
from condgen.cli.verify import verify
from condgen.errors import CondgenError, CondgenWarning, shorten
from condgen.extras import explained
from condgen.processes import RANK, writes

INTERRUPTED = 130  # exit status after Ctrl-C, as shells have it


@app.callback(invoke_without_command=True)
def _condgen(version: Annotated[bool, typer.Option("--version", help="Print the version and stop.")] = False) -> None:
    """Conditional generation: train on labelled data, ask for attributes, get what you asked for."""
    if version:
        from importlib.metadata import version as installed

        print(installed("condgen"))
        raise typer.Exit


COMMANDS = (
    inspect,
    train,
    resume,
    sample,
    edit,
    gallery,
    augment,
    evaluate,
    compare,
    doctor,
    distill,
    export,
    push,
    serve,
    studio,
    verify,
    datasets,
    presets,
    settings,
)
for _command in COMMANDS:
    app.command(cls=CommandWithContext)(_command)


def _tell(otherwise: Callable[..., object], message: Warning | str, category: type[Warning], *where: Any) -> None:
    """Print condgen's own warnings as one line, without the line of code that gave them."""
    if not issubclass(category, CondgenWarning):
        otherwise(message, category, *where)
    else:
        _say("note", str(message))


def _say(what: str, text: str) -> None:
    """Print a note or an error, for people in the words of the command line, for a program as a line of JSON."""
    from condgen.cli.spelling import spell
    from condgen.progress.events import emit
    from condgen.progress.shown import in_json

    if in_json():
        emit({what: f"{_who()}{text}"})
    else:
        print(f"{_who()}{what.capitalize()}: {_plain(spell(text))}", file=sys.stderr)


def _plain(text: str) -> str:
    """A text without what a terminal would take for a command: names may come from anybody's files."""
    return "".join(c if c.isprintable() or c == "\n" else "\ufffd" for c in text)


@contextmanager
def _first_alone() -> Iterator[None]:
    """Let only the first of the processes that train together print anything but errors."""
    if writes():
        yield
        return
    with open(os.devnull, "w") as nowhere, redirect_stdout(nowhere), redirect_stderr(nowhere):
        yield


def _joined() -> bool:
    """Whether other processes train with this one. Before they have met, all make the same mistake."""
    distributed = sys.modules.get("torch.distributed")
    return distributed is not None and distributed.is_initialized()


def _who() -> str:
    """The process that an error is about, if it is one of several and not the first."""
    return "" if writes() else f"Process {os.environ[RANK]}: "


def main() -> None:
    """Run the command line. Every error that the user can act on is one paragraph and an exit status."""
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # terminals cannot show every file name
    try:
        with catch_warnings(), explained(), _first_alone():
            warnings.showwarning = partial(_tell, warnings.showwarning)
            app(prog_name="condgen")
    except CondgenError as error:
        if writes() or _joined():
            _say(error.told_as, str(error))
        sys.exit(error.exit_status)
    except OSError as error:
        _say("error", f"{shorten(str(error.filename or 'the system'), 200)}: {error.strerror or error}.")
        sys.exit(1)
    except KeyboardInterrupt:
        _stopped()
    except SystemExit as ended:
        if ended.code != INTERRUPTED:
            raise
        _stopped()  # Typer turns Ctrl-C into this status, without a word


def _stopped() -> NoReturn:
    """End after Ctrl-C outside of training, which saves and says so itself."""
    print("Stopped.", file=sys.stderr)
    sys.exit(INTERRUPTED)
