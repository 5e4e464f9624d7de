"""The training loop: batches in, players' losses out. It knows nothing of families.

Time is counted in images seen. All randomness is a function of the seed and that count, so a resumed run repeats an
uninterrupted one bit for bit on the same machine.
"""

import time
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import AbstractContextManager, closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float, Shaped
from torch import Tensor

from condgen.data import Dataset, Splits, as_float
from condgen.errors import RunError
from condgen.feature_networks import FeatureNetwork
from condgen.heap import keep_freed_memory
from condgen.messages import call
from condgen.models import Model
from condgen.models.base import loss_of
from condgen.models.borrowed import borrowed
from condgen.models.together import shared
from condgen.progress import SILENT, Progress, Task, Values
from condgen.rng import Rng, step_seed
from condgen.schema import Condition, LabelDistribution
from condgen.schema.stored import stored
from condgen.training import checkpoint
from condgen.training.arithmetic import Arithmetic, unmeasured
from condgen.training.augmentation import augmentation
from condgen.training.averaging import averaged, kept_share
from condgen.training.budget import Budget, Clock
from condgen.training.checkpoint import Info
from condgen.training.compiling import compiled
from condgen.training.config import write_config
from condgen.training.health import real_diversity
from condgen.training.log import Log, Unwritten
from condgen.training.looks import Elsewhere, Looks, Preview, prefix
from condgen.training.losses import Diverged, Losses, gentler
from condgen.training.machine import accelerator_for
from condgen.training.nearby import nearby
from condgen.training.optimisers import (
    adamw,
    clipped,
    optimiser_tensors,
    restore_optimiser,
    restore_scaler,
    scaler_tensors,
)
from condgen.training.prefetch import ahead
from condgen.training.profiling import profiled
from condgen.training.recomputing import recompute
from condgen.training.settings import TrainingConfig, learning_rate
from condgen.training.signals import Interrupted, Signals
from condgen.training.stopwatch import Stopwatch
from condgen.training.team import Heard, Team
from condgen.training.tuner import decided
from condgen.training.watch import Watch
from condgen.versions import versions


