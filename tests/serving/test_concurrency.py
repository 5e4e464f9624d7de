"""Many clients at once: nothing lost or mixed up, nothing left behind. Gone clients, deadlines, stops."""

import asyncio
import base64
import io
import json
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from fastapi import FastAPI
from PIL import Image

from condgen.errors import RunError
from condgen.pictures import as_uint8
from condgen.requests.request import Request
from condgen.runs.run import Run
from condgen.serving import Limits, create_app
from condgen.serving.app import application
from condgen.serving.batching import Batcher
from condgen.serving.served import Served, Serving
from tests.serving.echo import Echo, picture

PATH = "/v1/model/sample"


def running(test: Callable[[], Awaitable[None]]) -> None:
    async def bounded() -> None:
        await asyncio.wait_for(test(), 20)

    asyncio.run(bounded())


@asynccontextmanager
async def serving(model: Any, limits: Limits | None = None) -> AsyncIterator[tuple[httpx.AsyncClient, FastAPI]]:
    """A client of a running application with one model."""
    app = create_app({"model": model}, limits=limits, watch=None)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://server") as client,
    ):
        yield client, app


def batcher_of(app: FastAPI) -> Batcher:
    state: Serving = app.state.serving
    return state.models["model"].batcher


def pixels(sample: dict[str, Any]) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(sample["image"]))), dtype=np.int16)


def right(answer: dict[str, Any], digit: int, n: int, seed: int) -> bool:
    """Whether an answer is that of its own request."""
    shown = [pixels(sample) for sample in answer["samples"]]
    expected = [as_uint8(picture(seed + k, digit))[0].numpy() for k in range(n)]
    return len(shown) == n and all((a == b).all() for a, b in zip(shown, expected, strict=True))


async def until(true: Callable[[], bool]) -> None:
    while not true():
        await asyncio.sleep(0.001)


def test_every_answer_is_its_own_requests_and_the_rest_is_told_to_wait(echo: Echo) -> None:
    async def test() -> None:
        refused = 0
        async with serving(echo, Limits(batch=8, queue=30, samples=30)) as (client, app):

            async def ask(k: int) -> None:
                nonlocal refused
                digit, n, seed = k % 9, 1 + k % 4, 1_000 * k
                body = {"request": {"digit": digit}, "n": n, "seed": seed}
                while (answer := await client.post(PATH, json=body)).status_code == 429:
                    assert int(answer.headers["retry-after"]) >= 1
                    refused += 1
                    await asyncio.sleep(0.02)
                assert answer.status_code == 200
                assert right(answer.json(), digit, n, seed)

            await asyncio.gather(*(ask(k) for k in range(80)))
            assert refused
            assert sum(map(sum, echo.batches)) == sum(1 + k % 4 for k in range(80))
            assert max(map(sum, echo.batches)) == 8
            assert batcher_of(app).unanswered == 0
            assert not batcher_of(app)._accepted

    running(test)


def test_a_flood_is_refused_before_it_is_read(echo: Echo) -> None:
    async def test() -> None:
        async with serving(echo, Limits(batch=4, queue=4, samples=4)) as (client, app):
            echo.gate.clear()
            first = asyncio.create_task(client.post(PATH, json={"n": 4}))
            await until(lambda: batcher_of(app).unanswered == 4)
            refused = await client.post(PATH, json={"n": 0})
            assert (refused.status_code, refused.headers["retry-after"]) == (429, "1")
            assert (await client.get("/v1/model/schema")).status_code == 200
            echo.gate.set()
            assert (await first).status_code == 200
            assert (await client.post(PATH, json={"n": 0})).status_code == 422

    running(test)


class Slow(Echo):
    """Reads each request as slowly as the test wants.

    reading: closed, no request is read. read: the requests whose reading has begun.
    """

    def __init__(self) -> None:
        super().__init__()
        self.reading, self.read = threading.Event(), list[Any]()

    def requests(self, asked: Any = (), extrapolate: bool = False) -> list[Request]:
        self.read.append(asked)
        assert self.reading.wait(60)
        return super().requests(asked, extrapolate)


LONG = {"request": ["digit=1"] * 30}


def test_reading_a_request_counts_before_the_deadline_and_stops_then() -> None:
    async def test() -> None:
        slow = Slow()
        async with serving(slow, Limits(deadline=0.1)) as (client, app):
            late = await client.post(PATH, json=LONG)
            assert (late.status_code, len(slow.read)) == (504, 1)
            assert batcher_of(app).unanswered == 0
            slow.reading.set()
            assert (await client.post(PATH, json={"request": ["digit=2"]})).status_code == 200
            assert slow.read == ["digit=1", "digit=2"]  # the others of the late request were left

    running(test)


def test_reading_stops_when_the_client_has_gone() -> None:
    async def test() -> None:
        slow = Slow()
        async with serving(slow) as (_, app):
            gone = asyncio.Event()
            asked = asyncio.create_task(call(app, LONG, gone))
            await until(lambda: bool(slow.read))
            gone.set()
            await asked
            slow.reading.set()
            assert batcher_of(app).unanswered == 0
            await asyncio.sleep(0.05)
            assert len(slow.read) == 1

    running(test)


