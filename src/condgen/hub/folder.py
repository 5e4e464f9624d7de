"""The folder of a shared run, by the conventions of the Hugging Face Hub."""

import json
from pathlib import Path

from condgen.evaluation.measure import kept_report
from condgen.files import write_text
from condgen.hub.card import card
from condgen.outputs import new_folder
from condgen.pictures import save_picture
from condgen.runs.exporting import EXPORTERS, Exporter
from condgen.runs.hub import CARD, CONFIG, WEIGHTS
from condgen.runs.run import Run
from condgen.training.config import config

PICTURE = "samples.png"
ROWS, COLUMNS = 8, 10  # of the picture, at most


def write(run: Run, path: Path, *, name: str = "owner/name", licence: str = "", data_licence: str = "") -> None:
    """Write weights, config.json, a card and a picture into a new folder.

    name: on the Hub, for the card.
    licence: of the weights, by its identifier on the Hub, such as apache-2.0.
    data_licence: of the training data, in words. By default as far as condgen knows it.

    Raises RequestError if the path is in use, and RunError if it cannot be written.
    """
    with new_folder(path, "the folder") as partial:
        EXPORTERS["weights"].write(run, partial / WEIGHTS)
        shared = Run.open(partial / WEIGHTS, device="cpu")  # has neither the places nor the settings of training
        write_text(partial / CONFIG, json.dumps(described(shared), indent=2, ensure_ascii=False) + "\n")
        picture = _picture(run, partial)
        text = card(run, kept_report(run), name, licence=licence, data_licence=data_licence, picture=picture)
        write_text(partial / CARD, text)


def described(shared: Run) -> dict[str, object]:
    """The content of config.json: the header of the weights for people and for other programs."""
    return {"library_name": "condgen", "model_type": shared.info.recipe["model"]} | config(shared.info, shared.schema)


def _picture(run: Run, folder: Path) -> str:
    """Write a grid made by the model, one row per value of the first attribute with names, and return its name.

    Vectors have no picture.
    """
    if len(run.shape) != 3:
        return ""
    save_picture(run.sample(_rows(run), n=COLUMNS).grid(COLUMNS), folder / PICTURE)
    return PICTURE


def _rows(run: Run) -> list[dict[str, str]]:
    """Requests for the rows of the picture."""
    named = next((a for a in run.schema if a.choices), None) if run.model.conditional else None
    return [{named.name: value} for value in named.choices[:ROWS]] if named else []


HUB = Exporter("weights, config.json, a card and a picture, as the Hugging Face Hub has them", "", write)
