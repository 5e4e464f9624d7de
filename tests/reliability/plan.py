"""All campaigns."""

from .campaign import Campaign
from .faults import Faults
from .flips import Flips
from .kills import Kills
from .power import Power
from .together import Together
from .world import World


def campaigns(world: World) -> list[Campaign]:
    """Every campaign against a world."""
    kills, flips, faults = Kills(world), Flips(world), Faults(world)
    power, together = Power(world), Together(world)
    return [
        Campaign("kill `train` and `resume`", kills.training),
        Campaign("kill `sample`", kills.sampling),
        Campaign("kill `evaluate`", kills.evaluating),
        Campaign("flip a bit of a checkpoint", flips.checkpoint),
        Campaign("flip a bit of exported weights", flips.weights),
        Campaign("full or failing disk (ENOSPC, EIO, EDQUOT)", faults.calls),
        Campaign("files that end too early (EFBIG)", faults.full),
        Campaign("interrupted calls (EINTR)", faults.interruptions),
        Campaign("power failure while a checkpoint is written", power.checkpoints),
        Campaign("power failure while a text is written", power.texts),
        Campaign("power failure while samples are written", power.samples),
        Campaign("two `train`, or two `resume`, at once", together.training),
        Campaign("two `sample` at once", together.sampling),
        Campaign("open a run while it trains", together.reading),
    ]
