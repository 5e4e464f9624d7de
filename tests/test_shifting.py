"""Images moved by whole pixels, held against padding and cutting."""

import torch
from torch import Tensor
from torch.nn.functional import pad

from condgen.shifting import seen, shifted

MOST = 3
X = torch.rand(7, 2, 6, 9)
DOWN = torch.tensor([0, 3, -3, 0, 0, 2, -1])
RIGHT = torch.tensor([0, 0, 0, 3, -3, -1, 2])


def cut(x: Tensor, down: int, right: int, mode: str) -> Tensor:
    """An image padded on all sides, and cut out where it was moved from."""
    height, width = x.shape[1:]
    wide = pad(x[None], (MOST,) * 4, mode=mode)[0]
    return wide[:, MOST - down : MOST - down + height, MOST - right : MOST - right + width]


def moved(mode: str) -> Tensor:
    return torch.stack([cut(x, d, r, mode) for x, d, r in zip(X, DOWN.tolist(), RIGHT.tolist(), strict=True)])


def test_each_image_is_moved_by_its_own_pixels_and_repeats_its_border() -> None:
    assert shifted(X, DOWN, RIGHT).equal(moved("replicate"))


def test_pixels_that_were_seen_are_told_from_those_that_came_in() -> None:
    assert (shifted(X, DOWN, RIGHT) * seen(X, DOWN, RIGHT)).equal(moved("constant"))
    assert seen(X, DOWN, RIGHT).shape == (7, 1, 6, 9)


def test_gradients_flow_to_where_pixels_came_from() -> None:
    x = X.clone().requires_grad_()
    (shifted(x, DOWN, RIGHT) * seen(x, DOWN, RIGHT)).sum().backward()
    assert x.grad is not None
    assert x.grad.equal(seen(X, -DOWN, -RIGHT).expand_as(X).float())
