"""Words in requests: phrases turned into constraints, through a schema's own words and a packaged vocabulary."""

from condgen.words.lexicon import shown
from condgen.words.phrase import Understood, understand

__all__ = ["Understood", "shown", "understand"]
