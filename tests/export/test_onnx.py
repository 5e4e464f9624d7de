"""Every family exports to ONNX, every mechanism in every sort of generator, and the exported samples are the run's."""

import json
import re
import subprocess
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch

from condgen.arrays import to_numpy
from condgen.conditioning import MECHANISMS
from condgen.errors import CondgenError, RequestError, RunError
from condgen.export import onnx as exporting
from condgen.export.tracing import kind_of
from condgen.models import FAMILIES, Family
from condgen.models.base import Model
from condgen.models.registry import SHAPES
from condgen.parameters import keyword_arguments
from condgen.rng import Rng
from condgen.runs.addresses import open_generator
from condgen.runs.generator import Generator, save_answers
from condgen.runs.run import Run
from condgen.runs.sampling import SamplingOptions
from condgen.runtime.generator import OnnxGenerator
from condgen.schema import Condition
from tests.conftest import Command
from tests.export.untrained import IMAGE, VECTOR, untrained

QUICK: dict[str, tuple[str, tuple[int, ...], dict[str, Any]]] = {
    "gan": ("cgan", VECTOR, {"mechanism": "modulate"}),
    "cvae": ("cvae", VECTOR, {"prior": "gaussian", "embedding": 8, "mechanism": "concat"}),
    "flow": ("flow", VECTOR, {"steps": 4, "mechanism": "attention"}),
}


def takes_mechanism(family: Family) -> bool:
    return "mechanism" in keyword_arguments(family.builder)


def mechanisms(name: str) -> list[str]:
    """A family's own mechanism, and those that it exports in turn with its siblings.

    Families whose builders share a module differ in their critics, which no export contains, not in their generators.
    """
    own = keyword_arguments(FAMILIES[name].builder)["mechanism"]
    siblings = [
        other
        for other, family in FAMILIES.items()
        if takes_mechanism(family) and family.builder.__module__ == FAMILIES[name].builder.__module__
    ]
    others = [m for m in MECHANISMS if m not in ("none", own)]
    return [own, *(m for k, m in enumerate(others) if siblings[k % len(siblings)] == name)]


FEW = {"flow": {"steps": 3}, "meanflow": {"steps": 2}}
EVERY = [
    (name, SHAPES[sort], {**variant, **({"mechanism": by} if by else {}), **FEW.get(name, {})})
    for name, family in FAMILIES.items()
    for variant in ({}, *family.variants)
    for by in (mechanisms(name) if takes_mechanism(family) and not variant else [""])
    for sort in family.suits
]


Pair = tuple[Run, OnnxGenerator]


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Pair]:
    """Untrained runs and their exports, each exported once."""

    @cache
    def pair(name: str) -> Pair:
        family, shape, arguments = QUICK[name]
        run = untrained(family, shape, **arguments)
        return run, exported(run, tmp_path_factory.mktemp(name))

    return pair


def exported(run: Run, folder: Path, **options: Any) -> OnnxGenerator:
    return OnnxGenerator.open(run.export("onnx", folder / "model.onnx", **options))


def gap(run: Run, model: Generator, asked: str = "", n: int = 3, **how: Any) -> float:
    """The largest difference between the samples of both for a request, at two batch sizes."""
    requests, sampling = run.requests([asked] if asked else []), SamplingOptions(**how)
    found = 0.0
    for batch in (n, 2):
        for one, other in zip(
            run.stream(requests, n, 5, batch, sampling), model.stream(requests, n, 5, batch, sampling), strict=True
        ):
            assert one.condition.rows() == other.condition.rows()
            assert one.seeds.tolist() == other.seeds.tolist()
            found = max(found, float(np.abs(to_numpy(one.x) - to_numpy(other.x)).max()))
    return found


@pytest.mark.parametrize("name", QUICK)
def test_samples_are_those_of_the_run(name: str, pairs: Callable[[str], Pair]) -> None:
    run, model = pairs(name)
    assert isinstance(model, Generator)
    for asked in ("", "row=top, bright=yes", "tone=-1..2"):
        assert gap(run, model, asked) < 1e-4
    assert model.schema == run.schema
    assert model.header.difference is not None
    assert model.header.difference < 1e-4


