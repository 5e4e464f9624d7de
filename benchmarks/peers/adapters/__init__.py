"""One file for each peer, as short as the peer's own example. It runs in the peer's environment, never in condgen's.

    def train(images, labels, clock): ...   # uint8 [n, channel, height, width]; classes [n], or flags [n, flag]
    def sample(model, labels): ...          # one image in [0, 1] for each label

`train` returns what `sample` is given, when the clock's time is over. The clock deals out batches and counts images.
"""
