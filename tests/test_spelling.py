"""Names and values of attributes mean the same however a person spells them, wherever they are written."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pytest

import condgen
from condgen.data import SplitConfig, Splits, load
from condgen.data.readers import Table
from condgen.data.storage.images import EncodedImage
from condgen.data.streaming.rows import labels
from condgen.inspection.columns import describe_columns
from condgen.progress import SILENT
from condgen.requests.request import parse_requests
from condgen.runs.run import Run
from condgen.runs.train import train
from condgen.schema import Categorical, Condition, Flag, Schema, fold, same
from tests.conftest import FLOW, Command, Shared

NAME, VALUE = "Sleeve-Length", "Half/Long"
SPELT = [("sleeve length", "half long"), ("SLEEVE_LENGTH", "HALF-LONG"), ("sleeve.length", "half_long")]
N = 60
IMAGES = np.random.default_rng(0).integers(0, 256, (N, 8, 8), dtype=np.uint8)
LABELS = {NAME: [VALUE, "Short", "None-At.All"] * (N // 3), "Has_Lace": ["yes", "no"] * (N // 2)}
SERIAL = {"Serial-No": [f"item {k:04}" for k in range(N)]}  # an attribute only where it is asked for
NUMBERS = pd.DataFrame({"a": np.arange(N) / 7, "b": np.arange(N) / 5, NAME: np.arange(N) % 11 / 3})


class World(NamedTuple):
    """Labelled images, and a run that was trained on them."""

    data: Splits
    run: Run


@pytest.fixture(scope="module")
def world(shared: Shared) -> World:
    data = load(IMAGES, labels=LABELS, progress=SILENT)
    return World(data, Run.open(shared("sleeves", lambda out: train("flow", data, out, images=500, **FLOW))))


def asked(run: Run, *words: Any, **more: Any) -> Any:
    return run.sample(*words, n=2, **more).condition.describe()


def parts(how: str, hold_out: tuple[str, ...] = (), **more: Any) -> list[str]:
    splitting = SplitConfig(how, hold_out)
    found = load(IMAGES, labels=LABELS | SERIAL, splitting=splitting, progress=SILENT, **more)
    return [found.train.fingerprint, found.test.fingerprint]


def edited(run: Run, change: Any) -> Any:
    first = run.sample(n=1)
    return run.edit(first.x, first.condition, change).condition.describe()


ENTRIES: dict[str, Callable[[World, str, str], Any]] = {
    "a request": lambda w, name, value: asked(w.run, f"{name}={value}"),
    "a request for another": lambda w, name, value: asked(w.run, f"{name}!={value}, has lace=YES"),
    "a value alone": lambda w, name, value: asked(w.run, value),
    "a mapping": lambda w, name, value: asked(w.run, {name: value}),
    "keywords": lambda w, name, value: asked(w.run, **{name: value}),
    "guidance": lambda w, name, value: w.run.sample(f"{name}={value}", n=1, guidance=f"{name}=3").x.tolist(),
    "guidance as a mapping": lambda w, name, value: w.run.sample(value, n=1, guidance={name: 3}).x.tolist(),
    "an edit": lambda w, name, value: edited(w.run, f"{name}={value}"),
    "an edit by a mapping": lambda w, name, value: edited(w.run, {name: value}),
    "select": lambda w, name, value: w.data.select([name]).schema.names,
    "attributes of load": lambda w, name, value: load(IMAGES, labels=LABELS, attributes=[name]).schema.names,
    "attributes of vectors": lambda w, name, value: load(NUMBERS, attributes=[name]).schema.names,
    "attributes of inspect": lambda w, name, value: condgen.inspect(w.data, attributes=[name]).schema.names,
    "a stratified split": lambda w, name, value: parts(f"stratified:{name}"),
    "a split by groups": lambda w, name, value: parts(f"group:{name}"),
    "held out": lambda w, name, value: parts("random", (f"{name}={value}",)),
    "balance": lambda w, name, value: next(w.data.train.batches(0, 0, 9, name))[1].describe(),
    "rows of a condition": lambda w, name, value: Condition.of(w.data.schema, [{name: value}]).describe(),
    "codes of a condition": lambda w, name, value: w.data.train.condition.codes(name).tolist(),
    "a gallery": lambda w, name, value: condgen.gallery(
        w.run, f"{name}={value}", only=["requests"], n=1, progress=SILENT
    ).html(),
    "samples asked in evaluation": lambda w, name, value: parse_requests(f"{name}={value}", w.data.schema)[0].text,
}


@pytest.mark.parametrize("entry", ENTRIES)
def test_spelling_does_not_matter(world: World, entry: str) -> None:
    meant = ENTRIES[entry](world, NAME, VALUE)
    for name, value in SPELT:
        assert ENTRIES[entry](world, name, value) == meant, (name, value)


def test_it_does_not_matter_on_the_command_line(command: Command, world: World, tmp_path: Path) -> None:
    name, value = SPELT[1]
    whole = condgen.Dataset(world.data.train.x, world.data.train.condition)
    folder, out = tmp_path / "data", tmp_path / "run"
    world.run.sample(n=len(whole), free=True).save(folder)
    options = [
        "--attributes",
        f"{name},has-lace",
        "--split",
        f"stratified:{name}",
        "--hold-out",
        f"{name}={value}, has lace=no",
    ]
    settings = ["--set", f"balance={name}", *(w for k, v in FLOW.items() for w in ("--set", f"{k}={v}"))]
    done = command("train", folder, "--model", "flow", "--images", "64", "--out", out, *options, *settings)
    assert done.status == 0, done.err
    done = command("sample", out, f"{name}={value}", "--guidance", f"{name}=2", "-n", "1", "--out", tmp_path / "made")
    assert done.status == 0, done.err
    change = [tmp_path / "made" / "000000.png", "HAS LACE=No", "--from", f"{name}={value}, has-lace=yes"]
    done = command("edit", out, *change, "--out", tmp_path / "edited")
    assert f"{NAME}={VALUE}, Has_Lace=yes → {NAME}={VALUE}, Has_Lace=no" in done.out, done.err


def test_a_column_that_is_no_attribute_by_itself_is_found_too() -> None:
    found = load(IMAGES, labels=LABELS | SERIAL, attributes=["serial no"], progress=SILENT)
    assert found.schema.names == ["Serial-No"]


def test_another_table_of_the_same_data_may_spell_its_columns_otherwise(world: World) -> None:
    labels = {"sleeve length": LABELS[NAME], "HAS LACE": LABELS["Has_Lace"]}
    found = load(IMAGES, labels=labels, schema=world.data.schema, progress=SILENT)
    assert found.train.fingerprint == world.data.train.fingerprint


@pytest.mark.parametrize("kept", ["1.5", "-1", "C++", "1/2"])
def test_punctuation_of_numbers_and_at_the_ends_counts(kept: str) -> None:
    assert fold(kept) == kept.casefold()


def test_an_accent_may_be_a_sign_of_its_own() -> None:
    apart = "cafe\u0301"  # as macOS names folders
    place = Categorical(name="place", values=(apart, "bar"))
    assert [place.parse(value) for value in (apart, "caf\u00e9", "CAF\u00c9")] == [0, 0, 0]
    assert same("caf\u00e9", [apart]) == apart


def test_the_exact_spelling_comes_first() -> None:
    assert same("a b", ["A-B", "a b"]) == "a b"
    assert same("c", ["A-B", "a b"]) is None
    shirts = Categorical(name="kind", values=("T-shirt", "t shirt"))
    assert [shirts.parse(value) for value in shirts.values] == [0, 1]
    schema = Schema(attributes=(Flag(name="5_o_Clock_Shadow"),))
    assert parse_requests("5 o'clock shadow=no", schema)[0].text == "5_o_Clock_Shadow=no"


def test_columns_of_shards_and_of_an_inspection_are_found_too(world: World) -> None:
    columns = {"sleeve length": ["short", None], "has-lace": ["NO", "yes"]}
    table = Table("a shard", [EncodedImage(str(k), b"") for k in range(2)], columns)
    assert labels(table, world.data.schema, 0).describe() == [f"{NAME}=Short, Has_Lace=no", "Has_Lace=yes"]
    assert all(column.used for column in describe_columns(columns, world.data.schema, (), given=True))
