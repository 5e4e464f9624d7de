"""Rendered worlds show exactly what their conditions say, and nothing of it anywhere else."""

import sys
from pathlib import Path

import pytest
import torch
from torch import Tensor

from condgen import train
from condgen.data import load
from condgen.data.builtin import is_builtin
from condgen.data.dataset import Dataset
from condgen.data.splits import split
from condgen.data.synthetic import Cars, ColoredDigits, Portraits, Shapes, World, layers, world
from condgen.data.synthetic.drawing import palette
from condgen.errors import RequestError
from condgen.evaluation import train_judge
from condgen.rng import Rng
from condgen.schema import Condition, Continuous
from tests.conftest import Command

WORLDS: list[World] = [Shapes(), Cars(), Portraits(), ColoredDigits(), ColoredDigits(support="diagonal")]
NAMES = ["shapes", "cars", "portraits", "colored-digits", "diagonal-digits"]
every_world = pytest.mark.parametrize("each", WORLDS, ids=NAMES)


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CONDGEN_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def asked(each: World, n: int = 40, **values: object) -> Condition:
    """Conditions of a world with some attributes set."""
    condition = each.conditions(n)
    for name, value in values.items():
        code = each.schema[name].parse(value)
        condition = condition.with_codes(name, torch.full((n,), code))
    return condition


def drawn(each: World, n: int = 40, **values: object) -> Tensor:
    """Images of one seed each, with some attributes set, as numbers in [0, 1]."""
    return each.render(asked(each, n, **values), Rng(range(n))).float() / 255


def apart(a: Tensor, b: Tensor) -> Tensor:
    """Where two batches differ, [n, height, width]."""
    return (a - b).abs().amax(1) > 0


@every_world
def test_an_image_depends_on_its_condition_and_seed_alone(each: World, monkeypatch: pytest.MonkeyPatch) -> None:
    condition = each.conditions(37)
    together = each.render(condition, Rng(range(37)))
    alone = [each.render(condition[k : k + 1], Rng([k])) for k in range(37)]
    assert torch.equal(together, torch.cat(alone))
    monkeypatch.setattr(world, "_CHUNK", 7)
    assert torch.equal(together, each.render(condition, Rng(range(37))))


@every_world
def test_more_images_begin_with_the_same_and_another_seed_gives_others(each: World) -> None:
    few, more, others = each.dataset(20), each.dataset(30), each.dataset(20, seed=1)
    assert torch.equal(few.x, more.x[:20])
    assert few.condition.rows() == more.condition[:20].rows()
    assert not (few.x == others.x).flatten(1).all(1).any()


@every_world
def test_every_attribute_changes_the_picture(each: World) -> None:
    condition = each.conditions(60)
    before = each.render(condition, Rng(range(60)))
    for a in each.schema:
        codes = condition.values[a.name]
        other = a.low + a.high - codes if isinstance(a, Continuous) else (codes + 1) % len(a.choices)
        after = each.render(condition.with_codes(a.name, other), Rng(range(60)))
        changed = (before != after).flatten(1).any(1)
        assert changed.float().mean() > 0.95, a.name


@every_world
def test_images_of_one_condition_differ(each: World) -> None:
    x = each.render(each.conditions(1).repeat(30), Rng(range(30)))
    assert len(x.flatten(1).unique(dim=0)) == 30


@every_world
def test_all_values_are_equally_likely(each: World) -> None:
    condition = each.conditions(3000)
    for a in each.schema:
        codes = condition.values[a.name]
        if isinstance(a, Continuous):
            assert codes.mean().item() == pytest.approx((a.low + a.high) / 2, rel=0.05)
            assert codes.min() >= a.low
            assert codes.max() <= a.high
        else:
            counts = torch.bincount(codes.long(), minlength=len(a.choices))
            assert (counts / 3000 * len(a.choices) - 1).abs().max() < 0.25, a.name


@pytest.mark.parametrize("each", WORLDS[:4], ids=NAMES[:4])
def test_linked_attributes_go_together_as_often_as_asked(each: World) -> None:
    for correlation in (0.0, 0.5, 1.0):
        rows = each.conditions(2000, correlation=correlation).rows()
        for link in each.links:
            led = [row for row in rows if row[link.leader] in link.values]
            share = sum(row[link.follower] == link.values[str(row[link.leader])] for row in led) / len(led)
            chance = 1 / len(each.schema[link.follower].choices)  # type: ignore[union-attr]
            assert share == pytest.approx(correlation + (1 - correlation) * chance, abs=0.06)


