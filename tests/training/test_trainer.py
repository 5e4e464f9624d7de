"""The loop, on models so small that what it does to them can be followed."""

import json
import math
import os
import re
import signal
import time
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from condgen.cli.spelling import spell
from condgen.data import Dataset, Splits, split
from condgen.errors import RequestError, RunError
from condgen.models import Model
from condgen.models.base import Terms
from condgen.models.complaint import Complaint
from condgen.models.remedies import LONGER
from condgen.progress import SILENT, Silent
from condgen.rng import Rng
from condgen.runs.run import Run
from condgen.schema import Categorical, Condition, Flag, Schema
from condgen.training import Interrupted, Trainer, TrainingConfig, checkpoint, condition_effect, learning_rate
from condgen.training.looks import HEALTHY
from condgen.training.plan import Stage

SCHEMA = Schema(attributes=(Categorical(name="sign", values=("minus", "plus")), Flag(name="on")))


class Toy(Model):
    """x ≈ weight · sign + noise; `on` does nothing. Hooks see every forward pass."""

    def __init__(self, obeys: bool = True, **facts: bool):
        super().__init__(SCHEMA, (2,))
        vars(self).update(facts)  # conditional, handles_missing, …
        self.weight = nn.Parameter(torch.zeros(2))
        self.obeys = obeys
        self.seen: list[Condition] = []
        self.loss: Callable[[int, Tensor], Tensor] = lambda _, loss: loss

    def centre(self, condition: Condition) -> Tensor:
        return self.weight * (condition.values["sign"] * 2 - 1)[:, None] * self.obeys

    def forward(self, x: Tensor, condition: Condition, player: str = "model") -> Terms:
        if self.training:
            self.seen.append(condition)
        loss = (x - self.centre(condition) - (not self.obeys) * self.weight).square().mean()
        return {"loss": self.loss(len(self.seen), loss)}

    def sample(self, condition: Condition, rng: Rng) -> Tensor:
        return self.centre(condition) + 0.1 * rng.normal(2)


class Duel(Model):
    """Two players with weights of their own, and a buffer of integers. `turns` holds both players' weights at each."""

    conditional = False

    def __init__(self) -> None:
        super().__init__(SCHEMA, (2,))
        self.generator = nn.Linear(2, 2)
        self.critic = nn.Sequential(nn.Linear(2, 4), nn.BatchNorm1d(4), nn.Linear(4, 1))
        self.turns: list[tuple[str, Tensor, Tensor]] = []

    def players(self) -> dict[str, list[nn.Parameter]]:
        return {"critic": list(self.critic.parameters()), "generator": list(self.generator.parameters())}

    def weights(self) -> tuple[Tensor, Tensor]:
        return self.critic[0].weight.detach().clone(), self.generator.weight.detach().clone()  # type: ignore[operator,union-attr]

    def forward(self, x: Tensor, condition: Condition, player: str = "model") -> Terms:
        if self.training:
            self.turns.append((player, *self.weights()))
        fake = self.critic(self.generator(torch.randn_like(x))).mean()
        return {"loss": -fake if player == "generator" else fake - self.critic(x).mean()}

    def sample(self, condition: Condition, rng: Rng) -> Tensor:
        return self.generator(rng.normal(2))


class Collapsing(Toy):
    """Every sample of a condition is the same after so many steps, and the condition is ignored after so many."""

    def __init__(self, collapses: float = math.inf, ignores: float = math.inf, **facts: bool):
        super().__init__(**facts)
        self.register_buffer("steps", torch.zeros((), dtype=torch.long))
        self.collapses = collapses
        self.ignores = ignores

    def forward(self, x: Tensor, condition: Condition, player: str = "model") -> Terms:
        self.steps += self.training
        return super().forward(x, condition, player)

    def sample(self, condition: Condition, rng: Rng) -> Tensor:
        centre = self.centre(condition) if int(self.steps) <= self.ignores else torch.zeros(len(condition), 2)
        return centre + (0.1 if int(self.steps) <= self.collapses else 0.001) * rng.normal(2)


class Notes(Silent):
    def __init__(self) -> None:
        self.notes: list[str] = []
        self.alarms: list[str] = []

    def note(self, text: str) -> None:
        self.notes.append(text)

    def alarm(self, text: str) -> None:
        self.alarms.append(text)


