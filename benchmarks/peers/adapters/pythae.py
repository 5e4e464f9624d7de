"""pythae's README example, a VAE. The library has no conditional model, so the labels are not used."""

from contextlib import suppress
from tempfile import mkdtemp

from pythae.models import VAE, VAEConfig
from pythae.pipelines import TrainingPipeline
from pythae.samplers import NormalSampler
from pythae.trainers import BaseTrainerConfig
from pythae.trainers.training_callbacks import TrainingCallback


class Counting(TrainingCallback):
    """Ends training with the time."""

    def __init__(self, clock):
        self.clock = clock

    def on_train_step_end(self, training_config, **kwargs):
        self.clock.count(training_config.per_device_train_batch_size)


def train(images, labels, clock):
    config = BaseTrainerConfig(
        output_dir=mkdtemp(),
        num_epochs=100_000,
        learning_rate=1e-3,
        per_device_train_batch_size=200,
        optimizer_cls="AdamW",
        optimizer_params={"weight_decay": 0.05, "betas": (0.91, 0.995)},
    )
    model = VAE(model_config=VAEConfig(input_dim=tuple(images.shape[1:]), latent_dim=10))
    with suppress(clock.Over):
        TrainingPipeline(training_config=config, model=model)(
            train_data=images.float() / 255, callbacks=[Counting(clock)]
        )
    return model.eval()


def sample(model, labels):
    sampler = NormalSampler(model=model)
    return sampler.sample(num_samples=len(labels), batch_size=len(labels), output_dir=None, return_gen=True)
