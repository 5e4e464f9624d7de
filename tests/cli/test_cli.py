"""Every command on tiny data, and every way to get it wrong: one paragraph, the exit status, nothing overwritten."""

import csv
import json
import re
import shlex
import subprocess
import sys
import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from condgen.cli.spelling import spell
from condgen.data import BUILTIN, Splits
from condgen.data.builtin import namesake
from condgen.errors import CondgenWarning, StoreError
from condgen.evaluation.judge.judge import Judge
from condgen.imprint import imprint_of
from condgen.locks import held_new
from condgen.pictures import pil_image
from condgen.presets import PRESETS
from condgen.runs.run import Run
from condgen.stores.remote import RemoteFolder
from condgen.training import checkpoint
from tests.conftest import Command, Result

COMMANDS = (
    *(
        "inspect",
        "train",
        "resume",
        "sample",
        "edit",
        "gallery",
        "evaluate",
        "compare",
        "doctor",
        "distill",
        "serve",
        "studio",
        "datasets",
        "presets",
    ),
)
FEW = ["--set", "batch=64", "--set", "previews=0"]
TINY = ["--images", "200", "--set", "channels=4", "--set", "latent=2", "--set", "previews=0"]


def contents(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def one_paragraph(result: Result, status: int, *parts: str) -> None:
    """What every failure looks like."""
    said = result.err.strip().splitlines()[-1]
    assert result.status == status, result.err
    assert said.startswith("Error: ")
    for part in parts:
        assert part in said
    assert "Traceback" not in result.err
    assert result.out == ""


def images_with_table(folder: Path, n: int = 24, side: tuple[int, int] = (8, 8)) -> Path:
    """Bright images are called light, the others dark."""
    folder.mkdir(parents=True)
    with (folder / "metadata.csv").open("w") as file:
        file.write("file_name,tone\n")
        for k in range(n):
            Image.new("L", side, 20 + 180 * (k % 2) + k).save(folder / f"{k}.png")
            file.write(f"{k}.png,{['dark', 'light'][k % 2]}\n")
    return folder


@pytest.fixture
def picture(digits: Splits, tmp_path: Path) -> Path:
    """A real digit as a file."""
    pil_image(digits.test.floats[0]).save(tmp_path / "digit.png")
    return tmp_path / "digit.png"


# ---- help


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys; sys.argv = ['condgen', '--help']\n"
        "from condgen.cli import main\n"
        "try: main()\n"
        "except SystemExit as stop: assert not stop.code\n"
        "heavy = {'torch', 'pydantic', 'numpy', 'rich', 'PIL', 'accelerate', 'sklearn', 'pyarrow'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    for name in COMMANDS:
        assert name in done.stdout


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_explains_itself(command: Command, name: str) -> None:
    result = command(name, "--help")
    assert result.status == 0
    assert "Usage: condgen" in result.out


def test_the_help_of_export_has_no_gaps_in_its_sentences(command: Command) -> None:
    told = command("export", "--help").out.partition("Arguments:")[0]
    assert "web is the studio's page" in told
    assert not re.search(r"\S  +\S", told)


def test_the_number_of_samples_is_spelled_with_its_short_option() -> None:
    assert spell("About `n=336160569` in all would fit.") == "About -n 336160569 in all would fit."
    assert spell("Name a folder (`out='a'`).") == "Name a folder (--out a)."


def test_a_runs_own_folder_is_not_taken_for_data_of_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with held_new(Path("digits"), "the run"):
        assert not namesake("digits")
    Path("cars").mkdir()
    assert namesake("cars")


# ---- inspect, datasets, presets


def test_inspect_shows_attributes_counts_and_problems(command: Command, tmp_path: Path) -> None:
    result = command("inspect", images_with_table(tmp_path / "[red] :data:"))
    assert result.status == 0
    assert "[red] :data:" in result.out.replace("\n", "")
    for part in ("tone", "categorical", "dark", "light", "missing"):
        assert part in result.out


def test_inspect_in_a_narrow_terminal_shortens_bars_and_folds_no_names(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    columns = {"Mouth_Slightly_Open": lambda k: k % 2, "Wearing_Necklace_Today": lambda k: int(k == 1)}
    rows = "".join(f"{k},{','.join(str(value(k)) for value in columns.values())},{k / 3:.2f}\n" for k in range(700))
    (tmp_path / "odd.csv").write_text(f"x0,{','.join(columns)},year\n{rows}")
    lines = command("inspect", tmp_path / "odd.csv").out.splitlines()
    for name in columns:
        assert any(line.startswith(f"{name} ") for line in lines)
    assert not any(line.startswith(" ") and "█" in line for line in lines)
    assert any("1 (<1 %)" in line for line in lines)


def test_inspect_as_json_is_json_and_nothing_else(command: Command) -> None:
    result = command("inspect", "mixture", "--json", "--pictures", "--attributes", "side, far")
    found = json.loads(result.out)
    assert [a["name"] for a in found["attributes"]] == ["side", "far"]
    assert found["value_pictures"] == {}  # of vectors there are none
    assert found["examples"]["train"] > 10_000
    assert result.err == ""


def test_pictures_in_text_for_people_are_refused(command: Command) -> None:
    result = command("inspect", "digits", "--pictures")
    assert (result.status, "--json" in result.err) == (2, True)


def test_inspect_writes_a_page_a_schema_to_edit_and_json(command: Command, tmp_path: Path) -> None:
    data, out = images_with_table(tmp_path / "data"), tmp_path / "found"
    result = command("inspect", data, "--out", out, "--json")
    assert sorted(file.name for file in out.iterdir()) == ["inspection.html", "inspection.json", "schema.json"]
    assert result.out == (out / "inspection.json").read_text()
    edited = (out / "schema.json").read_text().replace('"aliases": {}', '"aliases": {"bright": "light"}')
    (out / "schema.json").write_text(edited)
    assert "it is kept" in command("inspect", data, "--out", out).err
    assert (out / "schema.json").read_text() == edited
    assert command("inspect", data, "--schema", out / "schema.json", "--json").status == 0


def test_inspect_with_size_and_schema(command: Command, tmp_path: Path) -> None:
    data = images_with_table(tmp_path / "data")
    schema = json.loads(command("inspect", data, "--json").out)["schema"]
    schema["attributes"][0]["aliases"] = {"bright": "light"}
    (tmp_path / "schema.json").write_text(json.dumps(schema))
    found = json.loads(command("inspect", data, "--json", "--size", "4", "--schema", tmp_path / "schema.json").out)
    assert found["shape"] == [1, 4, 4]
    assert found["schema"] == schema


def test_what_is_built_in_is_listed(command: Command) -> None:
    listed = command("datasets").out
    assert all(name in listed for name in (*BUILTIN, "metadata.csv", "Parquet"))
    listed = command("presets").out
    assert all(name in listed and str(recipe["expect"]) in listed for name, recipe in PRESETS.items())


# ---- train


def test_train_then_everything_else(command: Command, tmp_path: Path) -> None:
    """A person's first afternoon, on images with a table."""
    data, run = images_with_table(tmp_path / "data", side=(8, 12)), tmp_path / "my run"
    result = command(
        "train", data, "--out", run, "--model", "cvae", "--mechanism", "norm", "--prior", "gaussian", *TINY
    )
    assert result.status == 0, result.err
    assert f"condgen sample '{run}' \"tone=*\"" in result.out
    assert command("resume", run, "--budget", "+0.1s").status == 0
    assert command("sample", run, "tone=*", "-n", 3, "--out", tmp_path / "samples").status == 0
    edits = command("edit", run, data / "0.png", data / "1.png", "tone=light", "--out", tmp_path / "edits")
    assert edits.status == 0, edits.err
    found = json.loads(command("inspect", tmp_path / "samples", "--json").out)
    assert sum(found["examples"].values()) == 6
    arguments = Run.open(run).info.recipe["arguments"]
    assert (arguments["mechanism"], arguments["prior"], arguments["channels"]) == ("norm", "gaussian", 4)


def test_options_win_over_the_preset_and_sets_over_both(command: Command, tmp_path: Path) -> None:
    result = command(
        "train", "digits", "-o", tmp_path / "run", "--preset", "demo", "--mechanism", "concat", "--seed", 5, *TINY
    )
    assert result.status == 0, result.err
    info = Run.open(tmp_path / "run").info
    assert info.recipe["arguments"]["mechanism"] == "concat"
    assert info.recipe["arguments"]["likelihood"] == "gaussian"  # the preset's
    assert (info.training["images"], info.training["seconds"], info.training["seed"]) == (200, None, 5)


def test_a_number_of_images_takes_the_place_of_a_presets_time_and_the_other_way_round(
    command: Command, tmp_path: Path
) -> None:
    assert "seconds" in PRESETS["digits-cvae"]
    assert "images" in PRESETS["demo"]
    small = TINY[2:]
    result = command("train", "digits", "-o", tmp_path / "a", "--preset", "digits-cvae", "--images", "200", *small)
    assert result.status == 0, result.err
    info = Run.open(tmp_path / "a").info
    assert (info.training["images"], info.training["seconds"]) == (200, None)
    result = command("train", "digits", "-o", tmp_path / "b", "--preset", "demo", "--budget", "0.2s", *small)
    assert result.status == 0, result.err
    info = Run.open(tmp_path / "b").info
    assert (info.training["images"], info.training["seconds"]) == (None, 0.2)


def test_a_budget_is_measured_and_recorded(command: Command, tmp_path: Path) -> None:
    result = command("train", "digits", "--out", tmp_path / "run", "--budget", "0.5s", *TINY[2:])
    assert result.status == 0, result.err
    info = Run.open(tmp_path / "run").info
    assert (info.training["seconds"], info.training["images"]) == (0.5, None)
    assert info.total is not None
    assert info.images == info.total > 0


@pytest.mark.parametrize("model", ["vae", "autoencoder"])
def test_a_model_that_ignores_the_labels_says_so(command: Command, tmp_path: Path, model: str) -> None:
    """Labels of the data must not go unused without a word."""
    result = command("train", "digits", "--model", model, "--out", tmp_path / "run", *TINY)
    assert result.status == 0
    assert "ignores these attributes" in result.err
    assert "--model cvae" in result.err
    assert "digit" not in result.out.splitlines()[-1]


def test_a_built_in_name_means_the_built_in_set_even_beside_a_folder_of_that_name(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    images_with_table(tmp_path / "digits")
    monkeypatch.chdir(tmp_path)
    assert command("train", "digits", "--out", "run", *TINY).status == 0
    assert command("resume", "run", "--budget", "+0.1s").status == 0


def test_resume_finds_the_data_from_another_folder(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    images_with_table(tmp_path / "data")
    monkeypatch.chdir(tmp_path)
    assert command("train", "data", "--out", "run", *TINY).status == 0
    monkeypatch.chdir("/")
    assert command("resume", tmp_path / "run", "--budget", "+0.1s").status == 0


# ---- sample


def test_sample_gives_each_request_its_samples(command: Command, run: Run, tmp_path: Path) -> None:
    result = command("sample", run.path, "digit=3", "digit!=3", "-n", 4, "--seed", 9, "--out", tmp_path / "out")
    assert result.status == 0, result.err
    assert "8 samples for 2 requests" in result.out
    with (tmp_path / "out" / "metadata.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["seed"] for row in rows] == ["9", "10", "11", "12"] * 2
    assert [row["digit"] == "3" for row in rows] == [True] * 4 + [False] * 4


def test_sample_without_a_request_is_as_in_the_data(command: Command, run: Run, tmp_path: Path) -> None:
    assert command("sample", run.path, "--out", tmp_path / "out", "-n", 5).status == 0
    with (tmp_path / "out" / "metadata.csv").open() as file:
        assert all(row["digit"] for row in csv.DictReader(file))


def test_sample_of_vectors_may_extrapolate_when_told(command: Command, points: Run, tmp_path: Path) -> None:
    arguments = ("sample", points.path, "angle=70", "-n", 2, "--out", tmp_path / "out")
    one_paragraph(command(*arguments), 2, "angle=70", "--extrapolate")
    assert not (tmp_path / "out").exists()
    assert command(*arguments, "--extrapolate").status == 0


# ---- edit


@pytest.mark.parametrize("stated", [(), ("--from", "digit=2")], ids=["read", "stated"])
def test_edit_says_from_what_to_what(
    command: Command, run: Run, picture: Path, tmp_path: Path, stated: tuple[str, ...]
) -> None:
    result = command("edit", run.path, picture, picture, "digit=7", *stated, "--out", tmp_path / "out")
    assert result.status == 0, result.err
    first = result.out.splitlines()[0]
    assert first.startswith(f"{picture}: digit=")
    assert first.endswith("→ digit=7")
    assert not stated or "digit=2 →" in first
    with Image.open(tmp_path / "out" / "grid.png") as grid:
        assert grid.height > 2 * 56  # before and after
    assert {"000000.png", "000001.png", "metadata.csv"} <= {p.name for p in (tmp_path / "out").iterdir()}


def test_edits_name_their_originals_and_no_seed(command: Command, run: Run, picture: Path, tmp_path: Path) -> None:
    other = picture.rename(tmp_path / "=other.png")
    pil_image(torch.zeros(1, 8, 8)).save(picture)
    edits = tmp_path / "edits"
    assert command("edit", run.path, picture, other, "digit=7", "--from", "digit=2", "--out", edits).status == 0
    rows = list(csv.reader((edits / "metadata.csv").read_text().splitlines()))
    assert rows[0] == ["file_name", "original", "digit"]
    assert [row[1] for row in rows[1:]] == ["digit.png", "'=other.png"]
    imprint = imprint_of((edits / "000001.png").read_bytes()) or {}
    assert (imprint["edit_of"], imprint["change"], imprint["condition"]) == ("=other.png", "digit=7", {"digit": "7"})
    assert not {"seed", "request"} & imprint.keys()
    assert command("inspect", edits).status == 0  # it is a dataset as samples are


def test_an_edit_that_changes_nothing_is_named(command: Command, run: Run, picture: Path, tmp_path: Path) -> None:
    edit = partial(command, "edit", run.path, picture, "digit=7", "--from")
    assert f"Nothing changes in {picture}" in edit("digit=7", "--out", tmp_path / "same").out
    assert "Nothing changes" not in edit("digit=2", "--out", tmp_path / "other").out


def test_edit_takes_images_of_other_sizes_and_colours(command: Command, run: Run, tmp_path: Path) -> None:
    Image.new("RGB", (30, 40), (200, 10, 10)).save(tmp_path / "photo.jpg")
    result = command("edit", run.path, tmp_path / "photo.jpg", "digit=7", "--out", tmp_path / "out")
    assert result.status == 0, result.err


def test_an_edit_is_as_strong_as_asked_or_decoded_anew(
    command: Command, run: Run, picture: Path, tmp_path: Path
) -> None:
    made = {}
    ways = {"plain": (), "weak": ("--strength", 0.5), "auto": ("--strength", "auto"), "anew": ("--decoded",)}
    for name, options in ways.items():
        arguments = (picture, "digit=7", "--from", "digit=2", "--out", tmp_path / name)
        assert command("edit", run.path, *arguments, *options).status == 0
        made[name] = (tmp_path / name / "000000.png").read_bytes()
    assert len({made[name] for name in ("plain", "weak", "anew")}) == 3


def test_an_edit_stays_within_its_mask(command: Command, run: Run, picture: Path, tmp_path: Path) -> None:
    mask = Image.new("L", (8, 8))
    mask.paste(255, (0, 0, 8, 4))
    mask.save(tmp_path / "top.png")
    where = ("--mask", tmp_path / "top.png", "--out", tmp_path / "o")
    result = command("edit", run.path, picture, "digit=7", "--from", "digit=2", *where)
    assert result.status == 0, result.err
    with Image.open(tmp_path / "o" / "000000.png") as edited, Image.open(picture) as original:
        changed = np.asarray(edited.convert("L")) != np.asarray(original.convert("L"))
    assert changed[:4].any()
    assert not changed[4:].any()


# ---- flows

OPTIONS = "--guidance 2 --steps 4 --sampler dpm --interval 0.2..0.8"


def test_a_flow_takes_guidance_steps_a_sampler_and_an_interval(command: Command, flow: Run, tmp_path: Path) -> None:
    def made(name: str, *options: object) -> dict[str, bytes]:
        result = command("sample", flow.path, "digit=3", "-n", 2, "--out", tmp_path / name, *options)
        assert result.status == 0, result.err
        files = sorted((tmp_path / name).glob("0*.png"))
        return {file.name: Image.open(file).tobytes() for file in files}  # pixels alone: files carry their options

    asked = made("asked", *OPTIONS.split())
    assert len(asked) == 2
    how = {"guidance": 2.0, "steps": 4, "sampler": "dpm", "interval": (0.2, 0.8)}
    for k, x in enumerate(flow.sample("digit=3", n=2, **how).x):
        pil_image(x).save(tmp_path / "wanted.png")
        assert Image.open(tmp_path / f"asked/{k:06}.png").tobytes() == Image.open(tmp_path / "wanted.png").tobytes()
    others = {"--guidance 2": "--guidance 1.5", "--interval 0.2..0.8": "--interval 0.4..0.5", "--sampler dpm": ""}
    for k, (option, other) in enumerate(others.items()):
        assert made(f"other{k}", *OPTIONS.replace(option, other).split()) != asked, option
    unguided = OPTIONS.replace("--guidance 2", "").split()
    refused = command("sample", flow.path, "digit=3", "--out", tmp_path / "unguided", *unguided)
    assert (refused.status, "leave out --interval" in refused.err) == (2, True)
    assert made("guided", "--guidance", 2, "--guide", flow.path) == made("plain")  # its own guide: nothing to move from
    assert made("composed", "--compose", "--guidance", 2) == made(
        "whole", "--guidance", 2
    )  # one attribute alone is all


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        ("RUN digit=3 --guidance much", ["'much'", "as in 2", "one per attribute"]),
        ("RUN digit=3 --guidance digti=2", ["'digti'", "digit"]),
        ("RUN digit=3 --interval 0.2", ["--interval", "0.2..0.8", "'0.2'"]),
        ("RUN digit=3 --interval 0.8..0.2", ["0.2..0.8"]),
        ("RUN digit=3 --steps 0", ["steps", "at least 1"]),
        ("RUN digit=3 --sampler huen", ["'huen'", "heun"]),
        ("RUN digit=3 --guidance 2 --guide CVAE", ["cannot guide"]),
        pytest.param(
            "RUN digit=3 --compose --guide RUN",
            ["cannot be combined"],
        ),
        ("CVAE digit=3 --guidance 2", ["cvae", "no guidance", "--model flow"]),
        ("CVAE digit=3 --steps 4", ["cvae", "no guidance", "--model flow"]),
    ],
)
def test_sampling_that_cannot_be_meant(
    command: Command, run: Run, flow: Run, tmp_path: Path, arguments: str, parts: list[str]
) -> None:
    places = {"RUN": flow.path, "CVAE": run.path}
    asked = (places.get(word, word) for word in arguments.split())
    one_paragraph(command("sample", *asked, "--out", tmp_path / "out"), 2, *parts)
    assert not (tmp_path / "out").exists()


def test_the_data_by_which_the_best_sample_is_chosen_may_be_named(
    command: Command, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    learned: list[str] = []

    def remembered(data: Splits, **arguments: object) -> Judge:
        learned.append(str(data.source.address))
        return Judge(data.schema, data.shape)

    monkeypatch.setattr("condgen.evaluation.judge.choosing.judge_for", remembered)
    how = ("digit=7", "-n", 1, "--best-of", 2, "--trust", "--data", "digits")
    result = command("sample", run.path, *how, "--out", tmp_path / "out")
    assert (result.status, learned) == (0, ["digits"]), result.err


def test_distill_trains_a_model_that_opens_samples_and_resumes(command: Command, flow: Run, tmp_path: Path) -> None:
    result = command(
        "distill", flow.path, "--out", tmp_path / "one", "--guidance", 2, "--seed", 5, "--images", 512, *FEW
    )
    assert result.status == 0, result.err
    assert "Trained meanflow" in result.out
    assert f"condgen sample {tmp_path / 'one'}" in result.out
    info = Run.open(tmp_path / "one").info
    assert (info.training["seed"], info.training["images"], info.data["source"]) == (5, 512, "digits")
    assert info.data["teacher"]["guidance"] == 2.0
    assert command("resume", tmp_path / "one").status == 0
    assert command("sample", tmp_path / "one", "digit=*", "-n", 1, "--out", tmp_path / "samples").status == 0
    one_paragraph(
        command("sample", tmp_path / "one", "--guidance", 2, "--out", tmp_path / "guided"), 2, "takes no guidance"
    )


@pytest.mark.parametrize(
    ("arguments", "status", "parts"),
    [
        ("CVAE", 2, ["cvae", "cannot be distilled; --model flow can"]),
        ("RUN --guidance much", 2, ["'much'"]),
        ("RUN --budget soon", 2, ["'soon'", "90s"]),
        ("RUN --budget 2m --set images=500", 2, ["--budget", "--images", "not both"]),
        ("RUN --images 500 --set seconds=60", 2, ["--budget", "--images", "not both"]),
        ("RUN --set shaer=1", 2, ["setting of meanflow", "'shaer'", "share"]),
    ],
)
def test_distilling_that_cannot_be_meant(
    command: Command,
    run: Run,
    flow: Run,
    tmp_path: Path,
    arguments: str,
    status: int,
    parts: list[str],
) -> None:
    places = {"RUN": flow.path, "CVAE": run.path}
    asked = (places.get(word, word) for word in arguments.split())
    one_paragraph(command("distill", *asked, "--out", tmp_path / "out"), status, *parts)
    assert not (tmp_path / "out").exists()


def test_distilling_into_a_used_folder_overwrites_nothing(command: Command, flow: Run, tmp_path: Path) -> None:
    (tmp_path / "checkpoint.safetensors").write_text("mine")
    before = contents(tmp_path)
    result = command("distill", flow.path, "--out", tmp_path, "--set", "images=512", *FEW)
    one_paragraph(result, 2, str(tmp_path), "not empty", "nothing was overwritten")
    assert contents(tmp_path) == before


# ---- failures


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        ("sample RUN digti=3", ["'digti'", "digit"]),
        ("sample RUN digit=77", ["'77'", "Did you mean 7"]),
        ("sample RUN digit=3 -n 0", ["at least 1"]),
        ("sample RUN digit=3 --seed -1", ["seed"]),
        ("sample VAE digit=3", ["vae", "unconditional", "--model cvae"]),
        ("edit RUN IMAGE digit=77", ["'77'"]),
        ("edit RUN IMAGE digit=*", ["10 requests"]),
        ("edit RUN IMAGE digit=7 --from digit=*", ["--from", "10 requests"]),
        ("edit RUN IMAGE digit=7 --from digit=3|8", ["'digit=3|8' allows several", "--from must say"]),
        ("edit RUN IMAGE digit=7 --from color=red", ["'color'", "digit"]),
        ("edit RUN IMAGE IMAGE", ["last argument is the change", "digit.png is a file"]),
        ("edit RUN digit=7", ["at least one image"]),
        ("edit RUN IMAGE digit=7 --strength 0", ["strength", "above 0"]),
        ("edit RUN IMAGE digit=7 --strength much", ["'much'", "auto"]),
        ("edit RUN IMAGE digit=7 --strength 2 --decoded", ["--decoded", "--strength"]),
        ("edit VAE IMAGE digit=7", ["vae", "cannot edit"]),
        ("edit POINTS IMAGE far=yes", ["vectors"]),
        ("inspect digitz", ["'digitz'", "Did you mean digits"]),
        ("inspect digits --attributes digti", ["'digti'", "digit"]),
        ("inspect digits --size 8", ["digits has its own size"]),
        ("train digits --model cave", ["'cave'", "cvae"]),
        ("train digits --mechanism flim", ["'flim'", "film"]),
        ("train digits --model cvae --prior gauss", ["'gauss'", "gaussian"]),
        ("train digits --preset dmeo", ["'dmeo'", "demo"]),
        ("train digits --set latnet=3", ["'latnet'", "latent"]),
        ("train digits --set latent=-3", ["latent"]),
        ("train digits --set latent", ["KEY=VALUE", "'latent'"]),
        ("train digits --set precision=int8", ["'int8'"]),
        ("train digits --budget soon", ["'soon'", "90s"]),
        ("train digits --images many", ["'many'", "500k"]),
        ("train digits --images 5k --budget 1m", ["--budget", "--images", "not both"]),
        ("train digits --model vae --mechanism film", ["'mechanism'", "vae"]),
        ("train digitz", ["'digitz'", "digits"]),
    ],
)
def test_a_wrong_request_or_option(
    command: Command, run: Run, unconditional: Run, points: Run, picture: Path, arguments: str, parts: list[str]
) -> None:
    places = {"RUN": run.path, "VAE": unconditional.path, "POINTS": points.path, "IMAGE": picture}
    out = picture.parent / "out"
    where = [] if arguments.startswith("inspect") else ["--out", out]
    one_paragraph(command(*(places.get(word, word) for word in arguments.split()), *where), 2, *parts)
    assert not out.exists()


@pytest.mark.parametrize(
    "arguments", ["", "trian digits", "train digits", "train", "sample", "train digits --out x --nope 3"]
)
def test_what_is_no_command_or_option_at_all(command: Command, arguments: str) -> None:
    result = command(*arguments.split())
    assert result.status == 2
    assert "Usage" in result.err + result.out


def test_an_address_of_the_hub_is_no_path_here(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(self: RemoteFolder, *_: object) -> None:
        raise StoreError(f"{self.address} is away.")

    monkeypatch.setattr(RemoteFolder, "_ask", away)
    one_paragraph(command("inspect", "digits", "--out", "hf://owner/name/x.png"), 2, "--out hf://owner/name/x.")
    one_paragraph(
        command("inspect", "digits", "--out", "hf://owner/../x"), 2, "'--out'", "hf://owner/../x is no address"
    )
    one_paragraph(command("evaluate", "hf://owner/name/run"), 1, "hf://owner/name/run is away")
    one_paragraph(command("sample", "hf://owner/name/run", "--out", "x"), 1, "hf://owner/name/run is away")


def truncated_image(folder: Path) -> Path:
    data = images_with_table(folder / "data")
    broken = data / "3.png"
    broken.write_bytes(broken.read_bytes()[:40])
    return data


def empty_folder(folder: Path) -> Path:
    (folder / "empty").mkdir()
    return folder / "empty"


def no_labels(folder: Path) -> Path:
    data = images_with_table(folder / "data")
    (data / "metadata.csv").write_text("file_name\n" + "".join(f"{k}.png\n" for k in range(24)))
    return data


def missing_image(folder: Path) -> Path:
    data = images_with_table(folder / "data")
    (data / "5.png").unlink()
    return data


@pytest.mark.parametrize(
    ("make", "parts"),
    [
        (empty_folder, ["empty", "no images"]),
        (no_labels, ["metadata.csv", "one per attribute"]),
        (lambda folder: folder / "nowhere", ["nowhere", "does not exist"]),
    ],
)
@pytest.mark.parametrize("name", ["inspect", "train"])
def test_broken_data(
    command: Command, tmp_path: Path, make: Callable[[Path], Path], parts: list[str], name: str
) -> None:
    where = ["--out", tmp_path / "out", *TINY] if name == "train" else []
    one_paragraph(command(name, make(tmp_path), *where), 1, *parts)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(("make", "part"), [(truncated_image, "3.png"), (missing_image, "5.png")])
def test_few_broken_images_are_left_out_and_said_and_none_may_be_asked_for(
    command: Command, tmp_path: Path, make: Callable[[Path], Path], part: str
) -> None:
    data = make(tmp_path)
    one_paragraph(command("train", data, "--out", tmp_path / "out", "--broken", "0", *TINY), 1, part)
    assert not (tmp_path / "out").exists()
    trained = command("train", data, "--out", tmp_path / "out", *TINY)
    assert trained.status == 0, trained.err
    assert "1 of 24 images" in trained.err
    assert part in trained.err
    assert part not in command("resume", tmp_path / "out").err, "it was said before"
    assert part in command("resume", tmp_path / "out", "--data", data).err, "of data that is named it is news"
    result = command("inspect", data)
    assert result.status == 0
    assert "1 of 24 images cannot be read" in result.out
    assert part in result.out


def test_a_wrong_schema_file(command: Command, tmp_path: Path) -> None:
    data = images_with_table(tmp_path / "data")
    one_paragraph(command("inspect", data, "--schema", tmp_path / "none.json"), 1, "none.json", "cannot be read")
    (tmp_path / "bad.json").write_text("{")
    one_paragraph(command("inspect", data, "--schema", tmp_path / "bad.json"), 1, "bad.json", "not a valid schema")


def nothing_at_all(path: Path) -> None:
    path.parent.mkdir()


def corrupted(path: Path) -> None:
    path.parent.mkdir()
    path.write_bytes(b"\x08\0\0\0\0\0\0\0nonsense")


def foreign(path: Path) -> None:
    path.parent.mkdir()
    save_file({"weight": torch.zeros(3)}, path)


def no_folder(path: Path) -> None:
    pass


@pytest.mark.parametrize("arguments", ["resume RUN", "sample RUN --out OUT", "edit RUN IMAGE digit=7 --out OUT"])
@pytest.mark.parametrize(
    ("make", "part"),
    [
        (no_folder, "no checkpoint"),
        (nothing_at_all, "no checkpoint"),
        (corrupted, "damaged"),
        (foreign, "not written by condgen"),
    ],
)
def test_a_run_that_is_none(
    command: Command, tmp_path: Path, picture: Path, arguments: str, make: Callable[[Path], None], part: str
) -> None:
    folder = tmp_path / "run"
    make(folder / checkpoint.FILE)
    before = contents(tmp_path)
    places = {"RUN": folder, "OUT": tmp_path / "out", "IMAGE": picture}
    one_paragraph(command(*(places.get(word, word) for word in arguments.split())), 1, str(folder), part)
    assert contents(tmp_path) == before


WRITERS = ["train digits", "sample RUN digit=3", "edit RUN IMAGE digit=7"]


@pytest.mark.parametrize("arguments", WRITERS)
def test_a_folder_that_is_not_empty_is_left_alone(
    command: Command, run: Run, picture: Path, tmp_path: Path, arguments: str
) -> None:
    (tmp_path / "out").mkdir()
    for name in ("000000.png", "metadata.csv", "checkpoint.safetensors"):
        (tmp_path / "out" / name).write_text("mine")
    before = contents(tmp_path)
    places = {"RUN": run.path, "IMAGE": picture}
    options = TINY if arguments.startswith("train") else []
    result = command(*(places.get(word, word) for word in arguments.split()), *options, "--out", tmp_path / "out")
    one_paragraph(result, 2, str(tmp_path / "out"), "not empty", "nothing was overwritten")
    assert contents(tmp_path) == before


@pytest.mark.parametrize("name", ["x.png", "table.CSV", "page.html"])
@pytest.mark.parametrize("arguments", [*WRITERS, "evaluate RUN", "compare RUN RUN", "inspect digits"])
def test_the_name_of_a_file_makes_no_folder(
    command: Command, run: Run, picture: Path, tmp_path: Path, arguments: str, name: str
) -> None:
    places = {"RUN": run.path, "IMAGE": picture}
    words = [places.get(word, word) for word in arguments.split()]
    one_paragraph(command(*words, "--out", tmp_path / name), 2, "folder", f"--out {(tmp_path / name).with_suffix('')}")
    assert not (tmp_path / name).exists()


@pytest.mark.parametrize("place", ["/proc/condgen", "FILE/out", "FILE"])
@pytest.mark.parametrize("arguments", WRITERS)
def test_a_folder_that_cannot_be_written(command: Command, run: Run, picture: Path, arguments: str, place: str) -> None:
    out = place.replace("FILE", str(picture))
    before = contents(picture.parent)
    places = {"RUN": run.path, "IMAGE": picture}
    options = TINY if arguments.startswith("train") else []
    result = command(*(places.get(word, word) for word in arguments.split()), *options, "--out", out)
    one_paragraph(result, 1, out, "cannot be written")
    assert contents(picture.parent) == before


def test_an_image_that_is_none_cannot_be_edited(command: Command, run: Run, tmp_path: Path) -> None:
    (tmp_path / "text.png").write_text("hello")
    for path in (tmp_path / "text.png", tmp_path / "none.png"):
        one_paragraph(command("edit", run.path, path, "digit=7", "--out", tmp_path / "out"), 1, str(path))


def test_resume_without_the_data_names_it(command: Command, tmp_path: Path) -> None:
    data = images_with_table(tmp_path / "data")
    assert command("train", data, "--out", tmp_path / "run", *TINY).status == 0
    with (data / "metadata.csv").open("a") as file:
        file.write("0.png,light\n")
    one_paragraph(command("resume", tmp_path / "run", "--budget", "+1s"), 1, str(tmp_path / "run"), "have changed")
    data.rename(tmp_path / "elsewhere")
    one_paragraph(command("resume", tmp_path / "run", "--budget", "+1s"), 1, str(data), "does not exist")


def test_divergence_is_one_paragraph(command: Command, tmp_path: Path) -> None:
    result = command(
        "train", "mixture", "--model", "cvae", "--out", tmp_path / "run", "--images", "50k", "--set", "lr=1e6"
    )
    one_paragraph(result, 1, "diverged", str(tmp_path / "run"), "--set lr=")
    assert Run.open(tmp_path / "run").sample(n=2).x.isfinite().all()


def test_ctrl_c_outside_training_is_quiet(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    def pressed(*arguments: object, **options: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("condgen.data.load", pressed)
    result = command("inspect", "digits")
    assert result.status == 130
    assert result.err == "Stopped.\n"


@pytest.mark.filterwarnings("default::condgen.errors.CondgenWarning")
def test_a_program_is_told_errors_and_notes_as_json(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*arguments: object, **options: object) -> None:
        warnings.warn("`lr=1` is high", CondgenWarning, stacklevel=2)
        raise StoreError("Set `lr=0.1`.\nOr leave out `stream`.")

    monkeypatch.setattr("condgen.data.load", refused)
    people = command("inspect", "digits")
    assert people.err == "Note: --set lr=1 is high\nError: Set --set lr=0.1.\nOr leave out --stream.\n"
    monkeypatch.setenv("CONDGEN_PROGRESS", "json")
    program = command("inspect", "digits")
    assert [json.loads(line) for line in program.err.splitlines()] == [
        {"note": "`lr=1` is high"},
        {"error": "Set `lr=0.1`.\nOr leave out `stream`."},
    ]
    assert people.status == program.status != 0


def test_the_installed_command_exits_as_promised(tmp_path: Path) -> None:
    condgen = Path(sys.executable).with_name("condgen")
    done = subprocess.run(
        [condgen, "train", "digitz", "--out", tmp_path / "x"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert done.stderr == "Error: Unknown dataset 'digitz'. Did you mean digits?\n"
    assert done.stdout == ""


def test_sample_and_edit_show_how_words_were_understood(command: Command, run: Run, tmp_path: Path) -> None:
    result = command("sample", run.path, "a seven or an 8", "digit=1", "-n", 1, "--out", tmp_path / "some")
    assert result.status == 0
    assert result.out.splitlines()[0] == '"a seven or an 8" → digit=7|8'
    edited = command(
        "edit", run.path, tmp_path / "some" / "000000.png", "quite a 3", "--from", "a 7", "--out", tmp_path / "e"
    )
    assert edited.status == 0, edited.err
    assert edited.out.splitlines()[:2] == [
        "\"quite a 3\" → digit=3; 'quite' is a word of degree, which cannot be asked for",
        '"a 7" → digit=7',
    ]
    wrong = command("sample", run.path, "two kittens", "--out", tmp_path / "none")
    assert (wrong.status, "'kittens'" in wrong.err) == (2, True)


def test_warnings_are_one_line_without_the_code_that_gave_them(
    command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    def warn(prog_name: str) -> None:
        warnings.warn("Something worth knowing.", CondgenWarning, stacklevel=1)
        warnings.warn("Something of others.", stacklevel=1)

    monkeypatch.setattr("condgen.cli.app", warn)
    with pytest.warns(UserWarning, match="Something of others") as others:
        assert command("presets").err == "Note: Something worth knowing.\n"
    assert len(others) == 1


# ---- what is trained by default


def test_the_default_is_what_inspect_recommends(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    found = json.loads(command("inspect", "digits", "--json").out)
    advised, (suggested, *_) = found["recommendation"], found["advice"]
    words = shlex.split(suggested.removeprefix("Train first: "))
    assert words == ["condgen", "train", "digits", "--out", "digits-run"]
    assert advised["seconds"] > 0
    result = command(*words[1:], *TINY)
    assert result.status == 0, result.err
    recipe = Run.open("digits-run").info.recipe
    assert recipe["model"] == advised["model"] == "projection"
    assert recipe["arguments"]["r1"] == advised["arguments"]["r1"]


def test_a_model_that_is_named_keeps_its_own_defaults(command: Command, tmp_path: Path) -> None:
    result = command("train", "digits", "--model", "projection", "--out", tmp_path / "run", *TINY)
    assert result.status == 0, result.err
    assert Run.open(tmp_path / "run").info.training["lr"] != 2e-3


def test_inspect_says_what_it_recommends_and_the_time(command: Command) -> None:
    shown = command("inspect", "digits").out
    assert re.search(r"Recommended: projection at 8×8, [0-9]+,000 images to see, about .* on this machine\.", shown)