def data(n: int = 400, missing: bool = False) -> Splits:
    """Points at ±(1, 1) by sign; `on` always agrees with the sign. Half of the labels `on` may be missing."""
    rows: list[dict[str, Any]] = [{"sign": ["minus", "plus"][k % 2], "on": k % 2} for k in range(n)]
    if missing:
        rows = [row if k % 4 < 2 else {"sign": row["sign"]} for k, row in enumerate(rows)]
    condition = Condition.of(SCHEMA, rows)
    x = (condition.values["sign"] * 2 - 1)[:, None] + 0.1 * torch.randn(n, 2)
    return split(Dataset(x, condition))


def trainer(folder: Path, model: Model | None = None, splits: Splits | None = None, **settings: Any) -> Trainer:
    settings = {"images": 3200, "batch": 32, "lr": 0.05, "previews": 0, **settings}
    progress = settings.pop("progress", SILENT)
    clock = settings.pop("clock", time.monotonic)
    config = TrainingConfig(**settings)
    return Trainer(model or Toy(), splits or data(), folder, config, progress=progress, clock=clock)


def entries(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]


def saved(folder: Path) -> tuple[checkpoint.Info, dict[str, Tensor]]:
    return checkpoint.load(folder / checkpoint.FILE)


# ---- the learning rate


def test_the_learning_rate_warms_up_stays_and_falls_to_zero() -> None:
    def at(images: int, warmup: int = 1000) -> float:
        return learning_rate(2.0, images, Stage(100_000).share_after, warmup)

    assert at(0) == pytest.approx(2.0 / 1000)
    assert at(499) == pytest.approx(1.0)
    assert at(999) == at(10_000) == at(30_000) == 2.0
    assert at(65_000) == pytest.approx(1.0)
    assert at(100_000) == at(110_000) == 0
    assert at(4_999, warmup=50_000) == pytest.approx(1.0)  # at most a tenth of the run is warm-up
    assert all(a >= b for a, b in pairwise(at(k) for k in range(2000, 100_000, 1000)))


def test_the_learning_rate_waits_at_its_peak_until_the_budget_is_measured() -> None:
    assert [learning_rate(2.0, k, lambda _: None, 1000) for k in (0, 499, 999, 10**9)] == pytest.approx(
        [2e-3, 1.0, 2.0, 2.0]
    )


# ---- training


def test_it_learns_counts_images_and_leaves_a_checkpoint_and_a_log(tmp_path: Path) -> None:
    training = trainer(tmp_path, images=3000)
    training.run()
    torch.testing.assert_close(training.raw.weight, torch.ones(2), rtol=0, atol=0.1)  # type: ignore[arg-type]
    info, _ = saved(tmp_path)
    assert (info.images, info.total) == (3008, 3000)
    seen = [e["images"] for e in entries(tmp_path)]
    assert seen == sorted(seen)
    assert seen[0] == 20 * 32
    assert seen[-1] == 3008  # whole batches
    losses = [e["loss"] for e in entries(tmp_path) if "loss" in e]
    assert losses[-1] < 0.1 * losses[0]


def test_equal_seeds_give_equal_weights_and_others_do_not(tmp_path: Path) -> None:
    weights = []
    for k, seed in enumerate((1, 1, 2)):
        torch.manual_seed(k)  # the state of the process's own stream does not matter
        training = trainer(tmp_path, seed=seed, splits=data_once(), images=320)
        training.run()
        weights.append(training.raw.weight.detach())
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])


def data_once() -> Splits:
    with torch.random.fork_rng():
        torch.manual_seed(7)
        return data()


def test_augmentation_sees_every_batch_and_can_be_repeated(tmp_path: Path) -> None:
    draws: list[list[float]] = [[], []]
    for found in draws:

        def augment(x: Tensor, found: list[float] = found) -> Tensor:
            found.append(float(torch.rand(())))
            return x

        training = trainer(tmp_path, images=320)
        training.augment = augment
        training.run()
    assert draws[0] == draws[1]
    assert len(set(draws[0])) == 10


def test_validation_and_pictures_come_as_often_as_asked(tmp_path: Path) -> None:
    training = trainer(tmp_path, previews=4)
    training.preview = lambda model, path: path.with_suffix(".txt").write_text("") and None  # type: ignore[func-returns-value]
    training.run()
    assert [e["images"] for e in entries(tmp_path) if "validation/loss" in e] == [800, 1600, 2400, 3200]
    assert len(list((tmp_path / "samples").iterdir())) == 4


def test_validation_changes_nothing(tmp_path: Path) -> None:
    weights = []
    for previews in (0, 7):
        training = trainer(tmp_path, splits=data_once(), previews=previews)
        training.run()
        weights.append(training.raw.weight.detach())
    assert torch.equal(*weights)