@pytest.mark.slow
@pytest.mark.parametrize(("name", "shape", "arguments"), EVERY)
def test_every_family_and_mechanism_is_exported(
    name: str, shape: tuple[int, ...], arguments: dict[str, Any], tmp_path: Path
) -> None:
    try:
        run = untrained(name, shape, **arguments)
    except RequestError:
        pytest.skip("this combination cannot be built")
    assert gap(run, exported(run, tmp_path)) < 1e-4


@pytest.mark.parametrize(
    "how",
    [
        {"guidance": 2.0},
        {"guidance": {"row": 3.0, "tone": 0.0}, "interval": (0.2, 0.8)},
        {"steps": 2, "sampler": "dpm"},
        {"sampler": "dopri"},
        {"compose": True, "guidance": 1.5},
        {"free": True, "sampler": "euler"},
    ],
)
def test_guidance_and_samplers_are_chosen_when_it_is_asked(pairs: Callable[[str], Pair], how: dict[str, Any]) -> None:
    run, model = pairs("flow")
    assert gap(run, model, "row!=top, bright=yes", **how) < 1e-3
    plain = next(model.stream(model.requests(["bright=yes"]), 3))
    other = next(model.stream(model.requests(["bright=yes"]), 3, sampling=SamplingOptions(**how)))
    assert not np.allclose(plain.x, other.x, atol=1e-4)


@pytest.mark.slow
def test_a_guide_is_another_exported_model(pairs: Callable[[str], Pair], tmp_path: Path) -> None:
    run, model = pairs("flow")
    weaker = untrained("flow", VECTOR, steps=4, mechanism="attention")
    with torch.no_grad():
        for parameter in weaker.model.parameters():
            parameter.mul_(0.5)
    guide = exported(weaker, tmp_path)
    wanted = run.sample("bright=yes", n=3, guidance=2.0, guide=weaker).x
    found = model.sample("bright=yes", n=3, guidance=2.0, guide=guide).x
    np.testing.assert_allclose(to_numpy(wanted), found, atol=1e-3)


@pytest.mark.parametrize("name", ["cvae", "flow"])
def test_edits_and_interpolations_are_those_of_the_model(name: str, pairs: Callable[[str], Pair]) -> None:
    edits_alike(*pairs(name))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "shape", "arguments"),
    [
        ("cvae", IMAGE, {}),
        ("cvae", VECTOR, {"prior": "flow"}),
        ("cvae", IMAGE, {"prior": "flow", "embedding": 8}),
        ("flow", IMAGE, {"steps": 2, "guidance": 2.0}),
    ],
)
def test_edits_of_images_and_through_priors_are_those_of_the_model(
    name: str, shape: tuple[int, ...], arguments: dict[str, Any], tmp_path: Path
) -> None:
    run = untrained(name, shape, **arguments)
    edits_alike(run, exported(run, tmp_path))


def edits_alike(run: Run, model: OnnxGenerator) -> None:
    """An export's edits and interpolations are the run's."""
    real, other = run.sample(n=3, seed=1), run.sample(n=3, seed=7)
    given, given_other = (Condition(c.schema, *numpy(c)) for c in (real.condition, other.condition))
    wanted = run.edit(real.x, real.condition, "row=top")
    found = model.edit(to_numpy(real.x), given, "row=top")
    np.testing.assert_allclose(to_numpy(wanted.x), found.x, atol=1e-3)
    assert found.condition.rows() == wanted.condition.rows()
    with torch.inference_mode():
        frames = run.model.interpolate(real.x, real.condition, other.x, other.condition, 3)
    between = model.model.interpolate(to_numpy(real.x), given, to_numpy(other.x), given_other, 3)
    assert between.shape == (3, 3, *run.shape)
    np.testing.assert_allclose(to_numpy(frames), between, atol=1e-3)


def numpy(condition: Condition) -> Any:
    return {name: to_numpy(codes) for name, codes in condition.values.items()}, to_numpy(condition.present)


def test_a_model_that_cannot_edit_says_so(pairs: Callable[[str], Pair]) -> None:
    _, model = pairs("gan")
    samples = model.sample(n=1)
    with pytest.raises(RequestError, match=r"cannot edit\. .* edit with the run that it was exported from"):
        model.edit(samples.x, samples.condition, "row=top")


