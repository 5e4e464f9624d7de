"""Unsupervised classes that initialise an InfoGAN's first code.

A code that is learned together with a generator settles on any division of the data that both players find easy, and
keeps it. Here the classes come from the data. First, the critic's features of similar observations are drawn together
and all others pushed apart (`contrast`). Later the features are clustered (`directions`), and the code's classifier
starts from the clusters. From then on it is trained to read similar observations alike (`shared_information`).

Similar observations are looked up among those seen last (`Gallery`), as Dwibedi et al. 2021 do in feature space. Here
similarity is decided by pixels, so that there are neighbours from the first step on.
"""

from typing import Annotated

import torch
from jaxtyping import Float
from pydantic import Field
from torch import Tensor, nn
from torch.nn.functional import affine_grid, avg_pool2d, cross_entropy, grid_sample, normalize, one_hot

from condgen.models import together
from condgen.models.backbones import Count, Weight
from condgen.models.base import Batch, Terms
from condgen.parameters import Needs, Setting
from condgen.shifting import Images

SAME = 0.01  # observations nearer than this share of their length count as the same one
SLANT = 1.0  # largest shear that is corrected
DISCOVERING = Needs(discover=25_000)
SURE = 10.0  # logit of an observation at the centre of its cluster

Features = Float[Tensor, "batch feature"]


def upright(x: Images) -> Images:
    """Images centred and sheared until row and column of the bright pixels have no covariance."""
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
    """Features for comparing observations: images upright, blurred and of unit length, vectors unchanged."""
    if x.dim() != 4:
        return x
    with torch.autocast(x.device.type, enabled=False):
        return normalize(avg_pool2d(upright(x), 3, stride=2, padding=1).flatten(1))


class Gallery(nn.Module):
    """The last `size` observations (images in half precision), among which neighbours are found."""

    def __init__(self, size: int):
        super().__init__()
        self.size = size
        self.rows = torch.empty(0, 0, dtype=torch.half)  # each an observation followed by its likeness

    def neighbours(self, x: Batch) -> Batch:
        """For each observation, the most similar one in the gallery other than itself. An empty gallery returns x."""
        if not len(self.rows):
            return x
        rows = self._on(x.device)
        keys, kept = likeness(x).to(rows.dtype).float(), rows[:, x[0].numel() :].float()
        distances = torch.cdist(keys, kept)
        distances = distances.masked_fill(distances <= SAME * keys.norm(dim=1, keepdim=True), torch.inf)
        return self.observations(x)[distances.argmin(1)]

    def observations(self, like: Batch) -> Float[Tensor, "kept ..."]:
        """All stored observations, in the shape of a batch."""
        return self._on(like.device)[:, : like[0].numel()].to(like.dtype).view(-1, *like.shape[1:])

    def add(self, x: Batch) -> None:
        """Add a batch and drop the oldest observations."""
        new = torch.cat([x.flatten(1), likeness(x)], dim=1).to(torch.half if x.dim() == 4 else x.dtype)
        with torch.autocast(x.device.type, enabled=False):  # which refuses rows of half precision where it uses bf16
            self.rows = (torch.cat([self._on(x.device), new]) if len(self.rows) else new)[-self.size :]

    def _on(self, device: torch.device) -> Float[Tensor, "kept value"]:
        """The rows, moved to a device. A checkpoint may have been loaded on another one."""
        self.rows = self.rows.to(device)
        return self.rows

    def get_extra_state(self) -> Tensor:
        """All rows, for the checkpoint, so that a resumed run finds the same neighbours."""
        return self.rows

    def set_extra_state(self, state: Tensor) -> None:
        """Restore the rows of a checkpoint."""
        self.rows = state


def contrast(first: Features, second: Features, temperature: float = 0.5) -> Float[Tensor, ""]:
    """NT-Xent: each half of a pair has to find the other among all observations of both batches (Chen et al. 2020, eq.
    1).

    ℓ_ij = −log [exp(cos(h_i, h_j)/τ) / Σ_{k≠i} exp(cos(h_i, h_k)/τ)], averaged over all 2n ordered pairs.
    """
    h, n = normalize(torch.cat([first, second]).float()), len(first)
    similar = (h @ h.T / temperature).fill_diagonal_(-torch.inf)
    partner = torch.arange(2 * n, device=h.device).roll(n)
    return cross_entropy(similar, partner)


