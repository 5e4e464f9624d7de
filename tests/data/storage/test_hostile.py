"""Whatever a source holds, it is understood or refused in a paragraph, and left as it was."""

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from condgen.data import load
from condgen.errors import CondgenError, DataError
from condgen.inspection import inspect
from condgen.pages.inspection import inspection_page
from condgen.pages.inspection_files import as_json

CELLS = st.one_of(
    st.sampled_from(["", "0", "1", "1.0", "yes", "nan", "-1", "1e300", "inf", "a,b", "\\ud800", "red", "ü 漢", "\x00"]),
    st.integers(-3, 3),
    st.floats(),
    st.booleans(),
    st.none(),
    st.lists(st.integers(), max_size=2),
    st.text(max_size=5),
)
NAMES = st.sampled_from(["tone", "Tone", "n", "id", "split", "", "a=b", "x0", "hair color"])
PICTURES = st.one_of(st.binary(max_size=40), st.tuples(st.sampled_from(["PNG", "JPEG", "GIF"]), st.integers(1, 40)))


def encoded(picture: bytes | tuple[str, int]) -> bytes:
    import io

    if isinstance(picture, bytes):
        return picture
    file = io.BytesIO()
    Image.new("L", (picture[1], 8), 6 * picture[1]).save(file, picture[0])
    return file.getvalue()


def content(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


@settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(
    rows=st.lists(st.tuples(PICTURES, st.dictionaries(NAMES, CELLS, max_size=4)), min_size=1, max_size=8),
    kind=st.sampled_from(["metadata.jsonl", "metadata.csv", "dataset.json"]),
    delimiter=st.sampled_from([",", ";", "\t"]),
)
def test_any_table_of_any_images_is_understood_or_refused(
    rows: list[tuple[bytes | tuple[str, int], dict[str, object]]], kind: str, delimiter: str
) -> None:
    with TemporaryDirectory() as place:
        folder = Path(place)
        names = [f"{k} ü.png" for k in range(len(rows))]
        for name, (picture, _) in zip(names, rows, strict=True):
            (folder / name).write_bytes(encoded(picture))
        lines = [{"file_name": name, **cells} for name, (_, cells) in zip(names, rows, strict=True)]
        if kind == "metadata.jsonl":
            text = "\r\n".join(map(json.dumps, lines))
        elif kind == "metadata.csv":
            text = f"file_name{delimiter}tone\r\n" + "".join(
                f"{line['file_name']}{delimiter}{line.get('tone', '')}\r\n" for line in lines
            )
        else:
            text = json.dumps({"labels": [[line["file_name"], line.get("n")] for line in lines]})
        (folder / kind).write_bytes(text.encode(errors="replace"))
        before = content(folder)
        for use in (lambda: load(place, broken=0.9), lambda: as_and_page(place)):
            with suppress(CondgenError):
                use()
        assert content(folder) == before


def as_and_page(place: str) -> None:
    found = inspect(place)
    as_json(found)
    inspection_page(found).encode()


def pictures(folder: Path, n: int) -> Path:
    for k in range(n):
        (folder / "ab"[k % 2]).mkdir(parents=True, exist_ok=True)
        noise = np.random.default_rng(k).integers(0, 256, (8, 8, 3), dtype=np.uint8)
        Image.fromarray(noise).save(folder / "ab"[k % 2] / f"{k}.png")
    return folder


@pytest.mark.slow
def test_an_inspection_killed_at_any_moment_leaves_what_an_undisturbed_one_leaves(tmp_path: Path) -> None:
    data, out = pictures(tmp_path / "data", 60), tmp_path / "out"
    script = (
        "import sys; from condgen.inspection import inspect; from condgen.pages.inspection_files import save\n"
        "print('ready', flush=True); from pathlib import Path; save(inspect(sys.argv[1]), (), Path(sys.argv[2]))"
    )
    for moment in (0.02, 0.3):
        victim = subprocess.Popen([sys.executable, "-c", script, str(data), str(out)], stdout=subprocess.PIPE)
        assert victim.stdout is not None
        assert victim.stdout.readline() == b"ready\n"
        time.sleep(moment)
        os.kill(victim.pid, signal.SIGKILL)
        victim.communicate()
    for folder in (out, tmp_path / "undisturbed"):
        from condgen.pages.inspection_files import save

        save(inspect(str(data)), (), folder)
    whole, again = (
        {name: each for name, each in content(folder).items() if not name.startswith(".")}
        for folder in (tmp_path / "undisturbed", out)
    )
    assert whole == again
    assert len(whole) == 3


@pytest.mark.parametrize(
    ("name", "text", "part"),
    [
        ("metadata.jsonl", '{"file_name": "0.png", "c": "\\ud800"}', "half of a character"),
        ("dataset.json", '{"labels": [["0.png", null], ["0.png", null]]}', "mixes kinds of labels"),
        ("metadata.csv", "file_name,c\n" + "".join(f"0.png,1e{k}\n" for k in range(280, 300)), "as large as 1e+299"),
    ],
)
def test_what_nothing_could_be_made_of_is_refused(tmp_path: Path, name: str, text: str, part: str) -> None:
    Image.new("L", (8, 8)).save(tmp_path / "0.png")
    (tmp_path / name).write_text(text)
    with pytest.raises(DataError) as caught:
        inspect(str(tmp_path))
    assert part in str(caught.value)


def test_the_row_at_fault_is_named_where_a_column_holds_other_texts_too(tmp_path: Path) -> None:
    (tmp_path / "v.csv").write_text("x0,c\n" + "".join(f"{'oops' if k == 7 else k},{k % 2}\n" for k in range(20)))
    with pytest.raises(DataError, match="row 8, column 'x0' holds 'oops'"):
        load(str(tmp_path / "v.csv"))
