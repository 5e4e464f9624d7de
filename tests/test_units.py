import pytest

from condgen.errors import RequestError
from condgen.units import parse_count, parse_duration


@pytest.mark.parametrize(
    ("text", "seconds"), [("90s", 90), ("10m", 600), ("1.5h", 5400), ("1d", 86400), (" 3 M ", 180), (".5s", 0.5)]
)
def test_times(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize(
    ("text", "number"), [("20000", 20_000), ("500k", 500_000), ("2M", 2_000_000), ("1.5k", 1500), ("1_000", 1000)]
)
def test_counts(text: str, number: int) -> None:
    assert parse_count(text) == number


@pytest.mark.parametrize("text", ["", "10", "m", "-3m", "0s", "1..5m", "10 minutes", "1e3s", "nan s", "9" * 400 + "s"])
def test_what_is_no_time_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(RequestError, match=r"is not a time such as 90s, 10m or 1\.5h"):
        parse_duration(text)


@pytest.mark.parametrize("text", ["", "k", "-5", "0", "many", "1.2.3k", "5s", "inf", "9" * 400])
def test_what_is_no_number_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(RequestError, match="is not a number such as 20000, 500k or 2M"):
        parse_count(text)
