"""A mechanism: the condition moves a layer's output, and no more."""

from torch import Tensor, nn

from condgen.conditioning import Encoded, Mechanism


class Shift(Mechanism):
    """f(x) + β(c)."""

    def __init__(self, layer: nn.Linear | nn.Conv2d, width: int):
        super().__init__(layer, width)
        self.beta = nn.Linear(width, self.outputs)

    def forward(self, x: Tensor, c: Encoded) -> Tensor:
        """The wrapped layer's output, moved."""
        y = self.layer(x)
        beta = self.beta(c.vector)
        return y + beta.reshape(*beta.shape, *[1] * (y.dim() - 2))
