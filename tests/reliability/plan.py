"""All campaigns."""

from functools import partial

from .campaign import Campaign
from .faults import Faults
from .flips import Flips
from .headers import Headers
from .kills import Kills
from .power import Power
from .serving import Serving
from .together import Together
from .world import World


def campaigns(world: World) -> list[Campaign]:
    """Every campaign against a world."""
    kills, flips, faults = Kills(world), Flips(world), Faults(world)
    power, together, headers, serving = Power(world), Together(world), Headers(), Serving(world)
    return [
        Campaign("kill `train` and `resume`", kills.training, 8),
        *(
            Campaign(f"kill {command.title}", kills.of(command), 4, partial(kills.unharmed, command))
            for command in kills.commands()
        ),
        Campaign("kill `serve` while it answers", serving.killed, 4, serving.unharmed),
        Campaign("flip a bit of a checkpoint", flips.checkpoint, 0.5),
        Campaign("flip a bit of exported weights", flips.weights, 0.2),
        Campaign("flip a bit of an exported ONNX model", flips.onnx, 0.2, prepare=partial(flips.whole, "onnx")),
        Campaign("full or failing disk (ENOSPC, EIO, EDQUOT)", faults.calls),
        Campaign("files that end too early (EFBIG)", faults.full),
        Campaign("interrupted calls (EINTR)", faults.interruptions),
        Campaign("power failure while a checkpoint is written", power.checkpoints),
        Campaign("power failure while a text is written", power.texts),
        Campaign("power failure while samples are written", power.samples),
        Campaign("two `train`, or two `resume`, at once", together.training),
        Campaign("two `sample` at once", together.sampling),
        Campaign("open a run while it trains", together.reading),
        Campaign("the three of before, on a slow disk", together.slowly, 2),
        Campaign("the three of before, while the clock jumps by hours", together.out_of_time, 2),
        Campaign("a header damaged in any way", headers.any_shape, 2),  # last: these train in this process itself
        Campaign("a header of nonsense that its models accept", headers.of_models, 2),
    ]
