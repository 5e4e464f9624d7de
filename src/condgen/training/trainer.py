"""The one training loop: batches in, players' losses out. It knows nothing of families.

Time is counted in images seen. Everything random is a function of the seed and that count, so a resumed run repeats an
uninterrupted one bit for bit on the same machine.
"""

import math
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

import torch
from accelerate import Accelerator, DistributedDataParallelKwargs
from accelerate.state import AcceleratorState
from jaxtyping import Float
from torch import Tensor
from torch.optim.swa_utils import AveragedModel

from condgen.data import Splits, as_float
from condgen.errors import CondgenError, RequestError, RunError
from condgen.messages import call, setting
from condgen.models import Model
from condgen.rng import Rng
from condgen.schema import Condition, LabelDistribution
from condgen.training import checkpoint
from condgen.training.augmentation import augmentation
from condgen.training.checkpoint import Info
from condgen.training.health import examine, real_diversity
from condgen.training.monitor import Log, Monitor, Silent, Values
from condgen.training.prefetch import ahead
from condgen.training.settings import TrainingConfig, learning_rate

Preview = Callable[[Model, Path], None]
LOG_STEPS = 20  # optimisation steps between looks at the losses
MEASURE = 0.05  # share of a time budget after which its number of images is fixed
HEALTHY = "healthy.safetensors"  # averaged weights of the last look that found nothing wrong
EXPLODED = 10.0  # times the loss of the first steps


class Interrupted(CondgenError):  # noqa: N818 (an interruption is no error)
    """Training was stopped by a signal, after saving."""

    exit_status = 130


