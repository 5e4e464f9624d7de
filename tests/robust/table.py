"""The margins of statistical tests over variations, as a table sorted by the smallest."""

import json
import math
import statistics
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

SAFE = 4.0  # standard deviations of room


@dataclass
class Measured:
    """One test over all variations: how often it held, and the room that each of its assertions left."""

    outcomes: list[bool] = field(default_factory=list)
    rooms: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))

    @property
    def margin(self) -> float:
        """The smallest, over its assertions, of the mean room in standard deviations over the variations."""
        return min(map(deviations, self.rooms.values()), default=math.inf)

    @property
    def tightest(self) -> str:
        """The assertion with the smallest margin."""
        return min(self.rooms, key=lambda source: deviations(self.rooms[source]), default="")

    @property
    def held(self) -> int:
        """How many variations it held in."""
        return sum(self.outcomes)


def deviations(rooms: list[float]) -> float:
    """The mean in standard deviations; infinite where nothing varies. Of one variation it says nothing: NaN."""
    if len(rooms) < 2:
        return math.nan
    spread = statistics.stdev(rooms)
    return statistics.mean(rooms) / spread if spread else math.copysign(math.inf, statistics.mean(rooms))


def collect(records: Iterable[Path]) -> dict[str, Measured]:
    """Every test in the records of all variations. An assertion in a loop counts by its least room."""
    found: dict[str, Measured] = defaultdict(Measured)
    for record in records:
        least: dict[tuple[str, str], float] = {}
        for line in record.read_text().splitlines():
            entry = json.loads(line)
            if "held" in entry:
                found[entry["test"]].outcomes.append(entry["held"])
            else:
                key = (entry["test"], entry["source"])
                least[key] = min(entry["room"], least.get(key, math.inf))
        for (test, source), room in least.items():
            found[test].rooms[source].append(room)
    return found


def table(found: dict[str, Measured]) -> str:
    """Lines `margin  held/variations  test  assertion`, those with the least room first."""
    order = sorted(found.items(), key=lambda pair: (pair[1].held - len(pair[1].outcomes), _key(pair[1].margin)))
    lines = [f"{'margin':>8}  {'held':>7}  test: the assertion with the least room"]
    for test, measured in order:
        held = f"{measured.held}/{len(measured.outcomes)}"
        lines.append(f"{measured.margin:8.1f}  {held:>7}  {test}: {measured.tightest}".rstrip(": "))
    return "\n".join(lines)


def tight(found: dict[str, Measured]) -> list[str]:
    """Tests that failed somewhere, or that have less room than they should and were not seen to hold 20 times."""
    return [
        test
        for test, measured in found.items()
        if not all(measured.outcomes) or (measured.margin < SAFE and len(measured.outcomes) < 20)
    ]


def _key(margin: float) -> float:
    return math.inf if math.isnan(margin) else margin
