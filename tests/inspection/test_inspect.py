import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from condgen.cli.spelling import spell
from condgen.data import Dataset, DataSource, Splits, load
from condgen.inspection import Inspection, inspect
from condgen.inspection.association import co_occurrence, cramers_v
from condgen.inspection.columns import value_counts
from condgen.inspection.scan import near_duplicates
from condgen.schema import Categorical, Condition, Continuous, Flag, Schema
from tests.conftest import Command

ROWS = 100


def splits(schema: Schema, rows: list[dict[str, object]], x: torch.Tensor | None = None) -> Splits:
    x = torch.rand(len(rows), 2) if x is None else x
    part = Dataset(x, Condition.of(schema, rows))
    parts = Splits(part, Dataset(torch.rand(5, *x.shape[1:]), part.condition[:5]), part[:0], ("a note",))
    return parts.loaded_from(DataSource("here"))


def people_rows(n: int = ROWS) -> list[dict[str, object]]:
    return [{"color": ["red", "green", "blue"][k % 3], "glasses": k % 2, "age": k % 81} for k in range(n)]


def drawing(k: int, side: int = 16, mode: str = "RGB") -> Image.Image:
    """A picture unlike those of other numbers."""
    noise = np.random.default_rng(k).integers(0, 256, (4, 4, 3), dtype=np.uint8)
    return Image.fromarray(noise).resize((side, side), Image.Resampling.BICUBIC).convert(mode)


def folder(path: Path, n: int = 60, side: int = 16, **columns: list[object]) -> Path:
    """Images with a metadata.csv of these columns."""
    path.mkdir()
    for k in range(n):
        drawing(k, side).save(path / f"{k}.png")
    lines = [",".join(["file_name", *columns])]
    lines += [",".join([f"{k}.png", *(str(values[k]) for values in columns.values())]) for k in range(n)]
    (path / "metadata.csv").write_text("\n".join(lines))
    return path


@pytest.fixture
def tones(tmp_path: Path) -> Path:
    return folder(tmp_path / "tones", tone=[["dark", "light"][k % 2] for k in range(60)])


def said(found: Inspection, *parts: str) -> bool:
    return any(all(part in sentence for part in parts) for sentence in (*found.problems, *found.advice))


# ---- labels


def test_numbers_crowded_by_outliers_are_a_problem(tmp_path: Path) -> None:
    tables = folder(tmp_path / "prices", price=list(range(100, 160)))
    for low, high, crowded in ((100, 999_999, True), (100, 160, False)):
        hand = Schema.loads(
            json.dumps(
                {"attributes": [{"kind": "continuous", "name": "price", "low": low, "high": high, "clip": True}]}
            )
        )
        found = inspect(str(tables), schema=hand)
        assert any("hardly tell them apart" in text for text in found.problems) == crowded


def test_it_counts_the_training_part(people: Schema) -> None:
    found = inspect(splits(people, people_rows())).as_dict()
    color, glasses, age = found["attributes"]
    assert (color["name"], color["kind"], color["missing"]) == ("color", "categorical", 0)
    assert color["counts"] == {"red": 34, "green": 33, "blue": 33}
    assert color["aliases"] == {"crimson": "red"}
    assert glasses["counts"] == {"no": 50, "yes": 50}
    assert glasses["synonyms"] == ["glasses"]
    assert (age["low"], age["high"]) == (0, 80)
    assert age["quartiles"] == sorted(age["quartiles"])
    assert sum(age["histogram"]) == 100
    assert found["examples"] == {"train": 100, "validation": 5, "test": 0}
    assert found["shape"] == [2]
    assert found["source"] == "here"
    assert found["notes"] == ["a note"]
    assert found["combinations"] == {"possible": 6, "present": 6}
    assert inspect(splits(people, people_rows())).combinations == "6 of 6 combinations of named values occur."
    assert found["problems"] == []


