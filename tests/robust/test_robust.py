"""What is read from assertions, and what the table makes of it."""

import json
import math
from pathlib import Path

import pytest

from tests.robust.__main__ import SETTINGS, variations
from tests.robust.rooms import rooms
from tests.robust.table import collect, deviations, table, tight


@pytest.mark.parametrize(
    ("source", "explanation", "found"),
    [
        ("x > 0.5", "tensor(0.7500) > 0.5\n +  where tensor(0.7500) = f()", [0.25]),
        ("x > 0.5, name", "tensor(0.2500, dtype=torch.float64) > 0.5", [-0.25]),
        ("t.last < t.first - 0.5", "0.125 < (1.0 - 0.5)", [0.375]),
        ("0.25 < x.mean() < 1", "tensor(0.5000) < 1", [0.5, 0.25]),
        ("x == pytest.approx(1, abs=0.5)", "0.75 == 1 ± 0.5", [0.25]),
        ("x == y", "3 == 3", []),
        ("names < others", "{'a'} < {'a', 'b'}", []),
        ("all(close)", "all([True, True])", []),
        ("x < y", "nan < 3.0", []),
    ],
)
def test_comparisons_of_numbers_are_read(source: str, explanation: str, found: list[float]) -> None:
    assert rooms(source, explanation) == found


def test_an_assertion_that_failed_is_read_like_one_that_held() -> None:
    assert rooms("x > 1", "assert tensor(0.5000) > 1") == [-0.5]


def test_margins_are_mean_rooms_in_standard_deviations() -> None:
    assert deviations([1.0, 2.0, 3.0]) == pytest.approx(2.0)
    assert deviations([-1.0, -3.0]) < 0
    assert math.isinf(deviations([1.0, 1.0]))
    assert math.isnan(deviations([1.0]))


def record(path: Path, *entries: dict[str, object]) -> Path:
    path.write_text("".join(json.dumps(entry) + "\n" for entry in entries))
    return path


def test_the_table_begins_with_what_has_the_least_room(tmp_path: Path) -> None:
    def entries(k: int) -> list[dict[str, object]]:
        rooms = {"steady": (10 + k, 9), "close": (1 + k, 1), "fails": (-1, 1)}
        return [
            {"test": name, "source": f"x{n} > 0", "room": room}
            for name, each in rooms.items()
            for n, room in enumerate(each)
        ] + [{"test": name, "held": name != "fails" or k == 0} for name in rooms]

    found = collect(record(tmp_path / f"{k}", *entries(k)) for k in range(3))
    assert found["close"].margin == pytest.approx(2.0)
    assert found["close"].tightest == "x0 > 0"
    order = [line.split()[2].rstrip(":") for line in table(found).splitlines()[1:]]
    assert order == ["fails", "close", "steady"]
    assert sorted(tight(found)) == ["close", "fails"]


def test_an_assertion_in_a_loop_counts_by_its_least_room(tmp_path: Path) -> None:
    loop = ({"test": "t", "source": "x > 0", "room": room} for room in (5.0, 1.0, 3.0))
    assert collect([record(tmp_path / "0", *loop)])["t"].rooms == {"x > 0": [1.0]}


def test_every_setting_is_varied_and_every_variation_has_a_seed_of_its_own() -> None:
    found = dict(variations(len(SETTINGS) + 2, list(SETTINGS)))
    assert len({environment["CONDGEN_TEST_SEED"] for environment in found.values()}) == len(found) == len(SETTINGS) + 2
    assert {name.rsplit("-", 1)[0] for name in found} == set(SETTINGS)
    assert next(iter(found)) == "native-0"


def test_chosen_settings_are_gone_through_again_with_further_seeds() -> None:
    assert [name for name, _ in variations(3, ["avx2", "bf16"])] == ["avx2-0", "bf16-1", "avx2-2"]
