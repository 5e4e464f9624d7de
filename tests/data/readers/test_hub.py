"""Datasets through the `datasets` library: local ones, by the code that reads those of the Hub."""

import sys
from pathlib import Path

import pytest

from condgen.data import load, resolved
from condgen.data.readers import is_address
from condgen.data.readers.hub import Address
from condgen.errors import RequestError
from tests.data.test_sources import (
    COLORS,
    N,
    assert_labels_are_true,
    class_folders,
    color_of,
    complaint,
    encoded,
    image,
)

datasets = pytest.importorskip("datasets", reason="no Hub datasets; install condgen[hub]")


@pytest.fixture(autouse=True)
def _offline_and_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(datasets.config, "HF_UPDATE_DOWNLOAD_COUNTS", False)
    datasets.disable_progress_bars()


def made(rows: range) -> "datasets.Dataset":
    features = datasets.Features(
        {
            "image": datasets.Image(),
            "color": datasets.ClassLabel(names=list(COLORS)),
            "box": datasets.Sequence(datasets.Value("int64")),
        }
    )
    columns = {
        "image": [{"bytes": encoded(image(color_of(k))), "path": None} for k in rows],
        "color": [k % 3 for k in rows],
        "box": [[1, 2] for _ in rows],
    }
    return datasets.Dataset.from_dict(columns, features=features)


def saved_as_parquet(folder: Path) -> Path:
    folder.mkdir(exist_ok=True)
    made(range(N)).to_parquet(folder / "train-00000-of-00001.parquet")
    made(range(4)).to_parquet(folder / "test-00000-of-00001.parquet")
    return folder


@pytest.mark.parametrize("streaming", ["", "?streaming=yes"])
def test_a_dataset_keeps_its_parts_and_class_names(tmp_path: Path, streaming: str) -> None:
    splits = load(f"hf:{saved_as_parquet(tmp_path / 'set')}{streaming}")
    assert len(splits.test) == 4
    assert splits.schema["color"].choices == ("blue", "green", "red")  # type: ignore[union-attr]
    assert any("'box'" in note for note in splits.notes)
    assert_labels_are_true(splits, "color", N + 4)


@pytest.mark.parametrize("streaming", ["no", "yes"])
def test_a_column_gives_the_split_of_a_dataset_in_one_part(tmp_path: Path, streaming: str) -> None:
    folder = tmp_path / "set"
    folder.mkdir()
    marks = ["test" if k < 4 else "train" for k in range(N)]
    made(range(N)).add_column("split", marks).to_parquet(folder / "train-00000-of-00001.parquet")
    splits = load(f"hf:{folder}?streaming={streaming}")
    assert len(splits.test) == 4
    assert_labels_are_true(splits, "color", N)


@pytest.mark.parametrize("streaming", ["no", "yes"])
def test_rows_and_split_are_chosen(tmp_path: Path, streaming: str) -> None:
    folder = saved_as_parquet(tmp_path / "set")
    assert_labels_are_true(load(f"hf:{folder}?split=train&rows=7&streaming={streaming}"), "color", 7)


@pytest.mark.parametrize("streaming", ["no", "yes"])
def test_images_that_are_only_named_are_fetched(tmp_path: Path, streaming: str) -> None:
    folder = class_folders(tmp_path / "set")
    assert_labels_are_true(load(f"hf:{folder}?streaming={streaming}"), "label")


def test_what_save_to_disk_wrote_is_read(tmp_path: Path) -> None:
    datasets.DatasetDict({"train": made(range(N)), "test": made(range(3))}).save_to_disk(str(tmp_path / "set"))
    assert_labels_are_true(load(f"hf:{tmp_path / 'set'}"), "color", N + 3)


def test_a_split_to_train_on_must_be_chosen_where_none_is_called_so(tmp_path: Path) -> None:
    parts = {"mini": made(range(N)), "maxi": made(range(N))}
    datasets.DatasetDict(parts).save_to_disk(str(tmp_path / "set"))
    complaint(f"hf:{tmp_path / 'set'}", "mini, maxi", "?split=NAME")
    assert_labels_are_true(load(f"hf:{tmp_path / 'set'}?split=maxi"), "color")


def test_an_address_of_a_store_is_another_thing() -> None:
    assert [*map(is_address, ("hf:owner/name", "hf:/folder", "hf://datasets/owner/name"))] == [True, True, False]


def test_a_hub_that_cannot_be_reached_is_explained() -> None:
    complaint("hf:nobody/nothing", "nobody/nothing", "Hub can be reached", "snapshot_download", "hf:FOLDER")


def test_celeba_that_cannot_be_had_says_where_it_is_published(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONDGEN_CACHE", str(tmp_path))
    complaint("celeba", "mmlab.ie.cuhk.edu.hk", str(tmp_path / "datasets" / "celeba"), "`data_dir`")


def test_without_the_library_its_installation_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "datasets", None)
    complaint("hf:owner/name", "condgen[hub]")


@pytest.mark.parametrize(
    ("source", "part"), [("hf:", "hf:owner/name"), ("hf:a/b?splot=x", "split"), ("hf:a/b?rows=many", "many")]
)
def test_a_wrong_address_is_explained(source: str, part: str) -> None:
    with pytest.raises(RequestError, match=part):
        Address.of(source)


def test_sources_are_remembered_so_that_they_are_found_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "set").mkdir()
    monkeypatch.chdir(tmp_path)
    assert resolved("hf:owner/name?rows=5") == "hf:owner/name?rows=5"
    assert resolved("hf:set?rows=5") == f"hf:{tmp_path}/set?rows=5"
    assert resolved("mnist") == "mnist"
    assert resolved("digits") == "digits"
    assert resolved("set") == str(tmp_path / "set")
    assert resolved("s-{0..3}.tar") == f"{tmp_path}/s-{{0..3}}.tar"
