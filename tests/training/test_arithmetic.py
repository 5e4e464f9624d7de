"""The choice of arithmetic, by measurements that the tests make up."""

import copy
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from condgen.data import Splits
from condgen.models import build
from condgen.progress import SILENT
from condgen.runs.run import Run
from condgen.runs.train import resume, train
from condgen.training import Trainer, TrainingConfig, arithmetic, machine
from condgen.training.arithmetic import Arithmetic, Choice, Stopwatch, decided, fastest, kept

from .test_trainer import Notes

USUAL = Arithmetic("float32", 4)
FAST = Arithmetic("bf16", 2)
LONG = 3600.0


@pytest.fixture(autouse=True)
def _threads_may_be_chosen(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setenv("CONDGEN_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("os.getloadavg", lambda: (0.0, 0.0, 0.0))


def chosen(times: dict[tuple[str, int], float], bf16: bool = True, training: float = LONG) -> Arithmetic | None:
    found = fastest(lambda how: times[how.precision, how.threads], USUAL, lambda _: training, bf16)
    return found and found.fastest


@pytest.mark.parametrize(
    ("times", "found"),
    [
        ({("float32", 4): 1.0, ("float32", 2): 1.3, ("bf16", 4): 0.5}, ("bf16", 4)),
        ({("float32", 4): 1.0, ("float32", 2): 0.6, ("float32", 1): 0.8, ("bf16", 2): 0.4}, ("bf16", 2)),
        ({("float32", 4): 1.0, ("float32", 2): 0.6, ("float32", 1): 0.3, ("bf16", 1): 0.9}, ("float32", 1)),
        ({("float32", 4): 1.0, ("float32", 2): 1.3, ("bf16", 4): 0.95}, ("float32", 4)),  # too little to be sure
        ({("float32", 4): 1.0, ("float32", 2): 0.95, ("float32", 1): 2.0, ("bf16", 4): 2.0}, ("float32", 4)),
    ],
)
def test_the_fastest_is_taken_where_it_is_clearly_so(
    times: dict[tuple[str, int], float], found: tuple[str, int]
) -> None:
    times = {how: seconds / 100 for how, seconds in times.items()}
    assert chosen(times) == Arithmetic(*found)


def test_a_machine_without_bf16_chooses_threads_alone() -> None:
    assert chosen({("float32", 4): 1.0, ("float32", 2): 0.5, ("float32", 1): 1.0}, bf16=False) == Arithmetic(
        "float32", 2
    )


def test_a_persons_own_number_of_threads_stands(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "4")
    assert chosen({("float32", 4): 1.0, ("bf16", 4): 0.5}) == Arithmetic("bf16", 4)


@pytest.mark.parametrize(("step", "training"), [(0.01, 59.0), (10.0, 600.0)])
def test_nothing_is_measured_where_it_costs_more_than_it_gains(step: float, training: float) -> None:
    """Short runs, and those of few steps; one measured step says so."""
    assert chosen({("float32", 4): step}, training=training) is None


def test_the_choice_is_said_in_a_line() -> None:
    assert str(Choice(FAST, USUAL, (0.1, 0.21))) == (
        "Arithmetic: bf16 with 2 threads, 2.1 times as fast here as float32 with 4 threads, which "
        "`precision='float32'` keeps."
    )
    assert str(Choice(USUAL, USUAL, (0.1, 0.1))).endswith("nothing else is faster here.")


# ---- kept


def test_a_machine_is_measured_once_for_a_model_and_a_batch(digits: Splits, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[int] = []

    def measure() -> Choice:
        calls.append(1)
        return Choice(FAST, USUAL, (0.1, 0.21))

    model = build("cvae", digits.schema, digits.shape, channels=4, latent=2)
    other = build("cvae", digits.schema, digits.shape, channels=8, latent=2)
    assert kept(model, 64, USUAL, measure) == kept(model, 64, USUAL, measure) == Choice(FAST, USUAL, (0.1, 0.21))
    assert len(calls) == 1
    kept(other, 64, USUAL, measure)
    kept(model, 32, USUAL, measure)
    kept(model, 64, Arithmetic("float32", 2), measure)
    monkeypatch.setattr("platform.node", lambda: "another machine with the same cache")
    kept(model, 64, USUAL, measure)
    assert len(calls) == 5


def test_what_is_measured_beside_other_work_is_not_kept(digits: Splits, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.getloadavg", lambda: (1e3, 0.0, 0.0))
    model = build("cvae", digits.schema, digits.shape, channels=4, latent=2)
    kept(model, 64, USUAL, lambda: Choice(FAST, USUAL, (0.1, 0.2)))
    assert kept(model, 64, USUAL, lambda: None) is None


def test_a_damaged_or_unwritable_cache_means_measuring_again(digits: Splits, tmp_path: Path) -> None:
    model = build("cvae", digits.schema, digits.shape, channels=4, latent=2)
    choice = Choice(FAST, USUAL, (0.1, 0.2))
    kept(model, 64, USUAL, lambda: choice)
    (file,) = (tmp_path / "cache" / "arithmetic").iterdir()
    file.write_text('{"fastest": 3}')
    assert kept(model, 64, USUAL, lambda: choice) == choice
    file.unlink()
    file.parent.rmdir()
    file.parent.write_text("no folder")
    assert kept(model, 64, USUAL, lambda: choice) == choice


# ---- measured


@pytest.mark.parametrize("family", ["cvae", "projection"])
def test_measuring_leaves_the_model_and_random_numbers_as_they_are(digits: Splits, family: str) -> None:
    model = build(family, digits.schema, digits.shape, channels=4, latent=2)
    part = digits.train[:16]
    before, threads = copy.deepcopy(model.state_dict()), torch.get_num_threads()
    torch.manual_seed(3)
    seconds = Stopwatch(model, part.floats, part.condition)
    assert all(seconds(Arithmetic(precision, 1)) > 0 for precision in ("float32", "bf16"))
    drawn = torch.rand(3)
    torch.manual_seed(3)
    assert torch.equal(drawn, torch.rand(3))
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())
    assert all(parameter.grad is None for parameter in model.parameters())
    seconds._step(model, Arithmetic("float32", 1))  # so each begins as the one before
    assert all(parameter.grad is None for parameter in model.parameters())
    assert torch.get_num_threads() == threads


def test_a_part_of_a_large_batch_is_measured_for_the_whole(digits: Splits, monkeypatch: pytest.MonkeyPatch) -> None:
    model, part = build("vae", digits.schema, digits.shape, channels=4, latent=2), digits.train[:64]
    monkeypatch.setattr(arithmetic, "NUMBERS", 1)
    seconds = Stopwatch(model, part.floats, part.condition)
    assert (len(seconds.x), len(seconds.condition), seconds.whole) == (16, 16, 4.0)
    monkeypatch.setattr(seconds, "_timed", lambda model, how: [3.0, 1.0, 2.0])
    assert seconds(Arithmetic("float32", 1)) == 4.0


def test_a_stopwatch_computes_as_it_is_told(digits: Splits, monkeypatch: pytest.MonkeyPatch) -> None:
    model, part = build("vae", digits.schema, digits.shape, channels=4, latent=2), digits.train[:16]
    seen: set[tuple[bool, int]] = set()
    forward = type(model).forward

    def noting(self: Any, *arguments: Any) -> Any:
        seen.add((torch.is_autocast_enabled("cpu"), torch.get_num_threads()))
        return forward(self, *arguments)

    monkeypatch.setattr(type(model), "forward", noting)
    monkeypatch.setattr("os.cpu_count", lambda: 2)
    seconds = Stopwatch(model, part.floats, part.condition)
    for how, expected in ((Arithmetic("bf16", 2), (True, 2)), (Arithmetic("float32", 1), (False, 1))):
        seen.clear()
        seconds(how)
        assert seen == {expected}


# ---- decided, recorded, kept when a run goes on


def fixed(choice: Choice | None) -> Callable[..., Choice | None]:
    return lambda *_: choice


def test_auto_takes_what_was_measured_and_says_so(digits: Splits, tmp_path: Path, monkeypatch: Any) -> None:
    choice = Choice(Arithmetic("bf16", 1), Arithmetic("float32", 1), (0.1, 0.2))
    monkeypatch.setattr(arithmetic, "fastest", fixed(choice))
    progress = Notes()
    run = train(
        "vae", digits, tmp_path / "run", progress=progress, channels=4, latent=2, images=128, batch=64, precision="auto"
    )
    assert f"{choice} The whole training takes about 1 seconds." in progress.notes
    assert run.info.arithmetic == choice.fastest
    assert run.info.training["precision"] == "auto"


@pytest.mark.parametrize("precision", ["float32", "no", "bf16"])
def test_a_given_precision_is_not_measured(digits: Splits, precision: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(arithmetic, "fastest", lambda *_: pytest.fail("measured"))
    model = build("vae", digits.schema, digits.shape, channels=4, latent=2)
    found = decided(model, TrainingConfig(precision=precision), lambda: pytest.fail("measured"), float, SILENT)
    assert found == Arithmetic({"no": "float32"}.get(precision, precision), torch.get_num_threads())


def test_a_run_too_short_to_be_measured_is_usual(digits: Splits, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(arithmetic, "fastest", fixed(None))
    model = build("vae", digits.schema, digits.shape, channels=4, latent=2)
    settings = TrainingConfig(precision="auto")
    assert decided(model, settings, lambda: None, float, SILENT).precision == "float32"  # type: ignore[arg-type,return-value]


def test_a_run_goes_on_with_the_arithmetic_that_it_began_with(
    digits: Splits, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(arithmetic, "fastest", fixed(Choice(Arithmetic("bf16", 1), USUAL, (0.1, 0.2))))
    settings: dict[str, Any] = {"channels": 4, "latent": 2, "batch": 64, "previews": 0, "precision": "auto"}
    run: Run = train("vae", digits, tmp_path / "run", progress=SILENT, images=128, **settings)
    monkeypatch.setattr(arithmetic, "fastest", lambda *_: pytest.fail("measured again"))
    used: list[tuple[str, int]] = []
    step = Trainer.step

    def noting(self: Trainer, *arguments: Any) -> Any:
        used.append((self.accelerator.mixed_precision, torch.get_num_threads()))
        return step(self, *arguments)

    monkeypatch.setattr(Trainer, "step", noting)
    again = resume(run.path, digits, SILENT, budget="+0.05s")
    assert set(used) == {("bf16", 1)}
    assert again.info.arithmetic == Arithmetic("bf16", 1)


def test_a_run_uses_its_threads_and_leaves_the_process_with_its_own(digits: Splits, tmp_path: Path) -> None:
    threads, seen = torch.get_num_threads(), []
    other = Arithmetic("float32", 2 if threads == 1 else 1)

    def augment(x: torch.Tensor) -> torch.Tensor:
        seen.append(torch.get_num_threads())
        return x

    model = build("vae", digits.schema, digits.shape, channels=4, latent=2)
    settings = TrainingConfig(images=64, batch=32, previews=0)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("os.cpu_count", lambda: 2)
        Trainer(model, digits, tmp_path, settings, augment=augment, arithmetic=other).run()
    assert set(seen) == {other.threads}
    assert torch.get_num_threads() == threads


def test_a_run_from_a_larger_machine_takes_the_threads_that_there_are() -> None:
    before = torch.get_num_threads()
    with Arithmetic("float32", 1_000_000).in_use():
        assert torch.get_num_threads() == max(os.cpu_count() or 1, before)
    assert torch.get_num_threads() == before


@pytest.mark.parametrize(("device", "processes"), [("cuda", 1), ("mps", 1), ("cpu", 2)])
@pytest.mark.parametrize(("quick", "precision"), [(True, "bf16"), (False, "float32")])
def test_other_devices_and_several_processes_go_by_what_the_machine_has(
    digits: Splits, device: str, processes: int, quick: bool, precision: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(arithmetic, "placed", lambda: (device, processes))
    monkeypatch.setattr(arithmetic, "quick_at_bf16", lambda: quick)
    model = build("vae", digits.schema, digits.shape, channels=4, latent=2)
    settings = TrainingConfig(precision="auto")
    assert decided(model, settings, lambda: pytest.fail("measured"), float, SILENT).precision == precision


def test_a_cpu_knows_bf16_by_its_instructions(monkeypatch: pytest.MonkeyPatch) -> None:
    for found, knows in (({"avx512_bf16": True}, True), ({"amx_bf16": True}, True), ({"avx512_f": True}, False)):
        monkeypatch.setattr(torch.cpu, "get_capabilities", lambda found=found: found)
        assert machine.knows_bf16() is knows
