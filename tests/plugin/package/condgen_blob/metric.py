"""A metric: how far samples lie from the data on average."""

from dataclasses import dataclass

from condgen.evaluation.metrics.metric import Measurement, Metric


@dataclass(frozen=True)
class Offset:
    """The distance between the mean of samples and the mean of held-out data."""

    distance: float


class OffsetMetric(Metric[Offset]):
    """Do samples lie where the data lies?"""

    name = "offset"
    title = "Offset"
    about = "Do samples lie where the data lies, on average?"
    result = Offset

    def measure(self, case: Measurement) -> Offset:
        """The distance of the two means."""
        made, real = (part.floats.flatten(1).mean(0) for part in (case.samples, case.data.test))
        return Offset(float((made - real).norm()))

    def lines(self, result: Offset) -> list[str]:
        """The distance."""
        return [f"Samples lie {result.distance:.3g} from the data on average."]


OFFSET = OffsetMetric()
