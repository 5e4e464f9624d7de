"""Classes that nobody named, found in real observations alone: what a code is to stand for before it is asked for.

A code that is learned together with a generator settles on any division of the data that both players find easy, and
stays with it. Here its classes come from the data: observations that look alike are drawn together in the critic's
features, all others apart (`contrast`), and after a while the features fall into groups (`directions`), from which the
classifier of the code starts. From then on it is to read observations that look alike alike (`shared_information`).

What looks alike is looked up among the observations seen last (`Gallery`), as Dwibedi et al. 2021 do in features; here
it is decided by pixels, so that there are neighbours from the first step on.
"""

from typing import Annotated

import torch
from jaxtyping import Float
from pydantic import Field
from torch import Tensor, nn
from torch.distributed import broadcast, is_available, is_initialized
from torch.nn.functional import affine_grid, avg_pool2d, cross_entropy, grid_sample, normalize, one_hot

from condgen.models.backbones import Count, Weight
from condgen.models.base import Batch, Terms
from condgen.parameters import Needs, Setting
from condgen.shifting import Images

SAME = 0.01  # share of its length up to which an observation's distance from another means that it is that one
SLANT = 1.0  # largest shear that is undone
DISCOVERING = Needs(discover=25_000)
SURE = 10.0  # logit of an observation in the middle of its group

Features = Float[Tensor, "batch feature"]


def upright(x: Images) -> Images:
    """Centred, and sheared so that what is bright does not slant: no covariance of row and column is left."""
    height, width = x.shape[2:]
    rows = torch.arange(height, device=x.device) - (height - 1) / 2
    columns = torch.arange(width, device=x.device) - (width - 1) / 2
    mass = x.mean(1) / x.mean(1).sum((1, 2), keepdim=True).clamp(min=1e-6)
    row, column = mass.sum(2) @ rows, mass.sum(1) @ columns
    down, right = rows[:, None] - row[:, None, None], columns - column[:, None, None]
    variance, covariance = (mass * down.square()).sum((1, 2)), (mass * down * right).sum((1, 2))
    shear = (covariance / variance.clamp(min=1e-6)).clamp(-SLANT, SLANT)
    one, none = torch.ones_like(shear), torch.zeros_like(shear)
    first = torch.stack([one, shear * height / width, 2 * column / width], 1)
    second = torch.stack([none, one, 2 * row / height], 1)
    grid = affine_grid(torch.stack([first, second], 1), list(x.shape), align_corners=False)
    return grid_sample(x, grid.to(x.dtype), align_corners=False)


def likeness(x: Batch) -> Float[Tensor, "batch value"]:
    """What observations are compared by: images upright, blurred, and of one length; vectors as they are."""
    if x.dim() != 4:
        return x
    with torch.autocast(x.device.type, enabled=False):
        return normalize(avg_pool2d(upright(x), 3, stride=2, padding=1).flatten(1))


class Gallery(nn.Module):
    """The last `size` observations (images in half precision), to find neighbours among."""

    def __init__(self, size: int):
        super().__init__()
        self.size = size
        self.rows = torch.empty(0, 0, dtype=torch.half)  # each an observation and, behind it, what it is compared by

    def neighbours(self, x: Batch) -> Batch:
        """For each observation the one in the gallery that looks most like it, itself left out; while empty, itself."""
        if not len(self.rows):
            return x
        self.rows = self.rows.to(x.device)  # from a checkpoint they come wherever that was loaded
        keys, kept = likeness(x).to(self.rows.dtype).float(), self.rows[:, x[0].numel() :].float()
        distances = torch.cdist(keys, kept)
        distances = distances.masked_fill(distances <= SAME * keys.norm(dim=1, keepdim=True), torch.inf)
        return self.observations(x)[distances.argmin(1)]

    def observations(self, like: Batch) -> Float[Tensor, "kept ..."]:
        """All of them, in the shape of a batch."""
        return self.rows[:, : like[0].numel()].to(like.dtype).view(-1, *like.shape[1:])

    def add(self, x: Batch) -> None:
        """Take in a batch; the oldest make room."""
        new = torch.cat([x.flatten(1), likeness(x)], dim=1).to(torch.half if x.dim() == 4 else x.dtype)
        self.rows = (torch.cat([self.rows, new]) if len(self.rows) else new)[-self.size :]

    def get_extra_state(self) -> Tensor:
        """All of it, for the checkpoint: a resumed run finds the same neighbours."""
        return self.rows

    def set_extra_state(self, state: Tensor) -> None:
        """Continue with what a checkpoint held."""
        self.rows = state