class Trainer:
    """Trains a model on data, into a run folder.

    augment: applied to every training batch [batch, *shape]; random numbers from torch's global generator. Without it,
    what `flip` and `shift` say.

    Raises RequestError for a balance or augmentation that the data's attributes do not allow.
    preview: called with the averaged model and a path without suffix, to leave a picture there.
    """

    def __init__(
        self,
        model: Model,
        data: Splits,
        folder: Path,
        settings: TrainingConfig,
        *,
        source: dict[str, Any] | None = None,
        monitor: Monitor | None = None,
        preview: Preview | None = None,
        augment: Callable[[Tensor], Tensor] | None = None,
    ):
        self.settings = settings
        self.data = data
        self.folder = folder
        self.monitor = monitor or Silent()
        self.preview = preview
        self.augment = augment or augmentation(data.schema, data.shape, flip=settings.flip, shift=settings.shift)
        if settings.balance:
            data.train.balanced(settings.balance)  # refuses what cannot be balanced
        self.labels = LabelDistribution.of(data.train.condition)
        self.joint = model.joint(self.labels)
        self.real_diversity = real_diversity(data.train)
        self.accelerator = _accelerator(settings.precision, several_players=len(model.players()) > 1)
        channels_last = torch.channels_last if len(data.shape) == 3 else torch.contiguous_format
        self.raw = model.to(memory_format=channels_last)  # type: ignore[call-overload]
        self.memory_format = channels_last
        self.model = self.accelerator.prepare(model)
        self.optimisers = {
            name: self.accelerator.prepare(self._optimiser(parameters)) for name, parameters in model.players().items()
        }
        self.ema = AveragedModel(self.raw, multi_avg_fn=self._average, use_buffers=True)
        self.info = Info(
            recipe=model.recipe,
            shape=data.shape,
            schema=data.schema.model_dump(),
            training=dict(vars(settings)),
            data=source or {},
            total=settings.images,
        )
        self.stop: str | None = None
        self.first: float | None = None

    def _optimiser(self, parameters: list[torch.nn.Parameter]) -> torch.optim.Optimizer:
        fused = parameters[0].device.type in ("cpu", "cuda")
        s = self.settings
        betas = (s.momentum, 0.99)
        return torch.optim.AdamW(parameters, lr=s.lr, betas=betas, weight_decay=s.weight_decay, fused=fused)

    def _average(self, averaged: Any, current: Any, updates: Any) -> None:
        """Exponential moving average with the half-life of `ema` images, shorter while few have been seen."""
        if not averaged[0].is_floating_point():  # counters, such as those of batch norm
            torch._foreach_copy_(averaged, current)
            return
        half_life = max(min(self.settings.ema, self.info.images / 10), 1)
        torch._foreach_lerp_(averaged, current, 1 - 0.5 ** (self.settings.batch / half_life))

    def run(self) -> None:
        """Train to the end of the budget.

        Raises Interrupted after a signal (everything is saved first) and RunError when the loss explodes (the last good
        checkpoint is kept).
        """
        self.save()
        log = Log(self.folder, self.info.images)
        self.monitor.start(self.info.images, self.info.total)
        try:
            with self._signals():
                values = self._loop(log)
            self._finish(log, values)
        finally:
            log.close()
            self.monitor.close()

    def _loop(self, log: Log) -> Values:
        """Train until the budget is spent; the last means of the loss terms."""
        info, s = self.info, self.settings
        values: Values = {}
        window: list[dict[str, Tensor]] = []
        started = saved = looked = time.monotonic()
        begun, seen = info.images, info.images
        for x, condition in self._batches():
            if info.total is not None and info.images >= info.total:
                break
            window.append(self._step(x, condition))
            info.images += s.batch
            now, stop = time.monotonic(), self.stop  # a signal from here on waits for the next step
            preview_due = self._preview_due()
            save_due = now - saved > s.checkpoint_seconds or stop is not None or preview_due
            if len(window) >= LOG_STEPS or save_due:
                values = self._look(window)
                log.write(info.images, values)
                rate = (info.images - seen) / max(now - looked, 1e-9)
                self.monitor.progress(info.images, info.total, rate, values)
                window, looked, seen = [], now, info.images
            if info.total is None and s.seconds and now - started > MEASURE * s.seconds:
                info.total = self._measured(info.images - begun, now - started)
            if preview_due:
                self._preview(log)
                self._examine(log, values)
            if save_due:
                info.seconds += now - saved
                self.save()
                saved = now
            if stop:
                raise Interrupted(
                    f"Stopped by {stop} after {info.images:,} images; everything is saved. "
                    f"Go on with {call('resume', self.folder)}."
                )
        if window:
            values = self._look(window)
            log.write(info.images, values)
        info.seconds += time.monotonic() - saved
        return values

    def _measured(self, images: int, seconds: float) -> int:
        """The number of images that fit into the time budget, in whole steps."""
        assert self.settings.seconds is not None
        steps = round(images / seconds * self.settings.seconds / self.settings.batch)
        return max(steps * self.settings.batch, self.info.images)

    def _batches(self) -> Iterator[tuple[Float[Tensor, "batch ..."], Condition]]:
        """Batches from where the run stands, for this process, on its device, with free attributes filled in."""
        s, accelerator = self.settings, self.accelerator
        mine = slice(accelerator.process_index, None, accelerator.num_processes)
        images = self.info.images
        for x, condition in ahead(self.data.train.batches(s.seed, images, s.batch, s.balance, mine)):
            if "handles_missing" not in self.raw.capabilities and not condition.complete:
                condition = self.labels.fill(condition, Rng(range(images, images + len(condition))))
            x = as_float(x.to(accelerator.device, non_blocking=True))
            if x.dim() == 4:
                x = x.contiguous(memory_format=self.memory_format)
            images += s.batch
            yield x, condition.to(accelerator.device)

    def _step(self, x: Float[Tensor, "batch ..."], condition: Condition) -> dict[str, Tensor]:
        """One update of every player; their loss terms and gradient norms."""
        s, info = self.settings, self.info
        torch.manual_seed((s.seed * 1_000_003 + info.images) * 64 + self.accelerator.process_index)
        x = self.augment(x) if self.augment else x
        lr = learning_rate(s.lr, info.images, info.total, s.warmup)
        seen: dict[str, Tensor] = {}
        for name, optimiser in self.optimisers.items():
            prefix = self._prefix(name)
            self.model.train()
            with self.accelerator.autocast():
                terms = self.model(x, condition, name)
            optimiser.zero_grad()
            parameters = [p for group in optimiser.param_groups for p in group["params"]]
            # Alone, the others' gradients need not be computed; several processes wait for one another's gradients.
            self.accelerator.backward(terms["loss"], inputs=parameters if self.accelerator.num_processes == 1 else None)
            norm = self.accelerator.clip_grad_norm_(parameters, s.clip)
            for group in optimiser.param_groups:
                group["lr"] = lr
            optimiser.step()
            seen |= {prefix + key: value.detach() for key, value in terms.items()} | {f"{prefix}gradient": norm}
        self.ema.update_parameters(self.raw)
        return seen

    def _prefix(self, player: str) -> str:
        """What a player's terms are called by, where there is more than one."""
        return "" if len(self.optimisers) == 1 else f"{player}/"

    def _look(self, window: list[dict[str, Tensor]]) -> Values:
        """Means of the loss terms over some steps. Raises RunError when they are not finite or have exploded."""
        values = {k: float(torch.stack([torch.as_tensor(w[k]) for w in window]).mean()) for k in window[0]}
        losses = [v for k, v in values.items() if k.endswith("loss")]
        self.first = max(map(abs, losses)) if self.first is None else self.first
        if not all(map(math.isfinite, values.values())) or max(losses) > EXPLODED * (self.first + 1):
            gentler = setting(lr=self.settings.lr / 4)
            raise RunError(
                f"Training diverged after {self.info.images:,} images (loss {max(losses):.3g}). The last good "
                f"checkpoint is kept in {self.folder}. Try a lower learning rate ({gentler}) or "
                "a longer warm-up (`warmup=50000`), and look for extreme values in the data."
            )
        return values

    def _preview_due(self) -> bool:
        """Whether the last step crossed one of the points at which the run is looked at."""
        info, s = self.info, self.settings
        if not s.previews or not info.total or info.images >= info.total:
            return False
        every = info.total / s.previews
        return info.images // every > (info.images - s.batch) // every

    def _preview(self, log: Log) -> None:
        """Validate the averaged model, leave a picture of its samples."""
        values = self._validation()
        if values:
            log.write(self.info.images, values)
        if self.preview and self.accelerator.is_main_process:
            (self.folder / "samples").mkdir(exist_ok=True)
            self.preview(self._averaged(), self.folder / "samples" / f"{self.info.images:010d}")

    def _averaged(self) -> Model:
        """The averaged model, ready to sample."""
        model = self.ema.module
        assert isinstance(model, Model)
        return model.eval()

    @torch.no_grad()
    def _validation(self, most: int = 1_000) -> Values:
        """The averaged model's losses on validation data."""
        part = self.data.validation[:most]
        if not len(part):
            return {}
        model, condition = self._averaged(), part.condition
        if "handles_missing" not in model.capabilities:
            condition = self.labels.fill(condition, Rng(range(len(part))))
        device = self.accelerator.device
        with torch.random.fork_rng():
            torch.manual_seed(0)
            x, condition = part.floats.to(device), condition.to(device)
            players = {self._prefix(name): model(x, condition, name) for name in self.optimisers}
        return {f"validation/{p}{key}": float(v) for p, terms in players.items() for key, v in terms.items()}

    def _examine(self, log: Log, values: Values) -> str:
        """Look for failure: what is going wrong, if anything. Weights that look healthy are kept for the time being."""
        info = self.info
        health = examine(self._averaged(), self.joint, self.real_diversity)
        log.write(info.images, health.values())
        trouble = health.trouble(log.best, info.images / info.total if info.total else 0.0)
        log.best = max(log.best, health.diversity)
        warnings = [trouble] * bool(trouble) + self.raw.complaints(values)
        for text in warnings:
            log.warn(info.images, text)
        self.monitor.alarm(" ".join(warnings))
        if health.sound and self.accelerator.is_main_process:
            averaged = checkpoint.prefixed("ema", self.ema.module.state_dict())
            checkpoint.save(self.folder / HEALTHY, info, averaged)
        return trouble

    def _finish(self, log: Log, values: Values) -> None:
        """The last look at the model: validation, picture, health, checkpoint.

        A model that fails at the end gives way to the last of its averaged weights that looked healthy, if any did.
        """
        if self.settings.previews:
            self._preview(log)
        trouble, kept = self._examine(log, values), self.folder / HEALTHY
        if trouble and kept.exists():
            healthy, tensors = checkpoint.load(kept)
            self.ema.module.load_state_dict(checkpoint.group(tensors, "ema"))
            self.monitor.note(f"Kept instead: the weights after {healthy.images:,} images, which looked healthy.")
        elif trouble:
            self.monitor.note(
                "Train longer, or try another mechanism (`mechanism='film'`), a smaller learning rate or a smaller "
                "latent (`latent=8`)."
            )
        self.save()
        kept.unlink(missing_ok=True)

    def save(self) -> None:
        """Write the checkpoint: weights, averaged weights, optimisers, the data's joint distribution, the position."""
        if not self.accelerator.is_main_process:
            return
        tensors = {
            **checkpoint.prefixed("model", self.raw.state_dict()),
            **checkpoint.prefixed("ema", self.ema.module.state_dict()),
            **checkpoint.prefixed("joint", checkpoint.distribution_tensors(self.joint)),
            "ema_updates": self.ema.n_averaged,
        }
        for name, optimiser in self.optimisers.items():
            tensors |= checkpoint.prefixed(f"optimiser/{name}", checkpoint.optimiser_tensors(optimiser))
        self.info.versions = versions()
        checkpoint.save(self.folder / checkpoint.FILE, self.info, tensors)

    def restore(self, info: Info, tensors: dict[str, Tensor]) -> None:
        """Continue where a checkpoint stands."""
        self.raw.load_state_dict(checkpoint.group(tensors, "model"))
        self.ema.module.load_state_dict(checkpoint.group(tensors, "ema"))
        self.ema.n_averaged.copy_(tensors["ema_updates"])
        for name, optimiser in self.optimisers.items():
            checkpoint.restore_optimiser(optimiser, checkpoint.group(tensors, f"optimiser/{name}"))
        self.info = info

    @contextmanager
    def _signals(self) -> Iterator[None]:
        """Ctrl-C and termination stop training after the current step; a second one stops it at once."""

        def stop(number: int, frame: FrameType | None) -> None:
            self.stop = signal.Signals(number).name
            for each, handler in previous.items():
                signal.signal(each, handler)

        numbers = (signal.SIGINT, signal.SIGTERM)
        try:
            previous = {number: signal.getsignal(number) for number in numbers}
            for number in numbers:
                signal.signal(number, stop)
        except ValueError:  # not in the main thread, where signals do not arrive
            previous = {}
        try:
            yield
        finally:
            for each, handler in previous.items():
                signal.signal(each, handler)


