"""The settings of a family of models and of its training, described."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from typing import Any, overload

from condgen.models import FAMILIES
from condgen.notebook import Listing, paragraph, table
from condgen.parameters import Described, described
from condgen.training import TrainingConfig


def settings_of_training(model: str) -> list[Described]:
    """The settings of training, with the defaults of a family."""
    own = FAMILIES[model].training
    return [replace(each, default=own.get(each.name, each.default)) for each in described(TrainingConfig)]


def settings_as_dict(model: str) -> dict[str, Any]:
    """A family, its settings and those of its training as plain data. Raises RequestError for an unknown family."""
    family = FAMILIES[model]
    return {
        "model": model,
        "sentence": family.sentence,
        "settings": [asdict(each) for each in described(family.builder)],
        "training": [asdict(each) for each in settings_of_training(model)],
    }


@dataclass(frozen=True, repr=False)
class Settings:
    """The settings of a family of models and of its training, which display themselves and iterate.

    sentence: about the family.
    of_model, of_training: each with its name, default, values and a sentence.
    """

    model: str
    sentence: str
    of_model: tuple[Described, ...]
    of_training: tuple[Described, ...]

    def __iter__(self) -> Iterator[Described]:
        return iter((*self.of_model, *self.of_training))

    def __repr__(self) -> str:
        return "\n".join([f"{self.model}: {self.sentence}", *(f"  {s.name}={s.default!r}: {s.sentence}" for s in self)])

    def _repr_html_(self) -> str:
        rows = ((s.part, s.name, repr(s.default), s.values, s.sentence) for s in self)
        shown = table(("part", "setting", "default", "values", ""), rows)
        return str(paragraph(f"{self.model}: {self.sentence}") + shown)


@overload
def settings() -> Listing: ...


@overload
def settings(model: str) -> Settings: ...


def settings(model: str | None = None) -> Settings | Listing:
    """The settings that `train` takes for a family of models. Without one, the families.

    Raises RequestError for an unknown family.
    """
    if model is None:
        sentences = {name: family.sentence for name, family in FAMILIES.items()}
        return Listing(sentences, ("model", ""), lambda sentence: (sentence,))
    family = FAMILIES[model]
    return Settings(model, family.sentence, tuple(described(family.builder)), tuple(settings_of_training(model)))