class Trainer:
    """Trains a model on data, in a run folder.

    preview: called with the averaged model and a path without suffix, to write a picture there.
    augment: applied to every training batch [batch, *shape], with torch's global generator. By default `flip` and
        `shift` of the settings.
    prepared: the training part in the form in which the model learns from it, augmented already. By default the data's
        own.
    against: networks that judged samples in training before, as those of a teacher.
    arithmetic: by default as the settings say, and measured where they leave it open.
    clock: in seconds, for the budget.
    team: the processes that train together, by default those that were started together.

    Raises RequestError for a balance or augmentation that the data's attributes do not allow, and if the processes do
    not agree on what to train or cannot share a batch.
    """

    def __init__(
        self,
        model: Model,
        data: Splits,
        folder: Path,
        settings: TrainingConfig,
        *,
        source: dict[str, Any] | None = None,
        against: Sequence[FeatureNetwork] = (),
        progress: Progress = SILENT,
        preview: Preview | None = None,
        augment: Callable[[Tensor], Tensor] | None = None,
        prepared: Dataset | None = None,
        arithmetic: Arithmetic | None = None,
        clock: Clock = time.monotonic,
        team: Team | None = None,
    ):
        self.clock = clock
        self.team = team or Team.here()
        self.started = clock()
        self.settings = settings
        self.data = data
        self.folder = folder
        self.progress = progress
        self.preview = preview
        self.augment = augment or augmentation(data.schema, data.shape, flip=settings.flip, shift=settings.shift)
        self.train = data.train
        if prepared is not None:
            self.train, self.augment = prepared, None
        if settings.balance:
            data.train.balanced(settings.balance)  # raises for data that cannot be balanced
        self.labels = LabelDistribution.of(data.train.condition)
        self.joint = model.joint(self.labels)
        self.real_diversity = real_diversity(data.train)
        self.watch = Watch.of(data.train) if model.conditional and model.schema == data.schema else None
        self.info = Info(
            recipe=model.recipe,
            shape=data.shape,
            schema=data.schema.model_dump(),
            training=dict(vars(settings)),
            data=source or {},
            total=settings.images,
            against=(*model.trained_against, *against),
            borrowed=borrowed(model.recipe),
        )
        self.rows = self.team.rows(settings.batch)
        self._must_agree(begins=arithmetic is None)
        self.signals = Signals()
        self.heard = Heard(0.0, None, False)
        self._prepare(model, arithmetic)

    def _prepare(self, model: Model, arithmetic: Arithmetic | None) -> None:
        """Move the model to the machine: `raw` is the model itself, and `model` the one that computes losses."""
        keep_freed_memory()
        players = model.players()
        self.raw = model
        self.memory_format = unmeasured(self.settings).memory_format(self.data.shape)
        how = self.info.arithmetic = arithmetic or self._decided()
        self.memory_format = how.memory_format(self.data.shape)
        model.to(memory_format=self.memory_format)  # type: ignore[call-overload]
        self.accelerator = accelerator_for(how.precision)
        prepared = self.accelerator.prepare_model(model, evaluation_mode=True)  # `Team` averages gradients
        self.team.spread([*model.parameters(), *model.buffers()])
        self.model = compiled(prepared) if how.compiled else prepared
        self.optimisers = {
            name: self.accelerator.prepare(adamw(parameters, self.settings)) for name, parameters in players.items()
        }
        self.ema = averaged(self.raw, lambda: kept_share(self.settings.batch, self.settings.ema, self.info.images))
        if self.settings.checkpointing:
            recompute(self.raw)

    def _must_agree(self, begins: bool) -> None:
        """Raise RequestError unless all processes train the same, from the same beginning."""
        info = self.info
        facts = {
            "model": f"{info.recipe} {info.schema} {info.shape}",
            "setting of training": f"{info.training} {self.folder}",
            "data": f"{info.data.get('fingerprint')}",
            "checkpoint": f"{begins} {info.images} {info.seconds}",
            "version of condgen or PyTorch": f"{versions()}",
        }
        self.team.must_agree(facts)

    def _decided(self) -> Arithmetic:
        """The arithmetic of a run that begins, by the measurement of the first process."""
        s, device = self.settings, self.team.device

        def stopwatch() -> Stopwatch:
            some = self.train[: self.rows]
            return Stopwatch(self.raw, *self._ready(some.x.to(device), some.condition, range(len(some))))

        def training(step: float) -> float:
            return s.seconds or step * (s.images or 0) / s.batch

        return self.team.choice(lambda: decided(self.raw, s, stopwatch, training, self.progress, self.team.processes))

    def run(self) -> None:
        """Train to the end of the budget.

        Raises Interrupted after a signal, once everything is saved, and RunError if the loss explodes, with the last
        good checkpoint kept.
        """
        budget = Budget(self.info, self.settings, self.clock, self._agreed, since=self.started)
        budget.lap("preparing")
        assert self.info.arithmetic
        computing = self.info.arithmetic.in_use()
        with computing, closing(self._log()) as log, self._task() as task, self.signals:
            self._keep(budget)
            looks = self._looks(log)
            try:
                values = self._loop(budget, log, looks, task)
            except Diverged as error:
                raise RunError(f"{error} {self._kept()} {gentler(self.settings, self.info.total)}") from None
            looks.last(self.info, values, show=self.settings.previews > 0)
            budget.lap("look")
            self._keep(budget)
            looks.forget()
        if self.heard.stop:
            raise Interrupted(self._stopped("the run is finished, and saved."), self.heard.stop)

    def _agreed(self, seconds: float) -> float:
        """The same time in all processes, so that they plan alike, and signals to any of them."""
        self.heard = self.team.agreed(seconds, self.signals)
        return self.heard.seconds

    def _keep(self, budget: Budget) -> None:
        """Save, and count the time of it."""
        self.save()
        budget.lap("save")

    def _task(self) -> AbstractContextManager[Task]:
        return self.progress.task("training", self.info.total, done=self.info.images, unit=self.info.kind)

    def _log(self) -> Log | Unwritten:
        return Log(self.folder, self.info.images) if self.team.first else Unwritten()

    def _looks(self, log: Log | Unwritten) -> Looks | Elsewhere:
        if isinstance(log, Unwritten):
            return Elsewhere()
        averages = self.ema.module
        assert isinstance(averages, Model)
        return Looks(
            model=averages,
            validation=self.data.validation,
            rows=self.rows,
            labels=self.labels,
            joint=self.joint,
            real=self.real_diversity,
            watch=self.watch,
            folder=self.folder,
            log=log,
            progress=self.progress,
            complaints=self.raw.complaints,
            preview=self.preview,
        )

    def _loop(self, budget: Budget, log: Log | Unwritten, looks: Looks | Elsewhere, task: Task) -> Values:
        """Train until the budget is spent, and return the last means of the loss terms."""
        info, signals, losses = self.info, self.signals, Losses(self.team.means, self.info.first_loss)
        for x, condition in self._steps():
            if info.finished:
                break
            losses.add(self.step(x, condition))
            info.images += self.settings.batch
            budget.lap("steps")
            budget.replan()
            stop, asked = self.heard.stop, self.heard.save  # a later signal waits for the next step
            look = self._look_due(budget.looks)
            save = stop or asked or look or budget.save_due or (losses.due and budget.early_save_due)
            if losses.due or save:
                self._tell(log, losses, task)
            if look:
                looks.take(info, losses.means)
                budget.lap("look")
            if save:
                self._keep(budget)
            if asked:
                signals.answered()
                self.progress.note(f"Saved after {info.images:,} {info.kind}.")
            if stop and not info.finished:
                raise Interrupted(
                    self._stopped(f"everything is saved. Go on with: {call('resume', self.folder)}"), stop
                )
        if losses.waiting:
            self._tell(log, losses, task)
        return losses.means

    def _steps(self) -> Iterator[tuple[Float[Tensor, "batch ..."], Condition]]:
        """The batches, with a few of the steps between them on record if the settings say so."""
        if not (self.settings.profile and self.team.first):
            return self.batches()
        assert self.info.arithmetic
        apart = None if self.info.arithmetic.compiled else self.raw
        return profiled(self.batches(), apart, self.folder, self.progress)

    def _tell(self, log: Log | Unwritten, losses: Losses, task: Task) -> None:
        """Log and show the means of the loss terms. Raises Diverged if they have exploded."""
        log.write(self.info.images, losses.look(self.info.images, self.info.kind))
        self.info.first_loss = losses.first
        task.move(self.info.images, self.info.total, losses.means)

    def _stopped(self, then: str) -> str:
        return f"Stopped by {self.heard.stop} after {self.info.images:,} {self.info.kind}; {then}"

    def _kept(self) -> str:
        """A sentence about the checkpoint that a diverged run leaves behind."""
        if not self.team.first:
            return ""
        kept = checkpoint.load(self.folder / checkpoint.FILE)[0].images
        if not kept:
            return f"Nothing learned is kept: the checkpoint in {self.folder} is that of the start."
        return f"The last good checkpoint, in {self.folder}, is that after {kept:,} {self.info.kind}."

    def _look_due(self, looks: int) -> bool:
        """Whether the last step crossed one of so many points at which the run is checked."""
        info, s = self.info, self.settings
        before, now = info.share(info.images - s.batch), info.share()
        if before is None or now is None or info.finished:
            return False
        return int(now * looks) > int(before * looks)

    def batches(self) -> Generator[tuple[Float[Tensor, "batch ..."], Condition], None, None]:
        """Batches from the current position on, for this process, on its device, with free attributes filled in."""
        s, team = self.settings, self.team
        mine = slice(team.process, None, team.processes)
        images = self.info.images
        train = nearby(self.train, team.device)
        for x, condition in ahead(train.batches(s.seed, images, s.batch, s.balance, mine)):
            yield self._ready(x.to(team.device, non_blocking=True), condition, range(images, images + s.batch)[mine])
            images += s.batch

    def _ready(
        self, x: Shaped[Tensor, "batch ..."], condition: Condition, images: range
    ) -> tuple[Float[Tensor, "batch ..."], Condition]:
        """A batch as the model takes it, on the device of x. images: the numbers of its images in the run."""
        if not self.raw.handles_missing and not condition.complete:
            condition = self.labels.fill(condition, Rng(images))
        x = as_float(x)
        return x.contiguous(memory_format=self.memory_format) if x.dim() == 4 else x, condition.to(x.device)

    def step(self, x: Float[Tensor, "batch ..."], condition: Condition) -> dict[str, Tensor]:
        """Update every player once, and return their loss terms and gradient norms."""
        s, images = self.settings, self.info.images
        torch.manual_seed(step_seed(s.seed, images, self.team.process))
        lr = learning_rate(s.lr, images, self.info.share, s.warmup)
        seen: dict[str, Tensor] = {}
        if not self.model.training:
            self.model.train()
        with shared(self.team.part(len(x), step_seed(s.seed, images))):
            x = self.augment(x) if self.augment else x
            for player in self.optimisers:
                terms = self._update(player, x, condition, lr)
                seen |= {prefix(player, len(self.optimisers)) + name: value for name, value in terms.items()}
        self.ema.update_parameters(self.raw)
        return seen

    def _update(self, player: str, x: Float[Tensor, "batch ..."], condition: Condition, lr: float) -> dict[str, Tensor]:
        """Update one player, and return its loss terms and gradient norm.

        A step whose gradient overflows in half precision is skipped, and has no norm.
        """
        optimiser = self.optimisers[player]
        with self.accelerator.autocast():
            terms = self.model(x, condition, player)
        optimiser.zero_grad()
        parameters = [p for group in optimiser.param_groups for p in group["params"]]
        with self.team.averaging(parameters):
            self.accelerator.backward(loss_of(terms, self.raw), inputs=parameters)
        self.accelerator.unscale_gradients(optimiser)
        norm = clipped(parameters, self.settings.clip)
        for group in optimiser.param_groups:
            group["lr"] = lr
        optimiser.step()
        # The next step may be computed in the same memory, if its operations were recorded.
        seen = {name: value.detach().clone() for name, value in terms.items()}
        return seen if optimiser.step_was_skipped else seen | {"gradient": norm}

    def save(self) -> None:
        """Write the checkpoint: weights, averaged weights, optimisers, the scale of losses in half precision, the
        data's joint distribution and the position.
        """
        if not self.team.first:
            return
        tensors = {
            **checkpoint.prefixed("model", self.raw.state_dict()),
            **checkpoint.prefixed("ema", self.ema.module.state_dict()),
            **checkpoint.prefixed("joint", stored(self.joint)),
            "ema_updates": self.ema.n_averaged,
        }
        for name, each in self.optimisers.items():
            tensors |= checkpoint.prefixed(f"optimiser/{name}", optimiser_tensors(each))
        tensors |= checkpoint.prefixed("scaler", scaler_tensors(self.accelerator.scaler))
        self.info.versions = versions()
        checkpoint.advance(self.folder / checkpoint.FILE, self.info, tensors)
        write_config(self.folder, self.info, self.raw.schema)

    def restore(self, info: Info, tensors: dict[str, Tensor]) -> None:
        """Restore the state of a checkpoint."""
        self.raw.load_state_dict(checkpoint.group(tensors, "model"))
        self.ema.module.load_state_dict(checkpoint.group(tensors, "ema"))
        self.ema.n_averaged.copy_(tensors["ema_updates"])
        for name, each in self.optimisers.items():
            restore_optimiser(each, checkpoint.group(tensors, f"optimiser/{name}"))
        restore_scaler(self.accelerator.scaler, checkpoint.group(tensors, "scaler"))
        self.info = replace(info, arithmetic=info.arithmetic or self.info.arithmetic)
        self._must_agree(begins=False)