def test_the_best_of_several_is_refused_before_anything_is_written(
    pairs: Callable[[str], Pair], tmp_path: Path
) -> None:
    model = pairs("gan")[1]
    with pytest.raises(RequestError, match="no critic"):
        save_answers(model, model.requests(), 2, 0, tmp_path / "best", sampling=SamplingOptions(best_of=2))
    assert not list(tmp_path.iterdir())


class Bernoullis(Model):
    """A family of another package: its noise is uniform, and it knows none of condgen's networks."""

    handles_missing = True

    def __init__(self, run: Run):
        super().__init__(run.schema, (4,))
        self.chance = torch.nn.Parameter(torch.tensor([0.2, 0.4, 0.6, 0.8]))
        self.recipe = {"model": "bernoullis", "arguments": {}}

    def sample(self, condition: Condition, rng: Rng) -> torch.Tensor:
        shift = condition.codes("bright")[:, None] / 4 + rng.normal(1)
        return (rng.uniform(4) < self.chance + shift).float() + shift


def test_a_family_of_another_package_exports(tmp_path: Path) -> None:
    run = untrained("cgan", VECTOR)
    run = Run(Bernoullis(run), run.joint, run.info, run.path)
    run.info.shape = (4,)
    run.info.data.clear()
    assert kind_of(run.model) == "one-pass"
    model = exported(run, tmp_path)
    assert [draw.kind for draw in model.header.draws] == ["normal", "uniform"]
    assert gap(run, model, "bright=yes", n=20) < 1e-5


def test_a_batch_that_the_model_fixes_is_named(tmp_path: Path) -> None:
    class Lengths(Bernoullis):
        def sample(self, condition: Condition, rng: Rng) -> torch.Tensor:
            return rng.normal(4) + torch.ones(len(condition), 4)

    run = untrained("cgan", VECTOR)
    with pytest.raises(RequestError, match=r"bernoullis cannot be traced.*x\.shape\[0\]"):
        Run(Lengths(run), run.joint, run.info, run.path).export("onnx", tmp_path / "fixed.onnx")
    assert not list(tmp_path.iterdir())


def test_an_export_whose_samples_differ_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = untrained("cgan", VECTOR)
    answer = run.answer
    monkeypatch.setattr(run, "answer", lambda *asked: answer(*asked) + 0.01)
    with pytest.raises(RequestError, match=r"differ from the run's by up to 0\.\d+, where 0.001 is allowed"):
        run.export("onnx", tmp_path / "model.onnx")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("number", [np.nan, np.inf])
def test_an_export_whose_samples_are_no_numbers_is_refused(
    pairs: Callable[[str], Pair], monkeypatch: pytest.MonkeyPatch, number: float
) -> None:
    run, model = pairs("gan")
    answer = model.answer
    monkeypatch.setattr(model, "answer", lambda *asked: np.where(answer(*asked) > 0, np.float32(number), np.float32(0)))
    for allowed in exporting.TOLERANCE.values():
        with pytest.raises(RequestError, match=r"Samples of the exported model hold NaN"):
            exporting.largest_difference(run, model, allowed)


def test_a_disk_that_fills_is_an_error_with_the_name_of_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device", "a temporary name")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(RunError, match=r"model\.onnx cannot be written: No space left on device\.$"):
        untrained("cgan", VECTOR).export("onnx", tmp_path / "model.onnx")
    assert not list(tmp_path.iterdir())


def test_missing_packages_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exporting, "find_spec", lambda name: None if name == "onnxscript" else name)
    with pytest.raises(CondgenError, match=r"needs onnxscript: pip install 'condgen\[onnx\]'"):
        untrained("cgan", VECTOR).export("onnx", tmp_path / "model.onnx")


