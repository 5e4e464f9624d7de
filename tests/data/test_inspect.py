import json

import torch

from condgen.data import Dataset, Splits
from condgen.data.inspect import summary
from condgen.schema import Categorical, Condition, Flag, Schema

ROWS = 100


def splits(schema: Schema, rows: list[dict[str, object]], x: torch.Tensor | None = None) -> Splits:
    x = torch.rand(len(rows), 2) if x is None else x
    part = Dataset(x, Condition.of(schema, rows))
    return Splits(part, part[:5], part[:10], source="here", notes=("a note",))


def people_rows(n: int = ROWS) -> list[dict[str, object]]:
    return [{"color": ["red", "green", "blue"][k % 3], "glasses": k % 2, "age": k % 81} for k in range(n)]


def test_it_counts_the_training_part(people: Schema) -> None:
    found = summary(splits(people, people_rows()))
    color, glasses, age = found["attributes"]
    assert color == {
        "name": "color",
        "kind": "categorical",
        "missing": 0,
        "counts": {"red": 34, "green": 33, "blue": 33},
    }
    assert glasses["counts"] == {"no": 50, "yes": 50}
    assert (age["low"], age["high"]) == (0, 80)
    assert age["quartiles"] == sorted(age["quartiles"])
    assert age["quartiles"][0] == 0
    assert found["examples"] == {"train": 100, "validation": 5, "test": 10}
    assert found["shape"] == [2]
    assert found["source"] == "here"
    assert found["notes"] == ["a note"]
    assert found["combinations"] == {"possible": 6, "present": 6}
    assert found["problems"] == []


def test_it_is_json_and_its_schema_loads_again(people: Schema) -> None:
    found = json.loads(json.dumps(summary(splits(people, people_rows()))))
    assert Schema.model_validate(found["schema"]) == people


def test_missing_labels_are_counted_and_stay_out_of_the_counts(people: Schema) -> None:
    rows = [{k: v for k, v in row.items() if i >= 10 or k == "age"} for i, row in enumerate(people_rows())]
    found = summary(splits(people, rows))
    assert found["attributes"][0]["missing"] == 10
    assert sum(found["attributes"][0]["counts"].values()) == 90
    assert found["attributes"][2]["missing"] == 0
    assert any(p.startswith("color: 10 of 100 labels are missing") for p in found["problems"])


def test_an_attribute_that_is_never_given_is_no_crash(people: Schema) -> None:
    found = summary(splits(people, [{} for _ in range(ROWS)]))
    assert [a["missing"] for a in found["attributes"]] == [ROWS] * 3
    assert found["attributes"][2]["quartiles"] == []
    assert found["combinations"]["present"] == 0


def test_rare_values_and_near_constants_are_problems() -> None:
    schema = Schema(attributes=(Categorical(name="kind", values=("a", "b", "c")), Flag(name="on")))
    rows: list[dict[str, object]] = [{"kind": "a", "on": "yes"} for _ in range(150)]
    rows += [{"kind": "b", "on": "yes"} for _ in range(145)] + [{"kind": "c", "on": "no"} for _ in range(2)]
    problems = summary(splits(schema, rows))["problems"]
    assert any("kind has rare values" in p and "c (2)" in p and "a (" not in p for p in problems)
    assert any("on is nearly constant: 'yes'" in p for p in problems)


def test_combinations_that_never_occur_are_told(people: Schema) -> None:
    rows: list[dict[str, object]] = [{"color": ["red", "green"][k % 2], "glasses": k % 2, "age": k} for k in range(50)]
    assert summary(splits(people, rows))["combinations"] == {"possible": 6, "present": 2}


def test_copies_are_counted(people: Schema) -> None:
    x = torch.rand(ROWS, 2)
    x[50:] = x[:50]
    assert any(
        p.startswith("50 of 100 training examples are exact copies")
        for p in summary(splits(people, people_rows(), x))["problems"]
    )


def test_an_empty_schema_can_be_inspected() -> None:
    found = summary(splits(Schema(), [{} for _ in range(20)]))
    assert found["attributes"] == []
    assert found["combinations"] == {"possible": 0, "present": 0}