def contrast(first: Features, second: Features, temperature: float = 0.5) -> Float[Tensor, ""]:
    """NT-Xent: each of a pair has to be told from the rest of both batches by the other (Chen et al. 2020, eq. 1).

    ℓ_ij = −log [exp(cos(h_i, h_j)/τ) / Σ_{k≠i} exp(cos(h_i, h_k)/τ)], averaged over all 2n ordered pairs.
    """
    h, n = normalize(torch.cat([first, second]).float()), len(first)
    similar = (h @ h.T / temperature).fill_diagonal_(-torch.inf)
    partner = torch.arange(2 * n, device=h.device).roll(n)
    return cross_entropy(similar, partner)


def shared_information(p: Float[Tensor, "batch value"], q: Float[Tensor, "batch value"]) -> Float[Tensor, ""]:
    """The mutual information in nats of two readings of the same observations (Ji et al. 2019, eq. 3).

    It is high when both agree, are sure, and use all values equally often; log(values) at most.
    """
    joint = (p.T @ q) / len(p)
    joint = ((joint + joint.T) / 2).clamp(min=1e-8)
    independent = joint.sum(0, keepdim=True) * joint.sum(1, keepdim=True)
    return (joint * (joint.log() - independent.log())).sum()


@torch.no_grad()
def directions(h: Features, groups: int, restarts: int = 20, rounds: int = 50) -> Float[Tensor, "group feature"]:
    """Unit vectors along the groups of features: spherical k-means (Dhillon & Modha 2001), the best of some restarts.

    It maximises Σ_i max_k cos(h_i, μ_k). Random numbers come from torch's global generator.
    """
    h = normalize(h.float())
    found = [_rounds(h, _spread(h, groups), rounds) for _ in range(restarts)]
    return max(found, key=lambda means: float((h @ means.T).amax(1).sum()))


def _spread(h: Features, groups: int) -> Float[Tensor, "group feature"]:
    """Some of the features, drawn one by one with chances that grow with the distance from those drawn before."""
    means = h[torch.randint(len(h), (1,), device=h.device)]
    for _ in range(groups - 1):
        distance = (1 - (h @ means.T).amax(1)).clamp(min=1e-6)
        means = torch.cat([means, h[distance.multinomial(1)]])
    return means


def _rounds(h: Features, means: Float[Tensor, "group feature"], rounds: int) -> Float[Tensor, "group feature"]:
    """Assign and average in turn; a group that has lost everything stays where it is."""
    for _ in range(rounds):
        members = one_hot((h @ means.T).argmax(1), len(means)).to(h.dtype)
        means = torch.where(members.sum(0)[:, None] > 0, normalize(members.T @ h), means)
    return means


class Discovery(nn.Module):
    """What real observations say about the first code, from `images` on; with 0, nothing.

    contrast weighs `contrast` between neighbours, invariance `shared_information` between the codes read from them.
    """

    def __init__(
        self,
        images: Annotated[
            int,
            Field(ge=0),
            Setting("Images after which the first code starts from groups that look alike; 0 for never.", "discover"),
        ] = 0,
        contrast: Annotated[
            Weight, Setting("Weight of telling look-alikes from all others.", "contrast_weight"), DISCOVERING
        ] = 1.0,
        invariance: Annotated[
            Weight, Setting("Weight of reading the same code from look-alikes.", "invariance_weight"), DISCOVERING
        ] = 1.0,
        temperature: Annotated[
            float, Field(gt=0), Setting("Temperature τ of the contrast; lower is sharper."), DISCOVERING
        ] = 0.5,
        gallery: Annotated[
            Count, Setting("Observations seen last, among which look-alikes are looked up."), DISCOVERING
        ] = 4096,
    ):
        super().__init__()
        self.images = images
        self.contrast = contrast
        self.invariance = invariance
        self.temperature = temperature
        self.gallery = Gallery(gallery)

    def pairs(self, x: Batch) -> Float[Tensor, "2*batch ..."]:
        """A batch and behind it the neighbours of each of its observations, which is taken into the gallery."""
        neighbours = self.gallery.neighbours(x)
        self.gallery.add(x)
        return torch.cat([x, neighbours])

    def loss(self, h: Features, logits: Float[Tensor, "batch value"], classes: bool) -> Terms:
        """What to minimise, from the features of pairs and the code read from them; whether it has `classes` yet."""
        first, second = h.chunk(2)
        apart = contrast(first, second, self.temperature)
        shared = shared_information(*logits.softmax(1).chunk(2))
        loss = self.contrast * apart - (self.invariance * shared if classes else 0.0)
        return {"loss": loss, "contrast": apart, "shared": shared}


@torch.no_grad()
def point(layer: nn.Linear, h: Features) -> None:
    """Make a layer's outputs those of a classifier of the groups that features fall into: SURE · cos(h, μ_k), about."""
    with torch.autocast(h.device.type, enabled=False):
        layer.weight.copy_(directions(h, layer.out_features) * (SURE / h.norm(dim=1).mean()))
    layer.bias.zero_()
    if is_available() and is_initialized():  # every process has seen observations of its own, but all share one layer
        broadcast(layer.weight, src=0)
