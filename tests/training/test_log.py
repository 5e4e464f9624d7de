import json
from pathlib import Path
from typing import Any

import pytest

from condgen.training.log import Log


def entries(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]


def logged(folder: Path, *counts: int, resumed_at: int = 0) -> list[int]:
    log = Log(folder, resumed_at)
    for images in counts:
        log.write(images, {"loss": images / 10})
    log.close()
    return [entry["images"] for entry in entries(folder)]


def test_one_json_object_a_line_counted_in_images(tmp_path: Path) -> None:
    logged(tmp_path, 100, 200)
    assert entries(tmp_path) == [{"images": 100, "loss": 10.0}, {"images": 200, "loss": 20.0}]


def test_what_was_logged_beyond_the_checkpoint_is_taken_back(tmp_path: Path) -> None:
    logged(tmp_path, 100, 200, 300)
    assert logged(tmp_path, 250, 300, resumed_at=200) == [100, 200, 250, 300]


def test_what_was_logged_at_the_checkpoint_is_not_doubled(tmp_path: Path) -> None:
    log = Log(tmp_path, 0)
    log.write(100, {"loss": 1.0})
    log.write(100, {"validation/loss": 2.0})
    log.close()
    log = Log(tmp_path, 100)
    log.write(100, {"validation/loss": 2.0})
    log.write(100, {"condition_effect": 0.5})
    log.close()
    assert [list(entry)[1] for entry in entries(tmp_path)] == ["loss", "validation/loss", "condition_effect"]


@pytest.mark.parametrize("rest", ['{"images": 300, "lo', "\0\0\0\0", "\udcff{}", '{"images": 3}}\n', "[1]\n", "{}\n"])
def test_a_damaged_last_line_is_dropped(tmp_path: Path, rest: str) -> None:
    logged(tmp_path, 100, 200)
    with (tmp_path / "log.jsonl").open("ab") as file:
        file.write(rest.encode(errors="surrogateescape"))
    assert logged(tmp_path, 300, resumed_at=200) == [100, 200, 300]


def test_a_crash_while_the_log_is_put_in_order_loses_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    logged(tmp_path, 100, 200)

    def crash(*paths: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("condgen.files.publish", crash)
        with pytest.raises(KeyboardInterrupt):
            Log(tmp_path, 200)
    assert logged(tmp_path, resumed_at=200) == [100, 200]


def test_the_curves_are_in_tensorboard_too(tmp_path: Path) -> None:
    logged(tmp_path, 100)
    assert list((tmp_path / "tensorboard").glob("events.*"))


def warned(folder: Path, images: int, text: str, resumed_at: int = 0) -> None:
    log = Log(folder, resumed_at)
    log.warn(images, text)
    log.close()


def test_a_warning_is_a_line_of_its_own_and_in_tensorboard(tmp_path: Path) -> None:
    logged(tmp_path, 100)
    warned(tmp_path, 100, "the model has collapsed", resumed_at=100)
    assert entries(tmp_path) == [
        {"images": 100, "loss": 10.0},
        {"images": 100, "warning": "the model has collapsed"},
    ]
    events = b"".join(path.read_bytes() for path in (tmp_path / "tensorboard").glob("events.*"))
    assert b"the model has collapsed" in events


def test_a_warning_beyond_the_checkpoint_is_taken_back_too(tmp_path: Path) -> None:
    warned(tmp_path, 200, "too early to say")
    assert logged(tmp_path, 100, resumed_at=100) == [100]


def test_a_warning_at_the_checkpoint_is_not_doubled_but_another_is_told(tmp_path: Path) -> None:
    warned(tmp_path, 100, "the model has collapsed")
    warned(tmp_path, 100, "the model has collapsed", resumed_at=100)
    warned(tmp_path, 100, "the critic overpowers the generator", resumed_at=100)
    warned(tmp_path, 200, "the model has collapsed", resumed_at=100)
    assert [(entry["images"], entry["warning"][:10]) for entry in entries(tmp_path)] == [
        (100, "the model "),
        (100, "the critic"),
        (200, "the model "),
    ]


def test_a_warning_is_told_again_when_it_was_only_told_before_the_checkpoint(tmp_path: Path) -> None:
    warned(tmp_path, 100, "the model has collapsed")
    warned(tmp_path, 200, "the model has collapsed", resumed_at=200)
    assert [entry["images"] for entry in entries(tmp_path) if "warning" in entry] == [100, 200]


def test_the_log_remembers_the_best_diversity_up_to_the_checkpoint(tmp_path: Path) -> None:
    log = Log(tmp_path, 0)
    assert log.best == 0
    for images, diversity in ((100, 0.4), (200, 0.9), (300, 0.2), (400, 1.5)):
        log.write(images, {"loss": 2.0})
        log.write(images, {"diversity": diversity})
    log.close()
    for resumed_at, best in ((400, 1.5), (300, 0.9), (100, 0.4), (50, 0.0)):
        log = Log(tmp_path, resumed_at)
        log.close()
        assert log.best == best
