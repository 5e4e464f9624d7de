"""How an edit is made: decoded under another condition, or only what that changes put onto the original."""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from condgen.errors import RequestError
from condgen.models import Model
from condgen.models.protocols import Edits, Encodes
from condgen.schema import Condition

STRENGTH = 1.5  # found best by benchmarks/edits.py


@dataclass(frozen=True, kw_only=True)
class EditOptions:
    """How an edit is made of e, the model's own: x encoded under the condition it has, decoded under another.

    decoded:  the edit is e(target): nothing is left but what the model encodes, which for small latents is a blur.
              Otherwise it is x + strength · (e(target) − e(source)): what the model cannot encode stays as it is, and
              an edit that changes nothing gives x itself.
    strength: above 1, the change is exaggerated.

    Raises RequestError for a strength that is no positive number, and for one that `decoded` would not use.
    """

    decoded: bool = False
    strength: int | float = STRENGTH

    def __post_init__(self) -> None:
        if not 0 < self.strength < math.inf:
            raise RequestError(f"The strength of an edit must be above 0, such as 1.5, not {self.strength}.")
        if self.decoded and self.strength != STRENGTH:
            raise RequestError(
                "An edit that is decoded anew leaves nothing of the original that a change of this strength could be "
                "put onto; leave out `decoded` or `strength`."
            )

    @classmethod
    def suited(cls, model: Model) -> "EditOptions":
        """The best way for a model: one that loses nothing in encoding needs nothing put back."""
        return cls(decoded=isinstance(model, Encodes) and model.lossless)

    def __call__(
        self, model: Model, x: Float[Tensor, "n ..."], source: Condition, target: Condition
    ) -> Float[Tensor, "n ..."]:
        """Each x, of condition `source`, as it looks under `target`; all on the model's device."""
        assert isinstance(model, Edits), "a model that cannot edit is refused before"
        edited = model.edit(x, source, target)
        if self.decoded:
            return edited
        edited = x + self.strength * (edited - model.edit(x, source, source))
        return edited.clamp(0, 1) if len(model.shape) == 3 else edited


def edited(
    model: Model,
    x: Float[Tensor, "n ..."],
    source: Condition,
    target: Condition,
    how: EditOptions | None = None,
    batch: int = 500,
) -> Float[Tensor, "n ..."]:
    """The edits of any number of observations in batches, on the CPU. how: `Editing.suited` unless given."""
    how = how or EditOptions.suited(model)
    parts = zip(x.split(batch), _split(source, batch), _split(target, batch), strict=True)
    with torch.inference_mode():
        made = [how(model, part.to(model.device), a.to(model.device), b.to(model.device)) for part, a, b in parts]
    return torch.cat(made).float().cpu()


def _split(condition: Condition, batch: int) -> list[Condition]:
    return [condition[k : k + batch] for k in range(0, len(condition), batch)]