def test_it_is_json_and_its_schema_loads_again(people: Schema) -> None:
    found = json.loads(json.dumps(inspect(splits(people, people_rows())).as_dict()))
    assert Schema.model_validate(found["schema"]) == people


def test_missing_labels_are_counted_and_stay_out_of_the_counts(people: Schema) -> None:
    rows = [{k: v for k, v in row.items() if i >= 10 or k == "age"} for i, row in enumerate(people_rows())]
    found = inspect(splits(people, rows))
    assert [b.missing for b in found.attributes] == [10, 10, 0]
    assert sum(found.attributes[0].counts.values()) == 90
    assert said(found, "2 attributes have missing labels among 100 examples: color (10), Eyeglasses (10);")
    assert said(inspect(splits(people, rows), attributes=["color"]), "color: 10 of 100 labels are missing")


def test_an_attribute_that_is_never_given_is_no_crash(people: Schema) -> None:
    found = inspect(splits(people, [{} for _ in range(ROWS)]))
    assert [b.missing for b in found.attributes] == [ROWS] * 3
    assert found.attributes[2].quartiles == ()
    assert found.together.present == 0


def test_an_empty_schema_can_be_inspected() -> None:
    found = inspect(splits(Schema(), [{} for _ in range(20)]))
    assert found.attributes == ()
    assert found.as_dict()["combinations"] == {"possible": 0, "present": 0}


def test_large_photographs_are_decoded_reduced_and_their_copies_found(tmp_path: Path) -> None:
    for k in range(6):
        (tmp_path / "ab"[k % 2]).mkdir(exist_ok=True)
        drawing(k, 800).save(tmp_path / "ab"[k % 2] / f"{k}.jpg", quality=95)
    drawing(3, 800).save(tmp_path / "b" / "again.jpg", quality=60)
    found = inspect(str(tmp_path))
    content = found.material.content
    assert content.image(0, 100).size == (100, 100)
    assert content.image(0).size == (800, 800)
    (group,) = found.scan.near.groups
    assert {Path(content.name(row)).name for row in group} == {"3.jpg", "again.jpg"}


def test_rare_values_and_near_constants_are_problems() -> None:
    schema = Schema(attributes=(Categorical(name="kind", values=("a", "b", "c")), Flag(name="on")))
    rows: list[dict[str, object]] = [{"kind": "a", "on": "yes"} for _ in range(150)]
    rows += [{"kind": "b", "on": "yes"} for _ in range(145)] + [{"kind": "c", "on": "no"} for _ in range(2)]
    found = inspect(splits(schema, rows))
    assert said(found, "kind has rare values", "c (2)")
    assert not said(found, "kind has rare values", "a (")
    assert said(found, "on is nearly constant: 'yes' in 99.3 %")
    assert said(found, "Too rare to be learned well", "kind=c (2)", "on=no (2)")


# ---- what goes together


def pair_of_flags(table: tuple[tuple[int, int], tuple[int, int]]) -> Condition:
    """Flags a and b, and a number that is 10 where a holds and 0 elsewhere, give or take 1."""
    schema = Schema.model_validate(
        {
            "attributes": [
                {"kind": "flag", "name": "a"},
                {"kind": "flag", "name": "b"},
                {"kind": "continuous", "name": "x", "low": -1, "high": 11},
            ]
        }
    )
    cells = [(a, b) for a in (0, 1) for b in (0, 1) for _ in range(table[a][b])]
    return Condition.of(schema, [{"a": a, "b": b, "x": 10 * a + (-1) ** k} for k, (a, b) in enumerate(cells)])


