"""Times, counts, numbers and shares as people write them: 90s, +10m, 1.5h, about 12 minutes, 500k, 3.14, 98.4 %."""

import math
import re

from condgen.errors import RequestError

_SECONDS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_COUNTS = {"": 1.0, "k": 1e3, "m": 1e6, "g": 1e9}
UNKNOWN = "unknown"


def parse_duration(text: str) -> float:
    """Seconds in a text such as 90s, 10m, 1.5h. Raises RequestError."""
    match = re.fullmatch(r"([\d.]+)\s*([smhd])", text.strip().casefold())
    return _number(text, match, _SECONDS, "a time such as 90s, 10m or 1.5h")


def parse_extension(text: str) -> float:
    """The seconds in a text such as +10m, which adds to a time. Raises RequestError."""
    if not text.strip().startswith("+"):
        raise RequestError(f"'{text}' does not say how much time to add, as in `budget='+10m'`.")
    return parse_duration(text.strip()[1:])


def parse_count(text: str) -> int:
    """The number in a text such as 20000, 500k, 2M. Raises RequestError."""
    match = re.fullmatch(r"([\d._]+)\s*([kmg]?)", text.strip().casefold())
    value = _number(text, match, _COUNTS, "a number of at least 1, such as 20000, 500k or 2M")
    if not math.isclose(value, round(value)):
        raise RequestError(f"'{text}' is not a whole number, such as 20000, 500k or 2M.")
    return round(value)


def counted(n: int, thing: str) -> str:
    """A number of things: 1 sample, 2,000 samples."""
    return f"{n:,} {thing}{'s' * (n != 1)}"


def number(value: int | float, form: str = ".3g") -> str:
    """A number in a format, without minus zero. "unknown" if it is not finite."""
    if not math.isfinite(value):
        return UNKNOWN
    text = format(value, form)
    return text if float(text) else text.lstrip("-")


def approximately(seconds: float) -> str:
    """A time that is not known exactly, in words: about 12 minutes."""
    for unit, length in (("hours", 3600.0), ("minutes", 60.0)):
        if seconds >= 1.5 * length:
            return f"about {seconds / length:.2g} {unit}"
    return f"about {max(round(seconds), 1)} seconds"


def percent(share: int | float, digits: int = 1) -> str:
    """A share in percent, with the sign attached by a narrow no-break space. "unknown" as in `number`."""
    return number(100 * share, f".{digits}f") + "\u202f%" * math.isfinite(share)


def _number(text: str, match: re.Match[str] | None, units: dict[str, float], expected: str) -> float:
    try:
        value = float(match[1]) * units[match[2]] if match else 0.0
    except ValueError:
        value = 0.0
    if not 0 < value < math.inf:
        raise RequestError(f"'{text}' is not {expected}.")
    return value


def whole(share: int | float) -> str:
    """A share in whole percent, without the sign: 98, or <1."""
    return "<1" if 0 < share < 0.005 else f"{100 * share:.0f}"
