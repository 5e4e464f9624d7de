"""Every setting of training changes something about a run, or is refused."""

import re
from pathlib import Path
from typing import Any

import pytest
import torch

from condgen.data import Splits
from condgen.errors import RequestError
from condgen.models import FAMILIES, build
from condgen.parameters import described, validated
from condgen.runs.arguments import split_arguments
from condgen.runs.resume import resume
from condgen.runs.settings import settings_of_training
from condgen.runs.train import train
from condgen.training import Trainer, TrainingConfig, checkpoint

TINY: dict[str, Any] = {"images": 256, "batch": 32, "previews": 0, "precision": "no"}
ANOTHER: dict[str, Any] = {
    "images": 512,
    "seconds": 1.0,
    "batch": 64,
    "lr": 1e-3,
    "momentum": 0.5,
    "weight_decay": 0.5,
    "warmup": 1,
    "clip": 1e-3,
    "ema": 1,
    "precision": "bf16",
    "threads": 2,
    "layout": "contiguous",
    "compiled": True,
    "seed": 1,
    "checkpoint_seconds": 1e-9,
    "previews": 1,
    "balance": "digit",
    "flip": True,
    "shift": 1,
}


def outcome(folder: Path, data: Splits, monkeypatch: pytest.MonkeyPatch, **settings: Any) -> tuple[object, ...]:
    """What a short run leaves behind: images seen, checkpoints written, pictures, averaged weights, its arithmetic."""
    saves: list[int] = []
    save = Trainer.save
    monkeypatch.setattr("condgen.training.trainer.compiled", lambda model: model)  # which takes a minute
    monkeypatch.setattr(Trainer, "save", lambda self: (saves.append(self.info.images), save(self))[1])
    folder.mkdir()
    torch.manual_seed(settings.get("seed", 0))
    model = build("vae", data.schema, data.shape, channels=4, latent=2)
    Trainer(model, data, folder, TrainingConfig(**settings), preview=lambda _, path: path.touch()).run()
    info, tensors = checkpoint.load(folder / checkpoint.FILE)
    weights = [t.flatten() for name, t in tensors.items() if name.startswith("ema/")]
    pictures = len(list((folder / "samples").glob("*"))) if (folder / "samples").exists() else 0
    return len(saves), saves[-1], pictures, torch.cat(weights).tolist(), info.arithmetic


ELSEWHERE = {"checkpointing", "codec", "profile"}  # see test_recomputing, test_profiling, runs/test_latents
CHANGING = [each.name for each in described(TrainingConfig) if each.name not in ELSEWHERE]


@pytest.mark.parametrize("name", CHANGING)
def test_a_setting_changes_the_run(name: str, digits: Splits, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = TINY | {name: ANOTHER[name]} | ({"images": None} if name == "seconds" else {})
    plain = outcome(tmp_path / "plain", digits, monkeypatch, **TINY)
    assert plain != outcome(tmp_path / "changed", digits, monkeypatch, **settings)


def test_every_setting_is_described() -> None:
    for each in described(TrainingConfig):
        assert re.fullmatch(r"[A-Z].*\.", each.sentence)
        assert each.values
        assert each.part != "training"


def test_a_run_is_bounded_once() -> None:
    with pytest.raises(RequestError, match="Both images and seconds"):
        split_arguments("cvae", {"images": 100, "seconds": 5.0})


def test_a_run_that_an_earlier_version_bounded_twice_goes_on(
    digits: Splits, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = train("vae", digits, tmp_path / "run", channels=4, latent=2, **TINY)
    info, tensors = checkpoint.load(run.path / checkpoint.FILE)
    info.training["seconds"] = 60.0
    info.total = 512
    checkpoint.save(run.path / checkpoint.FILE, info, tensors)
    assert resume(run.path, digits).info.images == 512


@pytest.mark.parametrize("name", ["flip", "shift"])
def test_images_alone_are_flipped_and_shifted(name: str, tmp_path: Path) -> None:
    import condgen

    with pytest.raises(RequestError, match=f"The setting {name} of training is for images, and the data holds vectors"):
        train("cvae", condgen.load("mixture"), tmp_path / "run", images=100, **{name: ANOTHER[name]})
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("text", "images", "seconds"), [("500k", 500_000, None), ("300", 300, None), (None, None, "10m")]
)
def test_amounts_may_be_given_as_people_write_them(text: str | None, images: int | None, seconds: str | None) -> None:
    found = validated(TrainingConfig, {"images": text, "seconds": seconds})
    assert found["images"] == images
    assert found["seconds"] == (600 if seconds else None)
    with pytest.raises(RequestError, match="images='many' of training is wrong"):
        validated(TrainingConfig, {"images": "many"})


def test_the_settings_of_training_have_the_defaults_of_the_family() -> None:
    defaults = {each.name: each.default for each in settings_of_training("gan")}
    assert FAMILIES["gan"].training.items() <= defaults.items()