def test_associations_equal_an_independent_computation() -> None:
    from scipy.stats.contingency import association

    condition = pair_of_flags(((400, 100), (50, 250)))
    found = {frozenset((a.first, a.second)): a for a in co_occurrence(condition).associations}
    named = found[frozenset("ab")]
    assert named.table == ((400, 100), (50, 250))
    assert named.strength == pytest.approx(association(np.array(named.table), method="cramer"), abs=0.002)
    a, x = condition.values["a"].double(), condition.values["x"].double()
    groups = [x[a == k] for k in (0, 1)]
    between = sum(len(g) * (g.mean() - x.mean()) ** 2 for g in groups)
    assert found[frozenset("ax")].strength == pytest.approx(
        float((between / ((x - x.mean()) ** 2).sum()) ** 0.5), abs=1e-4
    )
    assert found[frozenset("ax")].sentence.startswith("x is on average 0 where a=no and 10 where a=yes")
    assert "83 % of a=yes have b=yes, against 44 % of all" in named.sentence


def test_numbers_within_a_small_part_of_their_range_are_as_associated_as_they_are() -> None:
    """Their variance is a small difference of large sums, in which 32 bits left r = 1.02 and η = 0."""
    n = 200_000
    z = torch.randn(2, n, generator=torch.Generator().manual_seed(0))
    values = {"a": 98 + 0.2 * z[0], "b": 98 + 0.1 * z[0] + 0.03**0.5 * z[1], "k": (z[0] > 0).float()}
    numbers = (Continuous(name=name, low=0, high=100) for name in "ab")
    condition = Condition(Schema(attributes=(*numbers, Flag(name="k"))), values, torch.ones(n, 3, dtype=torch.bool))
    found = {frozenset((each.first, each.second)): each.strength for each in co_occurrence(condition).associations}
    a, b, k = (values[name].double().numpy() for name in "abk")
    assert found[frozenset("ab")] == pytest.approx(np.corrcoef(a, b)[0, 1], abs=1e-3)
    assert found[frozenset("ak")] == pytest.approx(np.corrcoef(a, k)[0, 1], abs=1e-3)  # of two values, η is |r|


def test_sums_over_blocks_of_rows_are_those_of_all_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    condition = pair_of_flags(((40, 10), (5, 25)))
    whole = co_occurrence(condition)
    monkeypatch.setattr("condgen.inspection.association.BLOCK", 100)
    parts = co_occurrence(condition)
    assert [a.table for a in parts.associations] == [a.table for a in whole.associations]
    assert [a.strength for a in parts.associations] == pytest.approx([a.strength for a in whole.associations], abs=1e-6)


def test_independent_attributes_have_no_association() -> None:
    assert cramers_v(torch.tensor([[30.0, 20.0], [60.0, 40.0]])) == 0.0
    assert cramers_v(torch.tensor([[30.0, 0.0], [0.0, 40.0]])) == pytest.approx(1.0)
    assert cramers_v(torch.tensor([[30.0, 5.0], [0.0, 0.0]])) == 0.0


def test_rows_with_a_missing_label_count_for_no_pair() -> None:
    condition = pair_of_flags(((10, 0), (0, 10)))
    free = condition.drop(torch.tensor([True, False, False]).repeat(20, 1) & (torch.arange(20)[:, None] < 5))
    (named,) = (a for a in co_occurrence(free).associations if a.table)
    assert named.table == ((5, 0), (0, 10))


def test_pairs_that_never_or_rarely_occur_are_named() -> None:
    schema = pair_of_flags(((50, 30), (40, 0))).schema
    found = inspect(splits(schema, pair_of_flags(((50, 30), (40, 0))).rows()))  # type: ignore[arg-type]
    assert [(p.request, p.n) for p in found.together.absent] == [("a=yes, b=yes", 0)]
    assert found.together.absent[0].expected == pytest.approx(40 * 30 / 120)
    assert said(found, "1 pair of values never occur", "a=yes, b=yes")
    rare = co_occurrence(pair_of_flags(((50, 30), (40, 1))))
    assert [p.request for p in rare.rare] == ["a=yes, b=yes"]


