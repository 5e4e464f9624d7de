"""MeanFlow: what an average velocity must satisfy, what is learned from a teacher, and one-step samples."""

import copy
from functools import cache

import pytest
import torch
from torch import Tensor

from condgen.models import Flow, MeanFlow, build, together
from condgen.models.flow.guidance import Guidance
from condgen.models.flow.meanflow import step_counts
from condgen.models.flow.paths import PATHS, Path, expand_like
from condgen.rng import Rng
from condgen.schema import Categorical, Condition, Schema
from condgen.testing.lesson import train
from tests.unchecked import unchecked

SIDE = Schema(attributes=(Categorical(name="side", values=("left", "right")),))
SMALL = {"channels": 8, "depth": 2, "embedding": 8}
MEAN, SCALE = torch.tensor([1.0, -0.5]), 0.4


def sides(n: int) -> Condition:
    return Condition(SIDE, {"side": (torch.arange(n) % 2).float()}, torch.ones(n, 1, dtype=torch.bool))


def points(condition: Condition, far: float = 3) -> Tensor:
    return (condition.values["side"] * 2 * far - far)[:, None].expand(-1, 2)


def small(**arguments: object) -> MeanFlow:
    model = build("meanflow", SIDE, (2,), **(SMALL | arguments)).eval()
    assert isinstance(model, MeanFlow)
    return model


def teacher(**arguments: object) -> Flow:
    """A flow whose weights are anywhere and whose data have a mean and a scale."""
    model = build("flow", SIDE, (2,), **(SMALL | arguments))
    assert isinstance(model, Flow)
    with torch.no_grad():
        for p in model.parameters():
            p.add_(0.2 * torch.randn_like(p))
    model.transport.standardise.observe(5 + 2 * torch.randn(500, 2))
    return model


# ---- the loss, against a flow that is known: from a standard normal to N(MEAN, SCALE² I)


def position(path: Path, x: Tensor, t: Tensor, s: Tensor) -> Tensor:
    """Where the known flow is at time s if it is at x at time t."""
    (alpha, deviation), (alpha_s, deviation_s) = (
        (expand_like(at.alpha, x), expand_like(((at.alpha * SCALE).square() + at.sigma.square()).sqrt(), x))
        for at in (path.at(t), path.at(s))
    )
    return alpha_s * MEAN + deviation_s / deviation * (x - alpha * MEAN)


def velocity(path: Path, x: Tensor, t: Tensor) -> Tensor:
    """dx/dt of the known flow: the derivative of its position."""
    return torch.func.jvp(lambda s: position(path, x, t, s), (t,), (torch.ones_like(t),))[1]


def average(path: Path, x: Tensor, t: Tensor, s: Tensor) -> Tensor:
    """The known flow's average velocity; a step of no length has the velocity itself."""
    none = s == t
    way = expand_like(torch.where(none, 1.0, s - t), x)
    return torch.where(expand_like(none, x), velocity(path, x, t), (position(path, x, t, s) - x) / way)


def error_of(u: object, v: object, path: str, share: float, monkeypatch: pytest.MonkeyPatch) -> float:
    """The loss' error if the network were the average velocity `u`, of the flow with velocity `v`."""
    model = small(path=path, share=share)
    monkeypatch.setattr(model, "average", lambda x, t, s, c: u(model.path, x, t, s))  # type: ignore[operator]
    monkeypatch.setattr(model, "direction", lambda x, t, _, c: v(model.path, x, t))  # type: ignore[operator]
    return model(torch.randn(256, 2), sides(256))["error"].item()


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_the_exact_average_velocity_has_no_loss(path: str, share: float, monkeypatch: pytest.MonkeyPatch) -> None:
    assert error_of(average, velocity, path, share, monkeypatch) < 1e-5


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(("share", "least"), [(0.0, 1e-2), (1.0, 1e-2)])
def test_anything_else_has_a_loss(path: str, share: float, least: float, monkeypatch: pytest.MonkeyPatch) -> None:
    def instantaneous(path: Path, x: Tensor, t: Tensor, s: Tensor) -> Tensor:
        return velocity(path, x, t)  # wrong for steps of any length

    def other(path: Path, x: Tensor, t: Tensor) -> Tensor:
        return velocity(path, x, t) + 0.5

    wrong = (instantaneous, velocity) if share else (average, other)
    assert error_of(*wrong, path, share, monkeypatch) > least


@pytest.mark.parametrize("share", [0.0, 0.25, 0.5, 0.75, 1.0])
@pytest.mark.parametrize("n", [1, 2, 3])
def test_tiny_batches_learn_steps_in_the_same_shares(n: int, share: float) -> None:
    counts = torch.tensor([step_counts(n, share) for _ in range(4000)]).double()
    assert (counts[:, 0] <= counts[:, 1]).all()
    assert counts.max() <= n
    if round(share * n / 3):
        assert counts.unique(dim=0).shape == (1, 2)
    else:
        torch.testing.assert_close(counts.mean(0), n * share * torch.tensor([1 / 3, 1.0]).double(), atol=0.03, rtol=0)