# ---- missing attributes


def test_missing_attributes_are_filled_from_the_joint_never_with_zero(tmp_path: Path) -> None:
    model, splits = Toy(), data(missing=True)
    trainer(tmp_path, model, splits, images=640, previews=1).run()
    assert not splits.train.condition.complete
    seen = Condition.cat(model.seen)
    assert seen.complete
    assert torch.equal(seen.values["on"], seen.values["sign"])  # as in the rows that have both


def test_a_model_that_handles_missing_attributes_sees_them_missing(tmp_path: Path) -> None:
    model = Toy(handles_missing=True)
    trainer(tmp_path, model, data(missing=True), images=640, previews=1).run()
    seen = Condition.cat(model.seen)
    assert seen.given("sign").all()
    assert 0.4 < seen.given("on").float().mean() < 0.6


# ---- divergence


@pytest.mark.parametrize(
    "broken",
    [lambda loss: loss * math.nan, lambda loss: loss * 1e6, lambda loss: loss * math.inf],
    ids=["nan", "exploding", "infinite"],
)
def test_divergence_stops_with_advice_and_keeps_the_last_good_checkpoint(
    tmp_path: Path, broken: Callable[[Tensor], Tensor]
) -> None:
    model = Toy()
    model.loss = lambda step, loss: broken(loss) if step > 50 else loss
    with pytest.raises(RunError) as caught:
        trainer(tmp_path, model, checkpoint_seconds=1e-9, warmup=50, lr=0.02).run()
    for part in (str(tmp_path), "lr=0.005", "warmup=250", "1,632 rows", "that after 1,600 rows"):
        assert part in str(caught.value)
    assert "\n" not in str(caught.value)
    info, tensors = saved(tmp_path)
    assert info.images == 50 * 32
    assert all(t.isfinite().all() for t in tensors.values())


def test_a_run_that_diverges_at_once_says_that_nothing_is_kept(tmp_path: Path) -> None:
    model = Toy()
    model.loss = lambda step, loss: loss * math.nan
    with pytest.raises(RunError, match=r"Nothing learned is kept: the checkpoint in .* is that of the start"):
        trainer(tmp_path, model).run()
    assert saved(tmp_path)[0].images == 0


def test_broken_gradients_stop_it_too_before_they_are_saved(tmp_path: Path) -> None:
    model = Toy()
    model.loss = lambda step, loss: loss + (0 * model.weight[0] / 0 * 0).nan_to_num() if step == 30 else loss
    with pytest.raises(RunError, match="diverged"):
        trainer(tmp_path, model, checkpoint_seconds=1e-9).run()
    assert all(t.isfinite().all() for t in saved(tmp_path)[1].values())


def test_a_resumed_run_diverges_only_where_a_whole_one_would(tmp_path: Path) -> None:
    """Its losses were judged by those of its first steps after it went on, which are small."""
    begun, again = Toy(), Toy()
    begun.loss = lambda step, loss: loss * 0 + 40
    with pytest.raises(Interrupted):
        trainer(tmp_path, begun, progress=StopsAt(640)).run()
    again.loss = lambda step, loss: loss * 0 + (0.1 if step <= 20 else 12)
    resumed = trainer(tmp_path, again)
    resumed.restore(*saved(tmp_path))
    resumed.run()
    assert saved(tmp_path)[0].first_loss == 40


# ---- signals


class StopsAt(Notes):
    """Presses Ctrl-C, or sends another signal, while the losses at that many images are shown."""

    def __init__(self, images: int, number: signal.Signals = signal.SIGINT):
        super().__init__()
        self.images = images
        self.number = number

    def move(self, done: int, total: int | None = None, values: Mapping[str, float] | None = None) -> None:
        if done >= self.images:
            self.images = 10**9
            os.kill(os.getpid(), self.number)


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_an_interruption_has_the_status_of_its_signal(tmp_path: Path, name: str) -> None:
    number = signal.Signals[name]
    with pytest.raises(Interrupted, match=f"Stopped by {name} after") as caught:
        trainer(tmp_path, progress=StopsAt(640, number)).run()
    assert caught.value.exit_status == 128 + number
    assert saved(tmp_path)[0].images >= 640


def test_a_run_saves_when_it_is_asked_to_and_goes_on(tmp_path: Path) -> None:
    progress = StopsAt(640, signal.SIGUSR1)
    trainer(tmp_path, progress=progress).run()
    (note,) = progress.notes
    assert re.fullmatch(r"Saved after 6\d\d rows\.", note)
    assert saved(tmp_path)[0].images == 3200


