"""Default requests of a gallery: every value of every attribute, and the most frequent and some rare combinations."""

from collections.abc import Iterator

import torch

from condgen.evaluation.metrics.combinations import named_codes
from condgen.pages.gallery.look import GalleryContext, steps
from condgen.requests.request import Request, parse_requests

BANDS = 3  # bands of a number
PER_ATTRIBUTE = 6  # largest number of values per attribute
COMMON, RARE = 4, 3  # numbers of combinations


def every_value(look: GalleryContext) -> list[Request]:
    """One request per value of each shown attribute. Numbers are shown in bands."""
    found = []
    for a in look.attributes:
        values = [code for _, code in steps(look.joint, a, PER_ATTRIBUTE)]
        texts = a.ranges(BANDS) or [a.format(code[0].tolist()) for code in values]
        found += [r for text in texts for r in parse_requests({a.name: text}, look.run.schema)]
    return found


def common(look: GalleryContext) -> list[Request]:
    """The most frequent combinations of named values in the data."""
    return [request for request, _ in _combinations(look)][:COMMON]


def rare(look: GalleryContext) -> list[Request]:
    """The least frequent combinations in the data, the rarest first."""
    return [request for request, _ in [*_combinations(look)][COMMON:]][: -RARE - 1 : -1]


def _combinations(look: GalleryContext) -> Iterator[tuple[Request, int]]:
    """The combinations of named values in the data with their frequencies, the most frequent first."""
    names = [a.name for a in look.attributes if a.choices]
    if len(names) < 2:
        return
    rows = look.joint.rows.select(names)
    complete = rows.present.all(1)
    rows, weights = rows[complete], look.joint.counts[complete]
    inverse = named_codes(rows).unique(dim=0, return_inverse=True)[1]
    counts = torch.bincount(inverse, weights)
    for k in counts.argsort(descending=True, stable=True).tolist():
        member = (inverse == k).nonzero()[:1, 0]
        (asked,) = parse_requests(dict(rows[member].rows()[0]), look.run.schema)
        yield asked, int(counts[k])
