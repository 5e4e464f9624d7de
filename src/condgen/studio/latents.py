"""Held-out data of a run, encoded once for the map of its latents."""

import base64
import io
import math
from typing import Any

from PIL import Image

from condgen.data import Dataset, Splits
from condgen.evaluation.latent_map import LatentMap, encodings, latent_map
from condgen.pictures import pil_image
from condgen.rng import Rng
from condgen.runs.run import Run

SEEN, SHOWN = 1_200, 400  # training examples that a reader is fitted to, and held-out ones on the map
SIDE = 40  # pixels of a thumbnail


class EncodedData:
    """The latents of a run's data, with and without the condition. Raises RequestError for a model that cannot encode.

    Examples that lack labels are encoded under labels drawn as in the data.
    """

    def __init__(self, run: Run, data: Splits):
        self.schema = run.schema
        self.train, self.test = data.train[:SEEN], data.test[:SHOWN]
        filled = [
            Dataset(part.observations, run.joint.fill(part.condition, Rng(range(len(part)))))
            for part in (self.train, self.test)
        ]
        self.encodings = encodings(run.model, run.joint, filled[0], filled[1])
        self.free = run.model.handles_missing
        self.pictures = _sheet(self.test) if len(data.shape) == 3 else None

    def shown(self, name: str, telling: bool) -> dict[str, Any]:
        """The maps for the page, coloured by an attribute. Raises RequestError for one that the schema lacks."""
        attribute = self.schema[name]
        maps = {
            told: latent_map(encoding, attribute, self.train.condition, self.test.condition, telling)
            for told, encoding in self.encodings.items()
        }
        known = self.test.condition.given(attribute.name).nonzero()[:, 0]
        codes = self.test.condition.values[attribute.name][known]
        return {
            "attribute": attribute.name,
            "values": [attribute.show(code) for code in codes.tolist()],
            "places": attribute.place(codes).tolist(),
            "examples": known.tolist(),
            "maps": {told: _numbers(each) for told, each in maps.items()},
            "untold": "free" if self.free else "same",
            "pictures": self.pictures,
        }


def _numbers(found: LatentMap) -> dict[str, Any]:
    return {
        "points": [[round(x, 4) for x in point] for point in found.points.tolist()],
        "reads": found.reads,
        "chance": found.chance,
        "overlap": found.overlap,
    }


def _sheet(data: Dataset) -> dict[str, Any]:
    """Thumbnails of all examples in one JPEG, in rows."""
    columns = math.ceil(len(data) ** 0.5)
    sheet = Image.new("RGB", (columns * SIDE, math.ceil(len(data) / columns) * SIDE))
    for k, x in enumerate(data.floats):
        picture = pil_image(x).convert("RGB").resize((SIDE, SIDE), Image.Resampling.BOX)
        sheet.paste(picture, (k % columns * SIDE, k // columns * SIDE))
    file = io.BytesIO()
    sheet.save(file, "JPEG", quality=85)
    return {
        "image": "data:image/jpeg;base64," + base64.b64encode(file.getvalue()).decode(),
        "columns": columns,
        "side": SIDE,
    }