class StopsLooking(Notes):
    """Presses Ctrl-C at the last look."""

    def alarm(self, text: str) -> None:
        os.kill(os.getpid(), signal.SIGINT)


def test_a_signal_at_the_last_look_leaves_a_finished_run(tmp_path: Path) -> None:
    with pytest.raises(Interrupted, match="after 3,200 rows; the run is finished, and saved"):
        trainer(tmp_path, progress=StopsLooking()).run()
    assert saved(tmp_path)[0].finished
    assert not (tmp_path / HEALTHY).exists()


def test_a_signal_at_any_moment_saves_before_it_stops(tmp_path: Path) -> None:
    """The signal arrives after the loop has decided not to save in this step."""
    before = signal.getsignal(signal.SIGINT)  # ignored where a shell has put pytest into the background
    with pytest.raises(Interrupted) as caught:
        trainer(tmp_path, progress=StopsAt(640)).run()
    assert f"condgen resume {tmp_path}" in spell(str(caught.value))
    assert f"SIGINT after {saved(tmp_path)[0].images:,} rows" in str(caught.value)
    assert signal.getsignal(signal.SIGINT) is before


def test_the_command_to_go_on_survives_a_folder_with_spaces(tmp_path: Path) -> None:
    (tmp_path / "my run").mkdir()
    with pytest.raises(Interrupted) as caught:
        trainer(tmp_path / "my run", progress=StopsAt(640)).run()
    assert re.search(r"condgen resume '.*/my run'$", spell(str(caught.value)))


def test_an_interrupted_run_goes_on_to_the_same_bits(tmp_path: Path) -> None:
    for name in ("whole", "parts"):
        (tmp_path / name).mkdir()
    trainer(tmp_path / "whole", splits=data_once(), previews=2).run()
    for k, stop in enumerate((640, 960, 2000, 10**6)):
        parts = trainer(tmp_path / "parts", splits=data_once(), previews=2, progress=StopsAt(stop))
        if k:
            parts.restore(*saved(tmp_path / "parts"))
        with pytest.raises(Interrupted) if stop < 10**6 else nullcontext():
            parts.run()
    whole, pieced = saved(tmp_path / "whole")[1], saved(tmp_path / "parts")[1]
    assert whole.keys() == pieced.keys()
    assert all(torch.equal(whole[name], pieced[name]) for name in whole)


def test_the_scale_of_losses_in_half_precision_is_kept(tmp_path: Path) -> None:
    first, second, third = (trainer(tmp_path) for _ in range(3))
    for each in (first, second, third):
        each.accelerator.scaler = torch.amp.GradScaler("cpu")  # stands for that of a GPU
    grown = first.accelerator.scaler.state_dict() | {"scale": 1024.0, "_growth_tracker": 7}
    first.accelerator.scaler.load_state_dict(grown)
    first.save()
    info, tensors = saved(tmp_path)
    second.restore(info, tensors)
    assert second.accelerator.scaler.state_dict() == grown
    third.restore(info, {name: each for name, each in tensors.items() if not name.startswith("scaler/")})
    assert third.accelerator.scaler.get_scale() == 65_536


def test_resuming_a_finished_run_changes_neither_weights_nor_log(tmp_path: Path) -> None:
    trainer(tmp_path, splits=data_once(), previews=2).run()
    before, log = saved(tmp_path)[1], entries(tmp_path)
    again = trainer(tmp_path, splits=data_once(), previews=2)
    again.restore(*saved(tmp_path))
    again.run()
    assert all(torch.equal(before[name], tensor) for name, tensor in saved(tmp_path)[1].items())
    assert entries(tmp_path) == log


# ---- averaged weights


def test_averaged_weights_follow_the_raw_ones(tmp_path: Path) -> None:
    training = trainer(tmp_path, images=640, ema=100_000)
    training.run()
    _, tensors = saved(tmp_path)
    assert not torch.equal(tensors["model/weight"], tensors["ema/weight"])
    torch.testing.assert_close(tensors["model/weight"], tensors["ema/weight"], rtol=0, atol=0.3)


def test_the_average_has_the_half_life_it_says(tmp_path: Path) -> None:
    training = trainer(tmp_path, ema=320, batch=32)
    training.info.images = 10**6
    first, last = (torch.full_like(training.raw.weight, value) for value in (1.0, 0.0))
    training.ema.module.weight.data.copy_(first)
    training.ema.n_averaged.fill_(1)
    training.raw.weight.data.copy_(last)
    for _ in range(10):
        training.ema.update_parameters(training.raw)
    assert training.ema.module.weight.tolist() == pytest.approx([0.5, 0.5])


