"""Interpolations between two requests, two noises or two photographs."""

from itertools import pairwise

import torch
from torch import Tensor

from condgen.conditioning.between import EncodedBetween
from condgen.data import as_float
from condgen.models import Model
from condgen.models.abilities import Edits
from condgen.models.protocols import HasConditionEncoder
from condgen.models.twins import with_part
from condgen.pages.gallery.look import ROWS, STEPS, GalleryContext, alike, steps
from condgen.pages.gallery.panels import Panel, PanelRow, Section
from condgen.rng import Rng, Stream
from condgen.runs.noise import NoiseBetween
from condgen.runs.sampling import SamplingOptions
from condgen.schema import Condition

FAR = 1_000  # difference of the two seeds of an interpolation


def interpolations(look: GalleryContext) -> Section:
    """All interpolations that the model can make."""
    panels = [*between_requests(look), between_noises(look), *between_photographs(look)]
    note = "Intermediate pictures are generated, not blended. A blend would show both ends at once."
    return Section("interpolations", "Interpolations", note, tuple(panels))


# ---- between requests


@torch.inference_mode()
def between_requests(look: GalleryContext) -> list[Panel]:
    """From one request to another through their encodings, at fixed noise. Empty if the model has no encodings."""
    model, device = look.run.model, look.run.model.device
    if not look.conditional or not isinstance(model, HasConditionEncoder):
        return []
    pairs = _pairs(look)
    start, end = (Condition.cat([pair[k] for _, *pair in pairs]) for k in (0, 1))
    seeds = look.seeds(1).repeat(len(pairs)).tolist()
    frames = []
    for share in _shares():
        shares = torch.full((len(pairs),), share, device=device)
        encoder = EncodedBetween(model.condition_encoder, end.to(device), shares)
        twin = with_part(model, model.condition_encoder, encoder)
        frames.append(_sampled(twin, start.to(device), Rng(seeds), look.sampling))
    rows = _rows([label for label, *_ in pairs], frames)
    note = "Through the encoded requests, with the noise of one seed."
    return [Panel("Between two requests", note, rows, (look.section("interpolations"),), _heads())]


def _pairs(look: GalleryContext) -> list[tuple[str, Condition, Condition]]:
    """Neighbouring requests.

    With fewer than two, each attribute from its first value to its last, with the rest fixed.
    """
    if len(look.asked) > 1:
        streams = [Stream.CONDITION.rng([look.seed]) for _ in look.asked]
        drawn = [r.draw(look.joint, s, fill=True) for r, s in zip(look.asked, streams, strict=True)]
        texts = [r.text for r in look.asked]
        labels = [f"{a} → {b}" for a, b in pairwise(texts)]
        return [(label, *ends) for label, ends in zip(labels, pairwise(drawn), strict=True)]
    base, found = look.base(1), []
    for a in look.attributes:
        values = steps(look.joint, a)
        (low, first), (high, last) = values[0], values[-1]
        ends = [base.with_codes(a.name, alike(code, 1)) for code in (first, last)]
        found.append((f"{a.name}={low} → {high}", ends[0], ends[1]))
    return found


# ---- between noises


@torch.inference_mode()
def between_noises(look: GalleryContext) -> Panel:
    """From one noise to another, under one condition."""
    model, start = look.run.model, look.seeds(ROWS)
    condition = look.base(1).repeat(ROWS)
    ends = start.tolist(), (start + FAR).tolist()
    noises = (NoiseBetween(*ends, [share] * ROWS) for share in _shares())
    frames = [_sampled(model, condition.to(model.device), each, look.sampling) for each in noises]
    labels = [f"seed {seed} → {seed + FAR}" for seed in start.tolist()]
    note = f"All under {condition[:1].describe()[0]}." if look.conditional else ""
    return Panel("Between two noises", note, _rows(labels, frames), (look.section("interpolations"),), _heads())


def _sampled(model: Model, condition: Condition, rng: Rng, sampling: SamplingOptions) -> Tensor:
    return model.sample(condition, rng, **sampling.arguments(model, None)).float().cpu()


# ---- between photographs


@torch.inference_mode()
def between_photographs(look: GalleryContext) -> list[Panel]:
    """From one held-out photograph to another, under their own labels.

    Empty if the model or the data do not allow it.
    """
    model = look.run.model
    if look.data is None or not isinstance(model, Edits) or look.data.schema != model.schema:
        return []
    test = look.data.test
    usable = test.condition.present.all(1).nonzero()[: 2 * ROWS, 0]
    if len(usable) < 2:
        return []
    first, second = usable[::2][: len(usable) // 2], usable[1::2]
    ends = [(as_float(test.take(i)).to(model.device), test.condition[i].to(model.device)) for i in (first, second)]
    made = model.interpolate(*ends[0], *ends[1], STEPS)
    x = torch.cat([ends[0][0][:, None], made, ends[1][0][:, None]], dim=1).float().cpu()
    labels = [f"{a} → {b}" for a, b in zip(ends[0][1].describe(), ends[1][1].describe(), strict=True)]
    note = "Held-out photographs at both ends, and the model's pictures between them."
    heads = ("real", *_heads(), "real")
    rows = _rows(labels, list(x.unbind(1)))
    return [Panel("Between two photographs", note, rows, (look.section("interpolations"),), heads)]


def _shares() -> list[float]:
    return torch.linspace(0, 1, STEPS).tolist()


def _heads() -> tuple[str, ...]:
    return tuple(f"{s:.0%}" for s in _shares())


def _rows(labels: list[str], frames: list[Tensor]) -> tuple[PanelRow, ...]:
    """Frames, one batch of rows per step, as rows of steps."""
    x = torch.stack(frames, 1)
    return tuple(PanelRow(label, row, ("",) * len(frames)) for label, row in zip(labels, x, strict=True))
