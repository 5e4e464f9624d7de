"""MultiVae's tutorial `training_a_CVAE_model.ipynb`, its images shown as the tutorial shows them.

The tutorial's likelihood takes the outputs of the default decoder for logits, although they lie in (0, 1) already, so a
second row takes `likelihood="normal"`, and so do colours. Changed: it trains on all images, since the time ends it.
"""

from contextlib import suppress
from tempfile import mkdtemp

import torch
from multivae.data.datasets import MultimodalBaseDataset
from multivae.models import CVAE, CVAEConfig
from multivae.trainers import BaseTrainer, BaseTrainerConfig
from multivae.trainers.base.callbacks import TrainingCallback


class Counting(TrainingCallback):
    """Ends training with the time."""

    def __init__(self, clock):
        self.clock = clock

    def on_train_step_end(self, training_config, **kwargs):
        self.clock.count(training_config.per_device_train_batch_size)


class Tossed(MultimodalBaseDataset):
    """Grey images as coin tosses, new ones each time, as the library's `MnistLabels` gives them."""

    def __getitem__(self, index):
        output = super().__getitem__(index)
        output.data["images"] = torch.bernoulli(output.data["images"])
        return output


def vectors(labels):
    return labels.float() if labels.ndim == 2 else torch.nn.functional.one_hot(labels, 10).float()


def train(images, labels, clock, likelihood="bernoulli"):
    tossed = likelihood == "bernoulli" and images.shape[1] == 1
    data = (Tossed if tossed else MultimodalBaseDataset)({"images": images.float() / 255, "labels": vectors(labels)})
    config = CVAEConfig(
        latent_dim=16,
        input_dims={"images": tuple(images.shape[1:]), "labels": tuple(data.data["labels"].shape[1:])},
        conditioning_modalities=["labels"],
        main_modality="images",
        decoder_dist="bernoulli" if tossed else "normal",
    )
    model = CVAE(config)
    training = BaseTrainerConfig(
        output_dir=mkdtemp(), learning_rate=1e-3, per_device_train_batch_size=128, num_epochs=100_000
    )
    trainer = BaseTrainer(model=model, train_dataset=data, training_config=training, callbacks=[Counting(clock)])
    with suppress(clock.Over):
        trainer.train()
    return model.eval()


def sample(model, labels):
    embeddings = model.generate_from_prior({"labels": vectors(labels)})
    return model.decode(embeddings).reconstruction