def test_the_file_is_one_onnx_model_with_all_that_sampling_needs(tmp_path: Path) -> None:
    run = untrained("cgan", IMAGE, channels=8)
    run.info.data |= {"source": "/home/somebody/secret", "fingerprint": "abc"}
    path = run.export("onnx", tmp_path / "model.onnx", licence="CC0-1.0, faces by their owners")
    assert [file.name for file in tmp_path.iterdir()] == ["model.onnx"]
    onnx.checker.check_model(onnx.load(path), full_check=True)
    assert b"somebody" not in path.read_bytes()
    header = OnnxGenerator.open(path).header
    assert header.recipe == json.loads(json.dumps(run.model.recipe))
    assert header.licence == "CC0-1.0, faces by their owners"
    assert header.data == {"fingerprint": "abc"}
    assert not [tensor.name for tensor in onnx.load(path).graph.initializer if "critic" in tensor.name]


def test_the_file_names_no_files_of_the_machine(pairs: Callable[[str], Pair]) -> None:
    content = pairs("gan")[1].path.read_bytes()
    assert b"stack_trace" not in content
    assert str(Path(exporting.__file__).parent.parent).encode() not in content


@pytest.mark.parametrize("precision", ["float16", "int8"])
def test_smaller_numbers_make_a_smaller_file_and_their_cost_is_said(
    precision: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = untrained("cgan", VECTOR, channels=128)
    whole, small = (run.export("onnx", tmp_path / f"{each}.onnx", precision=each) for each in ("float32", precision))
    assert small.stat().st_size < 0.75 * whole.stat().st_size
    model = OnnxGenerator.open(small)
    assert model.header.precision == precision
    assert 1e-5 < (model.header.difference or 0) < 0.2
    assert gap(run, model) < 0.2
    assert f"What {precision} costs was not measured, because the data cannot be loaded." in capsys.readouterr().err


@pytest.mark.slow
def test_the_cost_of_smaller_numbers_is_measured(run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run.export("onnx", tmp_path / "small.onnx", precision="float16")
    assert re.search(
        r"In float16: [\d.]+\s% as asked, Fréchet distance .*\. In float32: [\d.]+\s% as asked", capsys.readouterr().err
    )


def test_an_unknown_setting_is_answered_with_settings_alone(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match=r"exporting to onnx: 'single'\. Valid: licence, precision\.$"):
        untrained("cgan", VECTOR).export("onnx", tmp_path / "model.onnx", single=True)


def test_an_unknown_precision_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match=r"Unknown precision 'float15'\. Did you mean float16"):
        untrained("cgan", VECTOR).export("onnx", tmp_path / "model.onnx", precision="float15")


def test_vectors_keep_their_units(pairs: Callable[[str], Pair]) -> None:
    run, model = pairs("gan")
    then, now = run.sample(n=4), model.sample(n=4)
    np.testing.assert_allclose(to_numpy(then.values), now.values, atol=1e-4)
    assert now.names == ("a", "b", "c")


@pytest.mark.slow
def test_the_command_writes_a_file_that_answers_without_pytorch(run: Run, tmp_path: Path, command: Command) -> None:
    path = tmp_path / "digits.onnx"
    result = command("export", run.path, "--to", "onnx", "--out", path, "--licence", "CC0-1.0")
    assert result.status == 0, result.err
    assert "largest difference" in result.err
    assert f"Next: condgen sample {path}" in result.out
    arguments = ["condgen", "sample", str(path), "a 7", "-n", "3", "--out", str(tmp_path / "sevens")]
    block = "import sys; sys.modules['torch'] = None; from condgen.cli import main; "
    code = f"{block}sys.argv = {arguments}; main()"
    asked = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert asked.returncode == 0, asked.stderr
    assert (tmp_path / "sevens" / "metadata.csv").read_text().count(",7") == 3
    assert command("sample", run.path, "a 7", "-n", "3", "--out", tmp_path / "of-run").status == 0
    for name in ("000000.png", "000002.png"):
        assert np.abs(pixels(tmp_path / "sevens" / name) - pixels(tmp_path / "of-run" / name)).max() <= 1


def pixels(path: Path) -> np.ndarray:
    from PIL import Image

    with Image.open(path) as image:
        return np.asarray(image).astype(int)


def test_open_generator_opens_it(pairs: Callable[[str], Pair]) -> None:
    path = pairs("gan")[1].path
    model = open_generator(path)
    assert isinstance(model, OnnxGenerator)
    assert repr(model).startswith(f"Exported model {path}: cgan, trained on 1,000 examples\n  can be asked for row=")
    assert model.fingerprint == open_generator(path).fingerprint
