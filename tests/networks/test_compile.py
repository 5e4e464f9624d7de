"""Networks of flows can be compiled as a whole: nothing in them breaks the graph."""

import subprocess
import sys

import pytest

SCRIPT = """
import torch
from condgen.conditioning import MECHANISMS, Encoded
from condgen.models.backbones import Backbones, Size

x, c = torch.randn(2, 1, 16, 16), Encoded(torch.randn(2, 8), torch.randn(2, 3, 8))
for backbone in ("unet", "transformer"):
    for name in MECHANISMS:
        if name == "none":
            continue
        network = Backbones((1, 16, 16), 8, Size()).field(name, backbone)
        with torch.no_grad():
            for parameter in network.parameters():
                parameter.normal_(std=0.2)
        whole = torch.compile(network, fullgraph=True, backend="eager")
        torch.testing.assert_close(whole(x, c), network(x, c))
        print(backbone, name)
"""


@pytest.mark.slow
def test_a_flows_network_is_one_graph_under_every_mechanism() -> None:
    """In a process of its own: the runtime type checks of the tests cannot be traced."""
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    assert len(done.stdout.splitlines()) == 10
