"""Dense networks, for vectors and for the latents of other networks."""

from collections.abc import Sequence
from itertools import pairwise

from jaxtyping import Float
from torch import Tensor, nn

from condgen.conditioning import Encoded, Mechanism


class MLP(nn.Module):
    """Dense layers, each hidden one wrapped by a mechanism: vectors [batch, inputs] to [batch, outputs].

    Without a hidden layer it is linear and takes no condition. `inner` is the mechanism of the layers behind the first,
    if it differs from theirs.
    """

    def __init__(
        self,
        inputs: int,
        hidden: Sequence[int],
        outputs: int,
        *,
        mechanism: type[Mechanism],
        condition_width: int,
        inner: type[Mechanism] | None = None,
    ):
        super().__init__()
        sizes = [inputs, *hidden]
        layers = (nn.Linear(a, b) for a, b in pairwise(sizes))
        enters = (mechanism if k == 0 else inner or mechanism for k in range(len(hidden)))
        self.hidden = nn.ModuleList(enter(layer, condition_width) for enter, layer in zip(enters, layers, strict=False))
        self.out = nn.Linear(sizes[-1], outputs)

    def forward(self, x: Float[Tensor, "batch input"], c: Encoded) -> Float[Tensor, "batch output"]:
        """The outputs for x under condition c."""
        for layer in self.hidden:
            x = nn.functional.silu(layer(x, c))
        return self.out(x)