def shared_information(p: Float[Tensor, "batch value"], q: Float[Tensor, "batch value"]) -> Float[Tensor, ""]:
    """The mutual information, in nats, of two readings of the same observations (Ji et al. 2019, eq. 3).

    It is high if both agree, are confident, and use all values equally often. Its maximum is log(values).
    """
    joint = (p.T @ q) / len(p)
    joint = ((joint + joint.T) / 2).clamp(min=1e-8)
    independent = joint.sum(0, keepdim=True) * joint.sum(1, keepdim=True)
    return (joint * (joint.log() - independent.log())).sum()


@torch.no_grad()
def directions(h: Features, groups: int, restarts: int = 20, rounds: int = 50) -> Float[Tensor, "group feature"]:
    """Unit vectors along clusters of features, by spherical k-means (Dhillon & Modha 2001). The best of several
    restarts.

    It maximises Σ_i max_k cos(h_i, μ_k).
    """
    h = normalize(h.float())
    found = [_rounds(h, _spread(h, groups), rounds) for _ in range(restarts)]
    return max(found, key=lambda means: float((h @ means.T).amax(1).sum()))


def _spread(h: Features, groups: int) -> Float[Tensor, "group feature"]:
    """Initial means: features drawn one by one, with probabilities that grow with the distance from those already
    drawn.
    """
    means = h[together.randint(0, len(h), (1,), along=None, device=h.device)]
    for _ in range(groups - 1):
        distance = (1 - (h @ means.T).amax(1)).clamp(min=1e-6)
        means = torch.cat([means, h[distance.multinomial(1, generator=together.generator(h.device))]])
    return means


def _rounds(h: Features, means: Float[Tensor, "group feature"], rounds: int) -> Float[Tensor, "group feature"]:
    """Assign and average in turn. A cluster without members keeps its mean."""
    for _ in range(rounds):
        members = one_hot((h @ means.T).argmax(1), len(means)).to(h.dtype)
        means = torch.where(members.sum(0)[:, None] > 0, normalize(members.T @ h), means)
    return means


class Discovery(nn.Module):
    """The losses that tie the first code to real observations. `images`: their number before classes are found, 0 for
    never.

    contrast: weight of `contrast` between neighbours.
    invariance: weight of `shared_information` between the codes read from neighbours.
    """

    def __init__(
        self,
        images: Annotated[
            int,
            Field(ge=0),
            Setting(
                "Images after which the first code starts from clusters of similar images. 0 for never.", "discover"
            ),
        ] = 0,
        contrast: Annotated[
            Weight,
            Setting("Weight of the contrast between similar images and all others.", "contrast_weight"),
            DISCOVERING,
        ] = 1.0,
        invariance: Annotated[
            Weight, Setting("Weight of reading the same code from similar images.", "invariance_weight"), DISCOVERING
        ] = 1.0,
        temperature: Annotated[
            float, Field(gt=0), Setting("Temperature τ of the contrast. Lower is sharper."), DISCOVERING
        ] = 0.5,
        gallery: Annotated[
            Count, Setting("Number of latest observations among which similar ones are searched."), DISCOVERING
        ] = 4096,
    ):
        super().__init__()
        self.images = images
        self.contrast = contrast
        self.invariance = invariance
        self.temperature = temperature
        self.gallery = Gallery(gallery)

    def pairs(self, x: Batch) -> Float[Tensor, "2*batch ..."]:
        """A batch followed by the neighbour of each observation. The batch is added to the gallery."""
        neighbours = self.gallery.neighbours(x)
        self.gallery.add(together.gathered(x))
        return torch.cat([x, neighbours])

    def loss(self, h: Features, logits: Float[Tensor, "batch value"], classes: bool) -> Terms:
        """The loss on features of pairs and the code read from them. `classes`: whether classes have been found."""
        first, second = together.gathered(h).chunk(2)
        apart = contrast(first, second, self.temperature)
        shared = shared_information(*together.gathered(logits).softmax(1).chunk(2))
        loss = self.contrast * apart - (self.invariance * shared if classes else 0.0)
        return {"loss": loss, "contrast": apart, "shared": shared}


@torch.no_grad()
def point(layer: nn.Linear, h: Features) -> None:
    """Initialise a layer as the classifier of the clusters of features, with logits of about SURE · cos(h, μ_k)."""
    with torch.autocast(h.device.type, enabled=False):
        layer.weight.copy_(directions(h, layer.out_features) * (SURE / h.norm(dim=1).mean()))
    layer.bias.zero_()
    together.first(layer.weight)  # on unlike processors, rounding may lead to other clusters
