import os
import signal
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import nn

import condgen
from condgen import models
from condgen.data import DataSource, Splits, as_float
from condgen.errors import RequestError, RunError
from condgen.models import FAMILIES, Flow, MeanFlow
from condgen.progress import Silent, Task
from condgen.runs.arguments import split_arguments
from condgen.runs.resume import resume
from condgen.runs.run import Run
from condgen.runs.train import distill, train
from condgen.schema import Categorical, Condition, Schema
from condgen.training import Interrupted, TrainingConfig, checkpoint

TINY: dict[str, Any] = {"images": 200, "channels": 4, "latent": 2, "previews": 0}


def complaint(call: Callable[[], object], *parts: str, error: type[Exception] = RequestError) -> None:
    with pytest.raises(error) as caught:
        call()
    assert "\n" not in str(caught.value)
    for part in parts:
        assert part in str(caught.value)


# ---- sampling


def test_a_seed_gives_the_same_image_whatever_the_batch_size(run: Run) -> None:
    """The noise belongs to the seed, not to the place in the batch."""
    asked = run.requests(["digit=3", "digit!=3"])
    whole, *others = (condgen.Samples.cat(list(run.stream(asked, 9, seed=5, batch=size))) for size in (9, 4, 1))
    for other in others:
        torch.testing.assert_close(other.x, whole.x, rtol=0, atol=1e-5)
        assert other.condition.rows() == whole.condition.rows()
        assert torch.equal(other.seeds, whole.seeds)
    alone = run.sample("digit=3", n=1, seed=7)
    torch.testing.assert_close(alone.x[0], whole.x[2], rtol=0, atol=1e-5)


def test_other_seeds_give_other_images(run: Run) -> None:
    x = run.sample("digit=3", n=5).x
    assert torch.pdist(x.flatten(1)).min() > 0.1


def test_every_request_gets_its_samples_with_the_same_seeds(run: Run) -> None:
    samples = run.sample(["digit=3", {"digit": 8}], n=4, seed=10)
    assert samples.x.shape == (8, 1, 8, 8)
    assert [row["digit"] for row in samples.condition.rows()] == ["3"] * 4 + ["8"] * 4
    assert samples.seeds.tolist() == [10, 11, 12, 13] * 2
    assert samples.request.tolist() == [0] * 4 + [1] * 4


