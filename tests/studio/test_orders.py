"""Orders of the page as commands of condgen: options, never more than that."""

from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from condgen.errors import RequestError
from condgen.studio.orders import Looking, Order, Resuming, Training, free_name, measure, run_of

RUN = Path("runs/a")


def test_a_training_is_a_command_with_what_was_chosen() -> None:
    plain = Training(data="digits")
    assert plain.train(RUN) == ["train", "--out", "runs/a", "--", "digits"]
    chosen = Training(
        data="my photos/",
        model="cvae",
        mechanism="film",
        budget="10m",
        attributes=["hair", "age"],
        size=64,
        settings={"latent": 8, "lr": 0.002, "flip": True, "prior": "flow", "ema": 50000.0},
    )
    sets = ["--set", "latent=8", "--set", "lr=0.002", "--set", "flip=true", "--set", "prior=flow", "--set", "ema=50000"]
    assert chosen.train(RUN) == [
        *("train", "--out", "runs/a", "--model", "cvae", "--mechanism", "film", "--budget", "10m"),
        *("--attributes", "hair,age", "--size", "64", *sets, "--", "my photos/"),
    ]


def test_texts_of_settings_stay_as_they_are() -> None:
    assert "codec=/x/codec-1.0" in Training(data="digits", settings={"codec": "/x/codec-1.0"}).train(RUN)


def test_paths_are_written_as_for_a_shell(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/me")
    monkeypatch.setenv("USERPROFILE", "/home/me")
    assert Looking(data="~/photos").inspect()[-1] == "/home/me/photos"
    assert Training(data="~/photos").train(RUN)[-1] == "/home/me/photos"


def test_no_text_becomes_an_option_of_its_own() -> None:
    assert Looking(data="--out=/etc").inspect() == ["inspect", "--json", "--pictures", "--", "--out=/etc"]
    assert Training(data="-x", settings={"a": "--out"}).train(RUN)[3:] == ["--set", "a=--out", "--", "-x"]
    assert Resuming(run="a").resume(RUN) == ["resume", "--", "runs/a"]
    assert Resuming(run="a", budget="+10m").resume(RUN) == ["resume", "--budget", "+10m", "--", "runs/a"]


def test_measurements() -> None:
    assert measure("evaluate", RUN, Path("j")) == ["evaluate", "--json", "--", "runs/a"]
    assert measure("doctor", RUN, Path("j")) == ["doctor", "--json", "--", "runs/a"]
    assert measure("judge", RUN, Path("j"))[-4:] == ["--out", "j", "--", "runs/a"]


@pytest.mark.parametrize(
    "order",
    [
        {"kind": "sample", "settings": {"model": "a"}},
        {"kind": "train", "settings": {}},
        {"kind": "train", "settings": {"data": ""}},
        {"kind": "train", "settings": {"data": "a\nb"}},
        {"kind": "train", "settings": {"data": "digits", "out": "/etc"}},
        {"kind": "train", "settings": {"data": "digits", "settings": {"latent": [1]}}},
        {"kind": "evaluate", "settings": {"model": "a", "out": "/etc"}},
        {"kind": "resume", "settings": {"run": "a", "trust": True}},
    ],
)
def test_an_order_is_complete_and_holds_nothing_else(order: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(Order).validate_python(order)


@pytest.mark.parametrize("name", ["..", "../a", "a/b", ".hidden", "/etc", "a\\b", "", "-o", "a" * 101])
def test_runs_are_below_the_studios_folder(name: str) -> None:
    with pytest.raises(RequestError, match="cannot be a model's name") as refused:
        run_of(Path("runs"), name)
    assert "NAME=PATH" not in str(refused.value)


@pytest.mark.parametrize(
    ("data", "name"),
    [
        ("digits", "digits"),
        ("cars:50000", "cars-50000"),
        ("/home/me/My photos/", "My-photos"),
        ("C:\\data\\faces.csv", "C-data-faces"),
        ("../..", "run"),
        ("hf:owner/name?split=train", "name-split-train"),
    ],
)
def test_a_run_is_called_as_its_data(data: str, name: str) -> None:
    assert free_name(data, lambda other: False) == name
    assert free_name(data, {name, f"{name}-2"}.__contains__) == f"{name}-3"
    assert run_of(Path("runs"), name)
