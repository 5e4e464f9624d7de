"""A few outliers must not decide how all other numbers are encoded."""

import json

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from condgen.data.infer import infer_schema, parse_columns
from condgen.schema import Attribute, Continuous, Schema

RNG = np.random.default_rng(0)
PRICES = RNG.normal(300, 80, 1_492).clip(50).round(2).tolist()


def inferred(values: list[float]) -> tuple[Attribute, list[str]]:
    schema, notes = infer_schema({"price": values})
    return schema["price"], notes


def test_eight_typing_errors_among_prices_do_not_flatten_the_rest() -> None:
    price, notes = inferred(PRICES + [999_999.0] * 8)
    assert isinstance(price, Continuous)
    assert (price.low, price.high, price.clip) == (min(PRICES), max(PRICES), True)
    assert price.encode(torch.tensor(PRICES)).std() > 0.2
    assert "8 of 1,500 values of 'price' lie far outside" in " ".join(notes)
    codes, present = parse_columns({"price": [999_999.0, -5.0, 300.0]}, Schema(attributes=(price,)), "table")
    assert codes["price"] == [price.high, price.low, 300.0]
    assert all(present["price"])


def test_a_few_more_errors_do_not_choose_the_scale_and_are_said() -> None:
    """8 of 300 are too many to be clipped without a word, and too few to be a reason for a logarithmic scale."""
    values = RNG.uniform(1_000, 50_000, 292).tolist() + [999_999.0] * 8
    price, notes = inferred(values)
    assert isinstance(price, Continuous)
    assert (price.scale, price.high, price.clip) == ("linear", 999_999, False)
    assert len(notes) == 1
    assert "8 of 300 values of 'price' lie far outside" in notes[0]
    assert "stretch its range" in notes[0]


def test_a_stretched_range_is_said_once() -> None:
    values = RNG.uniform(10, 50, 292).tolist() + [999_999.0] * 8
    price, notes = inferred(values)
    assert notes == []
    assert price.crowding(torch.tensor(values), torch.ones(300))


@pytest.mark.parametrize(
    "values",
    [
        RNG.normal(size=3_000),
        RNG.uniform(-5, 5, 100),
        RNG.exponential(size=2_000),
        RNG.gamma(4, 25, 2_000),
        np.concatenate([RNG.normal(0, 1, 50), RNG.normal(40, 1, 950)]),  # a group of its own is no error
        np.arange(13.0) / 2,
        np.concatenate([np.zeros(990), np.arange(20.0)]),  # mostly one value
        np.concatenate([np.zeros(5_000), np.arange(20.0)]),
    ],
)
def test_ordinary_numbers_keep_their_own_ends_and_scale(values: np.ndarray) -> None:
    price, notes = inferred(values.tolist())
    assert isinstance(price, Continuous)
    assert (price.low, price.high) == (values.min(), values.max())
    assert (price.scale, price.clip, notes) == ("linear", False, [])
    assert "clip" not in json.loads(price.model_dump_json())


def test_numbers_over_orders_of_magnitude_get_a_logarithmic_scale() -> None:
    values = RNG.lognormal(5, 1.5, 2_000)
    price, notes = inferred(values.tolist())
    assert isinstance(price, Continuous)
    assert price.scale == "log"
    assert not price.clip
    assert "logarithmic" in notes[0]
    encoded = price.encode(torch.tensor(values, dtype=torch.float32))
    assert abs(float(encoded.median())) < 0.25
    assert torch.allclose(price.decode(encoded), torch.tensor(values, dtype=torch.float32), rtol=1e-4)


@given(st.floats(0.01, 0.99))
def test_a_logarithmic_attribute_keeps_what_every_attribute_promises(u: float) -> None:
    price = Continuous(name="price", low=1, high=10_000, scale="log")
    code = price.uniform(torch.tensor([u]))
    assert price.encode(code).item() == pytest.approx(2 * u - 1, abs=1e-5)
    other = price.counterfactual(code, torch.rand(code.shape))
    assert abs(price.encode(other).item() - price.encode(code).item()) == pytest.approx(1, abs=1e-4)
    assert price.low <= other.item() <= price.high * (1 + 1e-5)


def test_where_a_ratio_is_asked_the_nearest_rows_are_near_by_ratio() -> None:
    price = Continuous(name="price", low=1, high=10_000, scale="log")
    penalty = price.mismatch(torch.tensor([100.0]), torch.tensor([100.0, 105.0, 150.0, 5_000.0]), torch.ones(4).bool())
    assert penalty[0, 1] < 1 < penalty[0, 2] < penalty[0, 3]


def test_a_logarithm_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="only positive numbers"):
        Continuous(name="price", low=0, high=5, scale="log")


def test_a_range_that_outliers_stretch_is_said() -> None:
    stretched = Continuous(name="price", low=50, high=999_999)
    codes = torch.tensor([*PRICES, 999_999.0])
    assert "within 0.0" in stretched.crowding(codes, torch.ones(len(codes)))
    assert Continuous(name="price", low=50, high=600).crowding(codes, torch.ones(len(codes))) == ""


def test_a_range_that_outliers_of_one_side_stretch_is_said_however_many_they_are() -> None:
    debt = Continuous(name="balance", low=-999_999, high=600)
    codes, counts = torch.tensor([*PRICES, -999_999.0]), torch.tensor([*[1.0] * len(PRICES), 0.04 * len(PRICES)])
    assert "within 0.0" in debt.crowding(codes, counts)


def test_a_number_that_most_rows_have_stretches_no_range() -> None:
    gain = Continuous(name="gain", low=0, high=600)
    codes, counts = torch.tensor([0.0, *PRICES]), torch.tensor([100.0 * len(PRICES), *[1.0] * len(PRICES)])
    assert gain.crowding(codes, counts) == ""
