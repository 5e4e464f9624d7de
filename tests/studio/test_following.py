"""Following a run that is trained."""

import json
from pathlib import Path

from condgen.files import write_text
from condgen.studio.following import Growing, config


def entries(*images: int) -> str:
    return "".join(f'{{"images": {n}, "loss": 1.0}}\n' for n in images)


def test_only_what_is_new_is_told(tmp_path: Path) -> None:
    growing, log, samples = Growing(tmp_path), tmp_path / "log.jsonl", tmp_path / "samples"
    assert [*growing.news()] == []
    log.write_text(entries(100, 200) + '{"images": 3')  # a line that is being written
    samples.mkdir()
    (samples / "0000000100.png").touch()
    (samples / ".0000000200.png.partial").touch()
    told = dict(growing.news())
    assert [each["images"] for each in told["log"]["entries"]] == [100, 200]
    assert told["pictures"] == {"names": ["0000000100"]}
    with log.open("a") as file:
        file.write("00}\n")
    (samples / "0000000200.png").touch()
    told = dict(growing.news())
    assert told == {
        "log": {"entries": [{"images": 300}], "again": False},
        "pictures": {"names": ["0000000200"]},
    }
    assert [*growing.news()] == []


def test_warnings_name_settings_as_the_page_does(tmp_path: Path) -> None:
    warning = {"images": 100, "warning": "Train with `prior='flow', embedding=64`, or see `README`."}
    write_text(tmp_path / "log.jsonl", json.dumps(warning) + "\n")
    [entry] = dict(Growing(tmp_path).news())["log"]["entries"]
    assert entry["warning"] == "Train with `prior = flow`, `embedding = 64`, or see `README`."


def test_a_log_that_was_written_anew_is_told_from_its_start(tmp_path: Path) -> None:
    growing, log = Growing(tmp_path), tmp_path / "log.jsonl"
    write_text(log, entries(100, 200, 300))
    assert len([*growing.news()]) == 1
    write_text(log, entries(100))  # as a resumed training does
    told = dict(growing.news())["log"]
    assert (told["again"], [each["images"] for each in told["entries"]]) == (True, [100])


def test_the_header_of_a_run_that_has_none(tmp_path: Path) -> None:
    assert config(tmp_path) == {}
    (tmp_path / "config.json").write_text("[1")
    assert config(tmp_path) == {}
    (tmp_path / "config.json").write_text('{"total": 7}')
    (tmp_path / "checkpoint.safetensors").write_bytes(b"none")
    assert config(tmp_path) == {"total": 7}