@pytest.mark.parametrize("share", [0.0, 0.5, 0.75])
def test_larger_batches_have_rounded_numbers_of_steps_and_draw_none(share: float) -> None:
    before = torch.get_rng_state()
    for n in (4, 16, 128, 250):
        assert step_counts(n, share) == (round(share * n / 3), round(share * n))
    assert torch.equal(torch.get_rng_state(), before)


def test_the_loss_divides_each_error_by_itself_so_that_none_decides_alone() -> None:
    model, c = small(share=0.0), sides(200)
    x = torch.randn(200, 2)
    far = torch.cat([x[:100], 1000 * x[100:]])
    assert model(far, c)["error"] > 1e4 * model(x, c)["error"]
    assert model(far, c)["loss"] < 20 * model(x, c)["loss"]


# ---- learning from data


@cache
@unchecked()
@torch.enable_grad()
def trained(guidance: float = 1.0) -> MeanFlow:
    """x ~ N(±2, I) in two dimensions: the spread, which the longest steps learn last, is half of what there is."""
    torch.manual_seed(0)
    condition = sides(2048)
    x = points(condition, 2) + torch.randn(2048, 2)
    model = small(channels=32, embedding=16, guidance=guidance).train()
    train(model, x, condition, steps=600, batch=256, lr=3e-3)
    return model.eval().requires_grad_(False)


@pytest.mark.statistical
@pytest.mark.parametrize("steps", [1, 4])
def test_samples_follow_the_conditionals_in_one_step_and_in_several(steps: int) -> None:
    x, wanted = trained().sample(sides(1000), Rng(range(1000)), steps=steps), points(sides(1000), 2)
    assert ((x > 0) == (wanted > 0)).float().mean() > 0.9
    offsets = torch.stack([(x - wanted)[side::2].mean(0) for side in (0, 1)])
    assert offsets.square().mean().sqrt() < 0.4
    assert float((x - wanted).std()) == pytest.approx(1, abs=0.4)


def test_one_step_is_one_evaluation_and_the_default() -> None:
    model, calls = small(), []
    model.network.register_forward_hook(lambda module, inputs, output: calls.append(len(output)))  # type: ignore[union-attr]
    with torch.no_grad():
        one, asked = (model.sample(sides(3), Rng(range(3)), **how) for how in ({}, {"steps": 1}))  # type: ignore[arg-type]
        assert calls == [3, 3]
        model.sample(sides(3), Rng(range(3)), steps=4)
    assert torch.equal(one, asked)
    assert len(calls) == 2 + 4
    assert model.one_step


@pytest.mark.statistical
def test_a_step_of_no_length_is_the_velocity_of_the_data() -> None:
    """At x_t, known in closed form: E[x − ε | x_t] for Gaussian data of one class."""
    model, c = trained(), sides(200)
    scale = model.standardise.scale
    mean, spread = model.standardise(points(c, 2)), 1 / scale
    t = torch.full((200,), 0.6)
    x_t = 0.6 * (mean + spread * torch.randn(200, 2)) + 0.4 * torch.randn(200, 2)
    beyond = (x_t - 0.6 * mean) / ((0.6 * spread).square() + 0.4**2)
    wanted = mean + 0.6 * spread.square() * beyond - 0.4 * beyond
    found = model.average(x_t, t, t, model.condition_encoder(c))
    assert (found - wanted).abs().mean() < 0.25 * wanted.abs().mean()


def test_condition_dropout_acts_only_while_training() -> None:
    model, seen = small(condition_dropout=0.9), []
    model.condition_encoder.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0].complete))
    model(torch.randn(50, 2), sides(50))
    assert seen == [True]
    model.train()(torch.randn(50, 2), sides(50))
    assert seen == [True, False]


def test_the_datas_moments_are_learned_only_while_training() -> None:
    model = small()
    model(5 + torch.randn(50, 2), sides(50))
    assert torch.equal(model.standardise.mean, torch.zeros(2))
    model.train()(5 + torch.randn(50, 2), sides(50))
    assert (model.standardise.mean > 4).all()


# ---- guidance


def inputs(n: int = 20) -> tuple[Tensor, Tensor, Tensor, Condition]:
    return torch.randn(n, 2), torch.rand(n), torch.randn(n, 2), sides(n)


def test_without_a_teacher_guidance_moves_the_datas_velocity_away_from_its_own_unconditional_one() -> None:
    model, (x, t, v, c) = small(guidance=3.0), inputs()
    own = model.average(x, t, t, model.condition_encoder(Condition.free(SIDE, 20)))
    torch.testing.assert_close(model.direction(x, t, v, c), 3 * v - 2 * own)
    assert torch.equal(model.direction(x, t, v, Condition.free(SIDE, 20)), v)  # nothing is asked
    assert torch.equal(small().direction(x, t, v, c), v)