@pytest.mark.slow
@pytest.mark.statistical
@pytest.mark.parametrize(
    "each", [Shapes(size=16), Portraits(size=16), ColoredDigits()], ids=lambda each: type(each).__name__
)
def test_a_judge_reads_every_attribute(each: World) -> None:
    """Cars take a judge longer; benchmarks/worlds.py prints how well one reads every world at its own size."""
    data, fresh = each.dataset(4000), each.dataset(500, seed=1)
    judge = train_judge(data.x, data.condition, images=60_000, lr=4e-3, shift=0)
    for name, agreement in judge.agreement(fresh.x, fresh.condition).items():
        attribute = each.schema[name]
        if isinstance(attribute, Continuous):
            assert agreement < 0.12 * (attribute.high - attribute.low), name
        else:
            assert agreement > (0.75 if name == "shape" else 0.88), name  # some shapes are but five pixels wide here


def test_pictures_of_incomplete_conditions_are_refused() -> None:
    with pytest.raises(RequestError, match="left free"):
        Shapes().render(Condition.free(Shapes.schema, 2), Rng(range(2)))


@pytest.mark.parametrize(("kind", "size"), [(Shapes, 30), (Cars, 8), (Portraits, 40), (ColoredDigits, 12)])
def test_sizes_that_cannot_be_drawn_are_refused(kind: type[World], size: int) -> None:
    with pytest.raises(RequestError, match="multiples of"):
        kind(size)  # type: ignore[call-arg]


@pytest.mark.parametrize("kind", [Shapes, Cars])
def test_a_larger_picture_shows_the_same(kind: type[Shapes] | type[Cars]) -> None:
    small, large = kind(size=32), kind(size=64)
    shrunk = torch.nn.functional.avg_pool2d(drawn(large), 2)
    assert (shrunk - drawn(small)).abs().mean() < 0.02


# Attributes change only what they speak of.


def test_the_colour_of_a_shape_leaves_its_background_and_the_background_its_shape() -> None:
    each = Shapes()
    plain = {"shape": "square", "size": 0.5, "x": 0.5, "y": 0.5, "striped": "no"}
    recoloured = apart(drawn(each, **plain, color="red"), drawn(each, **plain, color="blue"))
    behind = apart(drawn(each, **plain, background="white"), drawn(each, **plain, background="black"))
    middle, corner = (slice(None), slice(12, 20), slice(12, 20)), (slice(None), slice(0, 6), slice(0, 6))
    assert recoloured[middle].all()
    assert not recoloured[corner].any()
    assert behind[corner].all()
    assert not behind[middle].any()


def test_a_shape_lies_where_its_condition_says() -> None:
    each = Shapes()
    values = {"shape": "circle", "background": "black", "color": "yellow", "striped": "no"}
    x = drawn(each, **values, x=0.4, y=0.6, size=0.5)[:, 0]
    mass = (x - x[:, :1, :1]).clamp(min=0)
    line = (torch.arange(32) + 0.5) / 32
    assert (mass.sum(1) @ line / mass.sum((1, 2)) - 0.4).abs().max() < 0.01
    assert (mass.sum(2) @ line / mass.sum((1, 2)) - 0.6).abs().max() < 0.01
    area = (mass / mass.amax((1, 2), keepdim=True)).mean((1, 2))
    assert (area - torch.pi * (0.9 * 0.5 / 2) ** 2).abs().max() < 0.01


def test_lights_and_paint_of_a_car_leave_the_sky() -> None:
    each = Cars()
    for a, b in (({"color": "red"}, {"color": "blue"}), ({"lights": "yes"}, {"lights": "no"})):
        changed = apart(drawn(each, **a), drawn(each, **b))
        assert changed.flatten(1).any(1).all()
        assert not changed[:, :10].any()


def test_a_car_turned_round_is_its_mirror_image() -> None:
    each = Cars()
    assert torch.equal(drawn(each, direction="left"), drawn(each, direction="right").flip(3))


def test_parts_of_a_face_change_only_their_place() -> None:
    each = Portraits()
    places = {"smiling": slice(28, 52), "glasses": slice(8, 44), "hat": slice(0, 28), "beard": slice(20, 64)}
    for name, rows in places.items():
        changed = apart(drawn(each, **{name: "yes"}), drawn(each, **{name: "no"}))
        assert changed.flatten(1).any(1).all(), name
        changed[:, rows] = False
        assert not changed.any(), name


def test_hair_is_seen_under_every_hat() -> None:
    each = Portraits()
    changed = apart(drawn(each, 200, hat="yes", hair="black"), drawn(each, 200, hat="yes", hair="blond"))
    assert changed.flatten(1).sum(1).min() >= 4 * 16  # four of the style's pixels


# Colours are as named.


