"""The generator of a GAN."""

from jaxtyping import Float
from torch import Tensor, nn

from condgen.conditioning import ConditionEncoder, Encoded
from condgen.models.base import Batch
from condgen.schema import Condition


class Generator(nn.Module):
    """Latent noise [batch, latent] to observations [batch, *shape], under a condition. Images are in [0, 1].

    finish: the step from images to those that are shown. By default there is none.
    """

    def __init__(
        self, condition_encoder: ConditionEncoder, backbone: nn.Module, latent: int, finish: nn.Module | None = None
    ):
        super().__init__()
        self.condition_encoder = condition_encoder
        self.backbone = backbone
        self.latent = latent
        self.finish = finish or nn.Identity()

    def forward(self, z: Float[Tensor, "batch latent"], condition: Condition) -> Batch:
        """Observations for noise under conditions, as critics see them."""
        return self.drawn(z, self.condition_encoder(condition))

    def shown(self, z: Float[Tensor, "batch latent"], c: Encoded) -> Batch:
        """Observations for noise under encoded conditions, as they are shown."""
        x: Batch = self.finish(self.drawn(z, c))
        return x

    def drawn(self, z: Float[Tensor, "batch latent"], c: Encoded) -> Batch:
        """Observations for noise under encoded conditions, as critics see them."""
        x = self.backbone(z, c)
        return x.sigmoid() if x.dim() == 4 else x
