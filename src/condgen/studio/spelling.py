"""Spelling of settings in messages on the page: `prior='flow', latent=8` becomes `prior = flow`, `latent = 8`."""

from condgen.messages import Mention, spelled


def spell(text: str) -> str:
    """A message of the library in the words of the page, where settings are fields with a name and a value."""
    return spelled(text, _spelling)


def _spelling(mention: Mention) -> str | None:
    if mention.verb or mention.arguments:
        return None
    return ", ".join(f"`{name} = {_shown(value)}`" for name, value in mention.settings.items())


def _shown(value: object) -> str:
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value))
    return str(value).lower() if isinstance(value, bool) else str(value)
