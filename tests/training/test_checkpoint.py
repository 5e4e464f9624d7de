import json
import os
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from condgen.errors import CondgenWarning, RunError
from condgen.runs.run import Run
from condgen.schema import Condition, LabelDistribution, Schema
from condgen.schema.stored import restored, stored
from condgen.training import checkpoint, optimisers
from condgen.training.checkpoint import Info, advance, load, save

INFO = Info(
    recipe={"model": "cvae", "arguments": {"latent": 4, "likelihood": None}},
    shape=(1, 8, 8),
    schema={"attributes": []},
    training={"images": 5, "lr": 1e-3},
    data={"source": "Grüße", "fingerprint": "abc"},
    images=12,
    total=None,
    seconds=1.5,
    versions={"condgen": "0.1.0"},
)
TENSORS = {"model/a": torch.randn(3, 2), "model/b": torch.tensor(5), "ema/a": torch.ones(2, dtype=torch.bool)}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    save(tmp_path / checkpoint.FILE, INFO, TENSORS)
    return tmp_path / checkpoint.FILE


def paragraph(path: Path, *parts: str) -> None:
    with pytest.raises(RunError) as caught:
        load(path)
    assert "\n" not in str(caught.value)
    for part in (str(path), *parts):
        assert part in str(caught.value)


def with_header(path: Path, **changes: Any) -> Path:
    header: dict[str, Any] = json.loads(json.dumps(INFO.__dict__)) | changes
    save_file(TENSORS, path, metadata={"condgen": json.dumps({k: v for k, v in header.items() if v != "gone"})})
    return path


def test_everything_comes_back(path: Path) -> None:
    info, tensors = load(path)
    assert info == INFO
    assert tensors.keys() == TENSORS.keys()
    for name, tensor in TENSORS.items():
        assert tensors[name].dtype == tensor.dtype
        assert torch.equal(tensors[name], tensor)


def test_what_was_loaded_stays_when_the_file_is_overwritten(path: Path) -> None:
    _, tensors = load(path)
    path.write_bytes(bytes(path.stat().st_size))
    assert torch.equal(tensors["model/a"], TENSORS["model/a"])


def test_it_is_plain_safetensors_and_json(path: Path) -> None:
    assert load_file(path).keys() == TENSORS.keys()
    length = int.from_bytes(path.read_bytes()[:8], "little")
    header = json.loads(path.read_bytes()[8 : 8 + length])
    assert json.loads(header["__metadata__"]["condgen"])["recipe"] == INFO.recipe


def test_nothing_but_the_checkpoint_stays_in_the_folder_and_others_may_read_it(path: Path) -> None:
    beside = path.with_name("other.json")
    beside.touch()
    assert {p.name for p in path.parent.iterdir()} == {path.name, beside.name}
    assert path.stat().st_mode == beside.stat().st_mode


def full_disk(tensors: Mapping[str, Tensor], where: Path, metadata: dict[str, str]) -> None:
    Path(where).write_bytes(b"half of it")
    raise OSError(28, "No space left on device")


def interrupted(tensors: Mapping[str, Tensor], where: Path, metadata: dict[str, str]) -> None:
    Path(where).write_bytes(b"half of it")
    raise KeyboardInterrupt


@pytest.mark.parametrize(("failure", "error"), [(full_disk, RunError), (interrupted, KeyboardInterrupt)])
def test_a_failing_write_leaves_the_old_one_and_nothing_else(
    path: Path, monkeypatch: pytest.MonkeyPatch, failure: Callable[..., None], error: type[BaseException]
) -> None:
    monkeypatch.setattr("condgen.sealed.save_file", failure)
    with pytest.raises(error) as caught:
        save(path, replace(INFO, images=99), TENSORS)
    assert error is KeyboardInterrupt or "No space left on device" in str(caught.value)
    assert load(path)[0] == INFO
    assert [p.name for p in path.parent.iterdir()] == [path.name]


