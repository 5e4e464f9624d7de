"""Addresses for training from the page: data to look at, jobs, and their news."""

import asyncio
import json
import logging
import re
import shlex
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

from fastapi import APIRouter, FastAPI, Request, Response
from starlette.exceptions import HTTPException
from starlette.responses import FileResponse, StreamingResponse

from condgen.errors import CondgenError, RequestError
from condgen.serving.routes import serving_of
from condgen.serving.served import Serving
from condgen.serving.tickets import unless_gone
from condgen.studio import jobs
from condgen.studio.following import ERROR, Growing, config
from condgen.studio.jobs import Job, Jobs, NoJobError
from condgen.studio.material import folder_of
from condgen.studio.orders import Looking, Order, Resume, Train, free_name, measure, run_of

LOOKS = 0.25  # seconds between looks at a job's files
PINGS = 20  # looks without news before a sign of life, by which a client that went is noticed
CHECKPOINT = "checkpoint.safetensors"
PICTURE = re.compile(r"\d{1,20}")
_BEGINNING = threading.Lock()  # two equal requests at once begin one job
log = logging.getLogger("condgen.studio")


@asynccontextmanager
async def _with_jobs(app: FastAPI) -> AsyncIterator[None]:
    """Take up the jobs of an earlier studio. In the end, stop all jobs so that they save."""
    app.state.jobs = Jobs(app.state.studio.runs, partial(_serve_run, app.state.serving))
    try:
        yield
    finally:
        await asyncio.to_thread(app.state.jobs.close)


router = APIRouter(prefix="/studio", lifespan=_with_jobs)


def jobs_of(request: Request) -> Jobs:
    """The jobs of the studio that is asked."""
    found: Jobs = request.app.state.jobs
    return found


def _serve_run(serving: Serving, job: Job) -> None:
    """Serve the run of a training that has ended, also of one that was stopped."""
    if not job.trains or not config(Path(job.run)).get("images"):
        return
    try:
        job.model = serving.add(job.model, Path(job.run)).name
    except CondgenError as error:
        log.warning("%s was trained and cannot be opened: %s", job.run, error)


# ---- looking


@router.get("/choices", summary="Data sets with a name, forms of data, and families of models")
def choices() -> dict[str, Any]:
    """List what can be trained on, and what can be trained."""
    from condgen.data import BUILTIN, PUBLISHED
    from condgen.data.readers import READERS
    from condgen.data.readers.hub import USAGE
    from condgen.models import FAMILIES
    from condgen.models.registry import without_labels

    built_in = [{"name": name, "about": entry.description} for name, entry in BUILTIN.items()]
    published = [{"name": name, "about": entry.description} for name, entry in PUBLISHED.items()]
    return {
        "built_in": built_in,
        "published": published,
        "forms": [*(reader.description for reader in READERS.values()), USAGE],
        "models": {name: family.sentence for name, family in FAMILIES.items()},
        "without_labels": without_labels(),
    }


@router.get("/choices/{family}", summary="The settings of a family and of its training")
def settings(family: str) -> dict[str, Any]:
    """List every setting with its default, as `condgen settings` does."""
    from condgen.runs.settings import settings_as_dict

    return settings_as_dict(family)


@router.post("/inspect", summary="An inspection of data")
async def inspect(body: Looking, request: Request) -> Response:
    """Inspect data in a process of its own, as `condgen inspect --json` does. It ends if the client goes."""
    return Response(await unless_gone(request, _output(body.inspect())), media_type="application/json")


async def _output(command: list[str]) -> bytes:
    """The output of a command. Raises RequestError with its error."""
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        *jobs.PROGRAM, *command, stdout=pipe, stderr=pipe, env=jobs.environment()
    )
    try:
        output, said = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
    if process.returncode:
        lines = [line for line in said.decode("utf-8", "replace").splitlines() if line.strip()]
        errors = [line.removeprefix(ERROR) for line in lines if line.startswith(ERROR)]
        raise RequestError([*lines[-1:], *errors][-1] if lines else "The data could not be inspected.")
    return output


# ---- jobs


@router.get("/jobs", summary="Jobs, and the runs in the studio's folder")
def list_jobs(request: Request) -> dict[str, Any]:
    """List jobs, the newest first, and runs, the latest first."""
    known = jobs_of(request)
    return {"jobs": [_told(known, job) for job in known], "runs": [*_runs(request)]}


@router.post("/jobs", summary="A new job", status_code=201)
def start(order: Order, request: Request) -> dict[str, Any]:
    """Train, train on, or measure. One training and one measurement run at a time, and others wait."""
    known = jobs_of(request)
    match order:
        case Train(settings=wanted):
            name = wanted.name or free_name(wanted.data, partial(_is_taken, request))
            run = run_of(known.runs, name)
            if _is_taken(request, name):
                raise RequestError(f"There is already a model or a folder '{name}'. Choose another name.")
            return _told(known, known.start("train", name, run, wanted.train(run)))
        case Resume(settings=resumed):
            run = run_of(known.runs, resumed.run)
            if not (run / CHECKPOINT).is_file():
                raise RequestError(f"There is no run '{resumed.run}' to go on with in the studio's folder.")
            return _begun(known, "resume", resumed.run, run, resumed.resume(run))
        case _:
            return measured(request, order.kind, order.settings.model)