def test_a_run_samples_with_its_averaged_weights(run: Run) -> None:
    _, tensors = saved(run.path)
    weights, averaged = checkpoint.group(tensors, "model"), checkpoint.group(tensors, "ema")
    used = Run.open(run.path).model.state_dict()
    assert all(torch.equal(used[name], tensor) for name, tensor in averaged.items())
    assert any(not torch.equal(weights[name], tensor) for name, tensor in averaged.items())


# ---- two players


def test_players_are_trained_in_turn_each_on_its_own_weights(tmp_path: Path) -> None:
    model = Duel()
    before = model.weights()
    trainer(tmp_path, model, images=32).run()
    (first, *at_first), (second, *at_second) = model.turns
    assert (first, second) == ("critic", "generator")
    assert torch.equal(at_first[0], before[0])
    assert not torch.equal(at_second[0], before[0])  # the critic has moved before the generator's turn
    assert torch.equal(at_second[1], before[1])  # and did not move the generator
    after = model.weights()
    assert torch.equal(after[0], at_second[0])  # nor does the generator move the critic
    assert not torch.equal(after[1], before[1])


def test_every_players_losses_and_optimiser_are_kept(tmp_path: Path) -> None:
    trainer(tmp_path, Duel(), previews=1).run()
    logged = {key for entry in entries(tmp_path) for key in entry}
    assert {"critic/loss", "critic/gradient", "generator/loss", "generator/gradient"} <= logged
    _, tensors = saved(tmp_path)
    for player in ("critic", "generator"):
        assert checkpoint.group(tensors, f"optimiser/{player}")


def test_counters_in_the_model_are_copied_not_averaged(tmp_path: Path) -> None:
    trainer(tmp_path, Duel(), images=320).run()
    _, tensors = saved(tmp_path)
    assert tensors["ema/critic.1.num_batches_tracked"] == tensors["model/critic.1.num_batches_tracked"] > 0


def test_losses_of_every_player_appear_in_validation_under_their_own_names(tmp_path: Path) -> None:
    training = trainer(tmp_path, Duel(), images=640, previews=1)
    training.run()
    (found,) = [e for e in entries(tmp_path) if "validation/critic/loss" in e]
    assert found.keys() == {"images", "validation/critic/loss", "validation/generator/loss"}
    part, averaged = training.data.validation, training.ema.module
    torch.manual_seed(0)
    for player in ("critic", "generator"):
        loss = averaged(part.floats, part.condition, player)["loss"].detach()
        assert found[f"validation/{player}/loss"] == pytest.approx(float(loss), rel=1e-5)


def test_a_player_leaves_no_gradient_in_the_others(tmp_path: Path) -> None:
    model = Duel()
    arrived: list[str] = []
    for player, parameters in model.players().items():
        parameters[0].register_post_accumulate_grad_hook(lambda _, player=player: arrived.append(player))
    trainer(tmp_path, model, images=64).run()
    assert arrived == ["critic", "generator"] * 2


def test_momentum_is_that_of_the_optimiser(tmp_path: Path) -> None:
    for settings, momentum in (({}, 0.9), ({"momentum": 0.0}, 0.0), ({"momentum": 0.5}, 0.5)):
        training = trainer(tmp_path, Duel(), **settings)
        for optimiser in training.optimisers.values():
            assert [group["betas"][0] for group in optimiser.param_groups] == [momentum]


# ---- is the condition heeded?


def test_a_model_that_ignores_its_condition_is_loudly_warned_about(tmp_path: Path) -> None:
    progress = Notes()
    trainer(tmp_path, Toy(obeys=False), images=640, progress=progress).run()
    (alarm,), (note,) = progress.alarms, progress.notes
    assert alarm.startswith("The model ignores its condition")
    assert alarm.endswith(LONGER)
    assert "none before them looked healthy" in note
    (effect,) = [e["condition_effect"] for e in entries(tmp_path) if "condition_effect" in e]
    assert effect < 0.02


@pytest.mark.parametrize(("mechanism", "advised"), [("concat", True), ("film", False)])
def test_a_warning_advises_another_mechanism_only_if_it_is_another(
    tmp_path: Path, mechanism: str, advised: bool
) -> None:
    model, progress = Toy(obeys=False), Notes()
    model.recipe = {"model": "cvae", "arguments": {"mechanism": mechanism}}
    trainer(tmp_path, model, images=640, progress=progress).run()
    assert ("`mechanism='film'`" in progress.alarms[0]) == advised
    assert "`embedding=64`" in progress.alarms[0]


