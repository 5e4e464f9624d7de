"""A script that trains a conditional GAN on torchvision's MNIST when it is run, as the PyTorch-GAN scripts do.

The script is run as it is, in an empty folder, up to the end of the time. It finds the given images where it asks for
`torchvision.datasets.MNIST`, of the size that it resizes them to. Afterwards its `generator(noise, labels)` is asked,
with noise of `opt.latent_dim` numbers, as its own `sample_image` asks it. Its samples are resized back.
"""

import os
import sys
from contextlib import suppress
from tempfile import mkdtemp

import torch
import torchvision
from PIL import Image


class Given(torch.utils.data.Dataset):
    """The given images in place of `torchvision.datasets.MNIST`."""

    images = labels = None

    def __init__(self, root, train=True, transform=None, target_transform=None, download=False):
        self.transform = transform or (lambda image: image)

    def __len__(self):
        return len(self.images)

    def __getitem__(self, k):
        return self.transform(Image.fromarray(self.images[k, 0].numpy())), int(self.labels[k])


def counted(loader, clock):
    """The loader's class, whose batches are counted when the next one is asked for."""

    class Counted(loader):
        def __iter__(self):
            for batch in super().__iter__():
                yield batch
                clock.count(len(batch[0]))

    return Counted


def train(images, labels, clock, script):
    Given.images, Given.labels = images, labels
    torchvision.datasets.MNIST = Given
    torch.utils.data.DataLoader = counted(torch.utils.data.DataLoader, clock)
    folder = os.path.join(mkdtemp(), "one", "two")  # scripts reach for `../../data`
    os.makedirs(folder)
    os.chdir(folder)
    sys.argv = [script]
    names = {"__name__": "__main__", "__file__": script}
    with open(script) as file:
        code = compile(file.read(), script, "exec")
    with suppress(clock.Over):
        exec(code, names)
    return names["generator"], names["opt"].latent_dim, images.shape[-1]


def sample(trained, labels):
    generator, width, side = trained
    images = generator(torch.randn(len(labels), width), labels)
    smaller = torch.nn.functional.interpolate(images, (side, side), mode="bilinear", antialias=True)
    return (smaller + 1) / 2