def test_answers_are_written_while_others_are_read_and_too_many_of_those_are_refused() -> None:
    async def test() -> None:
        slow = Slow()
        async with serving(slow, Limits(queue=4, samples=4)) as (client, app):
            several = [asyncio.create_task(client.post(PATH, json={"request": ["digit=1"]})) for _ in range(3)]
            await until(lambda: batcher_of(app).unanswered == 3)
            state: Serving = app.state.serving
            assert await asyncio.wait_for(asyncio.get_running_loop().run_in_executor(state.threads, int), 5) == 0
            several.append(asyncio.create_task(client.post(PATH, json={"request": ["digit=1"]})))
            await until(lambda: batcher_of(app).unanswered == 4)
            assert (await client.post(PATH, json={"request": ["digit=1"]})).status_code == 429
            slow.reading.set()
            assert {(await each).status_code for each in several} == {200}

    running(test)


def test_images_are_the_same_whatever_was_generated_with_them(run: Run) -> None:
    """A pixel may differ by one level, since numbers are rounded differently in batches of other sizes."""

    async def test() -> None:
        alone = run.sample("digit=4", n=40, seed=0).x
        async with serving(run, Limits(batch=16)) as (client, _):

            async def ask(k: int) -> None:
                asked = {"request": "digit=4", "seed": k} if k < 40 else {"request": f"digit={k % 10}", "n": k % 5 + 1}
                answer = (await client.post(PATH, json=asked)).json()
                if k < 40:
                    assert np.abs(pixels(answer["samples"][0]) - as_uint8(alone[k])[0].numpy()).max() <= 1

            await asyncio.gather(*(ask(k) for k in range(80)))

    running(test)


# ---- ends


async def call(app: FastAPI, body: dict[str, Any], gone: asyncio.Event) -> list[Any]:
    """The messages of an answer to a client that goes when the event is set."""
    sent: list[Any] = []
    content = [{"type": "http.request", "body": json.dumps(body).encode(), "more_body": False}]

    async def receive() -> Any:
        if content:
            return content.pop()
        await gone.wait()
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        sent.append(message)

    headers = [(b"content-type", b"application/json")]
    scope = {"type": "http", "method": "POST", "path": PATH, "raw_path": PATH.encode(), "headers": headers}
    await app(scope | {"query_string": b"", "root_path": "", "scheme": "http", "server": ("s", 80)}, receive, send)
    return sent


@pytest.mark.parametrize("form", ["json", "ndjson", "png"])
def test_a_request_whose_client_has_gone_is_forgotten(echo: Echo, form: str) -> None:
    async def test() -> None:
        async with serving(echo, Limits(batch=4)) as (client, app):
            echo.gate.clear()
            first = asyncio.create_task(client.post(PATH, json={"seed": 7}))
            await until(echo.busy.is_set)
            gone = asyncio.Event()
            waiting = asyncio.create_task(call(app, {"n": 100, "format": form}, gone))
            await until(lambda: batcher_of(app).unanswered == 101)
            gone.set()
            await waiting
            assert batcher_of(app).unanswered == 1
            echo.gate.set()
            assert right((await first).json(), 0, 1, 7)
            assert echo.batches == [[1]]

    running(test)


def test_lines_stop_when_their_client_has_gone(echo: Echo) -> None:
    async def test() -> None:
        async with serving(echo, Limits(batch=2)) as (_, app):
            gone, sent = asyncio.Event(), asyncio.create_task(asyncio.sleep(0))
            await sent
            waiting = asyncio.create_task(call(app, {"n": 1_000, "format": "ndjson"}, gone))
            await until(lambda: len(echo.batches) >= 3)
            echo.gate.clear()
            gone.set()
            await waiting
            assert batcher_of(app).unanswered == 0
            echo.gate.set()
            made = len(echo.batches)
            await asyncio.sleep(0.05)
            assert len(echo.batches) <= made + 1 < 500

    running(test)


def test_a_deadline_ends_a_request_and_frees_its_place(echo: Echo) -> None:
    async def test() -> None:
        async with serving(echo, Limits(deadline=0.05)) as (client, app):
            echo.gate.clear()
            late = await client.post(PATH, json={"n": 3})
            assert (late.status_code, late.json()["title"]) == (504, "Gateway Timeout")
            assert batcher_of(app).unanswered == 0
            echo.gate.set()

    running(test)


def test_lines_that_are_late_end_with_a_problem(echo: Echo) -> None:
    async def test() -> None:
        async with serving(echo, Limits(batch=1, deadline=0.5)) as (client, _):
            body = {"n": 50, "format": "ndjson"}
            async with client.stream("POST", PATH, json=body):
                pass
            together = echo.together

            def stopping(*arguments: Any) -> Any:
                if len(echo.batches) > 52:
                    echo.gate.clear()
                return together(*arguments)

            echo.together = stopping  # type: ignore[method-assign]
            async with client.stream("POST", PATH, json=body) as answer:
                lines = [json.loads(line) async for line in answer.aiter_lines()]
            assert lines[-1]["problem"]["status"] == 504
            assert [line["seed"] for line in lines[:-1]] == list(range(len(lines) - 1))
            echo.gate.set()

    running(test)


