import time
from contextlib import suppress

import pytest

from condgen.errors import RequestError
from condgen.requests.request import MOST, parse_requests
from condgen.schema import Categorical, Flag, Schema

FLAGS = Schema(attributes=tuple(Flag(name=f"f{k}") for k in range(18)))


def test_a_product_of_stars_is_counted_before_it_is_made() -> None:
    with pytest.raises(RequestError, match=r"262,144 requests.*at most 10,000"):
        parse_requests(", ".join(f"f{k}=*" for k in range(18)), FLAGS)
    assert len(parse_requests(", ".join(f"f{k}=*" for k in range(10)), FLAGS)) == 1024 <= MOST


@pytest.mark.parametrize(
    "part", [" ", "-", "x", "a ", "a=", "not ", "1..2 to ", "f0 or ", "\t ", "(", "=", "!=", ">", "f0<", "x> "]
)
def test_a_long_text_of_anything_is_answered_in_time(part: str) -> None:
    """Some of these took hours: their time grew with the square of their length, or faster."""
    started = time.monotonic()
    for length in (10_000, 3_000_000):
        with suppress(RequestError):
            parse_requests(part * (length // len(part)), FLAGS)
    assert time.monotonic() - started < 60


def test_thousands_of_aliases_are_checked_in_time() -> None:
    started = time.monotonic()
    words = {f"word {k}": str(k) for k in range(3_000)}
    Schema(attributes=(Categorical(name="c", values=tuple(map(str, range(3_000))), aliases=words),))
    assert time.monotonic() - started < 10  # it took 14 s on two cores


def test_a_schema_of_a_million_values_is_refused() -> None:
    values = ",".join(f'"v{k}"' for k in range(1_000_000))
    with pytest.raises(ValueError, match="at most 100000"):
        Schema.loads(f'{{"attributes": [{{"kind": "categorical", "name": "c", "values": [{values}]}}]}}')