def test_many_flags_have_more_combinations_than_numbers_hold() -> None:
    schema = Schema(attributes=tuple(Flag(name=f"f{k}") for k in range(80)))
    values = {name: (torch.arange(50) % (k + 2) == 0).float() for k, name in enumerate(schema.names)}
    condition = Condition(schema, values, torch.ones(50, 80, dtype=torch.bool))
    found = co_occurrence(condition)
    assert found.possible == 2**80
    assert found.present == len(torch.stack(list(values.values()), 1).unique(dim=0))
    part = Dataset(torch.rand(50, 2), condition)
    assert inspect(Splits(part, part[:0], part[:5])).combinations == ""


# ---- columns


def test_columns_say_what_they_were_taken_for_and_why(tmp_path: Path) -> None:
    data = folder(
        tmp_path / "data",
        weekday=[k % 7 for k in range(60)],
        height=[k / 3 for k in range(60)],
        on=[["yes", "no"][k % 2] for k in range(60)],
        user=[f"user{k}" for k in range(60)],
        caption=[f"a drawing by hand number {k}" for k in range(60)],
        always=["x"] * 60,
    )
    columns = {c.name: c for c in inspect(str(data)).columns}
    assert columns["weekday"].why == "7 distinct integers → categorical"
    assert columns["height"].why == "60 distinct numbers, more than 12 → continuous"
    assert columns["on"].why == "2 values, yes and no → flag"
    roles = {name: columns[name].role for name in ("user", "caption", "always")}
    assert roles == {"user": "identifier", "caption": "text", "always": "constant"}


def test_columns_are_left_out_for_the_reason_that_training_gives(command: Command, tmp_path: Path) -> None:
    rows = "".join(f"{k},{k % 7},{k % 3},{'ab'[k % 2]},{'cd'[k % 2]}\n" for k in range(150))
    (tmp_path / "odd.csv").write_text(f",x0,x1,kind,x|y\n{rows}")
    shown = command("inspect", tmp_path / "odd.csv").out
    assert "Left out: x|y (it has '|' in its name; rename it to use it)." in shown
    assert "Left out: column 1 (no name) (give it a name to use it)." in shown


def test_numbers_that_nearly_all_differ_are_suspected_and_not_advised(tmp_path: Path) -> None:
    numbers: list[object] = [1000003 * k % 999983 for k in range(120)]
    data = folder(tmp_path / "data", 120, number=numbers, tone=["dark", "light"] * 60)
    found = inspect(str(data))
    assert said(found, "number looks like an identifier")
    assert spell(found.advice[0]).startswith("Train first: condgen train")
    assert "--attributes tone" in spell(found.advice[0])


@pytest.mark.parametrize(
    ("numbers", "identifier"),
    [
        ([k % 500 for k in range(1200)], True),
        ([k % 120 for k in range(1200)], False),  # ages, years, places in a picture
        ([104_729 * (k % 600) % 9_973 for k in range(1200)], False),  # prices
        ([k % 500 for k in range(12_000)], False),  # seen often enough to be learned
    ],
)
def test_whole_numbers_that_few_rows_share_are_to_split_by_and_not_advised(
    tmp_path: Path, numbers: list[int], identifier: bool
) -> None:
    rows = "".join(f"{k % 7},{n},{'ab'[k % 2]}\n" for k, n in enumerate(numbers))
    (tmp_path / "people.csv").write_text(f"x0,person,tone\n{rows}")
    found = inspect(str(tmp_path / "people.csv"))
    assert said(found, "person looks like an identifier", "`split='group:person'`") == identifier
    assert said(found, "Train first", "attributes=['tone']") == identifier


def test_texts_among_numbers_are_a_problem(tmp_path: Path) -> None:
    ages: list[object] = [20 + k / 4 for k in range(58)]
    data = folder(tmp_path / "data", age=[*ages[:8], "?", *ages[8:], "??"], tone=["dark", "light"] * 30)
    found = inspect(str(data))
    assert said(found, "'age' holds numbers, but '?' in row 9 is no number, and so is another cell. It was left out")
    assert {c.name: c.role for c in found.columns}["age"] == "unreadable"