def test_a_model_that_obeys_is_not_warned_about(tmp_path: Path) -> None:
    progress = Notes()
    trainer(tmp_path, progress=progress).run()
    assert (progress.alarms, progress.notes) == ([""], [])
    assert entries(tmp_path)[-1]["condition_effect"] > 0.5


def test_an_unconditional_model_is_not_warned_about(tmp_path: Path) -> None:
    progress = Notes()
    trainer(tmp_path, Toy(obeys=False, conditional=False), images=640, progress=progress).run()
    assert not any("ignores" in text for text in progress.alarms + progress.notes)
    assert not any("condition_effect" in entry for entry in entries(tmp_path))


def test_the_effect_of_the_condition_is_relative_to_all_variation(tmp_path: Path) -> None:
    joint = trainer(tmp_path).joint
    model = Toy()
    effects = []
    for weight in (0.0, 0.01, 1.0):
        with torch.no_grad():
            model.weight.fill_(weight)
        effects.append(condition_effect(model, joint))
    assert effects[0] == 0
    assert 0 < effects[1] < 0.3
    assert 0.8 < effects[2] < 1.3


# ---- is it healthy?


LAST_HEALTHY = 1600  # images of the last look before the collapse in most of these runs, of 3,200 images with ten looks


def watched(folder: Path, model: Model, **settings: Any) -> tuple[Trainer, Notes]:
    progress = settings.setdefault("progress", Notes())
    training = trainer(folder, model, **{"splits": data_once(), "previews": 10, **settings})
    return training, progress


def warnings_of(folder: Path) -> list[tuple[int, str]]:
    return [(e["images"], e["warning"]) for e in entries(folder) if "warning" in e]


def looks(folder: Path) -> list[int]:
    return [e["images"] for e in entries(folder) if "diversity" in e]


def kept_averages(training: Trainer) -> dict[int, dict[str, Tensor]]:
    """The averaged weights at every look, by images."""
    found: dict[int, dict[str, Tensor]] = {}

    def keep(model: Model, path: Path) -> None:
        found[int(path.name)] = {name: tensor.clone() for name, tensor in model.state_dict().items()}

    training.preview = keep
    return found


def equal(a: dict[str, Tensor], b: dict[str, Tensor]) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


def test_a_healthy_run_is_looked_at_often_and_ends_without_alarm(tmp_path: Path) -> None:
    training, progress = watched(tmp_path, Collapsing())
    averages = kept_averages(training)
    training.run()
    assert progress.alarms == [""] * 10
    assert progress.notes == []
    assert warnings_of(tmp_path) == []
    assert looks(tmp_path) == list(range(320, 3201, 320))
    assert [e["diversity"] for e in entries(tmp_path) if "diversity" in e] == pytest.approx([1] * 10, abs=0.2)
    assert not (tmp_path / HEALTHY).exists()
    assert equal(checkpoint.group(saved(tmp_path)[1], "ema"), averages[3200])


@pytest.mark.parametrize("how", ["collapses", "ignores"])
def test_a_model_that_fails_late_gives_way_to_its_last_healthy_average(tmp_path: Path, how: str) -> None:
    training, progress = watched(tmp_path, Collapsing(**{how: LAST_HEALTHY / 32}))
    averages = kept_averages(training)
    training.run()
    assert [bool(text) for text in progress.alarms] == [False] * 5 + [True] * 5
    assert how[:6] in progress.alarms[-1]
    assert warnings_of(tmp_path) == list(zip(range(1920, 3201, 320), progress.alarms[5:], strict=True))
    (note,) = progress.notes
    assert "1,600 images" in note
    info, tensors = saved(tmp_path)
    assert equal(checkpoint.group(tensors, "ema"), averages[LAST_HEALTHY])
    assert not torch.equal(tensors["ema/weight"], averages[3200]["weight"])
    assert info.images == 3200
    assert not (tmp_path / HEALTHY).exists()


def test_the_weights_in_training_do_not_give_way(tmp_path: Path) -> None:
    for name, collapses in (("collapsed", LAST_HEALTHY / 32), ("healthy", math.inf)):
        (tmp_path / name).mkdir()
        watched(tmp_path / name, Collapsing(collapses))[0].run()
    collapsed, healthy = (checkpoint.group(saved(tmp_path / name)[1], "model") for name in ("collapsed", "healthy"))
    assert equal(collapsed, healthy)


