"""A model that samples in a process of its own: the same samples, and every end of the process."""

import gc
import os
import shutil
import signal
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import numpy as np
import psutil
import pytest

from condgen.arrays import to_numpy
from condgen.errors import RequestError, RunError
from condgen.runs.run import Run
from condgen.runs.sampling import Part, SamplingOptions
from condgen.runtime.generator import OnnxGenerator
from condgen.serving.limits import Limits
from condgen.serving.metrics import Metrics
from condgen.serving.process import ModelProcess
from condgen.serving.served import Served
from tests.runs.conftest import exported

__all__ = ["exported"]
Begin = Callable[..., ModelProcess]


@pytest.fixture
def begin() -> Iterator[Begin]:
    begun: list[ModelProcess] = []

    def make(*arguments: object) -> ModelProcess:
        begun.append(ModelProcess(*arguments))  # type: ignore[arg-type]
        return begun[-1]

    yield make
    for each in begun:
        each.close()


def children() -> set[int]:
    """The numbers of the processes of models."""
    found = set()
    for each in psutil.Process().children():
        with suppress(psutil.NoSuchProcess):  # also one that has ended and is not waited for
            found |= {each.pid} if "spawn_main" in " ".join(each.cmdline()) else set()
    return found


def parts(model: Run | OnnxGenerator, text: str = "digit=7") -> list[Part]:
    return [Part(*model.requests(text), range(3, 6)), Part(*model.requests("digit=1"), range(9, 11))]


def right(process: ModelProcess, model: Run | OnnxGenerator) -> bool:
    found, expected = process.together(parts(model)), model.together(parts(model))
    assert isinstance(found.x, np.ndarray)
    assert found.condition.rows() == expected.condition.rows()
    assert (found.seeds.tolist(), found.request.tolist()) == (expected.seeds.tolist(), expected.request.tolist())
    return np.allclose(found.x, to_numpy(expected.x), atol=1e-4)


def test_a_process_gives_the_models_samples_until_it_is_closed(begin: Begin, exported: OnnxGenerator) -> None:
    before = children()
    process = begin(exported, exported.path, 1)
    (number,) = children() - before
    assert right(process, exported)
    with pytest.raises(RequestError, match="no critic"):
        process.together(parts(exported), SamplingOptions(best_of=2))
    with pytest.raises(RuntimeError, match="Traceback"):
        process.together([])
    for each in (signal.SIGINT, signal.SIGTERM):  # as Ctrl-C and systemd send them to all processes of a server
        os.kill(number, each)
    assert right(process, exported)
    process.close()
    assert children() == before


@pytest.mark.slow
def test_a_process_that_ended_is_begun_anew(begin: Begin, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    before = children()
    process = begin(run, run.path)
    (number,) = children() - before
    assert right(process, run)
    os.kill(number, signal.SIGKILL)
    process._process.join()
    with monkeypatch.context() as patch:
        patch.setattr(process._process, "is_alive", lambda: True)  # as if it died over the question
        with pytest.raises(RunError, match="ended"):
            process.together(parts(run))
    assert right(process, run)
    (again,) = children() - before
    assert again != number


@pytest.mark.slow
def test_another_model_in_the_file_is_not_asked(
    begin: Begin, run: Run, unconditional: Run, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    before = children()
    for place in (unconditional.path, tmp_path / "nothing"):
        process = begin(run, place)
        assert children() == before
        assert process.together(parts(run)).x.shape == (5, 1, 8, 8)
        assert f"{place} is another model by now" in caplog.text


def test_a_model_that_was_read_again_leaves_no_process(exported: OnnxGenerator, tmp_path: Path) -> None:
    before, place = children(), Path(shutil.copy(exported.path, tmp_path / "model.onnx"))
    served = Served("model", place, Limits(threads=1), Metrics(), apart=True)
    (number,) = children() - before
    os.utime(place, (0, 0))
    served.refresh()
    (again,) = children() - before
    assert again != number
    served.close()
    assert children() == before


def test_a_process_that_nobody_closed_ends_with_what_began_it(exported: OnnxGenerator) -> None:
    before, process = children(), ModelProcess(exported, exported.path)
    (number,) = children() - before
    del process
    gc.collect()
    psutil.wait_procs([psutil.Process(number)] if psutil.pid_exists(number) else [], timeout=30)
    assert children() == before
