"""smalldiffusion's `examples/fashion_mnist_dit_cond.py`.

Changed: batches of 128, since one of 1,024 takes a core about a minute. No flips from left to right, which digits do
not bear.
"""

from smalldiffusion import CondEmbedderLabel, DiT, ScheduleDDPM, samples, training_loop
from torch_ema import ExponentialMovingAverage


def train(images, labels, clock):
    schedule = ScheduleDDPM(beta_start=0.0001, beta_end=0.02, N=1000)
    embed = CondEmbedderLabel(32 * 6, 10, 0.1)
    model = DiT(in_dim=28, channels=1, patch_size=2, depth=6, head_dim=32, num_heads=6, mlp_ratio=4.0, cond_embed=embed)
    ema = ExponentialMovingAverage(model.parameters(), decay=0.99)
    loader = ((x * 2 - 1, y) for x, y in clock.batches(images, labels, 128))
    for _ in training_loop(loader, model, schedule, epochs=1, lr=1e-3, conditional=True):
        ema.update()
    ema.copy_to()
    return model, schedule


def sample(trained, labels):
    model, schedule = trained
    *_, x = samples(model, schedule.sample_sigmas(20), gam=1.6, batchsize=len(labels), cond=labels)
    return (x + 1) / 2