def test_a_star_is_one_request_per_value(run: Run) -> None:
    samples = run.sample("digit=*", n=2)
    assert [row["digit"] for row in samples.condition.rows()] == [str(k // 2) for k in range(20)]


def test_any_mapping_is_a_request(run: Run) -> None:
    from types import MappingProxyType

    assert run.sample(MappingProxyType({"digit": 4}), n=1).condition.rows() == [{"digit": "4"}]


def test_without_a_request_attributes_are_drawn_from_the_data_and_recorded(run: Run) -> None:
    samples = run.sample(n=60)
    assert samples.condition.complete
    assert len(set(samples.condition.values["digit"].tolist())) > 5


def test_free_attributes_are_filled_within_what_was_asked(run: Run) -> None:
    samples = run.sample("digit!=3", n=60)
    digits = {row["digit"] for row in samples.condition.rows()}
    assert len(digits) > 4
    assert digits <= set("012456789")


def test_a_model_that_handles_missing_attributes_leaves_them_free_if_told_to_but_never_all(points: Run) -> None:
    assert points.sample("side=west", n=3).condition.complete
    asked = points.sample("side=west", n=3, free=True).condition
    assert asked.rows() == [{"side": "west", "far": None, "angle": None}] * 3
    assert points.sample(n=3, free=True).condition.complete


def test_a_model_that_knows_no_free_attributes_says_so(run: Run) -> None:
    complaint(lambda: run.sample("digit=7", free=True), "leave out `free`", "embedding=64")


def test_numbers_beyond_the_data_must_be_allowed(points: Run) -> None:
    complaint(lambda: points.sample("angle=70"), "angle=70", "extrapol")
    assert points.sample("angle=70", n=1, extrapolate=True).condition.rows()[0]["angle"] == "70"


def test_an_unconditional_model_samples_but_refuses_requests_helpfully(unconditional: Run) -> None:
    samples = unconditional.sample(n=3)
    assert samples.condition.rows() == [{"digit": None}] * 3  # it cannot know what it drew
    complaint(lambda: unconditional.sample("digit=7"), "vae", "unconditional", "digit=7", "`model='cvae'`")
    complaint(lambda: unconditional.sample("digit=*"), "unconditional")


@pytest.mark.parametrize(
    ("asked", "parts"),
    [
        ("digti=7", ["'digti'", "digit"]),
        ("digit=77", ["'77'", "Did you mean 7"]),
        ("digit=", ["digit"]),
        ({"color": "red"}, ["'color'", "digit"]),
        (["digit=1", "sevn"], ["'sevn'", "seven"]),
        ("digit=1, digit=2", ["twice"]),
    ],
    ids=str,
)
def test_a_wrong_request_is_one_helpful_paragraph(run: Run, asked: Any, parts: list[str]) -> None:
    complaint(lambda: run.sample(asked), *parts)


@pytest.mark.parametrize("wrong", [{"n": 0}, {"n": -3}, {"seed": -1}, {"seed": 2**40}, {"seed": 10**30}], ids=str)
def test_wrong_numbers_of_samples_and_seeds_are_refused_before_anything_is_made(
    run: Run, wrong: dict[str, int]
) -> None:
    asked = run.requests("digit=3")
    complaint(lambda: run.stream(asked, **{"n": 16, **wrong}), str(next(iter(wrong.values()))))


# ---- editing and reading


@pytest.mark.statistical
def test_an_edit_changes_what_is_asked_and_nothing_else_is_recorded(run: Run, digits: Splits) -> None:
    x, source = as_float(digits.test.x[:6]), digits.test.condition[:6]
    edited = run.edit(x, source, "digit=7", seed=3)
    assert [row["digit"] for row in edited.condition.rows()] == ["7"] * 6
    assert edited.seeds.tolist() == [3, 4, 5, 6, 7, 8]
    assert edited.x.shape == x.shape
    same = run.edit(x, source, {})
    assert same.condition.rows() == source.rows()
    assert (same.x - x).abs().mean() < (edited.x - x).abs().mean()


def test_an_edit_keeps_the_other_attributes(points: Run) -> None:
    source = Condition.of(points.schema, [{"side": "west", "far": "no", "angle": 10}])
    edited = points.edit(torch.zeros(1, 2), source, "far=yes")
    assert edited.condition.rows() == [{"side": "west", "far": "yes", "angle": "10"}]


def test_wrong_edits(run: Run, unconditional: Run, digits: Splits) -> None:
    x, source = as_float(digits.test.x[:2]), digits.test.condition[:2]
    complaint(lambda: run.edit(x, source, "digit=*"), "10 requests", "one at a time")
    complaint(lambda: run.edit(x, source, "digit=ten"), "'ten'")
    complaint(lambda: unconditional.edit(x, source, "digit=1"), "vae", "cannot edit", "cvae")


@pytest.mark.statistical
def test_it_reads_the_attributes_of_real_images_far_above_chance(run: Run, digits: Splits) -> None:
    test = digits.test[:100]
    read = run.read(as_float(test.x))
    assert (read.values["digit"] == test.condition.values["digit"]).float().mean() > 0.7


def test_reading_is_the_same_every_time_and_needs_complete_labels(run: Run, digits: Splits) -> None:
    x = as_float(digits.test.x[:5])
    assert run.read(x).rows() == run.read(x).rows()
    joint = condgen.LabelDistribution.of(Condition.free(run.schema, 3))
    blind = Run(run.model, joint, run.info, run.path)
    complaint(lambda: blind.read(x), str(run.path), "`source`")


# ---- training


def test_training_leaves_a_run_that_opens_and_pictures_of_its_samples(run: Run) -> None:
    assert {p.name for p in run.path.iterdir()} == {
        "checkpoint.safetensors",
        "config.json",
        "log.jsonl",
        "samples",
        "tensorboard",
    }
    assert list((run.path / "samples").glob("*.png"))
    again = Run.open(str(run.path))
    assert torch.equal(again.sample("digit=2", n=3).x, run.sample("digit=2", n=3).x)
    assert not again.model.training


def test_names_and_values_survive_the_checkpoint(people: Schema, tmp_path: Path) -> None:
    """Names of classes must not be lost after training."""
    rows = [{"color": ["red", "green", "blue"][k % 3], "glasses": k % 2, "age": k % 80} for k in range(60)]
    data = condgen.Dataset(torch.randn(60, 2), Condition.of(people, rows))
    train("cvae", Splits(data, data[:5], data[:5]), tmp_path, **TINY)
    opened = Run.open(tmp_path)
    assert opened.schema == people  # names, order, aliases and ranges
    samples = opened.sample("crimson, glasses, age=20..30", n=5)
    for row in samples.condition.rows():
        assert (row["color"], row["Eyeglasses"]) == ("red", "yes")
        assert 20 <= float(row["age"] or 0) <= 30


def test_a_folder_that_holds_something_is_refused_and_left_alone(digits: Splits, tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("ten years of work")
    complaint(lambda: train("cvae", digits, tmp_path, **TINY), str(tmp_path), "not empty", "nothing was overwritten")
    assert [p.name for p in tmp_path.iterdir()] == ["thesis.txt"]


@pytest.mark.parametrize("place", ["file/run", "file"])
def test_a_folder_that_cannot_be_made_is_refused(digits: Splits, tmp_path: Path, place: str) -> None:
    (tmp_path / "file").write_text("here")
    complaint(
        lambda: train("cvae", digits, tmp_path / place, **TINY),
        str(tmp_path / place),
        "cannot be written",
        error=RunError,
    )
    assert (tmp_path / "file").read_text() == "here"


@pytest.mark.parametrize(
    ("model", "arguments", "parts"),
    [
        ("cvea", {}, ["'cvea'", "cvae"]),
        ("cvae", {"latnet": 3}, ["'latnet'", "latent"]),
        ("cvae", {"imgaes": 3}, ["'imgaes'", "images"]),
        ("vae", {"mechanism": "film"}, ["setting of vae", "'mechanism'"]),
        ("cvae", {"mechanism": "flim"}, ["'flim'", "film"]),
        ("cvae", {"latent": 0}, ["latent=0"]),
        ("cvae", {"lr": -1}, ["lr=-1"]),
        ("cvae", {"seed": 2**40}, ["seed="]),
        ("cvae", {"precision": "int4"}, ["'int4'", "bf16"]),
        ("cvae", {"images": None}, ["how long", "`seconds=180`"]),
    ],
    ids=str,
)
def test_unknown_and_wrong_settings_are_named_and_nothing_is_made(
    digits: Splits, tmp_path: Path, model: str, arguments: dict[str, Any], parts: list[str]
) -> None:
    complaint(lambda: train(model, digits, tmp_path / "out", **{**TINY, **arguments}), *parts)
    assert not (tmp_path / "out").exists()


def test_settings_may_be_texts_as_from_the_command_line(digits: Splits, tmp_path: Path) -> None:
    run = train("cvae", digits, tmp_path, **{key: str(value) for key, value in TINY.items()})
    assert run.info.recipe["arguments"]["latent"] == 2
    assert run.info.training["images"] == 200


# ---- families with ways of their own


@pytest.mark.parametrize("model", FAMILIES)
def test_a_family_is_trained_as_it_likes_unless_told_otherwise(model: str) -> None:
    defaults = vars(TrainingConfig())
    _, alone = split_arguments(model, {})
    assert alone == defaults | FAMILIES[model].training
    _, told = split_arguments(model, {"lr": 0.125, "momentum": "0.5", "batch": 7})
    assert told == alone | {"lr": 0.125, "momentum": 0.5, "batch": 7}


def test_adversarial_families_are_trained_more_gently_and_the_others_by_the_defaults() -> None:
    for model in ("projection", "gan", "infogan"):
        _, training = split_arguments(model, {})
        assert training["lr"] < TrainingConfig().lr
        assert training["momentum"] == 0
    assert split_arguments("cvae", {})[1] == vars(TrainingConfig())


def test_how_a_family_is_trained_is_recorded_with_the_run(digits: Splits, tmp_path: Path) -> None:
    trained = train("gan", digits, tmp_path, weight_decay=0.25, **TINY)
    assert trained.info.training["lr"] == FAMILIES["gan"].training["lr"]
    assert trained.info.training["weight_decay"] == 0.25


def notes_of(model: str, data: Splits, out: Path, **arguments: Any) -> list[str]:
    class Notes(Silent):
        def __init__(self) -> None:
            self.notes: list[str] = []

        def note(self, text: str) -> None:
            self.notes.append(text)

    progress = Notes()
    train(model, data, out, progress=progress, **{**TINY, **arguments})
    return [text for text in progress.notes if "by design" in text]


@pytest.mark.parametrize("model", ["gan", "vae", "autoencoder"])
def test_a_model_that_ignores_labels_says_so_and_what_would_learn_them(
    digits: Splits, tmp_path: Path, model: str
) -> None:
    (note,) = notes_of(model, digits, tmp_path)
    for part in (model, "ignores these attributes by design", "`model='cvae'`"):
        assert part in note


def test_a_model_that_discovers_attributes_says_what_they_are_called(digits: Splits, tmp_path: Path) -> None:
    (note,) = notes_of("infogan", digits, tmp_path, codes=2, continuous=1)
    for part in ("infogan", "ignores these attributes by design", "discovers its own", "code1, code2, code3"):
        assert part in note


def test_a_model_that_learns_labels_has_nothing_to_say(digits: Splits, tmp_path: Path) -> None:
    assert notes_of("projection", digits, tmp_path) == []


@pytest.mark.parametrize("model", ["gan", "infogan"])
def test_without_labels_there_is_nothing_to_ignore(digits: Splits, tmp_path: Path, model: str) -> None:
    assert notes_of(model, digits.select([]), tmp_path) == []


@pytest.fixture(scope="module")
def codes(digits: Splits, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A hardly trained model of digits with attributes of its own."""
    out = tmp_path_factory.mktemp("runs") / "infogan"
    return train("infogan", digits, out, images=200, channels=8, latent=2, values=5, continuous=1, previews=1)


def test_a_model_of_discovered_attributes_opens_again_and_is_asked_for_them(codes: Run, digits: Splits) -> None:
    opened = Run.open(codes.path)
    assert opened.schema.names == ["code1", "code2"]
    samples = opened.sample("code1=3, code2=-0.5..0", n=6)
    assert samples.x.shape == (6, *digits.shape)
    for row in samples.condition.rows():
        assert row["code1"] == "3"
        assert -0.5 <= float(row["code2"] or 1) <= 0
    assert torch.equal(samples.x, codes.sample("code1=3, code2=-0.5..0", n=6).x)
    complaint(lambda: opened.sample("digit=3"), "'digit'", "code1")


def test_what_a_request_leaves_free_of_discovered_attributes_is_drawn_uniformly(codes: Run) -> None:
    drawn = Run.open(codes.path).sample("code1!=3", n=400).condition
    counts = torch.bincount(drawn.values["code1"].long(), minlength=5)
    assert counts[3] == 0
    assert counts[[0, 1, 2, 4]].min() > 60
    assert drawn.values["code2"].quantile(torch.tensor([0.0, 0.25, 0.5, 0.75, 1.0])).tolist() == pytest.approx(
        [-1, -0.5, 0, 0.5, 1], abs=0.15
    )


def test_attributes_are_discovered_where_labels_are_missing(digits: Splits, tmp_path: Path) -> None:
    def half(part: condgen.Dataset) -> condgen.Dataset:
        return condgen.Dataset(part.x, part.condition.drop(torch.arange(len(part))[:, None] % 2 == 0))

    data = replace(digits, train=half(digits.train), validation=half(digits.validation))
    trained = train("infogan", data, tmp_path, **{**TINY, "previews": 1})
    assert trained.sample(n=2).condition.complete


def test_discovered_attributes_are_resumed_on_labelled_data(codes: Run, digits: Splits, tmp_path: Path) -> None:
    copied = broken(codes, tmp_path, lambda info, tensors: setattr(info, "total", 300))
    assert resume(copied, digits).info.images > codes.info.images


# ---- distilling a flow

STUDENT: dict[str, Any] = {"images": 512, "batch": 64, "previews": 0}


@pytest.fixture(scope="module")
def distilled(flow: Run, digits: Splits, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A hardly distilled flow of digits, guidance included."""
    return distill(flow, digits, tmp_path_factory.mktemp("runs") / "one step", guidance="digit=2", **STUDENT)


def test_a_distilled_flow_opens_and_samples_in_one_step(distilled: Run) -> None:
    opened = Run.open(distilled.path)
    assert isinstance(opened.model, MeanFlow)
    assert opened.model.steps == 1
    assert opened.model.teacher is None  # it can do without
    assert torch.equal(opened.sample("digit=3", n=4).x, distilled.sample("digit=3", n=4).x)
    complaint(lambda: opened.sample("digit=3", guidance=2.0), "meanflow", "takes no guidance")


def test_a_distilled_flow_is_built_as_its_teacher_and_names_it(distilled: Run, flow: Run) -> None:
    ours, theirs = distilled.info.recipe["arguments"], flow.info.recipe["arguments"]
    for name in ("mechanism", "path", "channels", "depth", "embedding"):
        assert ours[name] == theirs[name]
    assert distilled.source == flow.source == DataSource("digits")
    teacher = {"path": str(flow.path.resolve()), "guidance": {"digit": 2.0}, "weights": flow.fingerprint}
    assert distilled.info.data["teacher"] == teacher


def test_distilling_starts_at_the_teacher_and_leaves_it_as_it_was(flow: Run, digits: Splits, tmp_path: Path) -> None:
    before = flow.sample("digit=3", n=4).x
    student = distill(flow, digits, tmp_path, lr=1e-9, **STUDENT).model
    assert isinstance(flow.model, Flow)
    assert isinstance(student, MeanFlow)
    ours, theirs = student.network.state_dict(), flow.model.transport.network.state_dict()
    for name, tensor in theirs.items():
        torch.testing.assert_close(ours[name], tensor, atol=1e-5, rtol=0)
    assert torch.equal(flow.sample("digit=3", n=4).x, before)


@pytest.mark.parametrize(("asked", "weights"), [(None, 1.0), (3, 3.0), ("digit=2", {"digit": 2.0})], ids=str)
def test_what_is_distilled_is_the_flow_as_it_is_guided(
    flow: Run, digits: Splits, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, asked: Any, weights: Any
) -> None:
    seen: list[Any] = []
    learn = MeanFlow.learn_from

    def learn_from(self: MeanFlow, teacher: Flow) -> None:
        seen.append(teacher.guidance.weights)
        learn(self, teacher)

    monkeypatch.setattr(MeanFlow, "learn_from", learn_from)
    distill(flow, digits, tmp_path, guidance=asked, **(STUDENT | {"images": 64}))
    assert seen == [weights]
    resume(tmp_path, digits, budget="+0.1s")
    assert seen == [weights] * 2


class Stops(Silent):
    """Presses Ctrl-C after that many images."""

    def __init__(self, images: int):
        self.images = images

    def move(self, done: int, total: int | None = None, values: Mapping[str, float] | None = None) -> None:
        if done >= self.images:
            self.images = 10**9
            os.kill(os.getpid(), signal.SIGINT)


def test_distilling_goes_on_to_the_same_bits_with_the_same_teacher_and_guidance(
    distilled: Run, flow: Run, digits: Splits, tmp_path: Path
) -> None:
    with pytest.raises(Interrupted):
        distill(flow, digits, tmp_path, guidance="digit=2", progress=Stops(128), **STUDENT, checkpoint_seconds=1e-6)
    assert checkpoint.load(tmp_path / checkpoint.FILE)[0].images < STUDENT["images"]
    resume(tmp_path, digits)
    (info, ours), (_, whole) = (checkpoint.load(p / checkpoint.FILE) for p in (tmp_path, distilled.path))
    assert info.images >= STUDENT["images"]
    assert ours.keys() == whole.keys()
    assert [name for name in whole if not torch.equal(ours[name], whole[name])] == []


def test_distilling_goes_on_with_no_other_teacher(distilled: Run, digits: Splits, tmp_path: Path) -> None:
    """A teacher that had been trained on was learned from without a word. Earlier runs do not know its weights."""

    def changed(weights: dict[str, str]) -> Callable[[Any, Any], None]:
        def change(info: Any, tensors: dict[str, torch.Tensor]) -> None:
            del info.data["teacher"]["weights"]
            info.total, info.data["teacher"] = 576, info.data["teacher"] | weights

        return change

    copied = broken(distilled, tmp_path / "other", changed({"weights": "0"}))
    complaint(lambda: resume(copied, digits), "The teacher at", "has changed", error=RunError)
    assert resume(broken(distilled, tmp_path / "earlier", changed({})), digits).info.images == 576


def test_distilling_cannot_go_on_without_its_teacher(distilled: Run, digits: Splits, tmp_path: Path) -> None:
    def lost(info: Any, tensors: dict[str, torch.Tensor]) -> None:
        info.total, info.data["teacher"]["path"] = 1024, str(tmp_path / "gone")

    copied = broken(distilled, tmp_path, lost)
    complaint(lambda: resume(copied, digits), str(tmp_path / "gone"), "no checkpoint", error=RunError)


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        ({"guidance": "much"}, ["'much'", "a number"]),
        ({"guidance": {"digti": 2.0}}, ["'digti'", "digit"]),
        ({"imgaes": 3}, ["setting of meanflow", "'imgaes'", "images"]),
        ({"share": 2}, ["share=2"]),
        ({"images": None}, ["how long", "`seconds=180`"]),
    ],
    ids=str,
)
def test_wrong_settings_of_distilling_are_named_and_nothing_is_made(
    flow: Run, digits: Splits, tmp_path: Path, arguments: dict[str, Any], parts: list[str]
) -> None:
    complaint(lambda: distill(flow, digits, tmp_path / "out", **(STUDENT | arguments)), *parts)
    assert not (tmp_path / "out").exists()


def test_only_a_flow_is_distilled_and_only_on_its_own_kind_of_data(
    run: Run, flow: Run, digits: Splits, tmp_path: Path
) -> None:
    complaint(lambda: distill(run, digits, tmp_path / "out", **STUDENT), str(run.path), "cvae", "cannot be distilled")
    complaint(lambda: distill(flow, condgen.load("mixture"), tmp_path / "out", **STUDENT), "attributes and shape")
    assert not (tmp_path / "out").exists()


def test_distilling_into_a_folder_that_holds_something_leaves_it_alone(
    flow: Run, digits: Splits, tmp_path: Path
) -> None:
    (tmp_path / "thesis.txt").write_text("ten years of work")
    complaint(lambda: distill(flow, digits, tmp_path, **STUDENT), str(tmp_path), "not empty", "nothing was overwritten")
    before = (flow.path / checkpoint.FILE).read_bytes()
    complaint(lambda: distill(flow, digits, flow.path, **STUDENT), "not empty", "nothing was overwritten")
    assert (flow.path / checkpoint.FILE).read_bytes() == before
    assert (tmp_path / "thesis.txt").read_text() == "ten years of work"


# ---- resuming and opening


def test_an_exported_onnx_model_is_not_called_damaged(tmp_path: Path) -> None:
    (path := tmp_path / "digits.onnx").write_bytes(b"an exported model")
    complaint(lambda: Run.open(path), "can be sampled, edited and served", "give the run or its .safetensors")


def test_resume_refuses_other_data(run: Run, digits: Splits) -> None:
    changed = Splits(digits.train[:100], digits.validation, digits.test)
    complaint(lambda: resume(run.path, changed), str(run.path), "have changed", error=RunError)


def test_resume_tells_where_it_begins(digits: Splits, tmp_path: Path) -> None:
    class Starts(Silent):
        at: tuple[int, int | None] = (0, 0)

        @contextmanager
        def task(self, title: str, total: int | None = None, *, done: int = 0, unit: str = "") -> Iterator[Task]:
            self.at = done, total
            yield self

    train("cvae", digits, tmp_path, **TINY)
    progress = Starts()
    resume(tmp_path, digits, progress, budget="+0.1s")
    done, total = progress.at
    assert done == 256
    assert total
    assert total > done


def broken(run: Run, folder: Path, change: Callable[[Any, dict[str, torch.Tensor]], None]) -> Path:
    """A copy of the run whose checkpoint was changed."""
    info, tensors = checkpoint.load(run.path / checkpoint.FILE)
    change(info, tensors)
    checkpoint.save(folder / checkpoint.FILE, info, tensors)
    return folder


@pytest.mark.parametrize(
    ("change", "part"),
    [
        (lambda info, tensors: tensors.pop("joint/present"), "present"),
        (lambda info, tensors: tensors.clear(), "does not fit"),
        (lambda info, tensors: tensors.pop(next(t for t in tensors if t.startswith("ema/"))), "does not fit"),
        (lambda info, tensors: info.recipe["arguments"].update(latent=5), "does not fit"),
        (lambda info, tensors: info.recipe["arguments"].update(magic=True), "cannot rebuild"),
        (lambda info, tensors: info.recipe.update(model="diffusion"), "cannot rebuild"),
        (lambda info, tensors: info.recipe.clear(), "cannot rebuild"),
        (lambda info, tensors: info.schema.update(attributes=[{"kind": "colour"}]), "schema"),
    ],
    ids=["no joint", "no weights", "a weight less", "another latent", "argument", "model", "no recipe", "schema"],
)
def test_a_checkpoint_that_contradicts_itself_is_one_paragraph(
    run: Run, tmp_path: Path, change: Callable[[Any, dict[str, torch.Tensor]], None], part: str
) -> None:
    complaint(lambda: Run.open(broken(run, tmp_path, change)), part, error=RunError)


def test_a_builder_may_make_parts_that_it_does_not_keep(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = models.rebuild

    def wasteful(*args: Any) -> models.Model:
        nn.Linear(1, 1)
        return whole(*args)

    monkeypatch.setattr(models, "rebuild", wasteful)
    assert Run.open(run.path).model.schema == run.model.schema


@pytest.mark.parametrize(
    "change",
    [
        lambda info, tensors: tensors.pop("ema_updates"),
        lambda info, tensors: tensors.update({"optimiser/model/x/step": torch.zeros(1)}),
        lambda info, tensors: info.training.update(nesterov=True),
        lambda info, tensors: info.training.update(lr="fast"),
    ],
)
def test_a_checkpoint_that_cannot_be_continued_is_one_paragraph(
    run: Run, tmp_path: Path, digits: Splits, change: Callable[[Any, dict[str, torch.Tensor]], None]
) -> None:
    complaint(lambda: resume(broken(run, tmp_path, change), digits, budget="+1s"), str(tmp_path), error=RunError)


def test_a_run_has_no_pickle(run: Run) -> None:
    files = [p for p in run.path.rglob("*") if p.is_file()]
    assert {p.suffix for p in files if "tensorboard" not in p.parts} == {".safetensors", ".json", ".jsonl", ".png"}
    with safe_open(run.path / checkpoint.FILE, "pt") as file:
        assert set(file.metadata()) == {"condgen", "digests"}


def test_a_foreign_checkpoint_is_refused(tmp_path: Path) -> None:
    save_file({"a": torch.zeros(1)}, tmp_path / checkpoint.FILE)
    complaint(lambda: Run.open(tmp_path), "not written by condgen", error=RunError)
    complaint(lambda: Run.open(tmp_path / "nothing"), "no checkpoint", error=RunError)


def test_everything_public_can_be_imported_by_name() -> None:
    assert all(getattr(condgen, name) for name in condgen.__all__)
    assert condgen.Categorical is Categorical
    with pytest.raises(AttributeError, match="nonsense"):
        _ = condgen.nonsense


def test_words_that_were_left_out_are_warned_of(run: Run) -> None:
    with pytest.warns(UserWarning, match="\"a very seven\" → digit=7; 'very' is a word of degree"):
        samples = run.sample("a very seven", n=1)
    assert samples.condition.describe() == ["digit=7"]
    assert run.sample("the digit seven", n=1).x.equal(run.sample("digit=7", n=1).x)