@pytest.mark.parametrize(("n", "said"), [(100, True), (150, False)])
def test_too_few_examples_are_a_problem(tmp_path: Path, n: int, said: bool) -> None:
    rows = "".join(f"{k % 7},{k % 3},{'ab'[k % 2]}\n" for k in range(n))
    (tmp_path / "few.csv").write_text(f"x0,x1,kind\n{rows}")
    found = inspect(str(tmp_path / "few.csv")).problems
    assert any("training examples are too few" in problem for problem in found) == said


def test_examples_without_any_label_are_said_to_be_left_out(tmp_path: Path) -> None:
    rows = "".join(
        f"{k % 7},{k % 3},{'ab'[k % 2] if k < 30 else ''},{'cd'[k % 2] if k < 50 else ''}\n" for k in range(200)
    )
    (tmp_path / "one.csv").write_text(f"x0,x1,kind,sort\n{rows}")
    both, one = inspect(str(tmp_path / "one.csv")), inspect(str(tmp_path / "one.csv"), attributes=["kind"])
    assert said(both, "training examples have no label at all: most models leave them out")
    assert said(both, "have missing labels among", "; beside other labels they are left free")
    assert said(one, "training examples with a label are too few")
    assert not said(one, "left free")


def test_values_of_mixed_types_are_counted() -> None:
    assert value_counts([1, "a", None, "a"]) == {"1": 1, "a": 2, None: 1}
    assert value_counts([0.5, None, 0.5]) == {0.5: 2, None: 1}


# ---- pictures


def test_sizes_and_modes_are_those_before_resizing(tones: Path) -> None:
    drawing(0, 32, "L").save(tones / "0.png")
    found = inspect(str(tones))
    assert found.scan.sizes == {"16×16": 59, "32×32": 1}
    assert found.scan.modes == {"RGB": 59, "L": 1}
    assert found.shape == (3, 16, 16)
    assert any("2 sizes" in note for note in found.notes)
    assert "--size 16" in spell(found.advice[0])


@pytest.mark.parametrize("kind", ["jpeg", "tiff"])
def test_photographs_that_were_turned_have_the_size_of_loading(tones: Path, kind: str) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    for k in range(60):
        Image.new("RGB", (24, 16), (4 * k, 0, 0)).save(tones / f"{k}.png", kind, exif=exif)
    found = inspect(str(tones))
    assert found.scan.sizes == {"16×24": 60}
    assert found.shape == load(str(tones)).shape == (3, 24, 16)


def test_what_cannot_be_read_is_listed_with_the_reason(tones: Path) -> None:
    (tones / "3.png").write_bytes((tones / "3.png").read_bytes()[:-40])
    (tones / "4.png").write_bytes(b"")
    (tones / "5.png").unlink()
    found = inspect(str(tones))
    assert [each.row for each in found.scan.unreadable] == [3, 4, 5]
    assert [each.reason for each in found.scan.unreadable][1:] == ["it is empty", "it does not exist"]
    assert all("png" in each.name for each in found.scan.unreadable)
    assert found.problems[0].startswith("3 of 60 images cannot be read")


def test_copies_of_a_damaged_image_are_damaged_too(tones: Path) -> None:
    for k in (3, 8, 9):
        (tones / f"{k}.png").write_bytes((tones / "3.png").read_bytes()[:-60])
    assert [each.row for each in inspect(str(tones)).scan.unreadable] == [3, 8, 9]


def test_nothing_is_to_be_trained_on_images_that_cannot_be_read(tones: Path) -> None:
    for k in range(20):
        (tones / f"{k}.png").write_bytes(b"")
    assert said(inspect(str(tones)), "Train first", "broken=0.34")
    for k in range(40):
        (tones / f"{k}.png").write_bytes(b"")
    found = inspect(str(tones))
    assert not said(found, "Train first")
    assert said(found, "Repair the images")


