"""Addresses of a model's report: what was measured of it, and what is wrong with it."""

from dataclasses import asdict
from typing import Any

from fastapi import APIRouter, Response
from starlette.exceptions import HTTPException

from condgen.serving.routes import TheModel
from condgen.serving.served import Served
from condgen.studio.material import folder_of
from condgen.studio.spelling import spell

router = APIRouter(prefix="/studio/{model}/report")
POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; frame-ancestors 'self'; sandbox allow-same-origin"
)


@router.get("", summary="The kept report of a model")
def report(served: TheModel) -> dict[str, Any]:
    """Show the report in the run's folder, in short. It is null if nothing was measured yet."""
    from condgen.evaluation.metrics.registry import measured
    from condgen.evaluation.report import FILE, Report

    folder = folder_of(served.generator)
    if folder is None or not (folder / FILE).exists():
        return {"report": None, "page": False}
    found = Report.load(folder / FILE)
    results = [{"title": metric.title, "lines": metric.lines(result)} for metric, result in measured(found.results)]
    shown = {
        "headline": found.headline,
        "watch": found.watch,
        "well": found.well,
        "findings": [_spelled(asdict(finding)) for finding in found.findings],
        "warnings": list(map(spell, found.warnings)),
        "results": [each for each in results if each["lines"]],
        "skipped": found.skipped,
        "seconds": found.seconds,
        "samples": found.protocol.samples,
        "current": _is_of_the_present_weights(served, found.run),
    }
    return {"report": shown, "page": (folder / _page()).exists()}


@router.get("/page", summary="The report as a page of its own")
def whole(served: TheModel) -> Response:
    """Show the page that the evaluation wrote. Nothing in it can run or load anything."""
    folder = folder_of(served.generator)
    if folder is None or not (folder / _page()).exists():
        raise HTTPException(404, f"{served.name} has no report yet.")
    return Response(
        (folder / _page()).read_bytes(),
        media_type="text/html; charset=utf-8",
        headers={"Content-Security-Policy": POLICY, "Cache-Control": "no-store"},
    )


def _spelled(finding: dict[str, Any]) -> dict[str, Any]:
    return finding | {part: spell(finding[part]) for part in ("evidence", "advice")}


def _is_of_the_present_weights(served: Served, run: dict[str, Any]) -> bool:
    from condgen.evaluation.measure import fingerprint
    from condgen.runs.run import Run

    return isinstance(served.generator, Run) and run.get("weights") == fingerprint(served.generator)


def _page() -> str:
    from condgen.pages.report import FILE

    return FILE