def test_shapes_have_the_colour_of_their_name() -> None:
    each = Shapes()
    names = each.schema["color"].choices  # type: ignore[union-attr]
    middle = {"shape": "circle", "x": 0.5, "y": 0.5, "striped": "no"}
    for k, name in enumerate(names):
        pixel = drawn(each, **middle, color=name)[:, :, 16, 16]
        assert (torch.cdist(pixel, palette(names)).argmin(1) == k).all(), name


def test_cars_have_the_colour_of_their_name() -> None:
    each = Cars()
    names = each.schema["color"].choices  # type: ignore[union-attr]
    for k, name in enumerate(names):
        pixel = drawn(each, color=name, body="Van", stripe="no")[:, :, 28, 32]
        assert (torch.cdist(pixel, palette(names)).argmin(1) == k).all(), name


# Coloured digits.


def test_the_diagonal_holds_two_colours_a_digit_and_can_be_asked_for_the_rest() -> None:
    diagonal = ColoredDigits(support="diagonal")
    codes = diagonal.conditions(2000).values
    assert set(((codes["color"] - codes["digit"]) % 10).tolist()) == {0.0, 1.0}
    red_five = asked(diagonal, 1, digit=5, color="red")
    assert torch.equal(diagonal.render(red_five, Rng([0])), ColoredDigits().render(red_five, Rng([0])))


def test_tested_handwriting_is_not_trained_on() -> None:
    splits = load("colored-digits:3000")

    def forms(part: Dataset) -> set[tuple[float, ...]]:
        ink = part.x.float().amax(1).flatten(1)
        return {tuple(row) for row in ((ink / ink.amax(1, keepdim=True) * 4).round()).tolist()}

    shared = forms(splits.train) & forms(splits.test)
    assert len(shared) < 0.03 * len(forms(splits.test))  # a few are alike in five levels of grey


# By name.


def test_worlds_are_loaded_by_name_number_and_size() -> None:
    splits = load("shapes:1k", size=16, attributes=["shape", "color"])
    assert sum(map(len, (splits.train, splits.validation, splits.test))) == 1000
    assert splits.shape == (3, 16, 16)
    assert splits.schema.names == ["shape", "color"]
    assert is_builtin("cars:50000")
    assert not is_builtin("vans:50000")


@pytest.mark.parametrize("source", ["digits:100", "shapes:many", "shapes:0", "shapes:"])
def test_numbers_that_make_no_sense_are_refused(source: str) -> None:
    with pytest.raises(RequestError, match=r"has its own|is not a number"):
        load(source)


def test_a_run_on_a_world_is_resumed_from_its_name(tmp_path: Path, command: Command) -> None:
    out = tmp_path / "run"
    options = ["--set", "channels=8", "--set", "previews=0", "--images", "500"]
    assert command("train", "shapes:300", "--size", "16", "--model", "cvae", *options, "--out", out).status == 0
    assert command("resume", out).status == 0
    assert command("sample", out, "shape=star, color=red", "-n", "2", "--out", tmp_path / "stars").status == 0


def test_a_combination_held_out_of_training_can_be_asked_for(tmp_path: Path) -> None:
    each = Shapes(size=16)
    data = each.dataset(400)
    rows = data.condition.rows()
    kept = torch.tensor([k for k, row in enumerate(rows) if (row["color"], row["shape"]) != ("red", "star")])
    assert 0 < len(kept) < 400
    run = train("cvae", split(data[kept]), tmp_path / "run", images=500, channels=8, previews=0)
    assert run.sample("color=red, shape=star", n=3).x.shape == (3, 3, 16, 16)


# What takes long is kept; what is missing is named.


def test_cars_are_drawn_once(monkeypatch: pytest.MonkeyPatch, cache: Path) -> None:
    first = load("cars:64")
    assert first.train.fingerprint == split(Cars().dataset(64)).train.fingerprint
    (file,) = (cache / "worlds").iterdir()
    with monkeypatch.context() as patch:
        patch.setattr(Cars, "_draw", lambda *_: pytest.fail("drawn again"))
        again = load("cars:64")
    assert again.train.fingerprint == first.train.fingerprint
    file.write_bytes(b"cut short")
    assert load("cars:64").train.fingerprint == first.train.fingerprint


def test_cars_are_drawn_without_a_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv("CONDGEN_CACHE", str(tmp_path / "file"))
    assert len(load("cars:64").train) > 0


@pytest.mark.parametrize("package", ["resvg_py", "dicebear_styles"])
def test_portraits_name_the_packages_that_are_missing(package: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    layers.layers.cache_clear()
    with pytest.raises(RequestError, match=r"condgen\[worlds\]"):
        Portraits().dataset(2)
