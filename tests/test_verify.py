"""`condgen verify` finds whatever changed in a run, in exported weights and in prepared data."""

import random
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from safetensors.torch import save_file

from condgen.data.storage import prepare
from condgen.errors import CondgenError, DataError, RunError
from condgen.runs.run import Run
from condgen.training import checkpoint
from condgen.verify import verify
from tests.conftest import Command


def flip(file: Path, bit: int) -> None:
    content = bytearray(file.read_bytes())
    content[bit // 8] ^= 1 << bit % 8
    file.write_bytes(content)


@pytest.fixture
def own(run: Run, tmp_path: Path) -> Run:
    """A copy that may be damaged."""
    return Run.open(shutil.copytree(run.path, tmp_path / "run"))


def test_a_whole_run_is_told_part_by_part(run: Run, command: Command) -> None:
    (line,) = verify(run.path)
    assert line.startswith(str(run.path / checkpoint.FILE))
    assert "as they were written" in line
    done = command("verify", run.path)
    assert (done.status, done.out.strip()) == (0, line)


def test_every_bit_of_a_run_counts(own: Run, command: Command) -> None:
    file, random_ = own.path / checkpoint.FILE, random.Random(0)
    for _ in range(40):
        bit = random_.randrange(8 * file.stat().st_size)
        flip(file, bit)
        with pytest.raises(RunError, match=r"checkpoint\.safetensors is damaged"):
            verify(own.path)
        flip(file, bit)
    flip(file, 8 * file.stat().st_size - 1)
    done = command("verify", own.path)
    assert done.status == 1
    assert "is damaged" in done.err


def test_all_that_is_damaged_is_named(own: Run) -> None:
    other = own.export("weights", own.path / "small.safetensors")
    (own.path / "report.json").write_text("{")
    for file in (own.path / checkpoint.FILE, other):
        flip(file, 8 * file.stat().st_size - 1)
    with pytest.raises(RunError, match=r"checkpoint.*small\.safetensors is damaged.*report\.json"):
        verify(own.path)
    with pytest.raises(RunError, match=r"small\.safetensors is damaged"):
        verify(other)


def test_a_file_that_cannot_be_read_does_not_end_the_others(own: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def gone(path: Path) -> None:
        raise OSError("the disk is gone")

    (own.path / "report.json").write_text("{}")
    monkeypatch.setattr("condgen.verify.Report.load", gone)
    (own.path / "folder.safetensors").mkdir()
    flip(own.path / checkpoint.FILE, 8_000)
    with pytest.raises(RunError, match=r"is damaged.*folder\.safetensors cannot be read.*the disk is gone"):
        verify(own.path)


def test_a_run_whose_newest_checkpoint_is_gone_is_still_a_run(own: Run) -> None:
    file = own.path / checkpoint.FILE
    file.rename(checkpoint.before(file))
    (line,) = verify(own.path)
    assert "checkpoint.before.safetensors" in line


def test_a_folder_with_another_checkpoint_is_no_run(tmp_path: Path, run: Run) -> None:
    shutil.copyfile(run.path / checkpoint.FILE, tmp_path / "checkpoint-7.safetensors")
    with pytest.raises(RunError, match="no checkpoint at"):
        verify(tmp_path)


def test_what_was_written_without_digests_is_said(tmp_path: Path, run: Run) -> None:
    _, tensors = checkpoint.load(run.path / checkpoint.FILE)
    save_file(tensors, tmp_path / "old.safetensors", metadata={"condgen": "{}"})
    assert "without digests" in verify(tmp_path / "old.safetensors")[0]


def test_what_is_nowhere_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(CondgenError, match="nothing"):
        verify(tmp_path / "nothing")


@pytest.fixture
def images(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of images that are prepared in the cache, as large ones are."""
    monkeypatch.setattr(prepare, "SMALL", 0)
    monkeypatch.setenv("CONDGEN_CACHE", str(tmp_path / "cache"))
    pixels = np.random.default_rng(0).integers(0, 256, (60, 8, 8), dtype=np.uint8)
    for k, array in enumerate(pixels):
        folder = tmp_path / "images" / "ab"[k % 2]
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(array).save(folder / f"{k}.png")
    return tmp_path / "images"


def test_every_bit_of_prepared_data_counts(images: Path) -> None:
    (line,) = verify(images)
    assert line.startswith(f"{images}: 60 prepared images are as they were written")
    (pixels,) = (images.parent / "cache" / "prepared").glob(f"*/{prepare.PIXELS}")
    for bit in random.Random(0).sample(range(8 * pixels.stat().st_size), 40):
        flip(pixels, bit)
        with pytest.raises(RunError, match="Delete the folder"):
            verify(images)
        flip(pixels, bit)
    verify(images)


def test_a_list_of_prepared_images_that_is_damaged_is_made_again(images: Path) -> None:
    verify(images)
    (facts,) = (images.parent / "cache" / "prepared").glob(f"*/{prepare.FACTS}")
    whole = facts.read_bytes()
    for bit in random.Random(0).sample(range(8 * len(whole)), 20):
        flip(facts, bit)
        with pytest.raises(DataError, match="Delete the folder"):
            prepare.verify(facts.parent)
        flip(facts, bit)
    flip(facts, 8 * (len(whole) // 2))
    verify(images)
    assert facts.read_bytes() == whole


def test_an_image_that_cannot_be_decoded_is_named(images: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prepare, "SMALL", 1e9)
    assert "all 60 examples can be read" in verify(images)[0]
    flip(images / "a" / "0.png", 8 * 50)
    with pytest.raises(RunError, match=r"0\.png"):
        verify(images)


def test_an_exported_model_is_opened_which_checks_its_digest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[Path] = []
    monkeypatch.setattr("condgen.verify.open_generator", opened.append)
    file = tmp_path / "model.onnx"
    file.touch()
    assert verify(file) == [f"{file}: an exported model, as it was written."]
    assert opened == [file]