def measured(request: Request, kind: Any, model: str) -> dict[str, Any]:
    """A new job that measures a served model, looks for its faults or trains the judge of its data."""
    known = jobs_of(request)
    served = serving_of(request).models.get(model)
    if served is None:
        raise HTTPException(404, f"There is no model '{model[:100]}' here.")
    run = folder_of(served.generator)
    if run is None:
        raise RequestError(f"'{model}' is no folder of a run. What it was trained on is known there alone.")
    return _begun(known, kind, model, run, measure(kind, run, known.runs / ".judged" / model))


def _begun(known: Jobs, kind: Any, model: str, run: Path, command: list[str]) -> dict[str, Any]:
    """A new job, or the one that does the same and has not ended, as after a double click.

    Raises HTTPException if a training with another time to add has not ended.
    """
    with _BEGINNING:
        alike = [job for job in known if (job.kind, job.run) == (kind, str(run)) and not (job.over or job.stopping)]
        if any(job.command != command for job in alike):
            raise HTTPException(409, f"'{model}' is being worked on already. Wait for that, or stop it.")
        return _told(known, alike[0] if alike else known.start(kind, model, run, command))


@router.get("/jobs/{id}", summary="A job, and its result")
def one(id: str, request: Request) -> dict[str, Any]:  # noqa: A002
    """Show a job. A measurement that is done has a result, as its command prints it as JSON."""
    known = jobs_of(request)
    job = _job(known, id)
    done = job.state == "done" and not job.trains
    return _told(known, job) | ({"result": json.loads(known.output(job))} if done else {})


@router.post("/jobs/{id}/stop", summary="The end of a job")
def stop(id: str, request: Request) -> dict[str, Any]:  # noqa: A002
    """Stop a job as Ctrl-C does. A training saves first, and can be resumed."""
    known = jobs_of(request)
    known.stop(_job(known, id))
    return _told(known, _job(known, id))


@router.get("/jobs/{id}/events", summary="News of a job", response_class=StreamingResponse)
def events(id: str, request: Request) -> Response:  # noqa: A002
    """Send a job's state whenever it changes, new entries of its run's log, and names of new pictures, from the start.

    Server-sent events, whose data are JSON: `{"type": "job", …}`, `{"type": "log", "entries": […], "again": false}` and
    `{"type": "pictures", "names": […]}`. The stream ends with the job.
    """
    known = jobs_of(request)
    return StreamingResponse(_stream(request, known, _job(known, id)), media_type="text/event-stream")


@router.get("/jobs/{id}/pictures/{name}", summary="Samples in training")
def picture(id: str, name: str, request: Request) -> Response:  # noqa: A002
    """Show the picture of the same requests and seeds after so many images."""
    path = Path(_job(jobs_of(request), id).run) / "samples" / f"{name}.png"
    if not PICTURE.fullmatch(name) or not path.is_file():
        raise HTTPException(404, "There is no such picture.")
    return FileResponse(path, media_type="image/png", headers={"Cache-Control": "max-age=86400, immutable"})


def _job(known: Jobs, id: str) -> Job:  # noqa: A002
    try:
        return known[id]
    except NoJobError as error:
        raise HTTPException(404, str(error)) from None


async def _stream(request: Request, known: Jobs, job: Job) -> AsyncIterator[str]:
    """News of a job until it or the server ends."""
    growing, quiet = Growing(Path(job.run)), 0
    told: dict[str, Any] = {}
    while True:
        last = job.over or serving_of(request).closing
        state = await asyncio.to_thread(_told, known, job)
        news = await asyncio.to_thread(_news, growing, job)
        for event in [*([{"type": "job"} | state] if state != told else []), *news]:
            quiet = 0
            yield f"data: {json.dumps(event, ensure_ascii=False)}\n\n"
        told, quiet = state, quiet + 1
        if last:
            return
        if quiet % PINGS == 0:
            yield ": here\n\n"
        await asyncio.sleep(LOOKS)


def _news(growing: Growing, job: Job) -> list[dict[str, Any]]:
    return [{"type": kind} | content for kind, content in growing.news()] if job.trains and job.process else []


def _told(known: Jobs, job: Job) -> dict[str, Any]:
    """A job as the page shows it."""
    said, header = known.said(job), config(Path(job.run)) if job.trains else {}
    shown = ("id", "kind", "model", "state", "stopping", "created", "ended", "error")
    return {
        **{name: getattr(job, name) for name in shown},
        "run": Path(job.run).name,
        "command": shlex.join(["condgen", *job.command]),
        "images": header.get("images"),
        "total": header.get("total"),
        "shape": header.get("shape"),
        **said,
    }


def _runs(request: Request) -> Iterator[dict[str, Any]]:
    """The runs in the studio's folder, the latest first. Others than the page may have trained them."""
    found = jobs_of(request).runs.glob(f"[!.]*/{CHECKPOINT}")
    for file in sorted(found, key=lambda file: -file.stat().st_mtime):
        header = config(file.parent)
        facts = {name: header.get(name) for name in ("model", "images", "total", "seconds")}
        data = header.get("data")
        source = data.get("source") if isinstance(data, dict) else None
        yield {"run": file.parent.name, **facts, "data": source, "served": _served_name(request, file.parent)}


def _served_name(request: Request, run: Path) -> str | None:
    """The name under which a run is served."""
    return next((name for name, served in serving_of(request).models.items() if served.is_at(run)), None)


def _is_taken(request: Request, name: str) -> bool:
    """Whether a model, a folder or a job that waits has this name."""
    known = jobs_of(request)
    waiting = {job.model for job in known if not job.over}
    return name in serving_of(request).models or name in waiting or (known.runs / name).exists()
