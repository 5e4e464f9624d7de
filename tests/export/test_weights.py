"""Weights on their own: small, the same samples, and a clear answer where something is missing."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

import condgen
from condgen.data import Splits
from condgen.errors import RequestError, RunError
from condgen.networks.patches import deblocked
from condgen.runs.run import Run
from condgen.training import checkpoint
from tests.conftest import Command

from .untrained import untrained


@pytest.fixture
def file(run: Run, tmp_path: Path) -> Path:
    return run.export("weights", tmp_path / "digits.safetensors")


def test_it_gives_the_samples_of_the_run(run: Run, file: Path) -> None:
    then, now = run.sample("digit=*", n=3, seed=5), condgen.open(file).sample("digit=*", n=3, seed=5)
    assert torch.equal(then.x, now.x)
    assert then.condition.rows() == now.condition.rows()


def test_vectors_keep_their_units(points: Run, tmp_path: Path) -> None:
    file = points.export("weights", tmp_path / "points.safetensors")
    then, now = points.sample(n=5), condgen.open(file).sample(n=5)
    assert torch.equal(then.values, now.values)
    assert then.names == now.names
    assert then.condition.rows() == now.condition.rows()


def test_pixels_are_deblocked_and_nothing_is_trained(tmp_path: Path) -> None:
    plain = untrained("cvae")
    file = plain.export("weights", tmp_path / "deblocked.safetensors", deblock=True)
    then, now = plain.sample(n=3, seed=5), condgen.open(file).sample(n=3, seed=5)
    torch.testing.assert_close(now.x, deblocked(then.x, 4).clamp(0, 1))
    with pytest.raises(RequestError, match="no outputs of plain pixels to deblock"):
        condgen.open(file).export("weights", tmp_path / "again.safetensors", deblock=True)


def test_it_holds_what_sampling_needs_and_nothing_of_training(run: Run, file: Path) -> None:
    info, tensors = checkpoint.load(file)
    assert {name.split("/")[0] for name in tensors} == {"ema", "joint"}
    assert tensors.keys() == load_file(file).keys()
    assert file.stat().st_size < 0.35 * (run.path / checkpoint.FILE).stat().st_size
    assert info.training == {}
    assert not {"source", "data_dir", "teacher"} & info.data.keys()
    assert "digits" not in str(info.data)
    assert (info.recipe, info.images, info.versions) == (run.info.recipe, run.info.images, run.info.versions)


def test_it_says_what_it_is(file: Path) -> None:
    first, second = repr(condgen.open(file)).splitlines()
    assert first == f"Weights {file}: cvae, trained on 40,000 images"
    assert "digit=" in second


def test_a_checkpoint_is_opened_as_its_run(run: Run) -> None:
    opened = Run.open(run.path / checkpoint.FILE)
    assert opened.path == run.path
    assert opened.info == run.info


def test_an_export_can_be_exported(file: Path, tmp_path: Path) -> None:
    again = condgen.open(file).export("weights", tmp_path / "again.safetensors")
    (info, tensors), (info_again, tensors_again) = checkpoint.load(file), checkpoint.load(again)
    assert info_again == info
    assert tensors_again.keys() == tensors.keys()
    assert all(torch.equal(tensors_again[name], tensor) for name, tensor in tensors.items())


def test_training_on_needs_the_folder(file: Path, digits: Splits, command: Command) -> None:
    for budget in (None, "+10m"):
        with pytest.raises(RunError, match=r"no folder of a run.*optimiser's state"):
            condgen.resume(file, digits, budget=budget)
        options = ("--budget", budget) if budget else ()
        assert "optimiser's state" in command("resume", file, *options).err


def test_what_needs_data_asks_for_it(run: Run, file: Path, tmp_path: Path, command: Command) -> None:
    asked = r"holds exported weights, which do not say where the data is\. Name data of the same attributes"
    with pytest.raises(RunError, match=asked):
        condgen.evaluate(file)
    result = command("evaluate", file, "--out", tmp_path / "report")
    assert result.status == 1
    assert "(--data DATA)" in result.err
    assert condgen.open(file).data("digits").train.fingerprint == run.info.data["fingerprint"]


def test_a_report_needs_a_folder(file: Path, command: Command) -> None:
    result = command("evaluate", file, "--data", "digits")
    assert result.status == 2
    assert "Name a folder (--out DIR)" in result.err
    with pytest.raises(RequestError, match="Name a folder"):
        condgen.compare(file, file)


@pytest.mark.parametrize(
    ("to", "name", "said"),
    [
        ("weigths", "new.safetensors", "Did you mean weights"),
        ("weights", "new", r"writes a file \(.*new\.safetensors\)"),
        ("weights", "new.pt", r"writes a file \(.*new\.safetensors\)"),
        ("weights", "model-1.5", r"writes a file \(.*model-1\.5\.safetensors\)"),
        ("hub", "new.safetensors", r"writes a folder \(.*new\)"),
        ("weights", "digits.safetensors", "nothing was overwritten"),
    ],
)
def test_a_wrong_export_is_refused(run: Run, file: Path, to: str, name: str, said: str) -> None:
    before = file.read_bytes()
    with pytest.raises(RequestError, match=said):
        run.export(to, file.with_name(name))
    assert file.read_bytes() == before


@pytest.mark.parametrize(
    ("to", "name"),
    [("weights", "x.safetensors"), ("onnx", "x.onnx"), ("hub", "x"), ("space", "x"), ("web", "x")],
)
def test_a_place_that_cannot_be_written_is_refused_before_work_begins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, to: str, name: str
) -> None:
    (tmp_path / "file").touch()
    run = untrained("cgan")
    monkeypatch.setattr(run, "model", None)
    with pytest.raises(RunError, match=r"/file cannot be written: "):
        run.export(to, tmp_path / "file" / name)
    assert [each.name for each in tmp_path.iterdir()] == ["file"]


def test_a_folder_may_have_a_version_in_its_name(run: Run, tmp_path: Path) -> None:
    assert (run.export("hub", tmp_path / "my-model-1.5") / "README.md").exists()


def test_the_command_writes_a_file_that_sample_takes(run: Run, tmp_path: Path, command: Command) -> None:
    file = tmp_path / "small.safetensors"
    result = command("export", run.path, "--to", "weights", "--out", file)
    assert result.status == 0
    assert f"Next: condgen sample {file}" in result.out
    assert command("sample", file, "digit=7", "-n", 2, "--out", tmp_path / "sevens").status == 0
    assert (tmp_path / "sevens" / "metadata.csv").read_text().count(",7") == 2
    assert command("export", run.path, "--to", "onyx", "--out", file).status == 2