def test_models_that_are_added_at_once_get_names_of_their_own(echo: Echo, monkeypatch: pytest.MonkeyPatch) -> None:
    serving, whole = application({}).state.serving, Served.__init__

    def slowly(self: Served, *arguments: Any) -> None:
        time.sleep(0.2)
        whole(self, *arguments)

    monkeypatch.setattr(Served, "__init__", slowly)
    with ThreadPoolExecutor(2) as pool:
        added = [*pool.map(lambda model: serving.add("echo", model), [echo, Echo("other")])]
    assert {each.name for each in added} == {"echo", "echo-2"} == {*serving.models}
    for each in added:
        each.close()


def test_a_stop_finishes_what_was_accepted_and_takes_no_more(echo: Echo) -> None:
    async def test() -> None:
        app = create_app({"model": echo}, limits=Limits(batch=4), watch=None)
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://server") as client:
            lifespan = app.router.lifespan_context(app)
            await lifespan.__aenter__()
            echo.gate.clear()
            asked = [asyncio.create_task(client.post(PATH, json={"n": 3, "seed": 10 * k})) for k in range(9)]
            await until(lambda: batcher_of(app).unanswered == 27)
            stopping = asyncio.create_task(lifespan.__aexit__(None, None, None))
            await until(lambda: batcher_of(app)._closed)
            assert (await client.get("/readyz")).status_code == 503
            assert (await client.get("/healthz")).status_code == 200
            refused = await client.post(PATH, json={})
            assert (refused.status_code, refused.headers["retry-after"]) == (503, "5")
            assert not stopping.done()
            echo.gate.set()
            answers = await asyncio.gather(*asked)
            assert all(right(answer.json(), 0, 3, 10 * k) for k, answer in enumerate(answers))
            await stopping

    running(test)


# ---- a model that changes


def test_a_model_that_changes_is_read_again_and_the_old_one_finishes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old, new = Echo("old"), Echo("new")
    models: list[Any] = [old, RunError("it is damaged"), MemoryError(), new]

    def open_generator(path: Path) -> Echo:
        found = models.pop(0)
        if isinstance(found, Exception):
            raise found
        return found  # type: ignore[no-any-return]

    monkeypatch.setattr("condgen.serving.served.open_generator", open_generator)
    file = tmp_path / "checkpoint.safetensors"
    file.write_text("old")

    async def test() -> None:
        async with serving(tmp_path) as (client, app):
            served = app.state.serving.models["model"]

            async def fingerprint() -> str:
                return str((await client.get("/v1/model/schema")).json()["fingerprint"])

            served.refresh()
            assert await fingerprint() == "old"
            file.write_text("damaged")
            served.refresh()
            served.refresh()
            assert await fingerprint() == "old"
            file.write_text("too large")
            served.refresh()
            assert await fingerprint() == "old"
            old.gate.clear()
            asked = asyncio.create_task(client.post(PATH, json={"seed": 5}))
            await until(old.busy.is_set)
            file.write_text("the new one")
            refreshing = asyncio.create_task(asyncio.to_thread(served.refresh))
            await until(lambda: served.generator is new)
            assert await fingerprint() == "new"
            assert right((await client.post(PATH, json={"seed": 6})).json(), 0, 1, 6)
            assert not refreshing.done()
            old.gate.set()
            assert right((await asked).json(), 0, 1, 5)
            await refreshing
            assert (old.batches, new.batches) == ([[1]], [[1]])
            file.unlink()
            served.refresh()  # as between the two steps of a replacement
            assert await fingerprint() == "new"
            loads = (await client.get("/metrics")).text
            assert 'condgen_loads_total{model="model",result="ok"} 2.0' in loads
            assert 'condgen_loads_total{model="model",result="failed"} 2.0' in loads

    running(test)


def test_files_are_looked_at_while_the_server_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    models = [Echo("old"), Echo("new")]
    monkeypatch.setattr("condgen.serving.served.open_generator", lambda path: models.pop(0))
    file = tmp_path / "model.onnx"
    file.write_text("old")

    async def test() -> None:
        app = create_app({"model": file}, watch=0.01)
        async with app.router.lifespan_context(app):
            file.write_text("the new one")
            await until(lambda: app.state.serving.models["model"].batcher.fingerprint == "new")

    running(test)


def test_a_stop_closes_all_models_though_watching_their_files_has_failed(echo: Echo) -> None:
    async def test() -> None:
        app = create_app({"model": echo}, watch=0.01)
        served, failed = app.state.serving.models["model"], asyncio.Event()
        loop = asyncio.get_running_loop()

        def refresh() -> None:
            loop.call_soon_threadsafe(failed.set)
            raise OSError("the disk is gone")

        served.refresh = refresh
        async with app.router.lifespan_context(app):
            await failed.wait()
            await asyncio.sleep(0.01)
        assert served.batcher._closed

    running(test)
