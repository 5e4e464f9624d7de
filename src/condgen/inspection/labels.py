"""Detection of wrong labels by confident learning (Northcutt, Jiang and Chuang 2021).

Small judges, each trained on the other folds, estimate the probability of every value for unseen examples. A label is
suspect if another value is at least as likely as it usually is among examples with that label. The method's simple form
is short enough for this file, whereas a library for it would require a data frame.
"""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float, Int, Shaped
from PIL import Image, ImageOps
from torch import Tensor

from condgen.data import Dataset
from condgen.data.splits import row_numbers
from condgen.errors import DataError
from condgen.evaluation.judge.judge import train_judge
from condgen.inspection import Inspection
from condgen.inspection.material import Encoded, Stored
from condgen.inspection.scan import spread
from condgen.progress import Progress, shown
from condgen.schema import Condition

FOLDS = 4
VIEWS = 12  # passes of a judge over the examples; more would memorise wrong labels
LEAST_SEEN = 12_000
MOST_CHECKED = 10_000  # largest number of checked examples
LEAST_CHECKED = 40  # smallest number of examples to learn from
LARGEST = 48  # side of a judge's images in pixels
VISIBLE = 0.2  # smallest share of labels beyond chance that judges must read for an estimate
LISTED = 200  # suspects kept per attribute


@dataclass(frozen=True)
class Suspect:
    """An example whose label is probably wrong: its row in the checked data, its label, and the judge's reading.

    doubt: the difference of probabilities between the judge's reading and the label, 0 to 1.
    """

    row: int
    label: str
    reading: str
    doubt: float


@dataclass(frozen=True)
class LabelCheck:
    """The result for one attribute's labels.

    wrong: estimated share of wrong labels.
    agreement: share of labels that judges read correctly on unseen examples. If it is low, the attribute is hard to see
        and the estimate is unreliable.
    noise: estimated share of each true value (rows) that carries each label (columns).
    suspects: the most doubtful labels first.
    """

    name: str
    checked: int
    wrong: float
    agreement: float
    chance: float
    values: tuple[str, ...]
    noise: tuple[tuple[float, ...], ...]
    suspects: tuple[Suspect, ...]
    suspected: int

    @property
    def readable(self) -> bool:
        """Whether judges see the attribute at all. Labels of other attributes cannot be checked."""
        return self.agreement - self.chance > VISIBLE * (1 - self.chance)


def check_labels(
    data: Dataset, *, folds: int = FOLDS, seed: int = 0, progress: Progress | None = None, **arguments: Any
) -> tuple[LabelCheck, ...]:
    """The labels of every named attribute, checked by judges that have not seen them. Numbers are not checked.

    progress: a bar or log lines by default.
    arguments: of `train_judge`.

    Takes as long as training `folds` small judges.
    """
    read = held_out_probabilities(data, folds=folds, seed=seed, progress=progress, **arguments)
    return tuple(_check(data, name, p) for name, p in read.items())


def held_out_probabilities(
    data: Dataset, *, folds: int = FOLDS, seed: int = 0, progress: Progress | None = None, **arguments: Any
) -> dict[str, Float[Tensor, "n value"]]:
    """For each named attribute, the probability of every value by a judge trained on the other folds."""
    named = [a.name for a in data.schema.discrete]
    if not named:
        return {}
    condition = data.condition.select(named)
    order = torch.randperm(len(data), generator=torch.Generator().manual_seed(seed))
    arguments = {"images": max(VIEWS * len(data), LEAST_SEEN)} | arguments
    found = {a.name: torch.zeros(len(data), len(a.choices)) for a in condition.schema}
    progress = progress or shown()
    with progress.task("checking labels", folds, unit="judges") as task:
        for k in range(folds):
            held = order[k::folds]
            rest = torch.cat([order[j::folds] for j in range(folds) if j != k])
            judge = train_judge(data.observations[rest], condition[rest], seed=seed + k, progress=progress, **arguments)
            for name, out in judge.read(data.observations[held]).outputs.items():
                found[name][held] = out.exp()
            task.move(k + 1)
    return found


def _check(data: Dataset, name: str, p: Float[Tensor, "n value"]) -> LabelCheck:
    attribute = data.schema[name]
    rows = data.condition.given(name).nonzero()[:, 0]
    labels, p = data.condition.values[name][rows].long(), p[rows]
    joint, confident = confident_joint(labels, p)
    suspects = _suspects(labels, p, confident)
    total = float(joint.sum())
    of_true = joint.T / joint.sum(0)[:, None].clamp(min=1e-9)
    return LabelCheck(
        name=name,
        checked=len(rows),
        wrong=1 - float(joint.diagonal().sum()) / total if total else 0.0,
        agreement=float((p.argmax(1) == labels).float().mean()) if len(rows) else 0.0,
        chance=float(torch.bincount(labels).max()) / len(rows) if len(rows) else 1.0,
        values=attribute.choices,
        noise=tuple(tuple(round(v, 4) for v in row) for row in of_true.tolist()),
        suspects=tuple(
            Suspect(int(rows[i]), attribute.choices[labels[i]], attribute.choices[j], round(d, 4))
            for i, j, d in suspects[:LISTED]
        ),
        suspected=len(suspects),
    )


