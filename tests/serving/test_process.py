"""A model that samples in a process of its own: the same samples, and every end of the process."""

import base64
import gc
import io
import os
import shutil
import signal
from collections.abc import Callable, Iterator
from contextlib import suppress
from operator import methodcaller
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
from PIL import Image
from starlette.testclient import TestClient

from condgen.arrays import to_numpy
from condgen.errors import RequestError, RunError
from condgen.runs.generator import Generator
from condgen.runs.run import Run
from condgen.runs.sampling import Part, SamplingOptions
from condgen.runtime.generator import OnnxGenerator
from condgen.serving import create_app
from condgen.serving.limits import Limits
from condgen.serving.metrics import Metrics
from condgen.serving.process import ModelProcess, NotBegunError, Work, reason_of
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


def asked(model: Run | OnnxGenerator, how: SamplingOptions | None = None) -> Work:
    return methodcaller("together", parts(model), how)


def right(process: ModelProcess, model: Run | OnnxGenerator) -> bool:
    found, expected = process(asked(model)), model.together(parts(model))
    assert isinstance(found.x, np.ndarray)
    assert found.condition.rows() == expected.condition.rows()
    assert (found.seeds.tolist(), found.request.tolist()) == (expected.seeds.tolist(), expected.request.tolist())
    return np.allclose(found.x, to_numpy(expected.x), atol=1e-4)


def test_a_process_gives_the_models_samples_until_it_is_closed(begin: Begin, exported: OnnxGenerator) -> None:
    before = children()
    process = begin(exported.path, 1)
    (number,) = children() - before
    assert (right(process, exported), process.fingerprint) == (True, exported.fingerprint)
    with pytest.raises(RequestError, match="no critic"):
        process(asked(exported, SamplingOptions(best_of=2)))
    with pytest.raises(RuntimeError, match="Traceback"):
        process(methodcaller("together", []))
    for each in (signal.SIGINT, signal.SIGTERM):  # as Ctrl-C and systemd send them to all processes of a server
        os.kill(number, each)
    assert right(process, exported)
    process.close()
    assert children() == before


@pytest.mark.slow
def test_a_process_that_ended_is_begun_anew(begin: Begin, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    before = children()
    process = begin(run.path)
    (number,) = children() - before
    assert (right(process, run), process.fingerprint) == (True, run.fingerprint)
    os.kill(number, signal.SIGKILL)
    process._process.join()
    with monkeypatch.context() as patch:
        patch.setattr(process._process, "is_alive", lambda: True)  # as if it died over the question
        with pytest.raises(RunError, match="ended"):
            process(asked(run))
    assert right(process, run)
    (again,) = children() - before
    assert again != number


@pytest.mark.parametrize(
    ("status", "told"),
    [(-signal.SIGKILL, " by signal 9 (Killed"), (-signal.SIGBUS, " by signal"), (3, " with status 3."), (None, ".")],
)
def test_a_process_that_ended_tells_by_which_signal(status: int | None, told: str) -> None:
    assert reason_of(status).startswith(told)
    assert ("out of memory" in reason_of(status)) == (status == -signal.SIGKILL)


def edited(place: Path, fields: dict[str, str]) -> tuple[dict[str, Any], Generator]:
    """The answer to an edit of a served model's own picture, and what the server itself has of the model."""
    with TestClient(create_app({"model": place}, watch=None, apart=True)) as client:
        sample = client.post("/v1/model/sample", json={"request": "digit=3"}).json()["samples"][0]
        files = [("image", ("3.png", base64.b64decode(sample["image"])))]
        answer = client.post("/v1/model/edit", files=files, data={"request": "digit=8", **fields})
        return answer.json(), client.app.state.serving.models["model"].generator  # type: ignore[attr-defined]


def test_edits_are_computed_where_the_weights_are(exported: OnnxGenerator) -> None:
    answer, shed = edited(exported.path, {"source": "digit=3"})
    expected = exported.edit(
        exported.sample("digit=3", n=1).x, exported.stated(*exported.requests("digit=3"), 1), "digit=8"
    )
    shown = np.asarray(Image.open(io.BytesIO(base64.b64decode(answer["samples"][0]["image"]))))
    assert np.allclose(shown / 255, expected.x[0, 0], atol=3 / 255)
    assert (answer["samples"][0]["condition"], answer["sources"]) == ({"digit": "8"}, [{"digit": "3"}])
    assert not hasattr(shed.model, "_session")  # type: ignore[attr-defined]


@pytest.mark.slow
def test_a_runs_weights_are_in_its_process_only(run: Run) -> None:
    answer, shed = edited(run.path, {})
    assert answer["sources"] == run.read(run.sample("digit=3", n=1).x).rows()
    assert {each.device.type for each in shed.model.parameters()} == {"meta"}  # type: ignore[attr-defined]


def test_a_process_that_can_read_nothing_says_why(tmp_path: Path) -> None:
    before = children()
    with pytest.raises(NotBegunError, match=r"nothing\.onnx cannot be read"):
        ModelProcess(tmp_path / "nothing.onnx")
    assert children() == before


def test_another_model_in_the_file_is_not_asked(begin: Begin, exported: OnnxGenerator) -> None:
    before, process = children(), begin(exported.path)
    process.fingerprint = "of the file that was there"
    os.kill(*(children() - before), signal.SIGKILL)
    process._process.join()
    with pytest.raises(NotBegunError, match="another model by now"):
        process(asked(exported))
    assert children() == before


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
    before, process = children(), ModelProcess(exported.path)
    (number,) = children() - before
    del process
    gc.collect()
    psutil.wait_procs([psutil.Process(number)] if psutil.pid_exists(number) else [], timeout=30)
    assert children() == before
