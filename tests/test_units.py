import math

import pytest

from condgen.errors import RequestError
from condgen.units import counted, number, parse_count, parse_duration, percent


@pytest.mark.parametrize(
    ("text", "seconds"), [("90s", 90), ("10m", 600), ("1.5h", 5400), ("1d", 86400), (" 3 M ", 180), (".5s", 0.5)]
)
def test_times(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize(
    ("text", "count"),
    [("20000", 20_000), ("500k", 500_000), ("2M", 2_000_000), ("1.5k", 1500), ("1_000", 1000), ("1.1m", 1_100_000)],
)
def test_counts(text: str, count: int) -> None:
    assert parse_count(text) == count


@pytest.mark.parametrize("text", ["1.5", "1.2345k"])
def test_a_count_is_a_whole_number(text: str) -> None:
    with pytest.raises(RequestError, match="is not a whole number"):
        parse_count(text)


def test_one_thing_is_singular() -> None:
    assert [counted(n, "sample") for n in (0, 1, 2000)] == ["0 samples", "1 sample", "2,000 samples"]


@pytest.mark.parametrize("text", ["", "10", "m", "-3m", "0s", "1..5m", "10 minutes", "1e3s", "nan s", "9" * 400 + "s"])
def test_what_is_no_time_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(RequestError, match=r"is not a time such as 90s, 10m or 1\.5h"):
        parse_duration(text)


@pytest.mark.parametrize("text", ["", "k", "-5", "0", "many", "1.2.3k", "5s", "inf", "9" * 400])
def test_what_is_no_number_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(RequestError, match="is not a number of at least 1, such as 20000, 500k or 2M"):
        parse_count(text)


def test_numbers_are_said_only_where_they_are_known() -> None:
    assert [number(value) for value in (math.nan, math.inf, -math.inf)] == ["unknown"] * 3
    assert [percent(value) for value in (math.nan, -math.inf)] == ["unknown"] * 2
    assert (number(3.14159), number(-2.5, ".1f"), percent(0.984)) == ("3.14", "-2.5", "98.4\u202f%")


def test_nothing_is_said_to_be_minus_zero() -> None:
    assert (number(-0.0), number(-0.004, ".2f"), number(-1e-9)) == ("0", "0.00", "-1e-09")
    assert (percent(-0.0), percent(-1e-9)) == ("0.0\u202f%", "0.0\u202f%")
