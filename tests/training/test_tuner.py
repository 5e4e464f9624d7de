"""The choice of arithmetic, by measurements that the tests make up."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from condgen.data import Splits
from condgen.models import build
from condgen.progress import SILENT
from condgen.runs.resume import resume
from condgen.runs.run import Run
from condgen.runs.train import train
from condgen.training import Trainer, TrainingConfig, tuner
from condgen.training.arithmetic import Arithmetic
from condgen.training.stopwatch import Stopwatch
from condgen.training.tuner import decided, fastest, left_open, said, too_short
from condgen.training.tunings import Choice

from .test_trainer import Notes

USUAL = Arithmetic("float32", 4)
FAST = Arithmetic("bf16", 2)
LONG = 300.0  # seconds of training
OPEN = TrainingConfig(precision="auto")
IMAGES = (1, 28, 28)


@pytest.fixture(autouse=True)
def _threads_may_be_chosen(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setenv("CONDGEN_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("os.getloadavg", lambda: (0.0, 0.0, 0.0))
    monkeypatch.setattr(tuner, "knows_bf16", lambda device: True)


class Machine:
    """A machine whose steps take as long as the test says, by what differs from the usual arithmetic.

    trouble: factors on successive measurements, by other work.
    """

    def __init__(self, times: dict[str, float], trouble: Iterator[float] | None = None):
        self.times, self.trouble = {"": 0.01, **times}, trouble
        self.asked: list[str] = []

    def __call__(self, how: Arithmetic) -> float:
        traits = {"precision": how.precision, "threads": how.threads, "layout": how.layout, "compiled": how.compiled}
        self.asked.append("+".join(str(v) for k, v in traits.items() if v != getattr(USUAL, k)))
        return self.times.get(self.asked[-1], 0.02) * (next(self.trouble) if self.trouble else 1.0)


def chosen(times: dict[str, float], training: float = LONG, device: str = "cpu") -> Arithmetic | None:
    ways = list(left_open(OPEN, USUAL, IMAGES, device).values())
    found = fastest(Machine(times), USUAL, lambda _: training, ways)
    return found and found.fastest


@pytest.mark.parametrize(
    ("times", "found"),
    [
        ({"bf16": 0.005, "bf16+2": 0.006}, Arithmetic("bf16", 4)),
        ({"bf16": 0.005, "bf16+2": 0.004, "bf16+1": 0.006}, Arithmetic("bf16", 2)),
        ({"2": 0.006, "1": 0.003}, Arithmetic("float32", 1)),
        ({"bf16": 0.0097, "2": 0.0097, "contiguous": 0.0097}, USUAL),  # too little to be sure
        ({"bf16": 0.005, "bf16+contiguous": 0.004}, Arithmetic("bf16", 4, "contiguous")),
        ({"contiguous": 0.008}, Arithmetic("float32", 4, "contiguous")),
    ],
)
def test_the_fastest_is_taken_where_it_is_clearly_so(times: dict[str, float], found: Arithmetic) -> None:
    assert chosen(times) == found


@pytest.mark.parametrize(
    "trouble",
    [
        [1.0, 1.0, 2.0, 1.0, 2.0, 1.0, 1.0, 1.0, 1.0],  # two usual steps were disturbed: equal by the quickest
        [1.0, 0.8, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0],  # one other step was lucky: equal by the median
    ],
)
def test_a_change_must_be_faster_by_its_quickest_and_by_its_median_step(trouble: list[float]) -> None:
    machine = Machine({"bf16": 0.01}, iter(trouble))
    found = fastest(machine, USUAL, lambda _: LONG, [left_open(OPEN, USUAL, IMAGES, "cpu")["precision"]])
    assert found
    assert found.fastest == USUAL


@pytest.mark.parametrize(("bf16", "rounds"), [(0.002, tuner.ROUNDS), (0.0099, tuner.ROUNDS), (0.05, 2)])
def test_candidates_are_timed_in_turns_and_no_longer_than_needed(bf16: float, rounds: int) -> None:
    machine = Machine({"bf16": bf16})
    fastest(machine, USUAL, lambda _: LONG, [left_open(OPEN, USUAL, IMAGES, "cpu")["precision"]])
    assert machine.asked == ["", *["bf16", ""] * rounds]


@pytest.mark.parametrize(
    ("training", "step", "compiled"),
    [
        (500.0, 0.005, False),  # a tenth of it, as much as may be hoped for, does not repay a compiler
        (1_000.0, 0.0095, False),  # it saved 50 s and cost 60
        (1_000.0, 0.009, True),  # it saved 100 s
        (9_000.0, 0.0099, False),  # it saved 90 s, if it was no error
    ],
)
def test_compiling_must_repay_its_own_time(training: float, step: float, compiled: bool) -> None:
    found = chosen({"True": step}, training, "cuda")
    assert found
    assert found.compiled is compiled


def test_a_candidate_that_the_machine_cannot_compute_is_left() -> None:
    assert chosen({"bf16": float("inf")}) == USUAL


# ---- left open


def test_settings_close_ways_and_a_persons_own_number_of_threads_stands(monkeypatch: pytest.MonkeyPatch) -> None:
    assert [*left_open(OPEN, USUAL, IMAGES, "cpu")] == ["precision", "threads", "layout"]
    assert [*left_open(OPEN, USUAL, IMAGES, "cuda")] == ["precision", "layout", "compiled"]
    assert [*left_open(OPEN, USUAL, (2,), "cpu")] == ["precision", "threads"]
    assert [*left_open(TrainingConfig(), USUAL, IMAGES, "cpu")] == ["threads", "layout"]
    all_set = TrainingConfig(precision="bf16", threads=1, layout="contiguous", compiled=False)
    assert not left_open(all_set, USUAL, IMAGES, "cpu")
    monkeypatch.setenv("OMP_NUM_THREADS", "4")
    assert "threads" not in left_open(OPEN, USUAL, IMAGES, "cpu")


@pytest.mark.parametrize(("step", "training"), [(0.01, 59.0), (10.0, 600.0)])
def test_nothing_is_measured_where_it_costs_more_than_it_gains(step: float, training: float) -> None:
    """Short runs, and those of few steps; one measured step says so."""
    machine = Machine({"": step})
    assert fastest(machine, USUAL, lambda _: training, [*left_open(OPEN, USUAL, IMAGES, "cpu").values()]) is None
    assert machine.asked == [""]


def test_settings_alone_may_say_that_a_run_is_short() -> None:
    assert too_short(TrainingConfig(seconds=50.0))
    assert not too_short(TrainingConfig(seconds=120.0))
    assert too_short(TrainingConfig(images=10_000, batch=64))
    assert not too_short(TrainingConfig(images=1_000_000, batch=64))


def test_the_choice_is_said_in_a_line() -> None:
    assert said(Choice(FAST, USUAL, (0.1, 0.21))) == (
        "Arithmetic: bf16 with 2 threads, 2.1 times as fast here as float32 with 4 threads, which "
        "`precision='float32', threads=4` keeps."
    )
    assert said(Choice(USUAL, USUAL, (0.1, 0.1))).endswith("nothing else is clearly faster here.")
    assert str(Arithmetic("bf16", 1, "contiguous", compiled=True)) == "bf16 with 1 thread, contiguous, compiled"


# ---- decided, recorded, kept when a run goes on


def fixed(choice: Choice | None) -> Callable[..., Choice | None]:
    return lambda *_: choice


def test_auto_takes_what_was_measured_and_says_so(digits: Splits, tmp_path: Path, monkeypatch: Any) -> None:
    choice = Choice(Arithmetic("bf16", 1, "contiguous"), Arithmetic("float32", 1), (0.1, 0.2))
    monkeypatch.setattr(tuner, "fastest", fixed(choice))
    monkeypatch.setattr(tuner, "too_short", lambda settings: False)
    progress = Notes()
    run = train(
        "vae", digits, tmp_path / "run", progress=progress, channels=4, latent=2, images=128, batch=64, precision="auto"
    )
    assert f"{said(choice)} The whole training takes about 1 seconds." in progress.notes
    assert run.info.arithmetic == choice.fastest
    assert run.info.training["precision"] == "auto"


@pytest.mark.parametrize("precision", ["float32", "no", "bf16"])
def test_what_is_set_is_not_measured(digits: Splits, precision: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tuner, "fastest", lambda *_: pytest.fail("measured"))
    model = build("vae", digits.schema, digits.shape, channels=4, latent=2)
    settings = TrainingConfig(precision=precision, threads=3, layout="contiguous", compiled=False, seconds=1e4)
    found = decided(model, settings, lambda: pytest.fail("measured"), float, SILENT)
    assert found == Arithmetic({"no": "float32"}.get(precision, precision), 3, "contiguous")


def test_a_run_too_short_to_be_measured_is_usual(digits: Splits) -> None:
    model = build("vae", digits.schema, digits.shape, channels=4, latent=2)
    settings = TrainingConfig(precision="auto", images=1_000)
    found = decided(model, settings, lambda: pytest.fail("measured"), float, SILENT)
    assert found == Arithmetic("float32", torch.get_num_threads())


def test_a_run_goes_on_with_the_arithmetic_that_it_began_with(
    digits: Splits, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = Arithmetic("bf16", 1, "contiguous")
    monkeypatch.setattr(tuner, "too_short", lambda settings: False)
    monkeypatch.setattr(tuner, "fastest", fixed(Choice(first, USUAL, (0.1, 0.2))))
    settings: dict[str, Any] = {"channels": 4, "latent": 2, "batch": 64, "previews": 0, "precision": "auto"}
    run: Run = train("vae", digits, tmp_path / "run", progress=SILENT, images=128, **settings)
    monkeypatch.setattr(tuner, "fastest", lambda *_: pytest.fail("measured again"))
    used: list[tuple[str, int, bool]] = []
    step = Trainer.step

    def noting(self: Trainer, x: torch.Tensor, *arguments: Any) -> Any:
        weight = max((p for p in self.raw.parameters() if p.dim() == 4), key=lambda p: min(p.shape[1:]))
        used.append((self.accelerator.mixed_precision, torch.get_num_threads(), weight.is_contiguous()))
        return step(self, x, *arguments)

    monkeypatch.setattr(Trainer, "step", noting)
    again = resume(run.path, digits, SILENT, budget="+0.05s")
    assert set(used) == {("bf16", 1, True)}
    assert again.info.arithmetic == first


def test_of_several_processes_one_measures_its_part_of_a_batch(digits: Splits, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[int] = []
    monkeypatch.setattr(tuner, "kept", lambda model, batch, *others: seen.append(batch))
    model = build("vae", digits.schema, digits.shape, channels=4, latent=2)
    settings = TrainingConfig(precision="auto", seconds=1e4, batch=128)
    decided(model, settings, lambda: pytest.fail("measured"), float, SILENT, processes=2)
    assert seen == [64]


@pytest.mark.parametrize(
    ("quick", "ways"), [(True, ["layout", "compiled"]), (False, [*("precision", "layout"), "compiled"])]
)
def test_a_gpu_is_measured_from_what_its_units_are_made_for(
    digits: Splits, quick: bool, ways: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a GPU that the test makes up: bf16 from the beginning where it has units for that, never threads."""
    monkeypatch.setattr(tuner, "placed", lambda: "cuda")
    monkeypatch.setattr("condgen.training.arithmetic.quick_at_bf16", lambda: quick)
    seen: list[Any] = []

    def keeping(model: Any, batch: int, usual: Arithmetic, left: list[str], measure: Any) -> None:
        seen.extend((usual.precision, left))

    monkeypatch.setattr(tuner, "kept", keeping)
    model = build("vae", digits.schema, digits.shape, channels=4, latent=2)
    decided(model, TrainingConfig(precision="auto", seconds=1e4), lambda: pytest.fail("measured"), float, SILENT)
    assert seen == ["bf16" if quick else "float32", ways]


def test_a_true_measurement_of_a_small_model(digits: Splits) -> None:
    """Whatever is faster here, the measurement ends, within the ways left open."""
    model = build("vae", digits.schema, digits.shape, channels=4, latent=2)
    part = digits.train[:16]
    usual = Arithmetic("float32", 1)
    ways = left_open(TrainingConfig(precision="auto", threads=1), usual, digits.shape, "cpu")
    choice = fastest(Stopwatch(model, part.floats, part.condition), usual, lambda _: 100.0, list(ways.values()))
    assert choice
    assert choice.usual == usual
    assert choice.fastest.threads == 1
    assert not choice.fastest.compiled
    assert min(choice.seconds) > 0
    assert choice.took > 0
