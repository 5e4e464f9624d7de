"""The state that the studio has beside the models that it serves."""

from dataclasses import dataclass, field
from pathlib import Path

from starlette.requests import Request

from condgen.serving.served import Served
from condgen.studio.insight import Insight
from condgen.studio.material import Material


@dataclass
class Studio:
    """The state of a studio's application.

    runs: the folder of the runs that the page trains.
    trains: whether this machine can train.
    frames: origins of pages that may show this one in a frame.
    """

    runs: Path
    trains: bool
    frames: tuple[str, ...] = ()
    _materials: dict[str, tuple[str, Material]] = field(default_factory=dict)
    _insights: dict[str, Insight] = field(default_factory=dict)

    def material(self, served: Served) -> Material:
        """The training data and the judge of a model as it is at present."""
        batcher = served.batcher
        fingerprint, found = self._materials.get(served.name, ("", None))
        if found is None or fingerprint != batcher.fingerprint:
            found = Material(batcher.generator)
            self._materials[served.name] = batcher.fingerprint, found
        return found

    def insight(self, served: Served) -> Insight:
        """The findings about the inside of a model as it is at present."""
        material = self.material(served)
        found = self._insights.get(served.name)
        if found is None or found.material is not material:
            found = self._insights[served.name] = Insight(material)
        return found


def studio_of(request: Request) -> Studio:
    """The state of the studio that is asked."""
    found: Studio = request.app.state.studio
    return found