def confident_joint(
    labels: Int[Tensor, " n"], p: Float[Tensor, "n value"]
) -> tuple[Float[Tensor, "value value"], Int[Tensor, " n"]]:
    """Estimated counts of (label, true value), and each example's confident value, −1 if it has none.

    A value is confident if its probability reaches its mean among the examples with that label. Of several, the most
    likely counts (eq. 1). Rows are then scaled to the counts of the labels (eq. 3).
    """
    values = p.shape[1]
    counts = torch.bincount(labels, minlength=values).double()
    own = torch.zeros(values, dtype=torch.float64).index_add(0, labels, p.gather(1, labels[:, None])[:, 0].double())
    threshold = torch.where(counts > 0, own / counts.clamp(min=1), torch.full((), torch.inf).double())
    reached = p.double() >= threshold
    confident = torch.where(reached.any(1), (p * reached).argmax(1), -1)
    sure = confident >= 0
    joint = torch.zeros(values, values, dtype=torch.float64)
    joint.index_put_((labels[sure], confident[sure]), torch.ones(int(sure.sum())).double(), accumulate=True)
    empty = joint.sum(1) == 0
    joint[empty] = torch.eye(values).double()[empty]
    return joint / joint.sum(1, keepdim=True) * counts[:, None], confident


def _suspects(
    labels: Int[Tensor, " n"], p: Float[Tensor, "n value"], confident: Int[Tensor, " n"]
) -> list[tuple[int, int, float]]:
    """(example, value read, doubt) for examples with another confident value, the most doubtful first."""
    wrong: Bool[Tensor, " n"] = (confident >= 0) & (confident != labels)
    index = wrong.nonzero()[:, 0]
    doubt = p[index, confident[index]] - p[index, labels[index]]
    order = doubt.argsort(descending=True)
    return list(zip(index[order].tolist(), confident[index][order].tolist(), doubt[order].tolist(), strict=True))


def sentences(checks: Sequence[LabelCheck]) -> Iterator[str]:
    """Sentences about the labels, the noisiest attribute first."""
    for check in sorted((c for c in checks if c.readable and c.wrong >= 0.01), key=lambda c: -c.wrong):
        about = f"{check.name}: about {100 * check.wrong:.0f} % of the labels are probably wrong"
        hard = ", or the attribute is a matter of taste" if check.agreement < 0.9 else ""
        yield f"{about}{hard}; {check.suspected:,} are suspect (judges read {100 * check.agreement:.1f} % as labelled)."
    if unseen := [c.name for c in checks if not c.readable and c.checked]:
        yield (
            f"Small judges hardly see {', '.join(unseen)}; their labels could not be checked, and "
            "a small model will find it hard to obey them."
        )


def check_inspected(found: Inspection, progress: Progress | None = None) -> tuple[LabelCheck, ...]:
    """The labels of an inspected dataset, for up to 10,000 examples from all its splits.

    Suspects are named by their row in the source. Unreadable pictures are skipped.
    """
    sample, rows = _sample(found)
    checks = check_labels(sample, progress=progress) if len(sample) >= LEAST_CHECKED else ()
    return tuple(
        replace(check, suspects=tuple(replace(s, row=rows[s.row]) for s in check.suspects)) for check in checks
    )


def _sample(found: Inspection) -> tuple[Dataset, list[int]]:
    """Examples in the form for a judge, and their rows in the source."""
    parts = found.material.parts.values()
    numbers = torch.cat([row_numbers(part) for part in parts])
    chosen = torch.tensor(spread(len(numbers), MOST_CHECKED), dtype=torch.long)
    condition, rows = Condition.cat([part.condition for part in parts])[chosen], numbers[chosen].tolist()
    content = found.material.content
    if isinstance(content, Stored):
        return Dataset(torch.stack([content[row] for row in rows]), condition), rows
    with ThreadPoolExecutor() as pool:
        read = list(pool.map(lambda row: _seen(content, row, found.shape), rows))
    kept = [k for k, x in enumerate(read) if x is not None]
    x = torch.stack([x for x in read if x is not None]) if kept else torch.zeros(0, *found.shape, dtype=torch.uint8)
    return Dataset(x, condition[torch.tensor(kept, dtype=torch.long)]), [rows[k] for k in kept]


def _seen(content: Encoded, row: int, shape: tuple[int, ...]) -> Shaped[Tensor, "channel height width"] | None:
    """A picture at most as large as a judge needs, uint8. None if it cannot be read."""
    channels, height, width = shape
    scale = min(1.0, LARGEST / max(height, width))
    size = max(4, round(width * scale)), max(4, round(height * scale))
    try:
        image = content.image(row).convert("L" if channels == 1 else "RGB")
    except DataError:
        return None
    x = torch.from_numpy(np.array(ImageOps.fit(image, size, Image.Resampling.LANCZOS)))
    return x[None] if channels == 1 else x.permute(2, 0, 1).contiguous()
