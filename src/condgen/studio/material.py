"""The training data of a model and the judge of its attributes, loaded in the background when they are first needed."""

import threading
from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures import TimeoutError as Late
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from condgen.errors import CondgenError, RequestError
from condgen.progress import SILENT
from condgen.runs.generator import Generator, Sourced

if TYPE_CHECKING:
    from condgen.data import DataSource, Splits
    from condgen.evaluation.judge.judge import Judge

T = TypeVar("T")
USUAL = 200  # held-out examples from which the usual distance to training data is taken


def folder_of(generator: Generator) -> Path | None:
    """The folder of a run, in which its reports are. None for a model that is no run, or a file of weights alone."""
    path = getattr(generator, "path", None)
    return path if isinstance(path, Path) and path.is_dir() else None


def discovers(generator: Generator) -> bool:
    """Whether a model's attributes are codes of its own (`condgen.models.protocols.Discovers`, which needs PyTorch).

    An exported model cannot read them, and says so in its header.
    """
    model = getattr(generator, "model", None)
    return hasattr(model, "read") or getattr(model, "discovers", False)


def without_labels(generator: Generator) -> bool:
    """Whether the data of a run is known to have no labels."""
    schema = getattr(getattr(generator, "info", None), "schema", None)
    return isinstance(schema, dict) and not schema.get("attributes")


_ONE_AT_A_TIME = threading.Lock()  # loading takes both memory and disk


def begun(call: Callable[[], T]) -> Future[T]:
    """The result of a call in a thread of its own, for which the end of Python does not wait."""
    future: Future[T] = Future()

    def work() -> None:
        try:
            with _ONE_AT_A_TIME:
                future.set_result(call())
        except BaseException as error:
            future.set_exception(error)

    threading.Thread(target=work, name="condgen-data", daemon=True).start()
    return future


class Material:
    """The training data of a model, if the model knows it and may read it (see `condgen.runs.trust`).

    Data that would have to be fetched is left alone: nobody has asked for that.
    """

    def __init__(self, generator: Generator):
        self.generator = generator
        self.images = len(generator.shape) == 3
        self._loading: Future[Splits] | None = None
        self._judge: Judge | None = None

    @cached_property
    def missing(self) -> str:
        """The reason why there is none. Empty if it can be loaded, as far as that is known beforehand."""
        if not isinstance(self.generator, Sourced):
            return "This model does not say what it was trained on."
        try:
            self.generator.must_have_data()
        except CondgenError as error:
            return str(error)
        return _apart(self.generator.source)

    def data(self, patience: float | None = None) -> "Splits | None":
        """The data. None if there is none, or if it takes longer to load than a number of seconds."""
        if self.missing:
            return None
        if self._loading is None:
            self._loading = begun(self._load)
        try:
            return self._loading.result(patience)
        except Late:
            return None
        except Exception as error:  # of any reader: the page does without
            self.missing = str(error) if isinstance(error, CondgenError) else f"The data cannot be read: {error}."
            return None

    def _load(self) -> "Splits":
        generator: Any = self.generator
        data: Splits = generator.data(None, SILENT)
        if data.schema != self.generator.schema and not discovers(self.generator):
            raise RequestError("The training data has other attributes than the model.")
        return data

    def must_have_data(self) -> "Splits":
        """The data. Raises RequestError if there is none."""
        if (data := self.data()) is None:
            raise RequestError(self.missing)
        return data

    @property
    def judged(self) -> bool:
        """Whether the model's attributes are labels of the data, which a judge can learn."""
        return len(self.generator.schema) > 0 and not discovers(self.generator)

    def judge(self) -> "Judge | None":
        """The judge that evaluations use, if it was trained before.

        Raises RequestError if there is no data, and if the model has no attributes of the data.
        """
        if not self.judged:
            raise RequestError("This model has no attributes of its data that a judge could read.")
        data = self.must_have_data()  # first: without it there may be no PyTorch either
        if self._judge is None:
            from condgen.evaluation.judge.judge import kept_judge

            self._judge = kept_judge(data)
        return self._judge

    @cached_property
    def usual(self) -> float:
        """The usual distance of a held-out example from the nearest training example."""
        from condgen.evaluation.metrics.memorisation import nearest_one

        data = self.must_have_data()
        held_out = data.validation if len(data.validation) else data.test
        return float(nearest_one(held_out[:USUAL].observations, data.train.observations)[0].median())


def _apart(source: "DataSource") -> str:
    """The reason why data is left alone that could be loaded. Empty if there is none."""
    from condgen.data import PUBLISHED
    from condgen.data.readers import is_address
    from condgen.data.storage.downloads import datasets_folder

    place = source.address or ""
    published = place in PUBLISHED and source.data_dir is None and not (datasets_folder() / place).is_dir()
    if is_address(place) or published:
        return f"The training data, {place}, is elsewhere, and the studio fetches nothing."
    return "The training data is a stream." if source.streaming else ""