@pytest.mark.parametrize("weight", [0.0, 1.0, 3.0])
def test_with_a_teacher_its_guided_velocity_is_what_is_learned(weight: float) -> None:
    flow, model, (x, t, v, c) = teacher(guidance=weight), small(guidance=7.0), inputs()
    model.learn_from(flow)
    found = model.direction(x, t, v, c)
    with torch.no_grad():
        torch.testing.assert_close(found, Guidance(weight).velocity(flow.field, c)(x, t))
        asked, free = flow.field(c)(x, t), flow.field(Condition.free(SIDE, 20))(x, t)
    torch.testing.assert_close(found, weight * asked + (1 - weight) * free)
    assert not found.requires_grad


# ---- a teacher


def test_a_teacher_is_no_part_of_the_student() -> None:
    flow, model = teacher(), small()
    state, parameters = set(model.state_dict()), [id(p) for p in model.parameters()]
    model.learn_from(flow)
    assert model.teacher is flow
    for each in (model, copy.deepcopy(model)):
        assert set(each.state_dict()) == state
        assert len(list(each.parameters())) == len(parameters)
        assert flow not in list(each.modules())
    assert [id(p) for p in model.parameters()] == parameters
    model.train()
    assert not flow.training
    assert not any(p.requires_grad for p in flow.parameters())


def test_learning_moves_the_student_and_not_the_teacher() -> None:
    flow, model = teacher(), small()
    model.learn_from(flow)
    before = copy.deepcopy(flow.state_dict())
    model.train()(torch.randn(50, 2), sides(50))["loss"].backward()
    assert all(p.grad is not None for p in model.parameters())
    assert all(p.grad is None for p in flow.parameters())
    assert all(torch.equal(a, b) for a, b in zip(before.values(), flow.state_dict().values(), strict=True))


def test_a_student_starts_with_its_teachers_velocity_whatever_the_steps_length() -> None:
    flow, model, (x, t, _, c) = teacher(path="vp").eval(), small(path="vp"), inputs()
    model.start_from(flow)
    wanted = flow.field(c)(x, t)
    for s in (t, (t + 1) / 2):
        torch.testing.assert_close(model.average(x, t, s, model.condition_encoder(c)), wanted)
    torch.testing.assert_close(model.standardise(x), flow.transport.standardise(x))


def test_a_student_that_started_from_its_teacher_can_learn_what_is_new() -> None:
    flow, model = teacher(), small()
    model.start_from(flow)
    model.learn_from(flow)
    model.train()(torch.randn(50, 2), sides(50))["loss"].backward()
    assert [n for n, p in model.named_parameters() if p.grad is None or not p.grad.any()] == []


@pytest.mark.statistical
def test_a_distilled_flow_does_in_one_step_what_its_teacher_does_in_many() -> None:
    """A briefly distilled flow of ±3: one step lands on the side that was asked for."""
    torch.manual_seed(0)
    condition = sides(1024)
    x = points(condition) + 0.5 * torch.randn(1024, 2)
    flow = build("flow", SIDE, (2,), **(SMALL | {"channels": 32}))
    assert isinstance(flow, Flow)
    train(flow, x, condition, steps=300, batch=128, lr=5e-3)
    model = small(channels=32)
    model.start_from(flow)
    model.learn_from(flow)
    train(model.train(), x, condition, steps=300, batch=128, lr=3e-3)
    with torch.no_grad():
        made = model.eval().sample(sides(500), Rng(range(500)))
    assert ((made - points(sides(500))).abs() < 2).all(1).float().mean() > 0.9


@pytest.mark.parametrize(("n", "share"), [(4, 0.0), (1, 0.5), (2, 0.5), (3, 0.5), (4, 1.0)])
def test_a_batch_of_images_may_have_no_steps_of_a_kind(n: int, share: float) -> None:
    model = build("meanflow", SIDE, (1, 8, 8), **SMALL, share=share).train()
    loss = model(torch.rand(n, 1, 8, 8), sides(n))["loss"]
    loss.backward()
    assert loss.isfinite()
    assert all(p.grad is not None for p in model.parameters())


def test_a_process_may_have_no_steps_of_a_kind() -> None:
    """Of four rows, one goes the whole way, and it is the first process that has it."""
    losses = []
    for process in range(2):
        model = build("meanflow", SIDE, (1, 8, 8), **SMALL).eval()
        with together.shared(together.Part(process, 2, rows=2, seed=0)):
            losses.append(model(torch.rand(2, 1, 8, 8), sides(2))["loss"])
    assert all(loss.isfinite() for loss in losses)
