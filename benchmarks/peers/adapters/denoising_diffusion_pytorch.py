"""denoising-diffusion-pytorch's classifier-free guidance, as at the end of `classifier_free_guidance.py`.

Changed, or two minutes on one core would show nothing: a quarter of the example's width, 50 DDIM steps for 1,000, and
one level less (28 pixels cannot be halved three times). Optimiser and batch are its trainer's.
"""

import torch
from denoising_diffusion_pytorch.classifier_free_guidance import GaussianDiffusion, Unet


def train(images, labels, clock):
    model = Unet(dim=16, dim_mults=(1, 2, 4), num_classes=10, cond_drop_prob=0.5, channels=images.shape[1])
    diffusion = GaussianDiffusion(model, image_size=images.shape[-1], timesteps=1000, sampling_timesteps=50)
    optimizer = torch.optim.Adam(diffusion.parameters(), lr=1e-4, betas=(0.9, 0.99))
    for x, y in clock.batches(images, labels, 16):
        loss = diffusion(x, classes=y)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    return diffusion


def sample(diffusion, labels):
    return diffusion.sample(classes=labels, cond_scale=6.0)
