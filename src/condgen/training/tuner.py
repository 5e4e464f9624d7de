"""The tuner: the fastest arithmetic for a training step on this machine, by a measurement of about a second.

Beginning with the usual arithmetic, one choice after the other is tried: precision, threads, layout, compilation. Two
candidates are timed in turns, so that other work of the machine slows both. A change is made only where it is clearly
faster.
"""

import os
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from statistics import median

from condgen.messages import setting
from condgen.models import Model
from condgen.progress import Progress
from condgen.training.arithmetic import Arithmetic, placed, unmeasured
from condgen.training.machine import knows_bf16
from condgen.training.settings import TrainingConfig
from condgen.training.stopwatch import Seconds, Stopwatch
from condgen.training.tunings import Choice, kept
from condgen.units import approximately

BETTER = 1.05  # times as fast that other arithmetic must be, by the median and by the quickest of its steps
PLAIN = 1.3  # times as slow from which on two rounds say enough
ROUNDS = 3  # of timing two candidates in turns
WORTH = 60.0  # seconds of training from which on it pays to measure
SHARE = 0.05  # of the training that measuring may take
STEPS = 15  # that measuring takes, about, where a step is slow
COMPILES = 60.0  # seconds that compiling takes, about
HOPED = 0.1  # of the time that compiling may be hoped to save, before it is tried


@dataclass(frozen=True)
class Way:
    """A way to change arithmetic.

    others: from the best so far to candidates, each tried if the one before it was faster.
    costs: seconds that the change itself takes from a run.
    """

    others: Callable[[Arithmetic], Iterator[Arithmetic]]
    costs: float = 0.0

    def pays(self, saved: float, whole: float) -> bool:
        """Whether a change pays that saves this share of a whole training, in seconds."""
        return saved * whole > self.costs


def in_bf16(best: Arithmetic) -> Iterator[Arithmetic]:
    """The same in bf16."""
    yield replace(best, precision="bf16")


def with_fewer_threads(best: Arithmetic) -> Iterator[Arithmetic]:
    """Half the threads, and half of these, down to one."""
    threads = best.threads
    while threads > 1:
        threads //= 2
        yield replace(best, threads=threads)


def in_another_layout(best: Arithmetic) -> Iterator[Arithmetic]:
    """The same with every channel of an image by itself in memory."""
    yield replace(best, layout="contiguous")


def as_compiled(best: Arithmetic) -> Iterator[Arithmetic]:
    """The same, compiled."""
    yield replace(best, compiled=True)


def left_open(settings: TrainingConfig, usual: Arithmetic, shape: tuple[int, ...], device: str) -> dict[str, Way]:
    """The ways that settings leave open on a device, by the names of these settings.

    A number of threads that a person chose in the environment stands. On a CPU, compiled models call the same kernels:
    54 s of compiling a flow in pixels made its steps 1 % faster.
    """
    bf16 = settings.precision == "auto" and usual.precision == "float32" and knows_bf16(device)
    threads = device == "cpu" and settings.threads is None and "OMP_NUM_THREADS" not in os.environ
    ways = {
        "precision": (bf16, Way(in_bf16)),
        "threads": (threads, Way(with_fewer_threads)),
        "layout": (settings.layout is None and len(shape) == 3, Way(in_another_layout)),
        "compiled": (settings.compiled is None and device != "cpu", Way(as_compiled, costs=COMPILES)),
    }
    return {name: way for name, (is_open, way) in ways.items() if is_open}


class Race:
    """Seconds of steps by different arithmetic, timed in turns."""

    def __init__(self, seconds: Seconds):
        self._seconds = seconds
        self._times: dict[Arithmetic, list[float]] = defaultdict(list)

    def least(self, how: Arithmetic) -> float:
        """The seconds of the quickest step so far, or of a first one."""
        return min(self._times[how] or [self._timed(how)])

    def gain(self, other: Arithmetic, best: Arithmetic) -> float:
        """The number of times that one arithmetic is as fast as another, for sure: by median and by quickest step."""
        new: list[float] = []
        old: list[float] = []
        for done in range(ROUNDS):
            if done > 1 and _times_as_fast(new, old) * PLAIN < 1:
                break
            new.append(self._timed(other))
            old.append(self._timed(best))
        return _times_as_fast(new, old)

    def _timed(self, how: Arithmetic) -> float:
        took = self._seconds(how)
        self._times[how].append(took)
        return took


def _times_as_fast(new: Sequence[float], old: Sequence[float]) -> float:
    return min(min(old) / min(new), median(old) / median(new))


def fastest(
    seconds: Seconds, usual: Arithmetic, training: Callable[[float], float], ways: Sequence[Way]
) -> Choice | None:
    """The fastest arithmetic by measurement. None for a run so short that measuring would not pay.

    seconds: measures a step. training: the seconds of the whole training, from those of a usual step.
    """
    started, race = time.perf_counter(), Race(seconds)
    whole = training(race.least(usual))
    if whole < WORTH or STEPS * race.least(usual) > SHARE * whole:
        return None
    best = usual
    for way in ways:
        best = _improved(race, best, way, whole)
    took = time.perf_counter() - started
    return Choice(best, usual, (race.least(best), race.least(usual)), took)


def _improved(race: Race, best: Arithmetic, way: Way, whole: float) -> Arithmetic:
    """The best arithmetic along one way, which is the best so far unless another is clearly faster."""
    if not way.pays(HOPED, whole):
        return best
    for other in way.others(best):
        gain = race.gain(other, best)
        if gain < BETTER or not way.pays(1 - 1 / gain, whole):
            break
        best = other
    return best


def too_short(settings: TrainingConfig) -> bool:
    """Whether a run is too short to be measured, which its settings alone say."""
    if settings.seconds is not None:
        return settings.seconds < WORTH
    return (settings.images or 0) / settings.batch < STEPS / SHARE


def decided(
    model: Model,
    settings: TrainingConfig,
    stopwatch: Callable[[], Stopwatch],
    training: Callable[[float], float],
    progress: Progress,
    processes: int = 1,
) -> Arithmetic:
    """The arithmetic of a new run: as set and, where the settings leave it open, the fastest. A measurement is said in
    a line, with the time of the whole training by it.

    stopwatch: makes what measures a step. training: as for `fastest`.
    processes: among which a batch is divided.
    """
    device, usual = placed(), unmeasured(settings)
    if device == "cpu" and settings.precision == "auto":
        usual = replace(usual, precision="float32")
    ways = left_open(settings, usual, model.shape, device)
    if not ways or too_short(settings):
        return usual
    choice = kept(
        model,
        settings.batch // processes,
        usual,
        list(ways),
        lambda: fastest(stopwatch(), usual, training, list(ways.values())),
    )
    if choice is None:
        return usual
    progress.note(f"{said(choice)} The whole training takes {approximately(training(choice.seconds[0]))}.")
    return choice.fastest


def said(choice: Choice) -> str:
    """A choice in a sentence, with the settings that keep the usual arithmetic."""
    fast, slow = choice.seconds
    if choice.fastest == choice.usual:
        return f"Arithmetic: {choice.usual}; nothing else is clearly faster here."
    usual = {name: value for name, value in vars(choice.usual).items() if value != getattr(choice.fastest, name)}
    return (
        f"Arithmetic: {choice.fastest}, {slow / fast:.1f} times as fast here as {choice.usual}, which "
        f"{setting(**usual)} keeps."
    )