class Recovering(Collapsing):
    """Collapsed at two looks, long before half of the run, and never again."""

    def sample(self, condition: Condition, rng: Rng) -> Tensor:
        self.collapses = 0 if 25 < int(self.steps) < 45 else math.inf
        return super().sample(condition, rng)


def test_an_alarm_ends_when_the_model_recovers_and_the_last_weights_are_kept(tmp_path: Path) -> None:
    training, progress = watched(tmp_path, Recovering())
    averages = kept_averages(training)
    training.run()
    assert [bool(text) for text in progress.alarms] == [False] * 2 + [True] * 2 + [False] * 6
    assert progress.notes == []
    assert equal(checkpoint.group(saved(tmp_path)[1], "ema"), averages[3200])
    assert not (tmp_path / HEALTHY).exists()


@pytest.mark.parametrize("previews", [0, 10])
@pytest.mark.parametrize("how", ["collapses", "ignores"])
def test_a_model_that_was_never_healthy_gets_the_alarm_and_no_replacement(
    tmp_path: Path, how: str, previews: int
) -> None:
    training, progress = watched(tmp_path, Collapsing(**{how: 0}), previews=previews)
    averages = kept_averages(training)
    training.run()
    assert how[:6] in progress.alarms[-1]
    assert warnings_of(tmp_path)[-1] == (3200, progress.alarms[-1])
    (note,) = progress.notes
    assert "none before them looked healthy" in note
    weights = checkpoint.group(saved(tmp_path)[1], "ema")
    assert equal(weights, averages[3200] if previews else training.ema.module.state_dict())
    assert int(weights["steps"]) == 100
    assert not (tmp_path / HEALTHY).exists()


def test_an_interrupted_run_keeps_its_healthy_weights_for_when_it_goes_on(tmp_path: Path) -> None:
    training, _ = watched(tmp_path, Collapsing(LAST_HEALTHY / 32), progress=StopsAt(2000))
    averages = kept_averages(training)
    with pytest.raises(Interrupted):
        training.run()
    info, tensors = checkpoint.load(tmp_path / HEALTHY)
    assert info.images == LAST_HEALTHY
    assert equal(checkpoint.group(tensors, "ema"), averages[LAST_HEALTHY])

    again, progress = watched(tmp_path, Collapsing(LAST_HEALTHY / 32))
    again.restore(*saved(tmp_path))
    again.run()
    assert "1,600 images" in progress.notes[-1]
    assert equal(checkpoint.group(saved(tmp_path)[1], "ema"), averages[LAST_HEALTHY])
    assert not (tmp_path / HEALTHY).exists()


def test_a_resumed_run_remembers_how_good_it_was(tmp_path: Path) -> None:
    with pytest.raises(Interrupted):
        watched(tmp_path, Collapsing(20), progress=StopsAt(640))[0].run()
    again, progress = watched(tmp_path, Collapsing(20))
    again.restore(*saved(tmp_path))
    again.run()
    assert progress.alarms[0]  # long before half of the run
    assert warnings_of(tmp_path)[0] == (960, progress.alarms[0])


@pytest.mark.parametrize("collapses", [LAST_HEALTHY / 32, 0])
def test_resuming_a_finished_run_that_failed_changes_neither_weights_nor_log(tmp_path: Path, collapses: float) -> None:
    watched(tmp_path, Collapsing(collapses))[0].run()
    before, log = saved(tmp_path)[1], entries(tmp_path)
    again, _ = watched(tmp_path, Collapsing(collapses))
    again.restore(*saved(tmp_path))
    again.run()
    assert equal(before, saved(tmp_path)[1])
    assert entries(tmp_path) == log


class Complaining(Duel):
    def __init__(self) -> None:
        super().__init__()
        self.told: list[dict[str, float]] = []

    def complaints(self, values: Mapping[str, float]) -> list[Complaint]:
        self.told.append(dict(values))
        said = ("The critic is tired.", "The generator is bored.")
        return [Complaint("tired players", text, "Rest.") for text in said] if len(self.told) == 2 else []


def test_what_a_model_says_of_its_players_is_shown_and_logged(tmp_path: Path) -> None:
    model = Complaining()
    training, progress = watched(tmp_path, model, images=960, previews=3)
    training.run()
    complained = [warning for warning in warnings_of(tmp_path) if "collapsed" not in warning[1]]
    assert complained == [(640, "The critic is tired. Rest."), (640, "The generator is bored. Rest.")]
    assert "The critic is tired. Rest. The generator is bored. Rest." in progress.alarms[1]
    assert not any("tired" in text for text in (progress.alarms[0], progress.alarms[2]))


