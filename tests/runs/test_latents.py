"""Training in latents: prepared once, travelling with their codec, and nothing else that a run must know."""

import shutil
import signal
from pathlib import Path
from typing import Any

import pytest
import torch

from condgen.data import Splits
from condgen.errors import RequestError
from condgen.export.onnx import must_have_packages
from condgen.models.flow.meanflow import MeanFlow
from condgen.models.latents.within import InLatents
from condgen.pixels import as_uint8
from condgen.progress import SILENT
from condgen.runs import latents
from condgen.runs.resume import resume
from condgen.runs.run import Run
from condgen.runs.train import distill, train
from condgen.training import TrainingConfig
from condgen.training.averaging import averaged
from condgen.training.signals import Interrupted
from tests.conftest import Shared

HOW = {"threads": 1, "layout": "contiguous", "compiled": False}  # nothing is left to measure
TINY: dict[str, Any] = {"channels": 8, "depth": 1, "previews": 0, "batch": 32, "progress": SILENT, **HOW}
GAN: dict[str, Any] = {**TINY, "patch": 1, "latent": 4, "images": 512}


@pytest.fixture(scope="module")
def codec(digits: Splits, shared: Shared) -> Run:
    return Run.open(
        shared(
            "codec", lambda out: train("codec", digits, out, factor=4, latent=4, images=1_000, **{**TINY, "lr": 5e-3})
        )
    )


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONDGEN_CACHE", str(tmp_path / "cache"))


def in_codec(codec: Run, digits: Splits, **settings: Any) -> tuple[InLatents, TrainingConfig]:
    config = TrainingConfig(codec=str(codec.path), images=64, **settings)
    model = latents.new_model("cgan", digits, {"channels": 8, "patch": 1}, config)
    assert isinstance(model, InLatents)
    return model, config


def test_latents_are_prepared_once_in_8_bits(codec: Run, digits: Splits, monkeypatch: pytest.MonkeyPatch) -> None:
    model, config = in_codec(codec, digits)
    found = latents.prepared(model, digits.train, config, SILENT)
    assert found is not None
    with torch.no_grad():
        expected = model.codec.encode(digits.train.floats[:100])
    assert (found.floats[:100] - expected).abs().max() <= 0.5 / 255 + 1e-5
    assert found.shape == (4, 2, 2)
    monkeypatch.setattr(latents, "_encoded", None)
    again = latents.prepared(model, digits.train, config, SILENT)
    assert again is not None
    assert again.x.equal(found.x)


def test_mirrored_images_have_latents_of_their_own(codec: Run, digits: Splits) -> None:
    model, config = in_codec(codec, digits, flip=True)
    found, n = latents.prepared(model, digits.train, config, SILENT), len(digits.train)
    assert found is not None
    assert len(found) == 2 * n
    with torch.no_grad():
        expected = as_uint8(model.codec.encode(digits.train.floats[:50].flip(3)))
    assert (found.x[n : n + 50].int() - expected.int()).abs().max() <= 1
    assert found.condition[n : 2 * n].values["digit"].equal(digits.train.condition.values["digit"])


def test_many_latents_stay_on_the_disk(codec: Run, digits: Splits, monkeypatch: pytest.MonkeyPatch) -> None:
    model, config = in_codec(codec, digits)
    found = latents.prepared(model, digits.train, config, SILENT)
    monkeypatch.setattr(latents, "SMALL", 100)
    mapped = latents.prepared(model, digits.train, config, SILENT)
    assert found is not None
    assert mapped is not None
    assert not isinstance(mapped.observations, torch.Tensor)
    assert mapped.x.equal(found.x)


def test_a_cut_file_of_latents_is_written_anew(codec: Run, digits: Splits, tmp_path: Path) -> None:
    model, config = in_codec(codec, digits)
    found = latents.prepared(model, digits.train, config, SILENT)
    (file,) = (tmp_path / "cache" / "prepared").glob("*.latents")
    file.write_bytes(file.read_bytes()[:-1])
    again = latents.prepared(model, digits.train, config, SILENT)
    assert found is not None
    assert again is not None
    assert again.x.equal(found.x)


def test_shifted_images_are_encoded_in_their_turn(codec: Run, digits: Splits) -> None:
    model, config = in_codec(codec, digits, shift=1)
    assert latents.prepared(model, digits.train, config, SILENT) is None
    assert latents.prepared(codec.model, digits.train, TrainingConfig(), SILENT) is None


