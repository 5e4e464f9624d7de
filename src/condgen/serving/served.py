"""A served model: its name, the thread that owns it, and the file that it is read from again when that changes."""

import logging
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field
from functools import partial
from itertools import count
from pathlib import Path
from threading import Lock

from condgen.errors import CondgenError, RequestError
from condgen.runs.addresses import open_generator
from condgen.runs.generator import Generator, Sheds, name_of
from condgen.serving.batching import Batcher
from condgen.serving.limits import Limits
from condgen.serving.metrics import Metrics
from condgen.serving.process import ModelProcess

log = logging.getLogger("condgen.serving")
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
Stamp = tuple[tuple[str, int, int, int], ...]


class Served:
    """A model under a name.

    source: a generator, or the path of a run or an exported model.
    apart: whether the model at a path computes its samples in a process of its own.
    """

    def __init__(
        self, name: str, source: Generator | str | Path, limits: Limits, metrics: Metrics, apart: bool = False
    ):
        must_be_a_name(name)
        self.name = name
        self._apart = apart
        self._source = source
        self._place = Path(source) if isinstance(source, str | Path) else None
        self._limits, self._metrics = limits, metrics
        self._seen = stamp(self._place)
        self.batcher = self._start()

    def _start(self) -> Batcher:
        generator, process = self._read()
        batcher = Batcher(generator, self._limits, partial(self._metrics.generated, self.name), process)
        self._metrics.watch(self.name, batcher)
        self._metrics.loaded(self.name, "ok")
        return batcher

    def _read(self) -> tuple[Generator, ModelProcess | None]:
        """The generator, and the process in which it works if it has one."""
        if not isinstance(self._source, str | Path):
            return self._source, None
        generator = open_generator(self._source)
        if not self._apart:
            return generator, None
        if isinstance(generator, Sheds):
            generator.shed()
        return generator, ModelProcess(self._source, self._limits.threads)

    @property
    def generator(self) -> Generator:
        """The model as it is at present."""
        return self.batcher.generator

    def is_at(self, source: Generator | str | Path) -> bool:
        """Whether it was read from this place, or is this generator."""
        if not isinstance(source, str | Path):
            return source is self._source
        return self._place is not None and os.path.abspath(self._place) == os.path.abspath(source)

    def refresh(self) -> None:
        """Read the model again if its file has changed. The old one finishes what it accepted.

        If the new one cannot be read, for any reason such as too little memory, the old one stays.
        """
        now = stamp(self._place)
        if self._place is None or now == self._seen or not now:
            return
        self._seen = now
        try:
            before, self.batcher = self.batcher, self._start()
        except Exception as error:
            self._metrics.loaded(self.name, "failed")
            log.warning(
                "%s has changed and cannot be read, so the model before it is still served: %s",
                self.name,
                str(error) or type(error).__name__,
                exc_info=None if isinstance(error, CondgenError) else error,
            )
            return
        log.info("%s has changed and was read again.", self.name)
        before.close()

    def close(self) -> None:
        """Accept no more, and finish what was accepted."""
        self.batcher.close()


def stamp(place: Path | None) -> Stamp:
    """A stamp that changes with a file, or with the weights in a folder. Empty where there is nothing."""
    if place is None:
        return ()
    try:
        files = sorted(place.glob("*.safetensors")) if place.is_dir() else [place]
        found = [(file.name, os.stat(file)) for file in files]
    except OSError:  # while it is replaced
        return ()
    return tuple((name, stat.st_ino, stat.st_mtime_ns, stat.st_size) for name, stat in found)


def named(models: Sequence[Generator | str | Path]) -> dict[str, Generator | str | Path]:
    """Models by name: generators, paths, or texts NAME=PATH. Without one, the name is that of its file or folder.

    Raises RequestError if two have one name.
    """
    found: dict[str, Generator | str | Path] = {}
    for model in models:
        name, source = _named(str(model)) if isinstance(model, str | Path) else (name_of(model), model)
        if name in found:
            raise RequestError(
                f"{_place(found[name])} and {_place(source)} would both be called '{name}'. Give one another name: "
                f"OTHER={_place(source)}."
            )
        found[name] = source
    return found


def _named(text: str) -> tuple[str, str]:
    name, equals, path = text.partition("=")
    if equals and not Path(text).exists():
        return name, path
    whole = Path(os.path.abspath(text))
    return whole.stem if whole.is_file() else whole.name, text


def _place(model: Generator | str | Path) -> str:
    return str(model if isinstance(model, str | Path) else getattr(model, "path", name_of(model)))


def must_be_a_name(name: str) -> None:
    """Raise RequestError for a name that does not fit into an address."""
    if not NAME.fullmatch(name):
        raise RequestError(
            f"'{name}' cannot be a model's name in an address: use letters, digits, '.', '_' and '-', and give it as "
            "NAME=PATH."
        )


def opened(
    models: Mapping[str, Generator | str | Path], limits: Limits, metrics: Metrics, apart: bool = False
) -> dict[str, Served]:
    """The models by name. Raises RequestError for a wrong name, and RunError for a model that cannot be read."""
    for name in models:
        must_be_a_name(name)
    return {name: Served(name, source, limits, metrics, apart) for name, source in models.items()}


@dataclass
class Serving:
    """The state of an application: its models by name, limits, numbers and helping threads.

    threads: those that write answers.
    planners: those that read requests.
    """

    models: dict[str, Served]
    limits: Limits
    metrics: Metrics
    threads: Executor
    planners: Executor
    closing: bool = False
    _adding: Lock = field(default_factory=Lock, repr=False)

    def add(self, name: str, source: Generator | str | Path) -> Served:
        """Serve one more model while the application runs, under this name or, if another has it, one like it.

        A model of the same place is read again instead. Opens the model, so call it beside the event loop. Raises
        errors as `create_app` does.
        """
        with self._adding:  # so that a name is free until its model is open
            for served in self.models.values():
                if served.is_at(source):
                    served.refresh()
                    return served
            name = next(each for each in _like(name) if each not in self.models)
            self.models[name] = Served(name, source, self.limits, self.metrics)
            return self.models[name]


def _like(name: str) -> Iterator[str]:
    yield name
    yield from (f"{name}-{k}" for k in count(2))