def test_exact_copies_their_leakage_and_contradictions_are_named(tones: Path) -> None:
    parts = {row: name for name, part in inspect(str(tones)).material.parts.items() for row in part.x[:, 0].tolist()}
    train, test = (next(row for row in range(60) if parts[row] == name) for name in ("train", "test"))
    (tones / f"{test}.png").write_bytes((tones / f"{train}.png").read_bytes())
    found = inspect(str(tones))
    assert found.scan.exact.groups == (tuple(sorted((train, test))),)
    assert (found.scan.exact.copies, found.scan.exact.leaked) == (1, 1)
    assert found.scan.exact.contradictions == (train % 2 != test % 2)
    assert found.scan.near.groups == ()
    assert found.problems[0].startswith("The test data holds 1 exact copy of training examples.")


def test_near_copies_are_found_and_strangers_are_not(tones: Path) -> None:
    Image.open(tones / "7.png").resize((20, 20), Image.Resampling.BICUBIC).save(tones / "8.png")
    found = inspect(str(tones))
    assert found.scan.near.groups == ((7, 8),)
    assert found.scan.exact.groups == ()


def test_a_common_background_makes_no_twins() -> None:
    ground = np.linspace(0, 1, 768, dtype=np.float32)[None]
    dots = np.zeros((30, 768), dtype=np.float32)
    dots[np.arange(30), np.arange(30) * 20] = 0.3
    assert near_duplicates({k: ground + dots[k : k + 1] for k in range(30)}) == []
    assert near_duplicates({0: ground, 1: ground}) == []


def test_copies_of_vectors_are_counted(people: Schema) -> None:
    x = torch.rand(ROWS, 2)
    x[50:] = x[:50]
    assert said(inspect(splits(people, people_rows(), x)), "50 of 105 examples are exact copies")


@pytest.mark.parametrize("columns", [1, 2])
def test_rounded_numbers_that_coincide_are_no_copies(people: Schema, columns: int) -> None:
    measured = (5 * torch.randn(ROWS, 1) + torch.randn(ROWS, columns)).round()
    assert len(measured.unique(dim=0)) < ROWS
    assert not said(inspect(splits(people, people_rows(), measured)), "copies")


# ---- advice


def test_the_advised_attributes_are_even_common_and_do_not_tell_each_other() -> None:
    schema = Schema(attributes=tuple(Flag(name=name) for name in ("rare", "even", "twin", "other")))
    rows: list[dict[str, object]] = [
        {"rare": k % 40 == 0, "even": k % 2, "twin": k % 2 if k % 50 else 1 - k % 2, "other": k // 2 % 2}
        for k in range(600)
    ]
    advised = inspect(splits(schema, rows)).advice
    assert "`condgen.train(data.select(['even', 'other']), out='my-run')`" in advised[0]
    assert any("keep one combination of even and other out" in sentence for sentence in advised)
    assert any(sentence.startswith("even and twin go together") for sentence in advised)


def test_the_suggested_command_can_be_run_as_it_is(tones: Path) -> None:
    import shlex

    renamed = tones.rename(tones.with_name("my 'tones'"))
    words = shlex.split(spell(inspect(str(renamed)).advice[0]).removeprefix("Train first: "))
    assert words[:3] == ["condgen", "train", str(renamed)]
    assert words[-1] == "my-tones-run"


def test_the_suggested_command_keeps_what_was_asked_for(tones: Path) -> None:
    (tones / "1.png").write_bytes(b"")
    drawing(2, side=1).save(tones / "2.png")
    for k in range(3, 8):
        (tones / f"{k}.png").unlink()
    kept = tones.parent / "my.json"
    kept.write_text(inspect(str(tones)).schema.dumps())
    found = inspect(str(tones), attributes=["tone"], resize="squash", schema=kept)
    for part in ("--attributes tone", "--resize squash", f"--schema {kept}", "--broken 0.12"):
        assert part in spell(found.advice[0])
    assert said(found, "1 images are too small for 16×16", "1×1")