def test_a_complaint_waits_until_it_is_a_fault(tmp_path: Path) -> None:
    model = Collapsing()
    early = Complaint("early", "The critic wins.", "Wait.", after=50)
    model.complaints = lambda values: [early]  # type: ignore[method-assign]
    watched(tmp_path, model, images=100 * 32, previews=4)[0].run()
    assert warnings_of(tmp_path) == [(k * 32, "The critic wins. Wait.") for k in (50, 75, 100)]


def test_a_model_is_told_the_latest_means_of_its_players_terms(tmp_path: Path) -> None:
    model = Complaining()
    watched(tmp_path, model, images=960, previews=3)[0].run()
    means = {e.pop("images"): e for e in entries(tmp_path) if "critic/loss" in e}
    assert model.told == [means[320], means[640], means[960]]


def test_the_last_steps_count_too_however_few(tmp_path: Path) -> None:
    model = Complaining()
    watched(tmp_path, model, images=25 * 32, previews=0)[0].run()
    means = {e.pop("images"): e for e in entries(tmp_path) if "critic/loss" in e}
    assert model.told == [means[25 * 32]]


def test_it_is_the_average_that_is_looked_at(tmp_path: Path) -> None:
    training, _ = watched(tmp_path, Collapsing(), images=320, previews=0)
    training.run()
    (look,) = [e for e in entries(tmp_path) if "diversity" in e]
    averaged, raw = training.ema.module.eval(), training.raw.eval()
    assert look["condition_effect"] == condition_effect(averaged, training.joint)  # type: ignore[arg-type]
    assert look["condition_effect"] != condition_effect(raw, training.joint)


def test_a_complaint_alone_is_no_reason_to_go_back(tmp_path: Path) -> None:
    model = Collapsing()
    model.complaints = lambda values: [Complaint("odd", "A loss looks odd.")]  # type: ignore[method-assign]
    training, progress = watched(tmp_path, model)
    averages = kept_averages(training)
    training.run()
    assert progress.alarms == [f"A loss looks odd. {LONGER}"] * 10
    assert progress.notes == []
    assert equal(checkpoint.group(saved(tmp_path)[1], "ema"), averages[3200])


def test_looks_change_nothing_in_training(tmp_path: Path) -> None:
    weights = []
    for previews in (0, 7):
        training, _ = watched(tmp_path, Collapsing(), previews=previews)
        training.run()
        weights.append(training.raw.weight.detach())
    assert torch.equal(*weights)


# ---- arithmetic


def test_runs_of_one_process_may_differ_in_precision(tmp_path: Path) -> None:
    for precision in ("no", "bf16", "no"):
        training = trainer(tmp_path, images=64, precision=precision)
        training.run()
        assert training.accelerator.mixed_precision == precision


@pytest.mark.skipif(torch.cuda.is_available(), reason="a GPU has this precision; run on a machine without one")
def test_a_precision_that_the_machine_lacks_is_said_in_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="precision fp16 cannot be used on cpu; choose bf16"):
        trainer(tmp_path, precision="fp16")
    trainer(tmp_path, images=64).run()


def test_a_step_that_half_precision_skips_has_no_norm(tmp_path: Path) -> None:
    """Gradients scaled up by a power of two overflow now and then, and that is no divergence."""
    loop = trainer(tmp_path)
    (optimiser,) = loop.optimisers.values()
    x, condition = torch.ones(4, 2), loop.data.train.condition[:4]
    assert "gradient" in loop.step(x, condition)
    optimiser._is_overflow = True  # as accelerate notes it
    optimiser.step = lambda: None
    assert "gradient" not in loop.step(x, condition)


class Recorded(Toy):
    """Every step computes its terms in the memory of the one before, as recorded operations of a GPU do."""

    def __init__(self) -> None:
        super().__init__()
        self.memory = torch.zeros(())

    def forward(self, x: Tensor, condition: Condition, player: str = "model") -> Terms:
        terms = super().forward(x, condition, player)
        return {**terms, "error": self.memory.copy_(terms["loss"].detach())}


def test_the_terms_of_a_step_stay_when_the_next_one_is_computed_in_their_memory(tmp_path: Path) -> None:
    loop = trainer(tmp_path, Recorded())
    x, condition = torch.ones(4, 2), loop.data.train.condition[:4]
    first = loop.step(x, condition)
    before = {name: float(value) for name, value in first.items()}
    loop.step(2 * x, condition)
    assert {name: float(value) for name, value in first.items()} == before