def test_what_a_killed_process_left_behind_is_cleared_by_the_next_write(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as killed:
        killed.setattr("condgen.sealed.save_file", interrupted)
        killed.setattr("condgen.files.shutil.rmtree", lambda *_, **__: None)
        with pytest.raises(KeyboardInterrupt):
            save(path, INFO, TENSORS)
    (left,) = (each for each in path.parent.iterdir() if each != path)
    os.utime(left, (0, 0))
    save(path, replace(INFO, images=99), TENSORS)
    assert load(path)[0].images == 99
    assert [p.name for p in path.parent.iterdir()] == [path.name]


def flipped(path: Path, place: int) -> None:
    content = bytearray(path.read_bytes())
    content[place] ^= 1
    path.unlink()  # it may have a second name, which stays as it was
    path.write_bytes(content)


def test_the_one_before_is_used_where_the_newest_is_damaged_and_says_so(path: Path) -> None:
    advance(path, replace(INFO, images=99), TENSORS)
    flipped(path, -1)
    with pytest.warns(
        CondgenWarning, match=r"damaged.*not as it was written.*The previous one, after 12 images, is used"
    ):
        info, tensors = load(path)
    assert info == INFO
    assert torch.equal(tensors["model/a"], TENSORS["model/a"])
    path.unlink()
    with pytest.warns(CondgenWarning, match="after 12 images, is used"):
        load(path)


def test_a_damaged_one_does_not_take_the_place_of_the_one_before(path: Path) -> None:
    advance(path, replace(INFO, images=99), TENSORS)
    flipped(path, -1)
    advance(path, replace(INFO, images=200), TENSORS)
    assert load(path)[0].images == 200
    assert load(checkpoint.before(path))[0].images == INFO.images


def test_a_finished_run_keeps_one_only_if_that_is_sound(path: Path) -> None:
    advance(path, replace(INFO, images=99), TENSORS)
    whole = path.read_bytes()
    flipped(path, -1)
    checkpoint.settle(path)
    assert checkpoint.before(path).exists()
    path.write_bytes(whole)
    checkpoint.settle(path)
    assert [p.name for p in path.parent.iterdir()] == [path.name]


def test_where_both_are_damaged_the_newest_is_named(path: Path) -> None:
    advance(path, INFO, TENSORS)
    flipped(path, -1)
    flipped(checkpoint.before(path), -1)
    paragraph(path, "damaged", "Restore it from a copy")


def test_one_written_before_there_were_digests_opens(path: Path) -> None:
    save_file(TENSORS, path, metadata={"condgen": json.dumps(INFO.__dict__)})
    assert load(path)[0] == INFO


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(RunError, match="file/run"):
        save(tmp_path / "file" / "run", INFO, TENSORS)


def test_there_is_none(tmp_path: Path) -> None:
    paragraph(tmp_path / "nothing", "no checkpoint", "folder of a run")
    paragraph(tmp_path, "no checkpoint")


@pytest.mark.parametrize("keep", [0, 4, 8, 100, 0.5, -1])
def test_a_truncated_one_is_damaged(path: Path, keep: float) -> None:
    content = path.read_bytes()
    path.write_bytes(content[: int(keep * len(content)) if keep == 0.5 else int(keep)])
    paragraph(path, "damaged")


def test_a_garbled_one_is_damaged(path: Path) -> None:
    path.write_bytes(b"\xff" * 1000)
    paragraph(path, "damaged")


def test_weights_of_other_tools_are_told_apart(path: Path) -> None:
    save_file(TENSORS, path)
    paragraph(path, "not written by condgen")
    save_file(TENSORS, path, metadata={"format": "pt"})
    paragraph(path, "not written by condgen")


def test_a_newer_format_asks_for_a_newer_condgen(path: Path) -> None:
    paragraph(with_header(path, format=2), "newer condgen", "format 2", "update")
    paragraph(with_header(path, format=2, shape="spherical", recipe="gone"), "newer condgen")


def test_a_header_that_makes_no_sense_is_told(path: Path) -> None:
    paragraph(with_header(path, shape="spherical"), "header", "shape")
    paragraph(with_header(path, recipe="gone"), "header", "recipe")
    for text in ("{", "[]", "null", "7"):
        save_file(TENSORS, path, metadata={"condgen": text})
        paragraph(path, "header")


def test_pickle_is_not_read(path: Path) -> None:
    torch.save(TENSORS, path)
    paragraph(path, "damaged")


def test_a_run_holds_weights_averaged_weights_and_optimiser(run: Run) -> None:
    """A checkpoint of averaged weights alone could not be resumed."""
    info, tensors = load(run.path / checkpoint.FILE)
    weights = checkpoint.group(tensors, "model")
    assert weights.keys() == checkpoint.group(tensors, "ema").keys() == run.model.state_dict().keys()
    moments = checkpoint.group(tensors, "optimiser/model")
    assert {name.split("/")[1] for name in moments} == {"step", "exp_avg", "exp_avg_sq"}
    assert len(moments) == 3 * len(list(run.model.parameters()))
    assert info.recipe == run.model.recipe
    assert info.versions.keys() >= {"condgen", "torch"}  # and of what other tests have loaded


def test_an_optimiser_comes_back_and_goes_on_alike() -> None:
    def optimiser(weight: Tensor) -> torch.optim.Optimizer:
        return torch.optim.AdamW([torch.nn.Parameter(weight.clone())], lr=0.1)

    def step(optimiser: torch.optim.Optimizer) -> Tensor:
        parameter = optimiser.param_groups[0]["params"][0]
        parameter.grad = torch.ones_like(parameter)
        optimiser.step()
        return parameter.detach().clone()

    first = optimiser(torch.zeros(3))
    second = optimiser(step(first))
    optimisers.restore_optimiser(second, optimisers.optimiser_tensors(first))
    assert torch.equal(step(first), step(second))


def test_an_optimisers_moments_get_the_memory_layout_of_their_weights() -> None:
    """Fused AdamW walks through weights and moments side by side: another layout mixes them up, silently."""

    def updated(weight: Tensor, steps: int, state: dict[str, Tensor]) -> tuple[Tensor, dict[str, Tensor]]:
        torch.manual_seed(steps)
        parameter = torch.nn.Parameter(weight.clone(memory_format=torch.channels_last))
        optimiser = torch.optim.AdamW([parameter], lr=0.1, fused=True)
        if state:
            optimisers.restore_optimiser(optimiser, state)
        for _ in range(steps):
            parameter.grad = torch.randn(4, 3, 2, 5).to(memory_format=torch.channels_last)
            optimiser.step()
        tensors = {k: t.contiguous().clone() for k, t in optimisers.optimiser_tensors(optimiser).items()}
        return parameter.detach(), tensors  # as they come back from a file

    weight, state = updated(torch.zeros(4, 3, 2, 5), 2, {})
    again, _ = updated(weight, 1, state)
    moments = torch.optim.AdamW([torch.nn.Parameter(weight.contiguous().clone())], lr=0.1, fused=True)
    optimisers.restore_optimiser(moments, state)
    torch.manual_seed(1)
    plain = moments.param_groups[0]["params"][0]
    plain.grad = torch.randn(4, 3, 2, 5)
    moments.step()
    torch.testing.assert_close(again, plain.detach(), rtol=0, atol=1e-6, check_stride=False)


def test_a_joint_distribution_comes_back(people: Schema) -> None:
    joint = LabelDistribution.of(
        Condition.of(people, [{"color": "red", "age": 3}, {"glasses": "yes"}, {"color": "red", "age": 3}])
    )
    back = restored(people, stored(joint))
    assert back.rows.rows() == joint.rows.rows()
    assert torch.equal(back.counts, joint.counts)