def _accelerator(asked: str, several_players: bool = False) -> Accelerator:
    """Accelerate's view of the machine; it keeps one precision per process, but a later run may want another."""
    precision = ("bf16" if quick_at_bf16() else "no") if asked == "auto" else asked
    if AcceleratorState._shared_state.get("_mixed_precision", precision) != precision:
        AcceleratorState._reset_state()
    unused = DistributedDataParallelKwargs(find_unused_parameters=several_players)  # a player's loss needs not all
    accelerator = Accelerator(mixed_precision=precision, kwargs_handlers=[unused])
    if precision != "no" and not accelerator.native_amp:  # else it would quietly compute in float32
        raise RequestError(f"The precision {precision} cannot be used on {accelerator.device.type}; choose bf16 or no.")
    return accelerator


def quick_at_bf16() -> bool:
    """Whether this machine has units for bf16: tensor cores, or a CPU's matrix extensions; not merely knows it."""
    if torch.cuda.is_available():
        return torch.cuda.is_bf16_supported(including_emulation=False)
    return bool(torch.cpu.get_capabilities().get("amx_bf16", False))


def versions() -> dict[str, str]:
    """What the checkpoint was written with."""
    from importlib.metadata import version

    return {"condgen": version("condgen"), "torch": torch.__version__}
