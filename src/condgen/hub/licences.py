"""Licences of training data, as far as condgen knows them, and names under which data may be mentioned in public."""

from condgen.data.builtin import BUILTIN
from condgen.data.published import PUBLISHED
from condgen.data.readers import is_address
from condgen.data.source import DataSource

UNKNOWN = "not known to condgen. Ask whoever published or collected the data before you use the model."


def public_name(source: DataSource) -> str:
    """The name of data that anybody can load. Empty for data of one's own, whose place stays private."""
    name = (source.address or "").partition("?")[0]
    if is_address(name) and not name.removeprefix("hf:").startswith(("/", ".", "~")):
        return name
    return name if name.partition(":")[0] in BUILTIN or name in PUBLISHED else ""


def licence_of(source: DataSource) -> str:
    """The licence of data in words, or that it is not known."""
    name = (source.address or "").partition(":")[0]
    entry = BUILTIN[name] if name in BUILTIN else PUBLISHED.get(name)
    return (entry and entry.licence) or UNKNOWN
