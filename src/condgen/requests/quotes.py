"""Values in double quotes, as in `shape="round, large"`: signs within them are no signs of a request."""

import re

_IN_QUOTES = r'"(?:[^"]|""){1,500}"'
_END = r"(?=\s*(?:$|[,;\n|])|\s+[^\s,;|]+\s*[=!<>≤≥])"  # a separator, another value or another term
_QUOTED = re.compile(rf"(?<=[=|])\s*{_IN_QUOTES}{_END}")
_VALUE = re.compile(rf"\s*(?:(?P<quoted>{_IN_QUOTES})|(?P<plain>[^|]*?))\s*(?:\||$)")


class Literal(list[str]):
    """The names of values, each exactly as it is written."""

    def __str__(self) -> str:
        return "|".join(self)


def hidden(text: str) -> str:
    """The text with every value in quotes replaced by as many letters, which separate nothing."""
    return _QUOTED.sub(lambda found: "q" * len(found[0]), text)


def literal(value: str) -> "Literal | str":
    """The names in a term's value, if any of them is in quotes. Else the value itself."""
    if hidden(f"={value}") == f"={value}":
        return value
    found = [m for m in _VALUE.finditer(value) if m[0]]
    return Literal(m["quoted"][1:-1].replace('""', '"') if m["quoted"] else m["plain"] for m in found)
