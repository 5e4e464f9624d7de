"""The relation between codes discovered without labels and labels."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from condgen.data import Dataset
from condgen.errors import RequestError
from condgen.models import Model
from condgen.models.protocols import Discovers
from condgen.models.registry import that_can
from condgen.schema import Attribute


@dataclass(frozen=True)
class CodeMatch:
    """The meaning of a code's values in terms of a labelled attribute.

    names: the label for each value of the code, one to one if possible. If the code has more values than there are
        labels, each stands for its most frequent label.
    error: the share of observations whose code does not stand for their label.
    table: frequency with which each value of the code (row) was read from observations of each label (column).
    """

    code: str
    attribute: str
    names: Mapping[str, str]
    error: float
    table: Float[Tensor, "value label"]


def match_codes(
    model: Model, data: Dataset, attribute: str, code: str = "code1", tested: Dataset | None = None
) -> CodeMatch:
    """Read a code from labelled observations and match its values to the labels.

    Labels are used only here, never in training. The names come from `data`. Error and table come from `tested`, if it
    is given. Raises RequestError for attributes without named values and for models without codes.
    """
    if not isinstance(model, Discovers):
        raise RequestError(f"This model has no codes of its own to match with labels; {that_can(Discovers)} has.")
    values, labels = _choices(model.schema[code]), _choices(data.schema[attribute])
    rows, columns = _match(_table(model, data, attribute, code))
    table = _table(model, tested or data, attribute, code)
    return CodeMatch(
        model.schema[code].name,
        data.schema[attribute].name,
        {values[row]: labels[column] for row, column in zip(rows, columns, strict=True)},
        1 - float(table[rows, columns].sum() / table.sum()),
        table,
    )


def _match(table: Float[Tensor, "value label"]) -> tuple[list[int], list[int]]:
    """Matched rows and columns, by the Hungarian algorithm, or many to one if there are more rows than columns."""
    from scipy.optimize import linear_sum_assignment

    if len(table) > table.shape[1]:
        return list(range(len(table))), table.argmax(1).tolist()
    rows, columns = linear_sum_assignment(-table.numpy())
    return rows.tolist(), columns.tolist()


def _table(model: Model, data: Dataset, attribute: str, code: str) -> Float[Tensor, "value label"]:
    """Frequency with which each value of the code is read from observations of each label."""
    of_code, of_label = model.schema[code], data.schema[attribute]
    given = data.condition.given(of_label.name)
    read = read_codes(model, data, of_code.name)[given].long()
    labels = of_label.hard(data.condition.values[of_label.name][given]).long()
    table = torch.zeros(len(_choices(of_code)), len(_choices(of_label)))
    return table.index_put_((read, labels), torch.ones(len(read)), accumulate=True)


def _choices(attribute: Attribute) -> tuple[str, ...]:
    if not attribute.choices:
        raise RequestError(f"'{attribute.name}' is {attribute.kind}: it has no values to match one by one.")
    return attribute.choices


@torch.inference_mode()
def read_codes(model: Model, data: Dataset, code: str, batch: int = 500) -> Float[Tensor, " n"]:
    """The code that the model reads from each observation, on the CPU."""
    assert isinstance(model, Discovers)
    model.eval()
    parts = [model.read(x.to(model.device)).values[code].cpu() for x, _ in data.in_turn(batch)]
    return torch.cat(parts)