def test_a_run_holds_its_codec(codec: Run, digits: Splits, tmp_path: Path) -> None:
    place = shutil.copytree(codec.path, tmp_path / "codec")
    run = train("cgan", digits, tmp_path / "run", codec=str(place), **GAN)
    shutil.rmtree(place)
    again = Run.open(tmp_path / "run")
    assert again.sample("digit=3", n=2, seed=0).x.equal(run.sample("digit=3", n=2, seed=0).x)
    assert again.model.shape == (1, 8, 8)
    for mine, own in zip(again.model.codec.parameters(), codec.model.codec.parameters(), strict=True):  # type: ignore[union-attr,operator]
        assert mine.equal(own)
    other = train("cgan", digits, tmp_path / "other", codec=str(tmp_path / "run"), **{**GAN, "images": 32})
    assert other.info.recipe["codec"] == run.info.recipe["codec"]


def test_training_reads_prepared_latents(
    codec: Run, digits: Splits, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[int, ...]] = []
    forward = InLatents.forward

    def spied(self: InLatents, x: torch.Tensor, *rest: Any) -> Any:
        seen.append(tuple(x.shape[1:]))
        return forward(self, x, *rest)

    monkeypatch.setattr(InLatents, "forward", spied)
    train("cgan", digits, tmp_path / "run", codec=str(codec.path), flip=True, **GAN)
    assert seen.count((4, 2, 2)) >= 2 * 512 / 32


def test_a_run_in_latents_goes_on_bit_for_bit(
    codec: Run, digits: Splits, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = train("cgan", digits, tmp_path / "whole", codec=str(codec.path), **GAN)
    forward, calls = InLatents.forward, iter(range(100))

    def stopped(self: InLatents, *given: Any) -> Any:
        if next(calls) == 9:
            signal.raise_signal(signal.SIGINT)
        return forward(self, *given)

    with monkeypatch.context() as m:
        m.setattr(InLatents, "forward", stopped)
        with pytest.raises(Interrupted):
            train("cgan", digits, tmp_path / "parts", codec=str(codec.path), **GAN)
    parts = resume(tmp_path / "parts", digits, SILENT)
    assert parts.info.images == whole.info.images
    assert parts.fingerprint == whole.fingerprint


def test_a_flow_in_latents_is_distilled_into_a_student_in_the_same_ones(
    codec: Run, digits: Splits, tmp_path: Path
) -> None:
    own = {k: v for k, v in GAN.items() if k != "latent"}
    flow = train("flow", digits, tmp_path / "flow", codec=str(codec.path), embedding=8, **own)
    shutil.rmtree(tmp_path / "cache")
    student = distill(flow, digits, tmp_path / "student", guidance=2, images=64, batch=32, previews=0, progress=SILENT)
    model = Run.open(student.path).model
    assert isinstance(model, InLatents)
    assert isinstance(model.inner, MeanFlow)
    assert all(a.equal(b) for a, b in zip(model.codec.parameters(), codec.model.codec.parameters(), strict=True))
    assert student.info.recipe["arguments"]["patch"] == 1
    assert student.sample("digit=3", n=2).x.shape == (2, *digits.shape)
    longer = resume(student, digits, SILENT, budget="+0.1s")  # from the same teacher
    assert longer.info.images > 64


def test_a_run_without_a_codec_is_refused(run: Run, digits: Splits, tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="holds a cvae, which has no codec"):
        train("cgan", digits, tmp_path / "run", codec=str(run.path), **GAN)


def test_weights_that_do_not_learn_are_not_averaged(codec: Run, digits: Splits) -> None:
    model, _ = in_codec(codec, digits)
    averages = averaged(model, lambda: 0.5)
    before = [p.clone() for p in averages.module.inner.parameters()]  # type: ignore[operator,union-attr]
    with torch.no_grad():
        for p in model.inner.parameters():
            p += 1
    averages.update_parameters(model)
    averages.update_parameters(model)
    assert all(not a.equal(b) for a, b in zip(averages.module.inner.parameters(), before, strict=True))  # type: ignore[operator,union-attr]
    for mine, own in zip(averages.module.codec.parameters(), model.codec.parameters(), strict=True):  # type: ignore[operator,union-attr]
        assert mine.data_ptr() == own.data_ptr()


@pytest.mark.slow
@pytest.mark.parametrize("name", ["cgan", "flow"])
def test_an_export_samples_and_edits_as_its_run(codec: Run, digits: Splits, tmp_path: Path, name: str) -> None:
    must_have_packages()
    own = {k: v for k, v in GAN.items() if name == "cgan" or k != "latent"}
    run = train(name, digits, tmp_path / "run", codec=str(codec.path), **own)
    run.export("onnx", tmp_path / "run.onnx", progress=SILENT)  # compares samples with the run's
    assert (tmp_path / "run.onnx").is_file()
