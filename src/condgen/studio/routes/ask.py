"""Addresses about what a model can be asked, and about what came of it."""

from typing import Any

from fastapi import APIRouter, Request
from pydantic import BaseModel

from condgen.serving.bodies import ModelInfo
from condgen.serving.routes import info, serving_of
from condgen.studio.state import studio_of

router = APIRouter(prefix="/studio")


class Shown(ModelInfo):
    """A model that the page shows."""

    features: list[str]


class AllShown(BaseModel):
    """The models that the page shows, and whether it can train more."""

    models: list[Shown]
    trains: bool


@router.get("/models", summary="The models that the page shows")
async def models(request: Request) -> AllShown:
    """List the models, with the parts of the page that each of them has."""
    found: list[Any] = [
        Shown(**info(served).model_dump(), features=[]) for served in serving_of(request).models.values()
    ]
    return AllShown(models=found, trains=studio_of(request).trains)
